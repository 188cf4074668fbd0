"""exporting -- customers as a CSV file that a spreadsheet opens safely and an import reads back unchanged.

Owns     the columns of that file: email, first_name, last_name, and every field that an import brought
Never    holds all customers in memory; lets a formula run (`core.sheet` disarms it)
Fails    as the database does, in the middle of the file
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Select, select

from ..core import sheet
from ..models import Customer, db

COLUMNS = ("email", "first_name", "last_name")
PAGE = 1_000


def lines(ids: Select[int]) -> Iterator[str]:
    """The file line by line, its headings first; the customers in the order in which they were added."""
    names = _field_names(ids)
    yield sheet.row([*COLUMNS, *names])
    for page in _pages(ids):
        for row in page:
            yield sheet.row([row.email, row.first_name, row.last_name, *(row.fields.get(name, "") for name in names)])


def _field_names(ids: Select[int]) -> list[str]:
    """Every field that any of these customers has, in the order in which they are met."""
    names: dict[str, None] = {}
    for page in _pages(ids):
        for row in page:
            names.update(dict.fromkeys(row.fields))
    return [name for name in names if name not in COLUMNS]


def _pages(ids: Select[int]) -> Iterator[Sequence[Customer]]:
    """The customers, a page at a time; each page is forgotten when the next is read."""
    after = 0
    query = select(Customer).where(Customer.id.in_(ids)).order_by(Customer.id).limit(PAGE)
    while rows := db.session.scalars(query.where(Customer.id > after)).all():
        yield rows
        after = rows[-1].id
        db.session.expunge_all()
