"""kill -9 of a real worker, SIGTERM, a full disk: nobody lost, nobody twice, at most one in doubt a connection.

MAILOUT_KILLS=100 python3 app.py test tests/outbox/test_kills.py        the long version
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from mailout.models import Mailout, Recipient, db
from mailout.settings import Settings
from mailout.web import create_app
from tests.conftest import environment
from tests.makers import Make
from tests.outbox.makers import letter, mailout, states
from tests.relay import Relay, wait
from tests.workers import Worker, until

KILLS = int(os.environ.get("MAILOUT_KILLS", "3"))
CONNECTIONS = 4


@pytest.fixture
def slow_relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay that takes a moment for each message."""
    with Relay(dot_seconds=0.02, log_file=tmp_path / "relay.log") as relay:
        yield relay


@pytest.fixture
def worker(settings: Settings, slow_relay: Relay, tmp_path: Path) -> Iterator[Worker]:
    """A worker for the test's installation, not started yet."""
    more = {"SMTP_PORT": str(slow_relay.port), "SMTP_CONNECTIONS": str(CONNECTIONS), "POP3_POLL_SECONDS": "3600"}
    process = Worker(environment(settings.instance_dir, **more), tmp_path / "worker.log")
    yield process
    process.kill()


@pytest.fixture
def installed(settings: Settings) -> Iterator[Flask]:
    """The same installation, seen from here."""
    app = create_app(settings)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def settled(mailout_id: int) -> int:
    """How many recipients have their last word, in the tables' view."""
    query = select(func.count()).where(Recipient.mailout_id == mailout_id, Recipient.settled_at.is_not(None))
    found = db.session.scalar(query) or 0
    db.session.rollback()
    return found


def finished(mailout_id: int) -> bool:
    found = db.session.scalar(select(Mailout.finished_at).where(Mailout.id == mailout_id))
    db.session.rollback()
    return found is not None


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nobody_and_serves_nobody_twice(
    installed: Flask, worker: Worker, slow_relay: Relay, now: datetime
) -> None:
    people = [f"c{n}@customers.test" for n in range(max(200, KILLS * 20))]
    made, dice = Make(now), random.Random(7)
    sent = mailout(made.user(), made.list(), letter(3000), people, datetime.now(UTC))

    for _ in range(KILLS):
        before = settled(sent)
        worker.start()
        until(lambda: settled(sent) > before or finished(sent), 60)  # noqa: B023
        time.sleep(dice.uniform(0, 0.1))
        worker.kill()
    worker.start()
    until(lambda: finished(sent), 120)

    copies, found = slow_relay.copies(), states(sent)
    counts = Counter(found.values())
    assert set(found.values()) <= {"sent", "uncertain"}
    assert counts["uncertain"] <= CONNECTIONS * KILLS
    assert not [address for address in people if copies[address] > 1], "nobody twice"
    assert not [address for address, state in found.items() if state == "sent" and not copies[address]], "nobody lost"


def test_after_sigterm_nobody_is_in_doubt_and_the_next_worker_goes_on(
    installed: Flask, worker: Worker, slow_relay: Relay, now: datetime
) -> None:
    people = [f"c{n}@customers.test" for n in range(150)]
    made = Make(now)
    sent = mailout(made.user(), made.list(), letter(3000), people, datetime.now(UTC))
    slow_relay.rule("DOT", wait(0.5), every=10)

    worker.start()
    until(lambda: settled(sent) > 20, 60)
    seconds = worker.stop()

    assert seconds < 25
    assert set(states(sent).values()) == {"sent", "queued"}
    db.session.rollback()
    assert slow_relay.copies() == Counter(address for address, state in states(sent).items() if state == "sent")

    slow_relay.clear_rules()
    db.session.rollback()
    worker.start()
    until(lambda: finished(sent), 60)
    assert set(states(sent).values()) == {"sent"}
    assert not [address for address in people if slow_relay.copies()[address] != 1]


def test_two_workers_on_one_database_serve_everybody_once(
    installed: Flask, worker: Worker, slow_relay: Relay, now: datetime, settings: Settings, tmp_path: Path
) -> None:
    people = [f"c{n}@customers.test" for n in range(100)]
    made = Make(now)
    sent = mailout(made.user(), made.list(), letter(), people, datetime.now(UTC))

    second = Worker(worker._environment, tmp_path / "second.log")
    worker.start()
    with second:
        until(lambda: finished(sent), 60)

    assert set(states(sent).values()) == {"sent"}
    assert not [address for address in people if slow_relay.copies()[address] != 1]


@pytest.mark.slow
def test_a_disk_that_takes_no_more_stops_the_sending_and_is_got_over(
    installed: Flask, worker: Worker, slow_relay: Relay, now: datetime
) -> None:
    people = [f"c{n}@customers.test" for n in range(300)]
    made = Make(now)
    sent = mailout(made.user(), made.list(), letter(3000), people, datetime.now(UTC))
    worker.start()
    until(lambda: settled(sent) > 20, 60)

    _, most = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, most))  # from now on no file can be written
    time.sleep(0.5)
    went = len(slow_relay.accepted)
    time.sleep(2)
    assert worker.alive
    assert len(slow_relay.accepted) == went < len(people), "what can't be written down is not sent"
    assert all(copies == 1 for copies in slow_relay.copies().values())

    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))
    until(lambda: finished(sent), 60)
    assert set(states(sent).values()) == {"sent"}
    assert not [address for address in people if slow_relay.copies()[address] != 1]
