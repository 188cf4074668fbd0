"""searching -- the search of the logs: words that all must be somewhere in a row.

Owns     what a search box of a log means
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
    return and_(*(or_(*(column.icontains(word, autoescape=True) for column in columns)) for word in words))
