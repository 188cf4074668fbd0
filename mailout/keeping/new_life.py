"""new_life -- what a restored database does first: still what was under way, and forget what was the old life's.

Owns     the order of these, the journal's entry, that new numbers are nobody's of the time in between
Never    guesses at what came after the backup
Commits  once, when all of it is done; the crash rule before it

Sessions and mailed links end: one that was signed out of, used up or taken away after the backup would work again. The
leases and pulses are of processes that are gone. New customers and recipients get numbers that nobody had, for links
and returns of letters that went in between are still under way.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select

from ..book import links, numbers, sessions
from ..core.telling import restored
from ..core.telling.restored import Found
from ..core.telling.spoken import things
from ..current import settings
from ..journal import COMMAND, MAILOUT, Actor, note
from ..models import JournalEntry, Lease, Pulse, Setting, db
from ..outbox import notify, standstill
from .backup import TAKEN

#: So many numbers of customers are left out. Pages keep a byte for each, so it can't be any number.
CUSTOMERS = 50_000


def begin(name: str, now: datetime, actor: Actor = COMMAND) -> Found:
    """Begin the new life of the database at hand, which was the backup `name`; what it held. Commits."""
    taken_at = _taken_at()
    zone, exact = settings().time_zone, taken_at is not None
    at = taken_at or _last_written() or now
    standstill.take_over(now)
    stilled = standstill.pause_all(restored.why(at, zone, exact=exact), at, now)
    doubt = restored.doubt(at, zone, exact=exact)
    keys, held = standstill.hold_what_comes(doubt, at, now), standstill.warn_of_held(doubt)
    found = Found(at, exact, stilled, keys, held)
    _forget(now)
    notify.restored(found, now)
    standstill.skip_numbers()
    said = f"{restored.about(at, zone, exact=exact)} {things(len(stilled), 'mail-out')} paused"
    note(actor, "data.restore", name, said, now)
    db.session.execute(delete(Setting).where(Setting.name == TAKEN))
    db.session.commit()
    return found


def begin_if_by_hand(now: datetime) -> bool:
    """Begin the new life of a backup that somebody has copied into its place; whether it is one. Commits if so."""
    if _taken_at() is None:
        return False
    begin("put into its place by hand", now, MAILOUT)
    return True


def _taken_at() -> datetime | None:
    """When the database at hand was copied, as `backup` wrote into it; None when it is no copy."""
    said = db.session.scalar(select(Setting.value).where(Setting.name == TAKEN))
    return datetime.fromisoformat(said) if said else None


def _last_written() -> datetime | None:
    """The last moment that the journal or a pulse knows of: the copy was taken then or later."""
    known = [db.session.scalar(select(func.max(column))) for column in (JournalEntry.at, Pulse.tried_at, Pulse.well_at)]
    return max((at for at in known if at), default=None)


def _forget(now: datetime) -> None:
    """End what belonged to the processes and the visitors of the old life."""
    db.session.execute(delete(Lease))
    db.session.execute(delete(Pulse))
    sessions.end_everybodys()
    links.void_all(now)
    standstill.drop_notices(now)
    numbers.skip(CUSTOMERS)
