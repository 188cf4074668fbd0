"""Writes the golden copies anew, to be read and committed after a change that was meant.

python -m tests.core.write_golden
"""

from __future__ import annotations

from pathlib import Path

from tests.core.copies import copy_of

LETTERS = Path(__file__).parent.parent / "letters"
GOLDEN = Path(__file__).parent / "golden"


def main() -> None:
    """Write one copy of each of our letters."""
    for letter in sorted(LETTERS.glob("*.eml")):
        (GOLDEN / letter.name).write_bytes(copy_of(letter.read_bytes()))


if __name__ == "__main__":
    main()
