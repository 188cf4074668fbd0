"""searching -- the search of the logs: words that all must be somewhere in a row.

Owns     what a search box means, but for that of the customers
Never    lets a % or _ of the reader mean anything but itself
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from ..book import columns
from ..models import db
from . import asking

MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One page of what was found: the numbers of its rows; how many there are in all; which page of how many."""

    ids: Sequence[int]
    total: int
    page: int
    pages: int


def part(ids: Select[int], size: int) -> Part:
    """The page that is asked for of what `ids` selects; what is searched for is found whole, by one walk."""
    if asking.query():
        found = columns.whole(ids)
        page, pages = asking.page_of(len(found), size)
        return Part(found[(page - 1) * size : page * size], len(found), page, pages)
    total = db.session.scalar(select(func.count()).select_from(ids.subquery())) or 0
    page, pages = asking.page_of(total, size)
    return Part(db.session.scalars(ids.limit(size).offset((page - 1) * size)).all(), total, page, pages)


def contains(query: str, *columns: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """That each word of `query` is in one of `columns`, whatever its case."""
    words = query.split()[:MOST_WORDS]
    return and_(*(holds(word, *columns) for word in words))


def holds(words: str, *columns: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """That `words` stand in one of `columns`, whatever the case of their plain letters.

    SQLite's LIKE takes it so by itself; to make small letters of both sides first, as others must, takes three times
    as long, and a search walks through everything.
    """
    return or_(*(column.contains(words, autoescape=True) for column in columns))
