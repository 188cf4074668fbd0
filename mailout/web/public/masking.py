"""masking -- an address so that its owner knows it and nobody else learns it.

Owns     what of an address a page shows to somebody who did not sign in
Never    shows it whole
"""

from __future__ import annotations

import re


def masked(address: str) -> str:
    """`address` so that its owner knows it and nobody else learns it: the first letter of each word, and the last."""
    local, _, domain = address.rpartition("@")
    name, dot, rest = domain.partition(".")
    words = re.split(r"([._+-])", local)
    return "".join(_dots(word) for word in words) + "@" + _dots(name) + dot + rest


def _dots(word: str) -> str:
    """`word` with all but its ends as dots; a short one keeps its first letter only."""
    if len(word) <= 1:
        return word
    return word[0] + "•" * (len(word) - 1) if len(word) < 5 else word[0] + "•" * (len(word) - 2) + word[-1]
