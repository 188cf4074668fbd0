"""rhythm -- how often the mailbox is read.

Owns     the three speeds of the contract: a fresh key or an open page, an open key, none
Never    reads a clock or a mailbox
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

FRESH = timedelta(minutes=30)
WATCHED = timedelta(seconds=30)
OPEN_TIMES, IDLE_TIMES = 6, 30


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key that waits for its letter: when it was made, and when somebody last looked at its page."""

    made_at: datetime
    watched_at: datetime | None


def interval(base: timedelta, keys: Iterable[OpenKey], now: datetime) -> timedelta:
    """How long to wait between two looks into the mailbox; `base` is POP3_POLL_SECONDS."""
    times = IDLE_TIMES
    for key in keys:
        times = min(times, OPEN_TIMES)
        watched = key.watched_at is not None and now - key.watched_at <= WATCHED
        if watched or now - key.made_at <= FRESH:
            return base
    return base * times
