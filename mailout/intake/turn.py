"""turn -- one at a time at the mailbox, whatever process asks.

Owns     the lease "mailbox", held for one poll and kept while the server is waited for
Never    holds a transaction open; stays taken for longer than LENGTH after a crash
Commits  every call, at once (as `lease` does)
Fails    TurnLost when another took it because we were silent for too long
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from .. import lease

NAME = "mailbox"
LENGTH = timedelta(seconds=20)
RENEW = timedelta(seconds=5)
WAIT_SECONDS = 10.0


class TurnLost(Exception):
    """Another process reads the mailbox now."""


class Turn:
    """The right to have a session with the mailbox. `now` is the caller's clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._owner = secrets.token_hex(16)
        self._now = now
        self._taken_at: datetime | None = None

    def take(self, *, wait: bool) -> bool:
        """Take the turn; False when another has it, still after WAIT_SECONDS with `wait`."""
        until = time.monotonic() + (WAIT_SECONDS if wait else 0)
        while not self._renew():
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        return True

    def keep(self) -> None:
        """Renew the turn when it is time; raises TurnLost when it is another's."""
        now = self._now()
        if self._taken_at is not None and now - self._taken_at >= RENEW and not self._renew():
            raise TurnLost

    def give_back(self) -> None:
        """Let another have it."""
        lease.give_back(NAME, self._owner)

    def _renew(self) -> bool:
        now = self._now()
        if not lease.take(NAME, self._owner, now, LENGTH):
            return False
        self._taken_at = now
        return True
