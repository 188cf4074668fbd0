"""sending -- which mail-outs send now, and whether anything is left to do.

Owns     the questions that the pump asks between two copies, and `started_at`
Never    changes a recipient (that is `outbox` and `ledger`), opens a socket, reads the clock
Commits  `begin`, `leave_out_due`, `leave_out_again` and `pause` at once
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, exists, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import State
from ..models import Mailout, Notice, Recipient, changed, db
from . import queue

ON_THE_WAY = (State.QUEUED, State.CLAIMED, State.DOT_PENDING)


def in_progress() -> ColumnElement[bool]:
    """Accepted and not over; whether paused or still in its start delay does not matter."""
    return Mailout.accepted_at.is_not(None) & Mailout.finished_at.is_(None) & Mailout.cancelled_at.is_(None)


def open_now(now: datetime) -> list[int]:
    """The mail-outs that may send at this moment, the oldest first."""
    return list(db.session.scalars(_open(select(Mailout.id), now)))


def open_rows(now: datetime) -> list[Mailout]:
    """Their rows, as the database has them now."""
    return list(db.session.scalars(_open(select(Mailout), now), execution_options={"populate_existing": True}))


def _open(query: Select[Any], now: datetime) -> Select[Any]:
    """`query` of the mail-outs that may send at this moment, the oldest first."""
    mine = query.where(in_progress(), Mailout.paused_at.is_(None), Mailout.starts_at <= now)
    return mine.order_by(Mailout.starts_at, Mailout.id)


def begin(mailout_ids: list[int], now: datetime) -> None:
    """Note when these mail-outs began to send, unless that is known."""
    fresh = Mailout.id.in_(mailout_ids) & Mailout.started_at.is_(None)
    if db.session.scalar(select(exists().where(fresh))):
        changed(update(Mailout).where(fresh).values(started_at=now, progress_at=now, tended_at=now))
        db.session.commit()


def leave_out_due(mailout_ids: list[int], now: datetime) -> None:
    """Look again at whom the copies are for that are due next."""
    soon = exists().where(
        Recipient.mailout_id == Mailout.id, Recipient.state == State.DEFERRED, Recipient.due_at <= now + DUE_NEXT
    )
    those = select(Mailout.id, Mailout.list_id).where(Mailout.id.in_(mailout_ids), soon)
    for mailout_id, list_id in db.session.execute(those).all():
        queue.leave_out_due(mailout_id, list_id, now + DUE_NEXT, now)
        db.session.commit()


def leave_out_again(mailout_id: int, recipient_ids: list[int], now: datetime) -> None:
    """Look again at whom these copies are for, which wait anew."""
    list_id = db.session.scalar(select(Mailout.list_id).where(Mailout.id == mailout_id))
    if recipient_ids and list_id is not None:
        queue.leave_out_again(recipient_ids, list_id, now)
        db.session.commit()


def pause(mailout_id: int, words: str, now: datetime) -> bool:
    """Pause a mail-out by ourselves, with the reason; False when it was paused or over already."""
    row = update(Mailout).where(Mailout.id == mailout_id, in_progress(), Mailout.paused_at.is_(None))
    paused = bool(changed(row.values(paused_at=now, paused_for=words, paused_by_id=None)))
    db.session.commit()
    return paused


def work_before(moment: datetime) -> bool:
    """Whether a copy or a notice is on its way, or due to be, before `moment`."""
    return any(_has_work(owner, moment) for owner in [None, *open_now(moment)])


def _has_work(mailout_id: int | None, moment: datetime) -> bool:
    """The same for one mail-out, or for notices (None); one look into an index for each state.

    It is one statement: a copy that is taken up between two would be in neither of the states that they ask for.
    """
    mine = _of(mailout_id)
    states = [Recipient.state == state for state in ON_THE_WAY]
    due = (Recipient.state == State.DEFERRED) & (Recipient.due_at <= moment)
    return bool(db.session.scalar(select(or_(*[exists().where(mine, state) for state in [*states, due]]))))


def _of(mailout_id: int | None) -> ColumnElement[bool]:
    """The recipients of one mail-out, or of notices."""
    return Recipient.mailout_id.is_(None) if mailout_id is None else Recipient.mailout_id == mailout_id


def went_since(moment: datetime) -> list[datetime]:
    """When copies went since `moment`, in order: what the rate limits remember across a restart."""
    lately = select(Mailout.id).where(
        Mailout.accepted_at.is_not(None), Mailout.finished_at.is_(None) | (Mailout.finished_at > moment)
    )
    notices = select(Notice.id).where(Notice.created_at > moment - NOTICES_LAST)
    of_these = Recipient.mailout_id.in_(lately) | Recipient.notice_id.in_(notices)
    query = select(Recipient.dot_at).where(of_these, Recipient.dot_at > moment).order_by(Recipient.dot_at)
    return [at for at in db.session.scalars(query) if at is not None]


def waiting_up_to(most: int, mailout_ids: list[int], now: datetime) -> int:
    """How many copies may be tried now, counted up to `most`."""
    found = 0
    for owner in [None, *mailout_ids]:
        due = (Recipient.state == State.DEFERRED) & (Recipient.due_at <= now)
        for ready in (Recipient.state == State.CLAIMED, Recipient.state == State.QUEUED, due):
            if found < most:
                waiting = select(Recipient.id).where(_of(owner), ready).limit(most - found)
                found += len(db.session.scalars(waiting).all())
    return found


#: How long after it was written a notice may still be tried.
NOTICES_LAST = timedelta(days=3)

#: How far ahead it is looked at whom a deferred copy is for: longer than from one look to the next.
DUE_NEXT = timedelta(seconds=3)
#: How far ahead work keeps the pump alive: longer than the sweep's minute, so nothing is late.
HORIZON = timedelta(seconds=90)
