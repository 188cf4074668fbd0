"""phrases -- lists of words and phrases, kept as text so that they can be read and added to.

Owns     how such a list becomes a set or one pattern
Never    holds a word itself
Fails    re.error on a line that is no pattern: at import, so never in use
"""

from __future__ import annotations

import re


def one_of(lines: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern that finds any of these, one a line (a line may hold several with "|" between them)."""
    return re.compile("|".join(line.strip() for line in lines.strip().splitlines()), flags)


def words(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())
