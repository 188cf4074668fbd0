"""reading -- the rows of a file of customers, whatever program wrote it.

Owns     how CSV, .xlsx and pasted cells become rows of text: encodings, separators, quotes, bounds (S 10.35)
Never    holds more than a row in memory besides the file; guesses what a column means (that is `matching`)
Fails    Fault for a file that can't be read at all; a row that can't be read says why, and the next one is read
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import TextIO

from ..core.fault import Fault
from . import workbook

BYTES_MOST = 60_000_000
COLUMNS_MOST = workbook.CELLS_MOST
ROWS_MOST = 500_000
LINE_MOST = 200_000
#: A quoted cell may run over so many lines; then its quote counts as never closed.
LINES_MOST = 100
SEPARATORS = ";\t,"
_SAMPLE_LINES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line that it begins on, its cells, and why it can't be read ("" when it can)."""

    line: int
    cells: tuple[str, ...]
    trouble: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it."""
        return not self.trouble and not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file whose kind is known: its rows can be read again and again."""

    data: bytes | str
    encoding: str
    separator: str
    lines: int

    def rows(self) -> Iterator[Row]:
        """The rows from the top, empty ones left out; raises Fault where the file is broken or too long."""
        source = workbook.rows(self.data) if isinstance(self.data, bytes) and not self.encoding else _read_csv(self)
        number = 0
        for line, cells, trouble in source:
            row = Row(line, cells, trouble or _trouble(cells))
            if row.is_empty:
                continue
            number += 1
            if number > ROWS_MOST:
                raise Fault(f"The file has more than {ROWS_MOST:,} rows. Cut it in two and import both.")
            yield row


def open_sheet(data: bytes | str, filename: str) -> Sheet:
    """The sheet that `data` is: a file's bytes, or pasted text. Raises Fault when it is nothing that can be read."""
    size = len(data)
    if size > BYTES_MOST:
        raise Fault(f"The file is larger than {BYTES_MOST // 1_000_000} MB. Cut it in two and import both.")
    if not data.strip():
        raise Fault("There is nothing in it.")
    if isinstance(data, bytes) and (kind := workbook.kind(data)):
        if kind != "xlsx":
            raise Fault(f"{filename or 'This'} is {kind}. Save it as .xlsx or as CSV, and import that.")
        return Sheet(data, "", "", workbook.lines(data))
    encoding = "" if isinstance(data, str) else _encoding(data)
    return Sheet(data, encoding or "text", _separator(data, encoding), _line_count(data))


def _trouble(cells: tuple[str, ...]) -> str:
    """What is wrong with the text of a row."""
    if any("\0" in cell for cell in cells):
        return "a character stands in it that can't be text (NUL)"
    if any("\ufffd" in cell for cell in cells):
        return "a character in it can't be read; save the file as UTF-8"
    return ""


def _encoding(data: bytes) -> str:
    """The encoding of a text file: by its mark, by the NULs of UTF-16, or UTF-8 where it fits, else Windows-1252.

    In UTF-16 a NUL is half of every letter of an address and of every separator, and all stand on one side.
    """
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = data[:4096]
    for encoding, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        if sample[start::2].count(0) * 10 > len(sample) and not sample[1 - start :: 2].count(0):
            return encoding
    return "utf-8" if _is_utf8(data) else "windows-1252"


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 1 << 20):
            decoder.decode(data[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _text(data: bytes | str, encoding: str) -> TextIO:
    """The file as text, its line ends untouched."""
    if isinstance(data, str):
        return io.StringIO(data.removeprefix("\ufeff"), newline="")
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors="replace", newline="")


def _line_count(data: bytes | str) -> int:
    """About how many lines there are, for a progress bar."""
    newline = "\n" if isinstance(data, str) else b"\n"
    ret = "\r" if isinstance(data, str) else b"\r"
    return 1 + max(data.count(newline), data.count(ret))  # type: ignore[arg-type]


def _separator(data: bytes | str, encoding: str) -> str:
    """The separator that most first lines have as often as the first one with any; a comma when none has one."""
    text = _text(data, encoding)
    lines = [line for line in (text.readline(LINE_MOST) for _ in range(_SAMPLE_LINES)) if line.strip()]
    if not lines:
        return ","
    if (said := lines[0].strip()).lower().startswith("sep=") and len(said) == 5:
        return said[4]
    marked = dropwhile(lambda line: not any(_outside_quotes(line, mark) for mark in SEPARATORS), lines)
    table = list(marked) or lines
    counts = {mark: [_outside_quotes(line, mark) for line in table] for mark in SEPARATORS}

    def fits(mark: str) -> tuple[int, int]:
        first = counts[mark][0]
        return (sum(number == first for number in counts[mark]) if first else 0, first)

    best = max(SEPARATORS, key=fits)
    return best if counts[best][0] else ","


def _outside_quotes(line: str, mark: str) -> int:
    return sum(piece.count(mark) for piece in line.split('"')[::2])


def _read_csv(sheet: Sheet) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """The rows of a text file, each (line, cells, trouble)."""
    lines = _Lines(_text(sheet.data, "" if isinstance(sheet.data, str) else sheet.encoding))
    first = True
    while lines.more():
        start = lines.next_number
        if lines.is_too_long():
            lines.take()
            yield start, (), f"the line is longer than {LINE_MOST:,} characters"
        elif first and lines.peek().strip().lower() == f"sep={sheet.separator}":
            lines.take()
        else:
            yield start, *_record(lines, sheet.separator)
        first = False


def _record(lines: _Lines, separator: str) -> tuple[tuple[str, ...], str]:
    """The cells that begin on the next line, and what is wrong with them.

    A quote that is never closed would swallow the rest of the file: then the line alone is in trouble, and reading
    goes on behind it.
    """
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while lines.more() and not lines.is_too_long() and len(taken) < LINES_MOST:
            taken.append(lines.take())
            yield taken[-1]

    feeding = feed()
    cells = next(csv.reader(feeding, delimiter=separator, skipinitialspace=True), [])
    if len(taken) > 1 or not lines.more():
        ended = len(taken) == LINES_MOST or not lines.more() or lines.is_too_long()
        if ended and _is_open(taken, separator):
            lines.put_back(taken[1:])
            return (taken[0].strip()[:300],), "a quote is opened in it and never closed"
    if len(cells) > COLUMNS_MOST:
        return tuple(cells[:1]), f"it has {len(cells):,} cells; {COLUMNS_MOST} is the most"
    return tuple(cells), ""


def _is_open(taken: list[str], separator: str) -> bool:
    """Whether these lines end inside a quoted cell."""
    try:
        for _ in csv.reader(iter(taken), delimiter=separator, skipinitialspace=True, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


class _Lines:
    """The lines of a text with their numbers; those that were taken too early can be put back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._waiting: deque[str] = deque()
        self.next_number = 1

    def more(self) -> bool:
        """Whether there is another line."""
        if not self._waiting and (line := self._text.readline(LINE_MOST + 1)):
            self._waiting.append(line)
        return bool(self._waiting)

    def peek(self) -> str:
        """The next line."""
        return self._waiting[0]

    def is_too_long(self) -> bool:
        """Whether the next line is longer than any that is read."""
        return bool(self._waiting) and len(self._waiting[0]) > LINE_MOST

    def take(self) -> str:
        """The next line, which is then done with; the rest of one that is too long is skipped."""
        line = self._waiting.popleft()
        self.next_number += 1
        if len(line) > LINE_MOST and not line.endswith(("\n", "\r")):
            while (rest := self._text.readline(LINE_MOST)) and not rest.endswith(("\n", "\r")):
                pass
        return line

    def put_back(self, lines: list[str]) -> None:
        """Have these lines come again."""
        self._waiting.extendleft(reversed(lines))
        self.next_number -= len(lines)
