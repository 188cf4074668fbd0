"""verdicts -- what is to be made of each row of a file: new, updated, unchanged, kept out, refused ...

Owns     the rules of an import, as pure functions of a row and of what is known about its address
Never    reads or writes a table, erases anything by an empty cell, brings back whoever was deleted or left
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.fault import Fault
from ..core.own import Own
from ..core.telling import sheet
from ..models import Place, Suppressed
from . import address
from .folding import FIELD_MOST, NAME_MOST, clean, sought
from .matching import Mapping as Columns
from .matching import cut_name, said_yes
from .reading import Row

NEW, UPDATED, UNCHANGED, KEPT_OUT = "new", "updated", "unchanged", "kept-out"
WITHOUT_ADDRESS, DUPLICATE, REFUSED = "without-address", "duplicate", "refused"
SHOWN_MOST = 300
#: Why somebody gets no mail-outs, as the dry run says it.
SUPPRESSED = {
    Suppressed.UNSUBSCRIBED: "they stopped all mail",
    Suppressed.BOUNCED: "their address bounces",
    Suppressed.COMPLAINED: "they complained",
    Suppressed.BY_HAND: "stopped by hand",
}
#: Under this name a refused row keeps its cells.
CELLS = "cells"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an import is asked for. `list_ids` are the lists named for all of its customers.

    `listed_id` is the list that a column says yes or no for; `bring_back`: whoever was deleted before comes back.
    """

    list_ids: tuple[int, ...] = ()
    listed_id: int | None = None
    suppress: bool = False
    strict: bool = False
    bring_back: bool = False

    @property
    def lists(self) -> tuple[int, ...]:
        """All lists in which somebody's place may change."""
        return (*self.list_ids, *(() if self.listed_id is None else (self.listed_id,)))


@dataclass(frozen=True, slots=True)
class Known:
    """Who has an address already: what is kept of them, and (place, chosen) in the lists that an import names."""

    customer_id: int
    first_name: str
    last_name: str
    email: str
    fields: Mapping[str, Any]
    suppressed_for: str | None
    places: Mapping[int, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Staged:
    """A row with its verdict; the columns of `import_row` but for the import's id.

    For a known customer the names and fields are what they become, and `was` is what is there now, if that differs.
    Of a refused row `fields` keeps the cells, to be given back.
    """

    line: int
    email: str
    verdict: str
    reason: str = ""
    email_same: str = ""
    first_name: str = ""
    last_name: str = ""
    sought: str = ""
    fields: Mapping[str, Any] | None = None
    listed: bool | None = None
    customer_id: int | None = None
    was: Mapping[str, Any] | None = None


def read(row: Row, columns: Columns, headings: Sequence[str], own: Own) -> Staged:
    """A row as it stands in the file: refused, without an address, or (verdict "new") good so far."""
    typed = _cell(row, columns.email).strip()
    shown = typed[:SHOWN_MOST]
    if row.trouble:
        return _refused(row, shown, row.trouble)
    if not typed:
        return Staged(row.line, "", WITHOUT_ADDRESS)
    try:
        email = address.check(typed, own)
        first, last = _names(row, columns)
        fields = _fields(row, columns, headings)
        listed = None if columns.listed is None else said_yes(_cell(row, columns.listed))
    except Fault as fault:
        return _refused(row, shown, str(fault))
    except ValueError as error:
        heading = headings[columns.listed] if columns.listed is not None else ""
        return _refused(row, shown, f'"{error.args[0][:50]}" in the column {heading} is neither yes nor no.')
    return Staged(row.line, email, NEW, "", address.same(email), first, last, "", fields, listed)


def judge(row: Staged, known: Known | None, forgotten: bool, wishes: Wishes, names: Mapping[int, str]) -> Staged:
    """The verdict on a good row; `names` are the lists' names, for saying why somebody is kept out."""
    if known is None and forgotten and not wishes.bring_back:
        return replace(row, verdict=KEPT_OUT, reason="deleted before")
    if known is None:
        text = sought(row.email, row.first_name, row.last_name)
        return replace(row, verdict=NEW, sought=text, fields=row.fields or {})
    merged, differs = _merge(row, known)
    left = [names[list_id] for list_id in _wanted(row, wishes) if _place(known, list_id) == Place.UNSUBSCRIBED]
    if known.suppressed_for and not wishes.suppress:
        return replace(
            merged, verdict=KEPT_OUT, reason=f"get no mail-outs: {SUPPRESSED[Suppressed(known.suppressed_for)]}"
        )
    moves = any(moved(list_id, row, known, wishes) for list_id in wishes.lists)
    stopped = wishes.suppress and not known.suppressed_for
    if left and not moves:
        return replace(merged, verdict=KEPT_OUT, reason=f"left {', '.join(left)}")
    return replace(merged, verdict=UPDATED if differs or moves or stopped else UNCHANGED)


def moved(list_id: int, row: Staged, known: Known, wishes: Wishes) -> bool:
    """Whether the customer's place in this list becomes another one.

    A list named for the whole import takes those whose place nobody ever chose; what a row itself says is a choice.
    """
    if wishes.suppress:
        return False
    place = _place(known, list_id)
    chosen = known.places.get(list_id, ("", False))[1]
    if list_id == wishes.listed_id and row.listed is not None:
        return place == (Place.EXCLUDED if row.listed else Place.INCLUDED)
    return list_id in wishes.list_ids and place == Place.EXCLUDED and not chosen


def _wanted(row: Staged, wishes: Wishes) -> Collection[int]:
    """The lists that this row would have the customer in."""
    if wishes.suppress:
        return ()
    own = (wishes.listed_id,) if wishes.listed_id is not None and row.listed else ()
    return dict.fromkeys((*wishes.list_ids, *own))


def _place(known: Known, list_id: int) -> str:
    return known.places.get(list_id, (Place.EXCLUDED.value, False))[0]


def _merge(row: Staged, known: Known) -> tuple[Staged, bool]:
    """The row with what the customer will be, and whether that differs from now: an empty cell erases nothing."""
    first, last = row.first_name or known.first_name, row.last_name or known.last_name
    fields = {**known.fields, **(row.fields or {})}
    differs = (first, last, fields) != (known.first_name, known.last_name, dict(known.fields))
    merged = replace(
        row,
        first_name=first,
        last_name=last,
        sought=sought(known.email, first, last),
        fields=fields,
        customer_id=known.customer_id,
        was=_was(known) if differs else None,
    )
    return merged, differs


def _was(known: Known) -> dict[str, Any]:
    """What is there now, for undoing."""
    return {
        "first_name": known.first_name,
        "last_name": known.last_name,
        "sought": sought(known.email, known.first_name, known.last_name),
        "fields": dict(known.fields),
    }


def _cell(row: Row, index: int | None) -> str:
    """What stands in a column; "" for none."""
    return sheet.typed(row.cells[index]) if index is not None and index < len(row.cells) else ""


def _refused(row: Row, email: str, reason: str) -> Staged:
    """A row that is not taken, with its cells; a NUL is kept as a mark, for no file can hold it."""
    filled = len(row.cells)
    while filled and not row.cells[filled - 1].strip():
        filled -= 1
    cells = [sheet.typed(cell).replace("\0", "\ufffd") for cell in row.cells[:filled]]
    return Staged(row.line, email, REFUSED, reason, fields={CELLS: cells})


def _names(row: Row, columns: Columns) -> tuple[str, str]:
    """First and last name, from their own columns or out of the full name; raises Fault for too long ones."""
    first, last = _cell(row, columns.first_name), _cell(row, columns.last_name)
    if columns.name is not None and not (first or last):
        first, last = cut_name(_cell(row, columns.name))
    return clean(first, "The first name", NAME_MOST), clean(last, "The last name", NAME_MOST)


def _fields(row: Row, columns: Columns, headings: Sequence[str]) -> dict[str, str]:
    """What stands in the other columns, by heading; raises Fault where a row has more cells than there are headings."""
    used = (columns.email, columns.first_name, columns.last_name, columns.name, columns.listed, *columns.left_out)
    fields = {}
    for index, cell in enumerate(row.cells):
        if index in used or not cell.strip():
            continue
        if columns.has_headings and index >= len(headings):
            raise Fault(
                f"The row has {len(row.cells)} cells where the first row has {len(headings)}: "
                "perhaps a comma stands in a cell without quotes around it."
            )
        heading = (headings[index] if index < len(headings) else "") or f"column {index + 1}"
        fields[heading] = clean(sheet.typed(cell), f"What stands under {heading[:50]}", FIELD_MOST)
    return fields
