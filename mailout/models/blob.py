"""blob -- the octets of one large column, piece by piece.

Owns     the way past the whole value: SQLite reads all of it into memory for any part of it that a statement asks for
Never    is needed for what is small
Fails    as the database does; a row that is not there has no pieces
Commits  never: `fill` is part of its caller's transaction
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import LargeBinary, func, select, update
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


def fill(
    column: InstrumentedAttribute[bytes], key: InstrumentedAttribute[int], row_id: int, octets: Iterable[bytes]
) -> None:
    """Write `octets` into `column` of the row whose primary key is `row_id`."""
    with tempfile.SpooledTemporaryFile(max_size=PIECE) as spool:
        for piece in octets:
            spool.write(piece)
        size = spool.tell()
        spool.seek(0)
        row: Any = update(column.class_).where(key == row_id)
        driver: Any = db.session.connection().connection.driver_connection
        if size <= PIECE or not hasattr(driver, "blobopen"):
            db.session.execute(row.values({column: spool.read()}))
            return
        db.session.execute(row.values({column: func.zeroblob(size)}))
        with driver.blobopen(column.class_.__tablename__, column.key, row_id) as blob:
            while piece := spool.read(PIECE):
                blob.write(piece)
