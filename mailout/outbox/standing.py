"""standing -- how we stand with the relay: well, in trouble, or told to wait.

Owns     until when no connection is tried, and the words for it
Never    marks a customer; sleeps; touches the database (the pump writes the pulse)

One connection that closes between two messages is ordinary rotation and costs no wait. Trouble twice in a row makes
everything wait, longer each time, up to a minute: nobody is lost by waiting.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.delivery import Reply, quota_over_at

WAITS = tuple(timedelta(seconds=seconds) for seconds in (0, 1, 2, 4, 8, 15, 30, 60))
NEVER = timedelta(0)


@dataclass(frozen=True, slots=True)
class Report:
    """What the page should say of the relay: nothing when `words` are empty."""

    words: str
    again_at: datetime | None
    heard_at: datetime | None


class Standing:
    """What the connections of one pump learn about the relay. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._troubles = 0
        self._words = ""
        self._again_at: datetime | None = None
        self._heard_at: datetime | None = None

    def well(self, now: datetime) -> None:
        """The relay answered as it should."""
        with self._lock:
            self._troubles, self._words, self._again_at, self._heard_at = 0, "", None, now

    def trouble(self, words: str, now: datetime) -> None:
        """The relay can't be used; come again later, the later the longer it lasts."""
        with self._lock:
            if self._again_at and now < self._again_at:
                return
            wait = WAITS[min(self._troubles, len(WAITS) - 1)]
            self._troubles += 1
            self._again_at = now + wait
            if wait:
                self._words = words

    def quota(self, reply: Reply, now: datetime) -> None:
        """The relay says that we have sent too much for now."""
        with self._lock:
            until = quota_over_at(reply, now)
            self._again_at = max(until, self._again_at or until)
            self._words = f"Your mail provider's limit is reached. It said: {reply.code} {reply.text}"

    def wait(self, now: datetime) -> timedelta:
        """How long to keep away; nought when the relay may be tried."""
        with self._lock:
            return max(NEVER, self._again_at - now) if self._again_at else NEVER

    def report(self) -> Report:
        """What is to be said of the relay now."""
        with self._lock:
            return Report(self._words, self._again_at if self._words else None, self._heard_at)
