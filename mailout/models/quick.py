"""quick -- the few statements that run for every single copy, without the cost of building them each time.

Owns     a Core statement compiled once for its database, and run on the driver's own cursor
Never    is worth it anywhere else: a statement here costs 4 microseconds and not 40, and says nothing that Core can't
Fails    as SQLAlchemy does: the driver's errors are raised as its DBAPIErrors
Commits  `commit`, and nothing else here does
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine, UserDefinedType

Store = Callable[[Any], Any]


class AsStored(UserDefinedType[Any]):
    """The type of a parameter whose value was made ready by `storing`, once for several statements."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Its name where a database asks for one."""
        return "TIMESTAMP"


class Statement:
    """One compiled statement. Values are given by the names of its bind parameters, and go through their types.

    A parameter without a type is stored as it is given; what comes back is as the driver gives it.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.text: str = compiled.string
        names = list(compiled.positiontup if compiled.positional else compiled.bind_names.values())
        self._in_order = _in_order(names) if compiled.positional else None
        self._fixed: dict[str, Any] = {}
        self._stores: list[tuple[str, Store]] = []
        for bind, name in compiled.bind_names.items():
            store = _store(bind, dialect)
            if not bind.required:
                self._fixed[name] = _plain(bind.effective_value, store)
            elif store is not None:
                self._stores.append((name, store))

    def bound(self, values: Mapping[str, Any]) -> Any:
        """The parameters for the driver: `values` by name, the rest as the statement says."""
        found = {**values, **self._fixed}
        for name, store in self._stores:
            found[name] = store(found[name])
        return self._in_order(found) if self._in_order else found


def _in_order(names: list[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes the values out in this order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)


def storing(kind: TypeEngine[Any], dialect: Dialect) -> Store:
    """How a value of this type is stored: for one that goes into several statements."""
    found: Store | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found or (lambda value: value)


def _store(bind: Any, dialect: Dialect) -> Store | None:
    """How a value of this parameter's type is stored; None where it is stored as it is."""
    found: Store | None = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return found


def _plain(value: Any, store: Store | None) -> Any:
    """A value as the driver takes it fastest."""
    value = value.value if isinstance(value, enum.Enum) else value
    return value if store is None else store(value)


class Quick:
    """The driver's cursor behind a connection that nobody else uses in the meantime."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._driver: Any = connection.connection
        self._cursor: Any = self._driver.cursor()

    def run(self, statement: Statement, values: Mapping[str, Any]) -> int:
        """Run it, in the transaction that began with the first since `commit`; how many rows it changed."""
        try:
            self._cursor.execute(statement.text, statement.bound(values))
        except self._dialect.loaded_dbapi.Error as error:
            raise self._ours(error, statement.text) from error
        return int(self._cursor.rowcount)

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it, as `run` does; the rows that it gives."""
        try:
            self._cursor.execute(statement.text, statement.bound(values))
            found: list[tuple[Any, ...]] = self._cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._ours(error, statement.text) from error
        return found

    def commit(self) -> None:
        """Make what was run since the last `commit` last."""
        try:
            self._driver.commit()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._ours(error, "COMMIT") from error

    def rollback(self) -> None:
        """Undo what was run since the last `commit`."""
        if self._driver.is_valid:
            self._driver.rollback()

    def close(self) -> None:
        """Nothing is run here any more: the connection goes back to its pool, and soon is somebody else's."""
        self._cursor.close()

    def _ours(self, error: Any, text: str) -> BaseException:
        """The driver's error as SQLAlchemy raises it."""
        parent = self._dialect.loaded_dbapi.Error
        ours: BaseException = DBAPIError.instance(text, None, error, parent, dialect=self._dialect)
        return ours
