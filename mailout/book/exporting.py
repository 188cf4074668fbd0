"""exporting -- customers, and what became of a mail-out, as CSV that a spreadsheet opens safely.

Owns     the columns of these files; that of customers is read back by an import unchanged
Never    holds all rows in memory; lets a formula run (`core.telling.sheet` disarms it)
Fails    as the database does, in the middle of the file
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from ..core.telling import sheet
from ..models import Customer, db
from ..outbox import progress
from ..outbox.progress import iso

COLUMNS = ("email", "first_name", "last_name")
OUTCOME = ("address", "name", "state", "reason", "attempts", "reply", "message_id", "next_try_at", "settled_at")
PAGE = 1_000


def lines(ids: Select[int]) -> Iterator[str]:
    """The customers line by line, headings first, in the order in which they were added."""
    names = _field_names(ids)
    yield sheet.row([*COLUMNS, *names])
    for row in _rows(ids):
        yield sheet.row([row.email, row.first_name, row.last_name, *(row.fields.get(name, "") for name in names)])


def outcome(mailout_id: int, word: str = "") -> Iterator[str]:
    """What became of each recipient of a mail-out (those in the state `word`), line by line, headings first."""
    yield sheet.row(OUTCOME)
    for line in progress.lines(mailout_id, word):
        about = (line.address, line.name, line.state, line.reason, line.attempts, line.reply, line.message_id)
        yield sheet.row([*about, iso(line.due_at), iso(line.settled_at)])


def _field_names(ids: Select[int]) -> list[str]:
    """Every field that any of these customers has, in the order in which they are met."""
    names: dict[str, None] = {}
    for row in _rows(ids):
        names.update(dict.fromkeys(row.fields))
    return [name for name in names if name not in COLUMNS]


def _rows(ids: Select[int]) -> Iterator[Row[Any]]:
    """The customers, read a page at a time."""
    columns = (Customer.id, Customer.email, Customer.first_name, Customer.last_name, Customer.fields)
    query = select(*columns).where(Customer.id.in_(ids)).order_by(Customer.id).limit(PAGE)
    after = 0
    while rows := _page(query.where(Customer.id > after)):
        yield from rows
        after = rows[-1].id


def _page(query: Select[Any]) -> Sequence[Row[Any]]:
    return db.session.execute(query).all()
