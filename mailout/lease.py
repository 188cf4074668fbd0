"""lease -- one at a time, across threads, processes and crashes.

Owns     the table `lease`: who may poll the mailbox, who may send, and until when unless they renew it
Never    waits: who does not get a lease goes away and comes again with the next sweep
Commits  every call, at once

A lease survives no crash for longer than its time, and nobody has to clean up after one. What is done under it is
fenced as well: each write of the holder names the holder.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from .models import Lease, changed, db


def take(name: str, owner: str, now: datetime, length: timedelta) -> bool:
    """Take or renew the lease `name` for `owner` until `now + length`; False when another holds it.

    One that lies further ahead than anybody would take it was taken before the clock was put back: it is over.
    """
    mine_or_over = (Lease.owner == owner) | (Lease.until <= now) | (Lease.until > now + 2 * length)
    got = changed(update(Lease).where(Lease.name == name, mine_or_over).values(owner=owner, until=now + length))
    if not got and db.session.get(Lease, name, populate_existing=True) is None:
        got = _first(Lease(name=name, owner=owner, until=now + length))
    db.session.commit()
    return bool(got)


def _first(row: Lease) -> bool:
    """Add the lease's row; False when another did so at the same moment."""
    try:
        db.session.add(row)
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        return False
    return True


def give_back(name: str, owner: str) -> None:
    """Let others have the lease at once, if `owner` still holds it."""
    db.session.execute(delete(Lease).where(Lease.name == name, Lease.owner == owner))
    db.session.commit()
