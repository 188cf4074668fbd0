"""crew -- those who send, one connection each: as many as the work deserves and the relay bears.

Owns     how many work, and who has to leave when there are too many
Never    sends, asks how the relay is (the pump says how many seats there are)
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .loop import Loop

Stays = Callable[[], bool]


class Crew:
    """Has `work` run in as many fibres as there are seats; each asks, between two copies, whether it stays."""

    def __init__(self, work: Callable[[Stays], None], loop: Loop) -> None:
        self._work = work
        self._loop = loop
        self._lock = threading.Lock()
        self._left = threading.Condition(self._lock)
        self._working = 0
        self._sitting = 0
        self._seats = 0
        self._over = False

    def man(self, wanted: int, seats: int) -> None:
        """See to it that `wanted` work, and never more than `seats`; those too many leave by themselves."""
        self._seats = seats
        while self._working < min(wanted, seats) and not self._over:
            with self._lock:
                self._working += 1
                self._sitting += 1
            self._loop.start(self._sit)

    def allow(self, seats: int) -> None:
        """There are only so many seats from now on."""
        self._seats = min(self._seats, seats)

    def dismiss(self, seconds: float) -> None:
        """Have all leave once the copy in their hand is through, and wait for that, `seconds` in all at most."""
        self._over = True
        self._loop.wake()
        with self._lock:
            self._left.wait_for(lambda: not self._sitting, seconds)

    def _sit(self) -> None:
        """The life of one fibre."""
        left = False

        def stays() -> bool:
            nonlocal left
            if not (left or self._over) and self._working <= self._seats:
                return True
            with self._lock:
                if not left and not self._over and self._working > self._seats:
                    self._working -= 1
                    left = True
            return not (left or self._over)

        try:
            self._work(stays)
        finally:
            with self._lock:
                self._working -= not left
                self._sitting -= 1
                self._left.notify_all()
