"""limiter -- how many copies may go in a second, a minute, an hour, a day.

Owns     the times of the copies that went lately
Never    sleeps, reads the clock, forgets at a restart: it is made from what the tables say went

A limit of N in a window holds to the message in any window of that length, not only from one full minute to the next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from ..settings import Rate


class Limiter:
    """Lets a copy go, or says when the next may. Threads share it."""

    def __init__(self, rates: Iterable[Rate], gone: Iterable[datetime] = ()) -> None:
        """`gone`: when copies went before now, in order, back to the longest window."""
        self._windows = [(rate.count, timedelta(seconds=rate.seconds), deque[datetime]()) for rate in rates]
        self._lock = threading.Lock()
        for at in gone:
            self._note(at)

    def go(self, now: datetime) -> timedelta:
        """Nought, and the copy is counted; else how long to wait before asking again, and it is not."""
        with self._lock:
            wait = max((self._wait(window, now) for window in self._windows), default=timedelta(0))
            if wait <= timedelta(0):
                self._note(now)
                return timedelta(0)
            return wait

    def give_back(self) -> None:
        """The copy that was counted last did not go after all."""
        with self._lock:
            for _, _, times in self._windows:
                if times:
                    times.pop()

    @staticmethod
    def _wait(window: tuple[int, timedelta, deque[datetime]], now: datetime) -> timedelta:
        """How long this window is still full."""
        count, length, times = window
        while times and times[0] <= now - length:
            times.popleft()
        return times[0] + length - now if len(times) >= count else timedelta(0)

    def _note(self, at: datetime) -> None:
        for _, _, times in self._windows:
            times.append(at)
