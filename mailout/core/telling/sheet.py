"""sheet -- a line of a CSV file that is safe to open in a spreadsheet.

Owns     quoting (RFC 4180), and the disarming of what a spreadsheet would run as a formula
Never    changes a telephone number or a negative amount
"""

from __future__ import annotations

import re
from collections.abc import Iterable

BOM = "\ufeff"

_STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
_NUMBER = re.compile(r"[+-]?[0-9][0-9 ().,/-]*")


def cell(value: object) -> str:
    """One cell, quoted; what a spreadsheet would take for a formula begins with an apostrophe (OWASP)."""
    text = "" if value is None else str(value).replace("\0", "")
    if text[:1] in _STARTS and text and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


def row(values: Iterable[object]) -> str:
    """One line, its end included."""
    return ",".join(map(cell, values)) + "\r\n"
