"""digest -- one mail about what came back, two days after a mail-out was complete.

Owns     when it is due
Never    goes when nothing came back; goes twice (its notice has one name for each mail-out)
Commits  after each mail-out that it tells of
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from ..models import Mailout, Notice, db
from ..outbox import notify, progress
from .returned import left, returned

AFTER = timedelta(days=2)
#: A mail-out that was complete longer ago is history: nobody wants its digest when the worker was off for weeks.
AT_MOST = timedelta(days=4)


def due_digests(now: datetime) -> int:
    """Queue the digests that are due; returns how many."""
    told = select(Notice.mailout_id).where(Notice.kind == "returns", Notice.mailout_id.is_not(None))
    due = select(Mailout).where(
        Mailout.finished_at <= now - AFTER, Mailout.finished_at > now - AT_MOST, Mailout.id.not_in(told)
    )
    queued = 0
    for row in db.session.scalars(due).all():
        found = returned(row.id)
        if found.is_something:
            queued += notify.returns(row, progress.lines(row.id, "bounced"), found.answers, left(row, now), now)
            db.session.commit()
    return queued
