"""limiter -- how many copies may go in a second, a minute, an hour, a day.

Owns     the times of the copies that went lately, and the places of those that are on their way to the relay
Never    sleeps, reads the clock, forgets at a restart: it is made from what the tables say went

A limit of N in a window holds to the message in any window of that length, not only from one full minute to the next.
A copy takes a place before it is offered and counts from the moment of its dot, however long the relay took until
then; one that was refused before its dot gives its place back. Times are seconds of one steady clock: a wall clock
that is put back must not hold anybody up for an hour, one that is put forward not let a burst through.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable

from ..settings import Rate

#: A window is this much longer than its name says, in seconds and as a part of it: one copy takes longer to the relay
#: than the next, and the relay counts when they come.
SLACK, SLACK_PART = 0.1, 0.02


class _Window:
    """The times that still count for one limit, oldest first."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._length = rate.seconds + min(SLACK, rate.seconds * SLACK_PART)
        self._times = array("d")
        self._first = 0

    def note(self, at: float) -> None:
        """A copy went at `at`."""
        self._times.append(at)

    def wait(self, now: float, on_the_way: int) -> float:
        """How many seconds this window is still full."""
        while self._first < len(self._times) and self._times[self._first] <= now - self._length:
            self._first += 1
        if self._first > 4096 and self._first * 2 > len(self._times):
            del self._times[: self._first]
            self._first = 0
        room = self.rate.count - on_the_way - (len(self._times) - self._first)
        if room > 0:
            return 0.0
        oldest = self._first - room
        return self._times[oldest] + self._length - now if oldest < len(self._times) else 1.0


class Limiter:
    """Gives a copy its place, or says when the next may ask. Threads share it."""

    def __init__(self, rates: Iterable[Rate], gone: Iterable[float] = ()) -> None:
        """`gone`: when copies went before now, in order, back to the longest window."""
        self._windows = [_Window(rate) for rate in rates]
        self._on_the_way = 0
        self._lock = threading.Lock()
        for at in gone:
            for window in self._windows:
                window.note(at)

    def take_place(self, now: float) -> float:
        """Nought, and a place is taken; else how many seconds to wait before asking again."""
        if not self._windows:
            return 0.0
        with self._lock:
            wait = max(window.wait(now, self._on_the_way) for window in self._windows)
            if wait <= 0:
                self._on_the_way += 1
            return max(0.0, wait)

    def went(self, now: float) -> None:
        """The copy of a place is handed over now: from now on it counts."""
        if not self._windows:
            return
        with self._lock:
            self._on_the_way -= 1
            for window in self._windows:
                window.note(now)

    def give_back(self) -> None:
        """The copy of a place did not go after all."""
        if self._windows:
            with self._lock:
                self._on_the_way -= 1

    def full_for(self, now: float) -> Rate | None:
        """The limit that holds the next copy up longest; None when none does."""
        with self._lock:
            waits = [(window.wait(now, self._on_the_way), window.rate) for window in self._windows]
        longest = max(waits, key=lambda pair: pair[0], default=(0.0, None))
        return longest[1] if longest[0] > 0 else None
