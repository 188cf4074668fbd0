"""pace -- how fast copies go, and how long a number of them takes: the honest clock.

Owns     what is foretold about time, from the relay's limits and from how fast copies went lately
Never    invents a speed: where nothing is known, nothing is said
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil
from typing import cast

from flask import current_app
from sqlalchemy import func, select, union_all

from ...core.delivery import State
from ...current import settings
from ...models import Mailout, Recipient, db
from ...setting_values import Rate
from .. import asking
from .recent import LARGE, SECONDS

_KEPT = "mailout_copies_ahead"

#: How many of the newest copies are looked at in all, and how old the oldest of them may be beside the newest.
SAMPLE = 200
LATELY = timedelta(minutes=5)
#: So many of the newest mail-outs are asked for a speed, until one is long enough to have one.
NEWEST = 3
#: Whatever rounds to less is said without its number.
A_MINUTE = timedelta(seconds=31)

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


#: How many seconds ago the copy went that stands so many before the newest; None when there is none.
Age = Callable[[int], float | None]


def _never(_: int) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast copies go: a second, as seen lately (0: never seen), and the relay's limits.

    `age` says how many seconds ago a copy went, counted back from the newest: what a limit has room for depends on it.
    """

    per_second: float
    rates: tuple[Rate, ...]
    age: Age = _never

    def time_for(self, copies: int) -> timedelta | None:
        """How long this many copies take from now on; None when nothing is known that would tell."""
        limited = max((self._limited(rate, copies) for rate in self.rates), default=0.0)
        seen = copies / self.per_second if self.per_second else 0.0
        seconds = max(limited, seen)
        return timedelta(seconds=seconds) if seconds or not copies else None

    def words(self, copies: int) -> str:
        """The speed in words: the limit that governs this many copies ("30 a minute"), else what was seen lately."""
        governing = max(self.rates, key=lambda rate: self._limited(rate, copies), default=None)
        if governing and self._limited(governing, copies) * self.per_second >= copies * 0.9:
            return _rate_words(governing)
        if governing and not self.per_second and self._limited(governing, copies):
            return _rate_words(governing)
        return speed_words(self.per_second)

    def _limited(self, rate: Rate, copies: int) -> float:
        """How many seconds a limit makes this many copies take.

        The last of them goes so many windows after the copy that went whole windows' worths before it; where there was
        none, the first window's worth goes at once.
        """
        windows = ceil(copies / rate.count)
        if not windows:
            return 0.0
        age = self.age(windows * rate.count - copies)
        empty = (windows - 1) * rate.seconds
        return float(empty) if age is None else max(empty, windows * rate.seconds - age)


def now_of(mailout_id: int) -> Pace:
    """How fast this mail-out goes."""
    return Pace(_seen(mailout_id), settings().rates, _age_in(mailout_id))


def lately() -> Pace:
    """How fast the newest mail-out went that sent enough to tell."""
    query = select(Mailout.id).where(Mailout.started_at.is_not(None)).order_by(Mailout.id.desc()).limit(NEWEST)
    newest = list(db.session.scalars(query))
    return Pace(_seen(*newest), settings().rates, _age_in(newest[0]) if newest else _never)


def _age_in(mailout_id: int) -> Age:
    """How long ago the copies of this mail-out went; each is looked up once."""

    @cache
    def age(back: int) -> float | None:
        query = (
            select(Recipient.dot_at)
            .where(Recipient.mailout_id == mailout_id, Recipient.state == State.SENT, Recipient.due_at.is_(None))
            .order_by(Recipient.id.desc())
            .offset(back)
            .limit(1)
        )
        at = db.session.scalar(query)
        return (asking.now() - at).total_seconds() if at else None

    return age


def ahead() -> int:
    """How many copies of other mail-outs wait for the same relay, as counted within the last second."""
    at, counted = cast("tuple[float, int]", current_app.extensions.get(_KEPT, (0.0, 0)))
    if counted < LARGE or time.monotonic() - at >= SECONDS:
        counted = _ahead()
        current_app.extensions[_KEPT] = (time.monotonic(), counted)
    return counted


def _ahead() -> int:
    others = select(Mailout.id).where(
        Mailout.accepted_at.is_not(None),
        Mailout.finished_at.is_(None),
        Mailout.cancelled_at.is_(None),
        Mailout.paused_at.is_(None),
    )
    waiting = Recipient.state.in_((State.QUEUED, State.CLAIMED))
    return db.session.scalar(select(func.count()).where(Recipient.mailout_id.in_(others), waiting)) or 0


def about(length: timedelta) -> str:
    """A length of time, to the minute, as one says it: "less than a minute", "41 minutes", "1 h 40 min", "2 days"."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


def roughly(length: timedelta) -> str:
    """A length of time that was reckoned, as a sentence begins: "About 41 minutes", "Less than a minute"."""
    said = about(length)
    return f"{said[0].upper()}{said[1:]}" if length < A_MINUTE else f"About {said}"


def speed_words(per_second: float) -> str:
    """A speed in the largest unit in which it is a whole number worth saying: "12 a second"; "" for none."""
    if not per_second:
        return ""
    for seconds, unit in reversed(_UNITS):
        if per_second * seconds >= 2 or unit == "day":
            return f"{max(1, round(per_second * seconds)):,} {_a(unit)}"
    raise AssertionError(per_second)


def _a(unit: str) -> str:
    return f"{'an' if unit == 'hour' else 'a'} {unit}"


def _rate_words(rate: Rate) -> str:
    """A limit as it was set: "30 a minute"."""
    unit = next((unit for seconds, unit in _UNITS if seconds == rate.seconds), "")
    return f"{rate.count:,} {_a(unit)}" if unit else f"{rate.count:,} in {rate.seconds:,} seconds"


def _seen(*mailout_ids: int) -> float:
    """Copies a second among the newest that the relay accepted, of the first of these mail-outs that tells."""
    samples = [
        select(Recipient.mailout_id, Recipient.dot_at)
        # none of these is due: said, so that the index has them in their order
        .where(Recipient.mailout_id == mailout_id, Recipient.state == State.SENT, Recipient.due_at.is_(None))
        .order_by(Recipient.id.desc())
        .limit(SAMPLE // len(mailout_ids))
        .subquery()
        .select()
        for mailout_id in mailout_ids
    ]
    times: dict[int, list[datetime]] = {mailout_id: [] for mailout_id in mailout_ids}
    for mailout_id, at in db.session.execute(union_all(*samples)) if samples else ():
        if at is not None:
            times[mailout_id].append(at)
    return next(filter(None, map(_per_second, times.values())), 0.0)


def _per_second(times: Sequence[datetime]) -> float:
    """The speed among these times; 0 when they are too few to tell.

    As many as there are connections may come in at once: those before them took the time, and so they do not count.
    """
    newest = max(times, default=None)
    recent = [at for at in times if newest and newest - at <= LATELY]
    counted = len(recent) - settings().smtp_connections
    if newest is None or counted < 1:
        return 0.0
    length = (newest - min(recent)).total_seconds()
    return counted / length if length else 0.0
