"""sheet -- a line of a CSV file that is safe to open in a spreadsheet.

Owns     quoting (RFC 4180), the disarming of what a spreadsheet would run as a formula, and the way back from it
Never    changes a telephone number or a negative amount
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

BOM = "\ufeff"

_STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
#: What is disarmed, and what looks as if it were: behind one apostrophe more, so that the way back is the same for all.
_FORMULA = re.compile(f"'*[{re.escape(_STARTS)}]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 ().,/-]*")


def cell(value: object) -> str:
    """One cell, quoted; what a spreadsheet would take for a formula begins with an apostrophe (OWASP)."""
    text = "" if value is None else str(value).replace("\0", "")
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


def typed(text: str) -> str:
    """What stood in a cell before `cell` disarmed it."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


def file(lines: Iterable[str]) -> Iterator[str]:
    """A file of these lines that a spreadsheet knows to be UTF-8: without the mark Excel spoils every accent."""
    return chain([BOM], lines)


def row(values: Iterable[object]) -> str:
    """One line, its end included."""
    return ",".join(map(cell, values)) + "\r\n"
