"""throttle -- how often somebody may be wrong about a password, and how long they wait after that.

Owns     the counts of wrong tries, by account and address together, by address, and by account
Never    keeps an account shut: another address may always try it, so no Administrator is locked out
Fails    never: it says how long to wait, in seconds

FREE wrong tries cost nothing. After them each wrong try doubles the wait, from FIRST to LONGEST. One address that is
wrong about many accounts waits as well; an account that many addresses are wrong about gives each of them one try.
A try counts as wrong until it was right, so that many at once are no more than one after another. A right password
clears the count of its account and address. The counts live in this process, of which there is one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE, FREE_OF_ADDRESS, FREE_OF_ACCOUNT = 5, 50, 100
FIRST, LONGEST = timedelta(seconds=30), timedelta(minutes=15)
FORGOTTEN = timedelta(hours=24)
MOST = 50_000

#: An address and an account; None for all of them.
Key = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Wrong:
    """How often somebody was wrong, and when last."""

    times: int
    at: datetime


class Throttle:
    """The counts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: OrderedDict[Key, Wrong] = OrderedDict()

    def enter(self, account: str, address: str, now: datetime) -> timedelta:
        """How long this address must wait before it may try this account; nought when it tries now, which counts."""
        with self._lock:
            left = self._wait(account, address, now)
            if not left:
                self._count(account, address, now)
            return left

    def tries_left(self, account: str, address: str, now: datetime) -> int:
        """How many wrong tries cost nothing still."""
        with self._lock:
            return max(0, FREE - self._of((address, account), now).times)

    def right(self, account: str, address: str) -> None:
        """Forget the wrong tries before a right one, and that this one was counted."""
        with self._lock:
            self._wrong.pop((address, account), None)
            for key in ((address, None), (None, account)):
                found = self._wrong.get(key)
                if found:
                    self._wrong[key] = Wrong(found.times - 1, found.at)

    def forget(self, account: str, address: str) -> None:
        """Forget the wrong tries of somebody who has set a new password."""
        with self._lock:
            self._wrong.pop((address, account), None)

    def _count(self, account: str, address: str, now: datetime) -> None:
        for key in ((address, account), (address, None), (None, account)):
            self._wrong[key] = Wrong(self._of(key, now).times + 1, now)
            self._wrong.move_to_end(key)
        while len(self._wrong) > MOST:
            self._wrong.popitem(last=False)

    def _wait(self, account: str, address: str, now: datetime) -> timedelta:
        crowd = self._of((None, account), now).times >= FREE_OF_ACCOUNT
        pair = self._left((address, account), 1 if crowd else FREE, now)
        return max(pair, self._left((address, None), FREE_OF_ADDRESS, now))

    def _of(self, key: Key, now: datetime) -> Wrong:
        """The count of `key`; nought after a day without a wrong try."""
        found = self._wrong.get(key, Wrong(0, now))
        return found if now - found.at < FORGOTTEN else Wrong(0, now)

    def _left(self, key: Key, free: int, now: datetime) -> timedelta:
        """How much of the wait of `key` is left."""
        found = self._of(key, now)
        if found.times < free:
            return timedelta()
        length = min(FIRST * (1 << min(found.times - free, 10)), LONGEST)
        return max(found.at + length - now, timedelta())
