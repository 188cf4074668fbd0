"""exporting -- customers, and what became of a mail-out, as CSV that a spreadsheet opens safely.

Owns     the columns of these files; that of customers is read back by an import unchanged
Never    holds all rows in memory (their numbers it does); lets a formula run (`core.telling.sheet` disarms it)
Fails    as the database does, in the middle of the file
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import InstrumentedAttribute

from ..core.telling import sheet
from ..models import Customer, db
from ..outbox import progress
from ..outbox.progress import iso

COLUMNS = ("email", "first_name", "last_name")
OUTCOME = ("address", "name", "state", "reason", "attempts", "reply", "message_id", "next_try_at", "settled_at")
PAGE = 1_000


def lines(ids: Select[int]) -> Iterator[str]:
    """The customers line by line, headings first, in the order in which they were added."""
    found = sorted(db.session.scalars(ids))
    names = _field_names(found)
    yield sheet.row([*COLUMNS, *names])
    for row in _rows(found, Customer.email, Customer.first_name, Customer.last_name, Customer.fields):
        yield sheet.row([row.email, row.first_name, row.last_name, *(row.fields.get(name, "") for name in names)])


def outcome(mailout_id: int, word: str = "") -> Iterator[str]:
    """What became of each recipient of a mail-out (those in the state `word`), line by line, headings first."""
    yield sheet.row(OUTCOME)
    for line in progress.lines(mailout_id, word):
        about = (line.address, line.name, line.state, line.reason, line.attempts, line.reply, line.message_id)
        yield sheet.row([*about, iso(line.due_at), iso(line.settled_at)])


def _field_names(found: Sequence[int]) -> list[str]:
    """Every field that any of these customers has, in the order in which they are met."""
    names: dict[str, None] = {}
    for (fields,) in _rows(found, Customer.fields):
        names.update(dict.fromkeys(fields))
    return [name for name in names if name not in COLUMNS]


def _rows(found: Sequence[int], *columns: InstrumentedAttribute[Any]) -> Iterator[Row[Any]]:
    """The customers of these ids, read a page at a time; who they are was asked once, for that can take long."""
    for start in range(0, len(found), PAGE):
        page = Customer.id.in_(found[start : start + PAGE])
        yield from db.session.execute(select(*columns).where(page).order_by(Customer.id))
