"""staging -- a file's rows, compared with the address book and laid ready in `import_row`.

Owns     writing `import_row`, bit by bit, so that sending goes on meanwhile
Never    changes a customer or a place
Commits  every bit
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice
from typing import Any

from sqlalchemy import Row as SqlRow
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..core.own import Own
from ..models import Customer, Forgotten, ImportRow, ListPlace, MailingList, db
from . import verdicts
from .customers import forgotten_digest
from .matching import Mapping as Columns
from .reading import Row
from .verdicts import Known, Staged, Wishes

BIT = 500
_NAMES = tuple(field.name for field in fields(Staged))
_COLUMNS = tuple(getattr(ImportRow, name) for name in _NAMES)
_Lay = Callable[[int, Sequence[Staged]], None]
_JUDGED = (verdicts.NEW, verdicts.UPDATED, verdicts.UNCHANGED, verdicts.KEPT_OUT)


def stage(
    import_id: int,
    rows: Iterable[Row],
    columns: Columns,
    headings: Sequence[str],
    wishes: Wishes,
    own: Own,
    tell: Callable[[int], None],
) -> None:
    """Judge every row and write it down; `tell` hears the line that was reached."""
    seen: dict[str, int] = {}
    names = list_names()
    for bit in _bits(rows):
        good = [_first(verdicts.read(row, columns, headings, own), seen) for row in bit]
        _twice(_lay, import_id, good, wishes, names)
        tell(bit[-1].line)


def judge_again(import_id: int, wishes: Wishes) -> None:
    """Judge the good rows anew, for the address book has changed since they were staged."""
    names, after = list_names(), -1
    good = (ImportRow.import_id == import_id) & ImportRow.verdict.in_(_JUDGED)
    page = select(*_COLUMNS).where(good).order_by(ImportRow.line).limit(BIT)
    while found := db.session.execute(page.where(ImportRow.line > after)).all():
        after = found[-1].line
        _twice(_lay_again, import_id, [_of_file(row) for row in found], wishes, names)


def counts(import_id: int) -> dict[str, int]:
    """How many rows have which verdict."""
    query = select(ImportRow.verdict, func.count()).where(ImportRow.import_id == import_id).group_by(ImportRow.verdict)
    return dict(iter(db.session.execute(query)))


def list_names() -> dict[int, str]:
    """The names of all lists."""
    return dict(iter(db.session.execute(select(MailingList.id, MailingList.name))))


def _bits(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in bits that are one commit each."""
    iterator = iter(rows)
    while bit := list(islice(iterator, BIT)):
        yield bit


def _twice(lay: _Lay, import_id: int, rows: Sequence[Staged], wishes: Wishes, names: Mapping[int, str]) -> None:
    """Judge and write a bit, once more when somebody was deleted between the look and the writing."""
    try:
        lay(import_id, _judge(rows, wishes, names))
    except IntegrityError:
        db.session.rollback()
        lay(import_id, _judge(rows, wishes, names))


def _lay(import_id: int, judged: Sequence[Staged]) -> None:
    """Write down a bit."""
    db.session.execute(insert(ImportRow), [{"import_id": import_id, **_values(row)} for row in judged])
    db.session.commit()


def _lay_again(import_id: int, judged: Sequence[Staged]) -> None:
    """Write over a bit."""
    mine = (ImportRow.import_id == import_id) & (ImportRow.line == bindparam("b_line"))
    values = [{"b_line": row.line, **_values(row)} for row in judged]
    db.session.connection().execute(update(ImportRow).where(mine), values)
    db.session.commit()


def _first(row: Staged, seen: dict[str, int]) -> Staged:
    """The row, marked when its address stood further up in the file."""
    if row.verdict != verdicts.NEW:
        return row
    line = seen.setdefault(row.email_same, row.line)
    if line == row.line:
        return row
    return replace(row, verdict=verdicts.DUPLICATE, reason=f"stands in line {line} already")


def _judge(rows: Sequence[Staged], wishes: Wishes, names: Mapping[int, str]) -> list[Staged]:
    """The verdicts on a bit of rows, by two or three questions to the database."""
    good = [row.email_same for row in rows if row.verdict in _JUDGED]
    known, forgotten = _known(good, wishes), _forgotten(good)
    return [
        verdicts.judge(row, known.get(row.email_same), row.email_same in forgotten, wishes, names)
        if row.verdict in _JUDGED
        else row
        for row in rows
    ]


def _known(addresses: Sequence[str], wishes: Wishes) -> dict[str, Known]:
    """Who has these addresses."""
    columns = (
        Customer.email_same,
        Customer.id,
        Customer.first_name,
        Customer.last_name,
        Customer.email,
        Customer.fields,
        Customer.suppressed_for,
    )
    query = select(*columns).where(Customer.email_same.in_(addresses), Customer.here())
    found = db.session.execute(query).all()
    places = _places([row.id for row in found], wishes.lists)
    return {
        same: Known(customer_id, first, last, email, kept, suppressed_for, places.get(customer_id, {}))
        for same, customer_id, first, last, email, kept, suppressed_for in found
    }


def _places(customer_ids: Sequence[int], list_ids: Sequence[int]) -> dict[int, dict[int, tuple[str, bool]]]:
    """Where these customers stand in these lists."""
    columns = (ListPlace.customer_id, ListPlace.list_id, ListPlace.place, ListPlace.chosen)
    query = select(*columns).where(ListPlace.list_id.in_(list_ids), ListPlace.customer_id.in_(customer_ids))
    places: dict[int, dict[int, tuple[str, bool]]] = {}
    for customer_id, list_id, place, chosen in db.session.execute(query) if list_ids else ():
        places.setdefault(customer_id, {})[list_id] = (place, chosen)
    return places


def _forgotten(addresses: Sequence[str]) -> set[str]:
    """Those of the addresses whose customer was deleted."""
    digests = {forgotten_digest(address): address for address in addresses}
    found = db.session.scalars(select(Forgotten.digest).where(Forgotten.digest.in_(digests)))
    return {digests[digest] for digest in found}


def _of_file(row: SqlRow[Any]) -> Staged:
    """A staged row as it stood in the file: without what was merged into it from the customer of then."""
    staged = Staged(**dict(zip(_NAMES, row, strict=True)))
    if staged.customer_id is None:
        return replace(staged, reason="")
    was = staged.was or {"first_name": staged.first_name, "last_name": staged.last_name, "fields": staged.fields}
    own = {name: value for name, value in (staged.fields or {}).items() if was["fields"].get(name) != value}
    first = staged.first_name if staged.first_name != was["first_name"] else ""
    last = staged.last_name if staged.last_name != was["last_name"] else ""
    return replace(staged, first_name=first, last_name=last, fields=own, customer_id=None, was=None, reason="")


def _values(row: Staged) -> dict[str, Any]:
    """The row as columns of `import_row`."""
    values = {name: getattr(row, name) for name in _NAMES}
    return values | {"fields": dict(row.fields or {}), "was": None if row.was is None else dict(row.was)}
