"""matching -- which column of a file is what.

Owns     the words that headings are known by, the guess, the words for yes and no, how a full name is cut in two
Never    reads the database: the names of the lists are given
Fails    Fault when no column can hold addresses
"""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..core.fault import Fault
from ..core.telling import sheet as csv_sheet
from .folding import fold
from .reading import COLUMNS_MOST, Row, Sheet

SAMPLES = 3
#: So long is the name of an own field at most.
HEADING_MOST = 100
#: The last columns of a file of refused rows that we gave back: they are about the row, not about the customer.
REFUSED = ("line", "reason")
_LOOKED_AT = 50
#: A table may have so many lines of title above its headings.
_TITLE_MOST = 10


def _read_words() -> dict[str, frozenset[str]]:
    """The words of headings.txt by their kind."""
    words: dict[str, set[str]] = {}
    kind = ""
    for line in Path(__file__).with_name("headings.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            words.setdefault(kind, set()).update(fold(word) for word in line.split("|"))
    return {kind: frozenset(found) for kind, found in words.items()}


WORDS = _read_words()
_NAMES = (WORDS["first"], WORDS["last"], WORDS["name"])


@dataclass(frozen=True, slots=True)
class Mapping:
    """Which column (from 0) is what; None: none is. `listed` says yes or no for the list `list_id`.

    What stands in other columns is kept as the customer's own fields, but for the columns that are `left_out`.
    """

    email: int
    first_name: int | None = None
    last_name: int | None = None
    name: int | None = None
    listed: int | None = None
    list_id: int | None = None
    has_headings: bool = True
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be matched: its heading (no two are alike), a few of its cells, and what it is guessed to be.

    `guess` is "email", "first_name", "last_name", "name", "list" or "" (kept as it is).
    """

    index: int
    heading: str
    samples: tuple[str, ...]
    guess: str


@dataclass(frozen=True, slots=True)
class Look:
    """A first look at a file: its columns, the mapping that is guessed (None without a column of addresses).

    `width`: a row with more cells than that is broken. `above`: so many rows of title stand over the headings.
    """

    columns: tuple[Column, ...]
    mapping: Mapping | None
    has_headings: bool
    width: int
    above: int = 0

    def headings(self) -> list[str]:
        """The headings of the file itself."""
        return [column.heading for column in self.columns[: self.width]]

    def fields(self) -> list[str]:
        """How what stands in each column is called where it is kept: by its heading, or by the column's number."""
        headings = self.headings()
        numbered = (f"column {i}" for i in range(1, len(headings) + 1))
        return [
            name or (number if number not in headings else f"{number} (2)")
            for name, number in zip(headings, numbered, strict=True)
        ]

    def called(self, mapping: Mapping) -> list[str]:
        """A name for each of its columns: the heading, or where it has none what the column is."""
        said = _guesses(mapping)
        return [
            name or said.get(i) or field
            for i, (name, field) in enumerate(zip(self.headings(), self.fields(), strict=True))
        ]


def look(sheet: Sheet, lists: AnyMapping[str, int]) -> Look:
    """Look at the first rows of `sheet`; `lists` are the ids of the lists by name. Raises Fault for a broken file."""
    rows = list(islice(sheet.rows(), _LOOKED_AT))
    if not rows:
        raise Fault("There is nothing in it.")
    width = max(len(row.cells) for row in rows)
    if rows[0].trouble or width > COLUMNS_MOST:
        raise Fault(f"The first row can't be read: {rows[0].trouble or f'it has {width:,} cells'}.")
    has_headings = not any(_is_address(cell) for cell in rows[0].cells)
    above = _title(rows) if has_headings else 0
    headings = _distinct(rows[above].cells) if has_headings else []
    headings += [""] * (width - len(headings))
    body = rows[above + 1 :] if has_headings else rows
    mapping = guess(headings, body, lists, has_headings)
    names = {} if mapping is None else _guesses(mapping)
    columns = (Column(i, headings[i], _samples(body, i), names.get(i, "")) for i in range(width))
    return Look(tuple(columns), mapping, has_headings, len(rows[above].cells) if has_headings else width, above)


def guess(
    headings: Sequence[str], body: Sequence[Row], lists: AnyMapping[str, int], has_headings: bool
) -> Mapping | None:
    """What the columns are, by their headings and by what stands in them; None when none holds addresses."""
    plain = [_plain(heading) for heading in headings]
    email = _find(plain, WORDS["email"])
    if email is None:
        email = _most_addresses(body, len(headings))
    if email is None:
        return None
    first, last, name = (_find(plain, words, but=(email,)) for words in _NAMES)
    if name is not None and first is not None and last is None:
        last, name = name, None
    if first is not None or last is not None:
        name = None
    by_name = {_plain(list_name): list_id for list_name, list_id in lists.items()}
    free = [i for i, word in enumerate(plain) if word in by_name and i not in (email, first, last, name)]
    listed = next((i for i in free if _says_yes_or_no(body, i)), None)
    list_id = None if listed is None else by_name[plain[listed]]
    return Mapping(email, first, last, name, listed, list_id, has_headings, _about_refusals(plain))


def said_yes(cell: str) -> bool | None:
    """Whether a cell of a list's column says yes or no; None when it is empty. Raises ValueError for another word."""
    word = fold(cell)
    if not word:
        return None
    if word in WORDS["yes"] or word in WORDS["no"]:
        return word in WORDS["yes"]
    raise ValueError(word)


def cut_name(name: str) -> tuple[str, str]:
    """First and last name of a full one: "Smith, Jo" is turned round; else the first word is the first name."""
    if name.count(",") == 1:
        last, _, first = name.partition(",")
        return first.strip(), last.strip()
    first, _, last = name.strip().partition(" ")
    return first, last.strip()


def _title(rows: Sequence[Row]) -> int:
    """How many rows of title stand over the one that names a column of addresses; 0 when none does.

    A title has fewer cells than the table under it.
    """
    filled = [sum(bool(cell.strip()) for cell in row.cells) for row in rows]
    for number, row in enumerate(rows[:_TITLE_MOST]):
        if any(_is_address(cell) for cell in row.cells):
            return 0
        if any(_plain(cell) in WORDS["email"] for cell in row.cells):
            return number if not row.trouble and max(filled[:number], default=0) < filled[number] else 0
    return 0


def _distinct(cells: Sequence[str]) -> list[str]:
    """The headings as the fields of a customer are called: on one line, not too long, and no two alike."""
    headings: list[str] = []
    for cell in cells:
        said = csv_sheet.typed(" ".join(cell.split()))[:HEADING_MOST]
        heading, number = said, 1
        while heading and heading in headings:
            number += 1
            heading = f"{said[: HEADING_MOST - 6]} ({number})"
        headings.append(heading)
    return headings


def _about_refusals(plain: Sequence[str]) -> tuple[int, ...]:
    """The columns that `refused.csv` puts behind the others, when this is such a file."""
    last = max((index for index, word in enumerate(plain) if word), default=0)
    return (last - 1, last) if last and tuple(plain[last - 1 : last + 1]) == REFUSED else ()


def _guesses(mapping: Mapping) -> dict[int, str]:
    said = {
        "email": mapping.email,
        "first_name": mapping.first_name,
        "last_name": mapping.last_name,
        "name": mapping.name,
        "list": mapping.listed,
    }
    return {index: word for word, index in said.items() if index is not None}


def _plain(heading: str) -> str:
    """A heading in small letters without accents; what is no letter or digit is a blank."""
    return " ".join("".join(c if c.isalnum() else " " for c in fold(heading)).split())


def _find(plain: Sequence[str], words: frozenset[str], but: Sequence[int | None] = ()) -> int | None:
    return next((index for index, word in enumerate(plain) if word in words and index not in but), None)


def _is_address(cell: str) -> bool:
    """Whether a cell looks like an address, for telling headings from rows."""
    local, at, domain = cell.strip().rpartition("@")
    return bool(at and local and "." in domain and " " not in cell.strip())


def _most_addresses(body: Sequence[Row], width: int) -> int | None:
    """The column with the most addresses in it."""
    counts = [sum(_is_address(row.cells[i]) for row in body if i < len(row.cells)) for i in range(width)]
    best = max(range(width), key=lambda i: counts[i], default=0)
    return best if width and counts[best] else None


def _says_yes_or_no(body: Sequence[Row], index: int) -> bool:
    """Whether nothing but yes and no stands in a column."""
    try:
        said = [said_yes(row.cells[index]) for row in body if index < len(row.cells)]
    except ValueError:
        return False
    return any(word is not None for word in said)


def _samples(body: Sequence[Row], index: int) -> tuple[str, ...]:
    cells = (csv_sheet.typed(row.cells[index]).strip() for row in body if index < len(row.cells))
    return tuple(islice((cell[:80] for cell in cells if cell), SAMPLES))
