"""worker -- Huey's tasks: when something is looked at. No rule of what is done is here.

Owns     the bells and their tasks, the minute's sweep, the daily one, the worker's own pulse
Never    passes a fact in a task; locks with Huey (its locks outlive a kill -9)
Fails    into the log: a task that raises is rung again by the next sweep

Two tasks are long: the watch reads the mailbox, the pump sends. Each runs once in the process and ends when the
consumer is asked to stop (`-g TERM`); what they have in hand then goes back to the tables.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from flask import Flask
from huey import crontab

from . import doorbell, pulse
from .book import importing
from .current import settings
from .doorbell import Bells
from .intake import digest, retention
from .intake.watch import Watch
from .keeping import ready
from .models import db
from .outbox import closing, notify
from .outbox.pump import Pump

TOLD_AFTER = timedelta(minutes=15)

log = logging.getLogger(__name__)


def clock() -> datetime:
    """The worker's clock."""
    return datetime.now(UTC)


class Single:
    """Runs `work` in one thread at a time; a call in the meantime has it run once more afterwards."""

    def __init__(self, work: Callable[[], None], stopping: Callable[[], bool]) -> None:
        self._work = work
        self._stopping = stopping
        self._running = threading.Lock()
        self._again = threading.Event()

    def run(self) -> None:
        """Run the work, or have the thread that runs it do so again."""
        self._again.set()
        while self._again.is_set() and not self._stopping() and self._running.acquire(blocking=False):
            try:
                self._again.clear()
                self._work()
            finally:
                self._running.release()


def create_huey(app: Flask) -> Bells:
    """The queue of `app` with its tasks: what `huey_consumer app.huey` runs."""
    with app.app_context():
        huey = doorbell.create(settings())
    watch = Watch(app, clock, huey.stopping)
    send = Single(lambda: Pump(app, clock, huey.stopping).run(), huey.stopping)

    @huey.task(name="poll")
    def poll() -> None:
        watch.look()

    @huey.task(name="watch")
    def keep_watch() -> None:
        watch.keep()

    @huey.task(name="send", priority=1)
    def send_now() -> None:
        send.run()

    @huey.periodic_task(crontab(minute="*"), name="sweep", expires=50)
    def sweep() -> None:
        with app.app_context():
            look_around(clock())

    @huey.periodic_task(crontab(hour="3", minute="17"), name="daily", expires=3600)
    def daily() -> None:
        with app.app_context():
            log.info("swept %s", retention.sweep(clock()))
            importing.sweep(clock())
            db.session.remove()

    @huey.on_startup()
    def started() -> None:
        with app.app_context():
            look_around(clock())

    huey.before_start = partial(_make_ready, app)
    doorbell.hang(app, {doorbell.POLL: poll, doorbell.WATCH: keep_watch, doorbell.SEND: send_now})
    return huey


def _make_ready(app: Flask) -> None:
    """Before anything is looked at: speak where the consumer speaks, and bring the database to the newest schema.

    The web process may migrate meanwhile; one of them waits for the other.
    """
    ours, consumer = logging.getLogger(__package__), logging.getLogger("huey")
    ours.handlers, ours.propagate = consumer.handlers, False
    ours.setLevel(consumer.level)
    with app.app_context():
        ready.make_ready(app, settings(), clock())


def look_around(now: datetime) -> None:
    """The sweep: say that the worker lives, ring both bells, see to what has its time."""
    pulse.well(pulse.WORKER, now)
    doorbell.ring(doorbell.WATCH)
    doorbell.ring(doorbell.SEND)
    closing.close_finished(now)
    retention.discard_held(now)
    digest.due_digests(now)
    for name in (pulse.MAILBOX, pulse.RELAY):
        _tell_of_trouble(name, now)
    db.session.remove()


def _tell_of_trouble(name: str, now: datetime) -> None:
    """Tell the Administrators, once, of a mailbox or relay that is out for a quarter of an hour."""
    known = pulse.of(name)
    since = known.trouble_since
    if since is None or known.told_at is not None or now - since < TOLD_AFTER:
        return
    notify.delayed(None, known.trouble, now, since=since)
    pulse.told(name, now)
