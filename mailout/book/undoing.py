"""undoing -- taking an import back.

Owns     every statement by which that is done
Never    forgets that somebody unsubscribed, complained or bounced since; leaves a hash of whoever is removed
Commits  leaves that to the caller: one transaction, after which nobody sees what the import brought
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text, cast, exists, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..models import Customer, Import, ImportRow, ListPlace, MailingList, Place, PlaceChange, Suppressed, changed, db
from ..outbox import queue
from . import moving
from .applying import Job
from .edition import touch


def take_back(job: Job, applied_at: datetime) -> tuple[int, int, int]:
    """Undo an import: its customers go, what it changed is as before unless it was changed again.

    Whoever of its customers unsubscribed or was suppressed since is kept, so that nobody writes to them again.
    Returns how many went, how many rows are as before, how many were kept.
    """
    gone = update(Import).where(Import.id == job.import_id, Import.applied_at.is_not(None))
    if not changed(gone.values(applied_at=None, undone_at=job.now)):
        raise Fault("This import was undone already.")
    kept = _keep(job, applied_at)
    brought = select(Customer.id).where(Customer.came_with == job.import_id)
    queue.leave_out(brought, list_id=None, reason=f"{queue.DELETED}: import undone by {job.actor.name}", now=job.now)
    going = db.session.scalar(select(func.count()).select_from(brought.subquery())) or 0
    back = _details_back(job) + _unsuppress(job, applied_at) + moving.undo(job.mark, actor=job.actor, now=job.now)
    touch()
    return going, back, kept


def _details_back(job: Job) -> int:
    """Write what was there before, where what the import wrote is there still."""
    rows = (ImportRow.import_id == job.import_id) & ImportRow.was.is_not(None) & (Customer.id == ImportRow.customer_id)
    untouched = (Customer.sought == ImportRow.sought) & (cast(Customer.fields, Text) == cast(ImportRow.fields, Text))
    names = ("first_name", "last_name", "sought")
    values = {name: ImportRow.was[name].as_string() for name in names} | {"fields": ImportRow.was["fields"]}
    return changed(update(Customer).where(rows, untouched).values(values))


def _unsuppress(job: Job, applied_at: datetime) -> int:
    """Lift the suppressions that the import made; returns how many."""
    if not job.wishes.suppress:
        return 0
    mine = _by_import(job, applied_at) & (Customer.came_with.is_(None) | (Customer.came_with != job.import_id))
    values = {"suppressed_for": None, "suppressed_at": None, "suppressed_why": ""}
    lifted = changed(update(Customer).where(mine).values(values))
    rows = select(ImportRow.customer_id).where(ImportRow.import_id == job.import_id)
    for list_id in db.session.scalars(select(MailingList.id)).all():
        included = (ListPlace.list_id == list_id) & (ListPlace.place == Place.INCLUDED.value)
        back = select(ListPlace.customer_id).where(included, ListPlace.customer_id.in_(rows))
        queue.let_back_in(back, list_id=list_id)
    return lifted


def _by_import(job: Job, applied_at: datetime) -> ColumnElement[bool]:
    """That a customer is suppressed by this import and for no other reason."""
    same_time = (Customer.suppressed_at == applied_at) & (Customer.suppressed_why == job.why)
    return (Customer.suppressed_for == Suppressed.BY_HAND.value) & same_time


def _keep(job: Job, applied_at: datetime) -> int:
    """Have the customers stay who said or did since what must not be forgotten."""
    left = exists().where(
        PlaceChange.customer_id == Customer.id,
        PlaceChange.became == Place.UNSUBSCRIBED.value,
        PlaceChange.at >= applied_at,
    )
    stopped = Customer.suppressed_for.is_not(None) & ~_by_import(job, applied_at)
    return changed(update(Customer).where(Customer.came_with == job.import_id, left | stopped).values(came_with=None))
