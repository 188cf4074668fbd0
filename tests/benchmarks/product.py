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

from mailout import database, doorbell, worker
from mailout import settings as mailout_settings
from mailout.models import Mailout, Recipient, db
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

    def __init__(self, folder: Path, port: int, connections: int, durability: str) -> None:
        self.environment = environment(
            folder,
            SMTP_PORT=str(port),
            SMTP_CONNECTIONS=str(connections),
            SMTP_MESSAGES_PER_CONNECTION="1000000",
            DURABILITY=durability,
            MAX_MESSAGE_BYTES="100000000",
        )
        settings = mailout_settings.read(self.environment)
        self.app: Flask = create_app(settings)
        database.migrate(self.app, settings)
        worker.create_huey(self.app)
        self._context = self.app.app_context()
        self.worker = Worker(self.environment, folder / "worker.log")

    def __enter__(self) -> Product:
        self._context.push()
        make = Make(datetime.now(UTC))
        self._user, self._list = make.user(), make.list()
        self.worker.start()
        time.sleep(4)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):
            self.worker.stop()
        self.worker.kill()
        db.session.remove()
        db.engine.dispose()
        self._context.pop()

    def ready(self, count: int, size: int) -> int:
        """A mail-out to `count` recipients that is not due yet."""
        later = datetime.now(UTC) + timedelta(days=1)
        made = mailout(self._user, self._list, letter(size), ["c0@customers.test"], later)
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
        made = self.ready(count, size)
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
