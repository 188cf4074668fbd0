"""standing -- how we stand with the relay: well, in trouble, told to wait, or pushed back.

Owns     until when no connection is tried, the words for it, and how many connections the relay lets us have
Never    marks a customer; sleeps; touches the database (the pump writes the pulse)

One connection that closes between two messages is ordinary rotation and costs no wait. Trouble twice in a row makes
everything wait, longer each time, up to a minute: nobody is lost by waiting. A relay that pushes back gets half as many
connections, and one more at a time again once it has been content for a while, a longer while after each push.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.delivery import Reply, quota_over_at

WAITS = tuple(timedelta(seconds=seconds) for seconds in (0, 1, 2, 4, 8, 15, 30, 60))
NEVER = timedelta(0)
CALM = timedelta(seconds=20)
LONGEST_CALM = timedelta(minutes=10)
PUSHES_APART = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Report:
    """What the page should say of the relay: nothing when `words` are empty."""

    words: str
    again_at: datetime | None
    heard_at: datetime | None


class Standing:
    """What the connections of one pump learn about the relay. Threads share it."""

    def __init__(self, most: int) -> None:
        """`most`: how many connections we may have at best."""
        self._lock = threading.Lock()
        self._most = most
        self._seats = most
        self._calm = CALM
        self._pushed_at: datetime | None = None
        self._troubles = 0
        self._words = ""
        self._again_at: datetime | None = None
        self._quota_until: datetime | None = None
        self._quota_words = ""
        self._heard_at: datetime | None = None

    @property
    def may_wait(self) -> bool:
        """Whether there is anything to wait for at all: `wait` knows how long."""
        return self._again_at is not None or self._quota_until is not None

    @property
    def in_trouble(self) -> bool:
        """Whether the relay was in trouble when it was last heard of."""
        return self._troubles > 0

    def well(self, now: datetime) -> None:
        """The relay answered as it should. What it said of a quota stands until that is over."""
        with self._lock:
            self._troubles, self._words, self._again_at, self._heard_at = 0, "", None, now

    def trouble(self, words: str, now: datetime) -> None:
        """The relay can't be used; come again later, the later the longer it lasts."""
        with self._lock:
            if self._again_at and now < self._again_at <= now + WAITS[-1]:
                return
            wait = WAITS[min(self._troubles, len(WAITS) - 1)]
            self._troubles += 1
            self._again_at = now + wait
            if wait:
                self._words = words

    def at_once(self, now: datetime) -> None:
        """Somebody asks that the relay is tried now, whatever we wait for it; how long we wait after that stays."""
        with self._lock:
            if self._again_at and self._again_at > now:
                self._again_at = now

    def quota(self, reply: Reply, now: datetime) -> None:
        """The relay says that we have sent too much for now. Afterwards one connection asks first."""
        with self._lock:
            until = quota_over_at(reply, now)
            self._quota_until = max(until, self._quota_until or until)
            self._quota_words = f"Your mail provider's limit is reached. It said: {reply.code} {reply.text}"
            self._push(1, now)

    def pushed_back(self, now: datetime, most: int | None = None) -> None:
        """The relay wants less of us: half as many connections, or `most` where it showed how many it bears."""
        with self._lock:
            if self._pushed_at and now < self._pushed_at + PUSHES_APART and most is None:
                return
            self._push(self._seats // 2 if most is None else min(self._seats - 1, most), now)

    def _push(self, seats: int, now: datetime) -> None:
        self._seats = max(1, seats)
        self._calm = min(LONGEST_CALM, self._calm * 2) if self._pushed_at else CALM
        self._pushed_at = now

    def seats(self, now: datetime) -> int:
        """How many connections there may be now."""
        with self._lock:
            if self._seats < self._most and self._pushed_at and now >= self._pushed_at + self._calm:
                if not (self._troubles or self._in_quota(now)):
                    self._seats += 1
                self._pushed_at = now
            if self._pushed_at and self._pushed_at > now:
                self._pushed_at = now  # the clock was put back
            return self._seats

    def _in_quota(self, now: datetime) -> bool:
        return self._quota_until is not None and now < self._quota_until

    def wait(self, now: datetime) -> timedelta:
        """How long to keep away; nought when the relay may be tried."""
        with self._lock:
            if not self._in_quota(now):
                self._quota_until, self._quota_words = None, ""
            if self._again_at and self._again_at > now + WAITS[-1]:
                self._again_at = None  # the clock was put back
            wait = max((at - now for at in (self._again_at, self._quota_until) if at), default=NEVER)
            return max(NEVER, wait)

    def waits_for_quota(self, now: datetime) -> bool:
        """Whether it is a quota that everything waits for: the relay works, and said until when."""
        with self._lock:
            return self._in_quota(now)

    def report(self, now: datetime) -> Report:
        """What is to be said of the relay now."""
        with self._lock:
            if self._in_quota(now):
                return Report(self._quota_words, self._quota_until, self._heard_at)
            return Report(self._words, self._again_at if self._words else None, self._heard_at)
