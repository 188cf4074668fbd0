"""applying -- what a staged import writes: its new customers unseen and bit by bit, the rest at one moment.

Owns     every statement by which an import changes the address book
Never    shows half of an import; changes the place of anybody who left a list
Commits  `bring` and `throw_away`, every bit; `finish` leaves it to the caller: one transaction
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, exists, func, insert, literal, null, select, true, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..journal import Actor
from ..models import (
    Customer,
    Forgotten,
    Import,
    ImportRow,
    ListPlace,
    MailingList,
    Place,
    PlaceChange,
    Suppressed,
    changed,
    db,
)
from ..outbox import queue
from . import moving, numbers, places, verdicts
from .arrivals import BIT, politely
from .customers import forgotten_digest
from .edition import touch
from .moving import Move
from .verdicts import Wishes

HOW = "import"


@dataclass(frozen=True, slots=True)
class Job:
    """An import at work: which, what it was asked for, by whom, when."""

    import_id: int
    filename: str
    wishes: Wishes
    actor: Actor
    now: datetime

    @property
    def mark(self) -> str:
        """What the places that it changes are marked with."""
        return f"import {self.import_id}"

    @property
    def why(self) -> str:
        """Why it suppresses, for people."""
        return f"never write to these: {self.filename}"[:500]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where new customers come to stand in some lists: all of them, or those whose row says so in the list's column."""

    list_ids: tuple[int, ...]
    place: Place
    chosen: bool
    fits: ColumnElement[bool]


def bring(job: Job, tell: Callable[[int], None]) -> None:
    """Write the new customers and their places, unseen; `tell` hears how many more are there."""
    targets = list(_targets(job.wishes))
    for lines in _lines(job.import_id, ImportRow.verdict == verdicts.NEW):
        with politely():
            mine = (ImportRow.import_id == job.import_id) & (ImportRow.verdict == verdicts.NEW)
            _bring(job, mine & ImportRow.line.between(lines[0], lines[-1]), targets)
            db.session.commit()
        tell(len(lines))


def finish(job: Job) -> None:
    """Change those who were there before, and show those who were brought. Raises Fault when it was done before."""
    seen = update(Import).where(Import.id == job.import_id, Import.applied_at.is_(None), Import.undone_at.is_(None))
    if not changed(seen.values(applied_at=job.now)):
        raise Fault("This import was applied or undone already.")
    _change_details(job)
    if job.wishes.suppress:
        _suppress(job)
    else:
        _move(job)
    touch()


def throw_away(import_id: int, *, but: tuple[str, ...] = ()) -> None:
    """Remove the staged rows of an import, but for those with these verdicts."""
    for lines in _lines(import_id, ImportRow.verdict.not_in(but), 2_000):
        with politely():
            mine = (ImportRow.import_id == import_id) & ImportRow.line.between(lines[0], lines[-1])
            db.session.execute(delete(ImportRow).where(mine, ImportRow.verdict.not_in(but)))
            db.session.commit()


def _lines(import_id: int, which: ColumnElement[bool], most: int = BIT) -> Iterator[list[int]]:
    """The lines of these rows, a bit at a time."""
    query = select(ImportRow.line).where(ImportRow.import_id == import_id, which).order_by(ImportRow.line).limit(most)
    after = -1
    while lines := list(db.session.scalars(query.where(ImportRow.line > after))):
        yield lines
        after = lines[-1]


def _targets(wishes: Wishes) -> Iterator[_Target]:
    """Where new customers come to stand: in the lists that are named, or else in each as its default says."""
    if wishes.suppress:
        return
    includes = MailingList.includes_new & MailingList.archived_at.is_(None)
    named, column = bool(wishes.list_ids), wishes.listed_id
    ids = wishes.list_ids or tuple(db.session.scalars(select(MailingList.id).where(includes)))
    yield _Target(tuple(one for one in ids if one != column), Place.INCLUDED, named, true())
    if column is None:
        return
    for listed, place in ((True, Place.INCLUDED), (False, Place.EXCLUDED)):
        yield _Target((column,), place, True, ImportRow.listed.is_(listed))
    if column in ids:
        yield _Target((column,), Place.INCLUDED, named, ImportRow.listed.is_(None))


def _bring(job: Job, mine: ColumnElement[bool], targets: list[_Target]) -> None:
    """One bit of new customers. Whoever was added by hand meanwhile is left as they are."""
    taken = exists().where(Customer.email_same == ImportRow.email_same)
    stopped = job.wishes.suppress
    at = literal(job.now, Customer.created_at.type)
    columns = {
        Customer.id: numbers.highest() + func.row_number().over(order_by=ImportRow.line),
        Customer.email: ImportRow.email,
        Customer.email_same: ImportRow.email_same,
        Customer.first_name: ImportRow.first_name,
        Customer.last_name: ImportRow.last_name,
        Customer.fields: ImportRow.fields,
        Customer.sought: ImportRow.sought,
        Customer.came_with: ImportRow.import_id,
        Customer.created_at: at,
        Customer.suppressed_for: literal(Suppressed.BY_HAND.value) if stopped else null(),
        Customer.suppressed_at: at if stopped else null(),
        Customer.suppressed_why: literal(job.why if stopped else ""),
    }
    rows = select(*columns.values()).where(mine, ~taken).order_by(ImportRow.line)
    db.session.execute(insert(Customer).from_select(list(columns), rows))
    brought = (Customer.email_same == ImportRow.email_same) & (Customer.came_with == job.import_id)
    changed(update(ImportRow).where(mine, brought).values(customer_id=Customer.id))
    for target in targets:
        _place(job, mine & ImportRow.customer_id.is_not(None) & target.fits, target)
    if job.wishes.bring_back:
        _remember_again(mine)


def _place(job: Job, rows: ColumnElement[bool], target: _Target) -> None:
    """Give a bit of new customers their places in some lists, and note how they came there."""
    lists = MailingList.id.in_(target.list_ids)
    pairs = (MailingList.id, ImportRow.customer_id)
    at = literal(job.now, ListPlace.changed_at.type)
    columns = ["list_id", "customer_id", "place", "chosen", "changed_at"]
    values = select(*pairs, literal(target.place.value), literal(target.chosen), at)
    values = values.join_from(ImportRow, MailingList, lists).where(rows).order_by(*pairs)
    db.session.execute(insert(ListPlace).from_select(columns, values))
    if target.place is not Place.INCLUDED:
        return
    how = HOW if target.chosen else places.DEFAULT
    columns = ["list_id", "customer_id", "was", "became", "at", "user_id", "how"]
    was, became = literal(Place.EXCLUDED.value), literal(Place.INCLUDED.value)
    changes = select(*pairs, was, became, at, literal(job.actor.user_id), literal(how))
    changes = changes.join_from(ImportRow, MailingList, lists).where(rows).order_by(*pairs[::-1])
    db.session.execute(insert(PlaceChange).from_select(columns, changes))


def _remember_again(mine: ColumnElement[bool]) -> None:
    """Forget that these were deleted before."""
    addresses = db.session.scalars(select(ImportRow.email_same).where(mine)).all()
    digests = [forgotten_digest(address) for address in addresses]
    db.session.execute(delete(Forgotten).where(Forgotten.digest.in_(digests)))


def _change_details(job: Job) -> None:
    """Write the names and fields of customers who were there before and whose row says something else."""
    rows = (ImportRow.import_id == job.import_id) & ImportRow.was.is_not(None)
    values = {
        "first_name": ImportRow.first_name,
        "last_name": ImportRow.last_name,
        "sought": ImportRow.sought,
        "fields": ImportRow.fields,
    }
    changed(update(Customer).where(rows, Customer.id == ImportRow.customer_id).values(values))


def _move(job: Job) -> None:
    """Move customers who were there before, in the lists that are named and in the one that a column speaks of."""
    rows = (ImportRow.import_id == job.import_id) & (ImportRow.verdict == verdicts.UPDATED)
    for list_id in job.wishes.list_ids:
        ids = _known(rows & ImportRow.listed.is_(None) if list_id == job.wishes.listed_id else rows)
        moving.move(ids, Move(list_id, Place.INCLUDED, HOW, job.mark, job.actor, job.now, if_unchosen=True))
    if job.wishes.listed_id is not None:
        for listed, place in ((True, Place.INCLUDED), (False, Place.EXCLUDED)):
            ids = _known(rows & ImportRow.listed.is_(listed))
            moving.move(ids, Move(job.wishes.listed_id, place, HOW, job.mark, job.actor, job.now))


def _suppress(job: Job) -> None:
    """Suppress customers who were there before; their waiting copies are skipped."""
    rows = (ImportRow.import_id == job.import_id) & (ImportRow.verdict == verdicts.UPDATED)
    known = _known(rows)
    values = {"suppressed_for": Suppressed.BY_HAND.value, "suppressed_at": job.now, "suppressed_why": job.why}
    changed(update(Customer).where(Customer.id.in_(known), Customer.suppressed_for.is_(None)).values(values))
    reason = f"{queue.SUPPRESSED}: {Suppressed.BY_HAND}"
    queue.leave_out(known, list_id=None, reason=reason, now=job.now)


def _known(rows: ColumnElement[bool]) -> Select[int]:
    """The customers of these rows who were there before."""
    ids = select(ImportRow.customer_id).where(rows, ImportRow.customer_id.is_not(None))
    return select(Customer.id).where(Customer.id.in_(ids))
