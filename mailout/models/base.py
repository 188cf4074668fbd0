"""base -- how the tables speak to their database.

Owns     `db`, the naming of constraints, the column type for times, what SQLite is told on every connection
Never    knows a table; nothing above `models` knows which database it is
Fails    as SQLAlchemy does: IntegrityError where a rule of the tables is broken, OperationalError where the
         database is locked for longer than BUSY_SECONDS or its disk is full

A write on SQLite takes the lock with its first statement (BEGIN IMMEDIATE), never in the middle: a transaction that
read first and upgraded later would fail at once, whatever the timeout. Reads stand in no transaction at all.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CheckConstraint, CursorResult, DateTime, MetaData, Update, event, types
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.orm import DeclarativeBase

BUSY_SECONDS = 15
#: The log is carried over into the database after so many pages: four times SQLite's own, for few pages change often.
CHECKPOINT_PAGES = 4000
DURABILITY = {"power": "FULL", "process": "NORMAL"}

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(types.TypeDecorator[datetime]):
    """A time that is aware and in UTC on both sides; a naive one is our mistake and is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the database the naive UTC time; raises AssertionError on a naive one."""
        if value is None:
            return None
        assert value.tzinfo is not None, "a time without a zone"
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give us the aware time back."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The parent of every table."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: UtcDateTime()}  # noqa: RUF012


db = SQLAlchemy(metadata=Base.metadata)


def one_of(column: str, words: type[enum.StrEnum] | Iterable[str]) -> CheckConstraint:
    """The rule that a word column holds one of `words` and nothing else."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def changed(statement: Update) -> int:
    """Run one UPDATE in the session and return how many rows it changed: what a change of state is decided by."""
    result = cast("CursorResult[Any]", db.session.execute(statement, execution_options={"synchronize_session": False}))
    return result.rowcount


def engine_options(url: str) -> dict[str, Any]:
    """What the engine for `url` is made with; what a statement was given stands in no error of it, and so in no log."""
    if not url.startswith("sqlite"):
        return {"hide_parameters": True}
    timing = {"timeout": BUSY_SECONDS, "isolation_level": "IMMEDIATE"}
    return {"connect_args": timing, "pool_size": 16, "hide_parameters": True}


def tell_sqlite(engine: Engine, durability: str) -> None:
    """Have every new connection of `engine` keep our rules: foreign keys, WAL, and how safe a commit is.

    `durability` is "power" (a commit survives the loss of power) or "process" (it survives kill -9).
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA synchronous={DURABILITY[durability]}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.close()
