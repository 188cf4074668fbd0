"""closing -- the end of a mail-out: when it is over, who is told, and what pauses it.

Owns     `finished_at` and `tried_all_at`; that the complete mail goes once, and once more when the last deferred one
         is settled
Never    ends anything that still has a copy before it
Commits  every call, at once: a fact and the notice that tells of it are one transaction
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import UNSETTLED, WAITING, State
from ..journal import MAILOUT, note
from ..models import Mailout, Recipient, changed, db
from . import notify, queue, sending

#: How long after everybody's first try the complete mail waits for those that are deferred.
PATIENCE = timedelta(minutes=30)


def close_finished(now: datetime) -> None:
    """Note what is over, and queue the complete mails that are due."""
    open_ones = select(Mailout).where(Mailout.accepted_at.is_not(None), Mailout.finished_at.is_(None))
    for row in db.session.scalars(open_ones).all():
        if row.cancelled_at and _has(row.id, *WAITING):
            # on the wire at the press, and put off or handed back since
            queue.cancel(row.id, now)
            db.session.commit()
        if not _has(row.id, *sending.ON_THE_WAY):
            _close(row, now)


def _close(row: Mailout, now: datetime) -> None:
    """What is due for a mail-out in which nobody waits for a first try.

    Each fact is asked for in the UPDATE that writes it: a deferred copy may be claimed between two questions.
    """
    mine = update(Mailout).where(Mailout.id == row.id, Mailout.finished_at.is_(None))
    tried_all = Mailout.tried_all_at.is_(None) & ~_any_in(row.id, *sending.ON_THE_WAY)
    changed(mine.where(tried_all).values(tried_all_at=now))
    if changed(mine.where(~_any_in(row.id, *UNSETTLED)).values(finished_at=now)):
        _tell(row, now, over=True)
    elif row.tried_all_at and now - row.tried_all_at >= PATIENCE and not row.paused_at:
        _tell(row, now, over=False)
    db.session.commit()


def _tell(row: Mailout, now: datetime, *, over: bool) -> None:
    """Queue the complete mail of this round, or its follow-up when the first went while some were still deferred."""
    db.session.refresh(row)
    if row.cancelled_at and not _has(row.id, State.SENT, State.UNCERTAIN, State.BOUNCED):
        return
    if not notify.complete(row, now, follow_up=False) and over:
        notify.complete(row, now, follow_up=True)


def _has(mailout_id: int, *states: State) -> bool:
    """Whether the mail-out has a recipient in one of these states."""
    return bool(db.session.scalar(select(_any_in(mailout_id, *states))))


def _any_in(mailout_id: int, *states: State) -> ColumnElement[bool]:
    """The condition that the mail-out has a recipient in one of these states."""
    return exists().where(Recipient.mailout_id == mailout_id, Recipient.state.in_(states))


def pause(mailout_id: int, words: str, now: datetime) -> None:
    """Pause a mail-out by ourselves and tell its user why."""
    if sending.pause(mailout_id, words, now):
        row = db.session.get(Mailout, mailout_id, populate_existing=True)
        assert row is not None
        notify.paused(row, words, now)
        note(MAILOUT, "mailout.pause", f"mail-out {mailout_id}", words, now)
        db.session.commit()
