"""workbook -- the first sheet of an .xlsx file as rows of text.

Owns     how a cell's value becomes text, and what kind of file somebody chose by mistake
Never    unpacks more than UNPACKED_MOST bytes, runs a formula (the values that were saved are read)
Fails    Fault, in words, for a workbook that is broken
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from openpyxl import load_workbook

from ..core.fault import Fault

UNPACKED_MOST = 400_000_000
#: A file may have so many columns: 200 fields of each customer, and as many again that only others have.
CELLS_MOST = 400
#: Where a sheet says how large it is: within its first bytes, as "A1:G120".
_HEAD = 8192
_LAST_ROW = re.compile(rb'<(?:\w+:)?dimension [^>]*ref="[^"]*?([0-9]{1,7})"')
_BROKEN = "The workbook can't be read. Open it in your spreadsheet program, save it as .xlsx or as CSV, import that."
_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"%PDF": "a PDF",
    b"{\\rtf": "a text document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def kind(data: bytes) -> str:
    """What a file is that is no text: "xlsx", or in words; "" for what may be text."""
    if data.startswith(b"PK\x03\x04"):
        return _zip_kind(data)
    return next((word for start, word in _KINDS.items() if data.startswith(start)), "")


def _zip_kind(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names, unpacked = set(archive.namelist()), sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        raise Fault(_BROKEN) from None
    if "xl/workbook.xml" not in names:
        return "an OpenDocument file" if "content.xml" in names else "a packed file or a document"
    if unpacked > UNPACKED_MOST:
        raise Fault(
            f"The workbook unpacks to more than {UNPACKED_MOST // 1_000_000} MB. Save the sheet as CSV instead."
        )
    return "xlsx"


def lines(data: bytes) -> int:
    """About how many rows there are, as the first sheet says at its head; 0 when it does not. For a progress bar."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sheets = sorted(name for name in archive.namelist() if name.startswith("xl/worksheets/sheet"))
            head = archive.open(sheets[0]).read(_HEAD) if sheets else b""
    except Exception:
        raise Fault(_BROKEN) from None
    said = _LAST_ROW.search(head)
    return min(int(said[1]), 1_048_576) if said else 0


def rows(data: bytes) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """The rows of the first sheet, each (row number, cells, trouble); raises Fault where it breaks off."""
    # whatever openpyxl raises on a hostile file is the file's fault, and it raises nearly everything
    try:
        sheet = _open(data)
        sheet.reset_dimensions()
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            filled = len(values)
            while filled and values[filled - 1] is None:
                filled -= 1
            if filled > CELLS_MOST:
                yield number, (), f"it has {filled:,} cells; {CELLS_MOST} is the most"
            else:
                yield number, tuple(_text(value) for value in values[:filled]), ""
    except Fault:
        raise
    except Exception:
        raise Fault(_BROKEN) from None


def _open(data: bytes) -> Any:
    """The first sheet, read as it is needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    if not book.worksheets:
        raise Fault("The workbook has no sheet with cells in it.")
    return book.worksheets[0]


def _text(value: Any) -> str:
    """A cell's value as a person would have typed it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return str(value)
