"""watch -- the long look at the mailbox: read it, handle what came, wait, as often as the rhythm says.

Owns     when the mailbox is read next; telling the Administrators when it can't be read for a quarter of an hour
Never    holds a fact: killed at any moment, the next one reads the tables and goes on
Fails    nobody: what goes wrong with the mailbox is a word on the page and a longer wait

One watch runs in a process, and `collect` sees to it that one session is open in the world. It ends when the worker
stops. Huey ticks once a minute, which is too slow for somebody who waits in front of a page.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from .. import doorbell, pulse
from ..core.rhythm import OpenKey, interval
from ..current import settings
from ..models import Mailout, db
from . import collect, handle

SLICE_SECONDS = 0.25
#: How long a wait may be before the tables are asked again: somebody may have made a key, and the bell may be lost.
LONGEST = timedelta(seconds=2)

log = logging.getLogger(__name__)


class Watch:
    """The one watch of a process: `look` is rung when somebody waits, `keep` by the sweep so that a watch runs."""

    def __init__(self, app: Flask, now: Callable[[], datetime], stopping: Callable[[], bool]) -> None:
        self._app = app
        self._now = now
        self._stopping = stopping
        self._running = threading.Lock()
        self._wanted = threading.Event()

    def look(self) -> None:
        """Look at once, in the watch that runs or in this thread, which then goes on watching."""
        self._wanted.set()
        self.keep()

    def keep(self) -> None:
        """Watch until the worker stops, unless a watch runs already."""
        if not self._running.acquire(blocking=False):
            return
        try:
            self._turn(first=True)
            while not self._stopping():
                self._turn()
        finally:
            self._running.release()

    def _turn(self, *, first: bool = False) -> None:
        """One look, and the wait after it; the first one does not wait for what an earlier worker waited for."""
        asked = self._wanted.is_set()
        self._wanted.clear()
        with self._app.app_context():
            began = self._now()
            try:
                if first or asked or began >= self._due():
                    collect.poll(settings(), self._now)
                if handle.handle_new(self._now, self._stopping):
                    doorbell.ring(doorbell.SEND)
                wait = self._due() - self._now()
            except OperationalError as error:
                log.error("the mailbox was not read: %s", type(error).__name__)
                wait = timedelta(seconds=5)
            finally:
                db.session.remove()
        self._wait(wait)

    def _due(self) -> datetime:
        """When the mailbox is to be read next."""
        now = self._now()
        known = pulse.of(pulse.MAILBOX)
        if known.tried_at is None:
            return now
        due = known.tried_at + interval(timedelta(seconds=settings().poll_seconds), open_keys(now), now)
        return max(due, known.again_at) if known.again_at else due

    def _wait(self, length: timedelta) -> None:
        """Wait at most so long, less when the bell is rung or the worker stops."""
        until = self._now() + min(length, LONGEST)
        while self._now() < until and not (self._stopping() or self._wanted.is_set()):
            self._wanted.wait(min(SLICE_SECONDS, max(0.01, (until - self._now()).total_seconds())))


def open_keys(now: datetime) -> list[OpenKey]:
    """The keys that wait for their letter."""
    waits = (Mailout.letter_id.is_(None), Mailout.cancelled_at.is_(None), Mailout.expires_at > now)
    query = select(Mailout.created_at, Mailout.watched_at).where(*waits)
    return [OpenKey(made_at, watched_at) for made_at, watched_at in db.session.execute(query)]
