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

from ..models import db
from . import asking

MOST_WORDS = 8
#: So many rows are few.
FEW = 500


@dataclass(frozen=True, slots=True)
class Part:
    """One page of what was found: the numbers of its rows; how many there are in all; which page of how many."""

    ids: Sequence[int]
    total: int
    page: int
    pages: int


def part(ids: Select[int], size: int) -> Part:
    """The page that is asked for of what `ids` selects; what is searched for is found by one walk when it is little."""
    searched = bool(asking.query())
    found = db.session.scalars(ids.limit(FEW)).all() if searched else ()
    few = searched and len(found) < FEW
    total = len(found) if few else db.session.scalar(select(func.count()).select_from(ids.subquery())) or 0
    page, pages = asking.page_of(total, size)
    skipped = (page - 1) * size
    here = found[skipped : skipped + size] if few else db.session.scalars(ids.limit(size).offset(skipped)).all()
    return Part(here, total, page, pages)


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
