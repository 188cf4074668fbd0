"""The whole drill with a real worker: a backup while 2,000 copies go out, an end, a restore, nobody written to twice.

What the relay accepted is the truth that it is judged by.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from mailout.core.phase import Phase, phase
from mailout.models import Lease, Mailout, Notice, Recipient, db
from mailout.outbox import queue
from mailout.settings import Settings
from tests.conftest import environment
from tests.installation import Installation
from tests.keeping.conftest import let_go
from tests.makers import Make
from tests.outbox.makers import letter, mailout
from tests.relay import Accepted, Action, Relay, Session
from tests.workers import Worker, until

PEOPLE = [f"c{number}@customers.test" for number in range(2000)]
CONNECTIONS = 4
#: Until the backup is taken the relay takes so many at once, then slowly so many, and then no more.
QUICK, SLOW = 300, 1900


def slow_until(taken: threading.Event) -> Action:
    """Let time pass as long as the backup is not taken, so that it is taken in the middle."""

    def act(session: Session) -> bool:
        session.flush()
        accepted = len(session.relay.accepted)
        if accepted >= QUICK:
            taken.wait(0.05 if accepted < SLOW else 300)
        return False

    return act


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay(log_file=tmp_path / "relay.log") as server:
        yield server


@pytest.fixture
def worker(settings: Settings, relay: Relay, tmp_path: Path) -> Iterator[Worker]:
    """A worker for the installation, not started yet."""
    more = {"SMTP_PORT": str(relay.port), "SMTP_CONNECTIONS": str(CONNECTIONS), "POP3_POLL_SECONDS": "3600"}
    process = Worker(environment(settings.instance_dir, **more), tmp_path / "worker.log")
    yield process
    process.kill()


def count(*conditions: object) -> int:
    """How many recipients there are of that kind."""
    query = select(func.count()).select_from(Recipient).where(*conditions)  # type: ignore[arg-type]
    found = db.session.scalar(query) or 0
    db.session.rollback()
    return found


def over(mailout_id: int) -> bool:
    """Whether the mail-out is over, and every notice of it was accepted."""
    ended = db.session.scalar(select(Mailout.finished_at).where(Mailout.id == mailout_id))
    return ended is not None and at_rest()


def at_rest() -> bool:
    """Whether a pump has looked and found nothing more to do: no notice waits, and nobody holds its lease."""
    db.session.rollback()
    waiting = count(Recipient.notice_id.is_not(None), Recipient.state != "sent")
    notices = db.session.scalar(select(func.count()).select_from(Notice))
    return bool(notices) and not waiting and db.session.get(Lease, "pump", populate_existing=True) is None


def of_customers(relay: Relay) -> Counter[str]:
    """How many copies each customer got."""
    return Counter({who: number for who, number in relay.copies().items() if who.endswith("@customers.test")})


def subject_of(mail: Accepted) -> str:
    """The subject of a notice."""
    found = re.search(rb"^Subject: (.*?)\r$", mail.octets, re.MULTILINE)
    return found[1].decode() if found else ""


def states_in(file: Path) -> Counter[str]:
    """How many recipients are in which state, in a copy; the addresses of those it calls sent."""
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        return Counter(dict(copy.execute("SELECT state, count(*) FROM recipient GROUP BY state")))


def sent_in(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as copy:
        return {address for (address,) in copy.execute("SELECT address FROM recipient WHERE state = 'sent'")}


def test_a_backup_in_mid_mailout_is_restored_and_nobody_is_written_to_until_resume(
    app: Flask,
    make: Make,
    settings: Settings,
    outside: Installation,
    worker: Worker,
    relay: Relay,
    tmp_path: Path,
    anew: Callable[[], Flask],
) -> None:
    file, taken = tmp_path / "backup.db", threading.Event()
    one = mailout(make.user(administrator=True), make.list(), letter(3000), PEOPLE, datetime.now(UTC))
    relay.rule("DOT", slow_until(taken))
    worker.start()
    until(lambda: count(Recipient.state == "sent") > 200, 240)

    before = len(relay.accepted)
    told = outside.json("backup", str(file))
    assert before < len(relay.accepted) < len(PEOPLE), "the sending went on meanwhile"
    went = sent_in(file)
    in_copy = states_in(file)
    assert told["mailouts_unfinished"] == 1
    assert in_copy.total() == len(PEOPLE)
    assert set(in_copy) <= {"sent", "queued", "claimed", "dot_pending"}
    assert in_copy["sent"] == len(went)
    assert before - CONNECTIONS <= len(went) <= SLOW + CONNECTIONS
    assert in_copy["dot_pending"] <= CONNECTIONS
    assert went <= set(of_customers(relay)), "nobody is sent in it whose copy the relay did not take"

    taken.set()
    until(lambda: over(one), 240)
    worker.stop(120)
    assert of_customers(relay) == Counter(PEOPLE)
    first_end = [message.message_id for message in relay.accepted if message.address == "jane@mail.test"]

    let_go()
    outside.flask("restore", str(file), "--yes")
    anew()
    worker.start()
    until(at_rest, 240)
    assert of_customers(relay) == Counter(PEOPLE), "nothing goes by itself"
    row, counts = db.session.get_one(Mailout, one), queue.counts(one)
    assert phase(row, datetime.now(UTC)) is Phase.PAUSED
    assert (counts.sent, counts.uncertain) == (in_copy["sent"], in_copy["dot_pending"])
    assert counts.queued == len(PEOPLE) - counts.sent - counts.uncertain

    outside.flask("mailouts", "resume", str(one))
    until(lambda: over(one), 240)
    copies = of_customers(relay)
    twice = sum(number == 2 for number in copies.values())
    assert twice == counts.queued, "and then to who was queued, and to nobody else"
    assert all(copies[who] == 1 for who in went)
    ends = [message for message in relay.accepted if message.address == "jane@mail.test"][len(first_end) :]
    assert {subject_of(mail) for mail in ends[:2]} == {"Mail-out paused", "Mailout restored"}
    assert [subject_of(mail) for mail in ends[2:]] == ["Mail-out complete"]
    assert ends[2].message_id not in first_end, "it is another letter, and no mail program takes it for the first"


@pytest.mark.slow
def test_a_backup_that_is_copied_into_its_place_by_hand_sends_nothing_either(
    app: Flask,
    make: Make,
    outside: Installation,
    worker: Worker,
    relay: Relay,
    place: Path,
    tmp_path: Path,
    anew: Callable[[], Flask],
) -> None:
    file, people = tmp_path / "backup.db", PEOPLE[:50]
    one = mailout(make.user(administrator=True), make.list(), letter(), people, datetime.now(UTC))
    outside.flask("backup", str(file))
    let_go()
    place.unlink()
    shutil.copy(file, place)

    worker.start()
    anew()
    until(at_rest, 240)
    assert phase(db.session.get_one(Mailout, one), datetime.now(UTC)) is Phase.PAUSED
    assert not of_customers(relay)
    worker.kill()
    outside.flask("mailouts", "resume", str(one))
    worker.start()
    until(lambda: over(one), 240)
    assert of_customers(relay) == Counter(people), "it is a copy no more, and the next start lets it go"
