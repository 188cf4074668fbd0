"""crew -- the threads that send: as many as the work deserves and the relay bears.

Owns     the threads, and who of them has to leave when there are too many
Never    sends, asks how the relay is (the pump says how many seats there are)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Stays = Callable[[], bool]


class Crew:
    """Starts `work` in as many threads as there are seats; each asks, between two copies, whether it stays."""

    def __init__(self, work: Callable[[Stays], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._working = 0
        self._seats = 0
        self._over = False

    def man(self, wanted: int, seats: int) -> None:
        """See to it that `wanted` threads work, and never more than `seats`; those too many leave by themselves."""
        self._seats = seats
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while self._working < min(wanted, seats) and not self._over:
            with self._lock:
                self._working += 1
            thread = threading.Thread(target=self._sit, name=f"sender-{self._working}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def allow(self, seats: int) -> None:
        """There are only so many seats from now on."""
        self._seats = min(self._seats, seats)

    def dismiss(self, seconds: float) -> None:
        """Have all leave once the copy in their hand is through, and wait for that, `seconds` in all at most."""
        self._over = True
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _sit(self) -> None:
        """The life of one thread."""
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
            if not left:
                with self._lock:
                    self._working -= 1
