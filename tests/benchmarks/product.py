"""The whole product under the clock: its worker process and its database, sending a mail-out that is ready to go.

What is measured is the time from the moment at which the pump began (`started_at`) to the relay's last answer
(`settled_at`), as the tables tell it, and the worker's processor time around it. Making the mail-out is not counted,
nor is starting Python: a worker runs for months.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import func, insert, select, update

from mailout import database, doorbell, pulse, worker
from mailout import settings as mailout_settings
from mailout.journal import COMMAND
from mailout.models import MailingList, Mailout, Recipient, User, db
from mailout.outbox import steering
from mailout.web import create_app
from tests.conftest import environment
from tests.makers import Make
from tests.outbox.makers import letter, mailout
from tests.workers import Worker, until

PAGE = 10_000


@dataclass(frozen=True)
class Run:
    """What one sending took."""

    seconds: float
    cpu: float
    sent: int
    peak: float


class Product:
    """One installation with its worker; a context manager."""

    def __init__(self, folder: Path, port: int, connections: int, durability: str, **more: str) -> None:
        """`more`: other settings, by their names."""
        self.environment = environment(
            folder,
            SMTP_PORT=str(port),
            SMTP_CONNECTIONS=str(connections),
            SMTP_MESSAGES_PER_CONNECTION="1000000",
            DURABILITY=durability,
            MAX_MESSAGE_BYTES="100000000",
            **more,
        )
        settings = mailout_settings.read(self.environment)
        self.app: Flask = create_app(settings)
        database.migrate(self.app, settings)
        worker.create_huey(self.app)
        self.worker = Worker(self.environment, folder / "worker.log")

    def __enter__(self) -> Product:
        with self.app.app_context():
            make = Make(datetime.now(UTC))
            self._user_id, self._list_id = make.user().id, make.list().id
        self.worker.start()
        until(self._worker_lives, 30)
        time.sleep(2)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.worker.stop()
        self.worker.kill()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def _worker_lives(self) -> bool:
        with self.app.app_context():
            return pulse.of(pulse.WORKER).well_at is not None

    def ready(self, count: int, size: int) -> int:
        """A mail-out to `count` recipients that is not due yet."""
        later = datetime.now(UTC) + timedelta(days=1)
        user, place = db.session.get_one(User, self._user_id), db.session.get_one(MailingList, self._list_id)
        made = mailout(user, place, letter(size), ["c0@customers.test"], later)
        for start in range(1, count, PAGE):
            numbers = range(start, min(count, start + PAGE))
            rows = [
                {"mailout_id": made, "address": f"c{n}@customers.test", "name": "", "state": "queued"} for n in numbers
            ]
            db.session.execute(insert(Recipient), rows)
        db.session.commit()
        return made

    def send(self, count: int, size: int) -> Run:
        """Have it sent, and wait until it is."""
        with self.app.app_context():
            return self._send(self.ready(count, size))

    def _send(self, made: int) -> Run:
        """Have a mail-out sent that is ready."""
        before = self.worker.cpu()
        db.session.execute(update(Mailout).where(Mailout.id == made).values(starts_at=datetime.now(UTC)))
        db.session.commit()
        doorbell.ring(doorbell.SEND)
        until(lambda: self._finished(made), 900, every=0.1)
        cpu = self.worker.cpu() - before
        row = db.session.get_one(Mailout, made, populate_existing=True)
        last = db.session.scalar(select(func.max(Recipient.settled_at)).where(Recipient.mailout_id == made))
        sent = db.session.scalar(select(func.count()).where(Recipient.mailout_id == made, Recipient.state == "sent"))
        assert row.started_at is not None
        assert last is not None
        return Run((last - row.started_at).total_seconds(), cpu, sent or 0, self.worker.peak_memory())

    def peak_of_large(self, recipients: int, size: int, copies: int) -> float:
        """The worker's peak memory in MB when so many copies of a large letter have gone; the rest is cancelled.

        What the complete mail takes, with its list of all recipients, is in the figure for 100,000 small copies.
        """
        with self.app.app_context():
            return self._peak_of(self.ready(recipients, size), copies)

    def _peak_of(self, made: int, copies: int) -> float:
        """The same for a mail-out that is ready."""
        db.session.execute(update(Mailout).where(Mailout.id == made).values(starts_at=datetime.now(UTC)))
        db.session.commit()
        doorbell.ring(doorbell.SEND)
        until(lambda: self._sent(made) >= copies, 600, every=0.2)
        peak = self.worker.peak_memory()
        steering.cancel(made, COMMAND, datetime.now(UTC))
        db.session.commit()
        until(lambda: self._finished(made), 60, every=0.2)
        return peak

    @staticmethod
    def _sent(mailout_id: int) -> int:
        query = select(func.count()).where(Recipient.mailout_id == mailout_id, Recipient.state == "sent")
        sent = db.session.scalar(query) or 0
        db.session.rollback()
        return sent

    @staticmethod
    def _finished(mailout_id: int) -> bool:
        found = db.session.scalar(select(Mailout.finished_at).where(Mailout.id == mailout_id))
        db.session.rollback()
        return found is not None


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "unknown processor",
    )
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}, load before: {load:.1f}"
