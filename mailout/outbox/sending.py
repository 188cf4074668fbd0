"""sending -- which mail-outs send now, and whether anything is left to do.

Owns     the questions that the pump asks between two copies, and `started_at`
Never    changes a recipient (that is `outbox` and `ledger`), opens a socket, reads the clock
Commits  `begin` and `pause` at once
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import State
from ..models import Mailout, Recipient, changed, db

ON_THE_WAY = (State.QUEUED, State.CLAIMED, State.DOT_PENDING)


def _in_progress() -> ColumnElement[bool]:
    """Accepted and not over; whether paused or still in its start delay does not matter."""
    return Mailout.accepted_at.is_not(None) & Mailout.finished_at.is_(None) & Mailout.cancelled_at.is_(None)


def open_now(now: datetime) -> list[int]:
    """The mail-outs that may send at this moment, the oldest first."""
    query = select(Mailout.id).where(_in_progress(), Mailout.paused_at.is_(None), Mailout.starts_at <= now)
    return list(db.session.scalars(query.order_by(Mailout.starts_at, Mailout.id)))


def begin(mailout_ids: list[int], now: datetime) -> None:
    """Note when these mail-outs began to send, unless that is known."""
    rows = update(Mailout).where(Mailout.id.in_(mailout_ids), Mailout.started_at.is_(None))
    if changed(rows.values(started_at=now, progress_at=now)):
        db.session.commit()


def pause(mailout_id: int, words: str, now: datetime) -> bool:
    """Pause a mail-out by ourselves, with the reason; False when it was paused or over already."""
    row = update(Mailout).where(Mailout.id == mailout_id, _in_progress(), Mailout.paused_at.is_(None))
    paused = bool(changed(row.values(paused_at=now, paused_for=words, paused_by_id=None)))
    db.session.commit()
    return paused


def work_before(moment: datetime) -> bool:
    """Whether a copy or a notice is on its way, or due to be, before `moment`."""
    mine = Recipient.mailout_id.in_(
        select(Mailout.id).where(_in_progress(), Mailout.paused_at.is_(None), Mailout.starts_at <= moment)
    )
    notices = Recipient.mailout_id.is_(None)
    due = Recipient.state.in_(ON_THE_WAY) | ((Recipient.state == State.DEFERRED) & (Recipient.due_at <= moment))
    return any(db.session.scalar(select(exists().where(whose, due))) for whose in (notices, mine))


def went_since(moment: datetime) -> list[datetime]:
    """When copies went since `moment`, in order: what the rate limits remember across a restart."""
    query = select(Recipient.dot_at).where(Recipient.dot_at > moment).order_by(Recipient.dot_at)
    return [at for at in db.session.scalars(query) if at is not None]


def queued_up_to(most: int, mailout_ids: list[int]) -> int:
    """How many copies wait for a connection, counted up to `most`."""
    of_these = Recipient.mailout_id.in_(mailout_ids) | Recipient.mailout_id.is_(None)
    waiting = select(Recipient.id).where(of_these, Recipient.state.in_((State.QUEUED, State.CLAIMED))).limit(most)
    return len(db.session.scalars(waiting).all())


#: How far ahead work keeps the pump alive: longer than the minute after which the sweep looks again, so nothing is late.
HORIZON = timedelta(seconds=90)
