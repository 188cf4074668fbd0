"""blob -- the octets of one large column, piece by piece.

Owns     the way past the whole value: SQLite reads all of it into memory for any part of it that a statement asks for
Never    is needed for what is small
Fails    as the database does; a row that is not there has no pieces
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.orm import InstrumentedAttribute

from .base import db

PIECE = 1 << 20


def pieces(column: InstrumentedAttribute[bytes], key: InstrumentedAttribute[int], row_id: int) -> Iterator[bytes]:
    """The octets of `column` in the row whose primary key is `row_id`."""
    size = db.session.scalar(select(func.length(column)).where(key == row_id)) or 0
    driver: Any = db.session.connection().connection.driver_connection
    if size and hasattr(driver, "blobopen"):
        with driver.blobopen(column.class_.__tablename__, column.key, row_id, readonly=True) as blob:
            while octets := blob.read(PIECE):
                yield octets
        return
    for start in range(1, size + 1, PIECE):
        part = func.substr(column, start, PIECE, type_=LargeBinary)
        yield db.session.scalar(select(part).where(key == row_id)) or b""
