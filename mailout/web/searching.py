"""searching -- the search of the logs: words that all must be somewhere in a row.

Owns     what a search box means, but for that of the customers
Never    lets a % or _ of the reader mean anything but itself
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

MOST_WORDS = 8


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
