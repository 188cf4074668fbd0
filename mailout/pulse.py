"""pulse -- when mailbox, relay, worker and the doctor's letters were last heard of, and what is wrong with them.

Owns     the table `pulse`; the pages and `/healthz` read it
Never    judges: it keeps what it is told, in words that a person reads
Commits  every call, at once
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, update

from .models import Pulse, changed, db

MAILBOX, RELAY, WORKER, ROUND_TRIP = "mailbox", "relay", "worker", "round-trip"


def well(name: str, now: datetime) -> None:
    """Note that `name` answered as it should."""
    _note(name, tried_at=now, well_at=now, trouble_since=None, trouble="", again_at=None, told_at=None)


def ill(name: str, words: str, now: datetime, again_at: datetime | None = None) -> None:
    """Note that `name` is in trouble, in words, and when it is tried again."""
    since = func.coalesce(Pulse.trouble_since, now)
    _note(name, tried_at=now, trouble_since=since, trouble=words, again_at=again_at)


def sooner(name: str, now: datetime) -> bool:
    """Ask that `name`, which is in trouble, is tried now and not only when its time has come; False if it is well."""
    waits = update(Pulse).where(Pulse.name == name, Pulse.trouble != "", Pulse.again_at > now)
    asked = changed(waits.values(again_at=None))
    db.session.commit()
    return bool(asked)


def is_asked_for(name: str) -> bool:
    """Whether somebody asked that `name` is tried now: it is in trouble, and nothing says for how long."""
    known = of(name)
    return known.trouble != "" and known.again_at is None


def told(name: str, now: datetime) -> None:
    """Note that the Administrators were told of the trouble that `name` is in."""
    _note(name, told_at=now)


def line(name: str, connections: int, waits_for: str, until: datetime | None) -> None:
    """Note how many connections to `name` are open, and what is waited for that is no trouble: a quota, a limit."""
    _note(name, connections=connections, waits_for=waits_for, waits_until=until)


def of(name: str) -> Pulse:
    """What is known of `name`; a pulse without times when it was never heard of."""
    return db.session.get(Pulse, name, populate_existing=True) or Pulse(name=name, trouble="")


def _note(name: str, **values: object) -> None:
    """Write these columns of the pulse, making its row the first time."""
    if not changed(update(Pulse).where(Pulse.name == name).values(**values)):
        db.session.add(Pulse(name=name, trouble=""))
        db.session.flush()
        changed(update(Pulse).where(Pulse.name == name).values(**values))
    db.session.commit()
