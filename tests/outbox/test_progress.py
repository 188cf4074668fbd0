"""What people see of a mail-out while it is sent, and that seeing it is cheap."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import insert, text, update

from mailout import pulse
from mailout.models import Mailout, Recipient, db
from mailout.outbox import progress
from tests.makers import Make
from tests.outbox.makers import letter, mailout


@pytest.fixture
def sent(app: Flask, now: datetime) -> int:
    make = Make(now)
    return mailout(make.user(), make.list(), letter(), [f"c{n}@customers.test" for n in range(40)], now)


def mark(mailout_id: int, count: int, first: datetime, apart: timedelta) -> None:
    """`count` copies were accepted, one after another."""
    for number in range(count):
        at = first + apart * number
        values = {"state": "sent", "settled_at": at, "dot_at": at, "code": 250, "enhanced": "2.0.0", "reply": "ok"}
        address = f"c{number}@customers.test"
        mine = (Recipient.mailout_id == mailout_id) & (Recipient.address == address)
        db.session.execute(update(Recipient).where(mine).values(**values))
    db.session.commit()


def test_the_rate_is_that_of_the_newest_copies_and_the_rest_takes_accordingly(sent: int, now: datetime) -> None:
    mark(sent, 30, now, timedelta(seconds=1))
    later = now + timedelta(seconds=30)

    seen = progress.live(progress.overview(sent, later), later)

    assert seen.rate_per_minute == pytest.approx(60, rel=0.05)
    assert seen.seconds_left == pytest.approx(10, rel=0.05)
    assert seen.last_reply == "250 2.0.0 ok"


def test_nothing_is_foretold_where_nothing_went_lately(sent: int, now: datetime) -> None:
    mark(sent, 5, now, timedelta(seconds=1))
    later = now + timedelta(minutes=10)

    seen = progress.live(progress.overview(sent, later), later)

    assert (seen.rate_per_minute, seen.seconds_left) == (0, None)


def test_it_says_what_it_waits_for(sent: int, now: datetime) -> None:
    pulse.line(pulse.RELAY, 2, "Your own limit of 30 in a minute is reached.", None)
    seen = progress.live(progress.overview(sent, now), now)
    assert (seen.connections, seen.waits_for) == (2, "Your own limit of 30 in a minute is reached.")

    pulse.ill(pulse.RELAY, "mail.example.org does not answer on port 587.", now, now + timedelta(seconds=30))
    seen = progress.live(progress.overview(sent, now), now)
    assert seen.waits_for == "mail.example.org does not answer on port 587."
    assert seen.waits_until == now + timedelta(seconds=30)

    db.session.execute(update(Mailout).values(paused_at=now, paused_for="Your mail provider refuses this letter."))
    db.session.commit()
    assert progress.live(progress.overview(sent, now), now).waits_for == "Your mail provider refuses this letter."


def test_when_only_deferred_ones_are_left_it_says_until_when(sent: int, now: datetime) -> None:
    due = now + timedelta(minutes=5)
    db.session.execute(update(Recipient).values(state="deferred", due_at=due))
    db.session.commit()

    seen = progress.live(progress.overview(sent, now), now)

    assert seen.waits_until == due


def test_looking_at_a_hundred_thousand_takes_a_moment(app: Flask, sent: int, now: datetime) -> None:
    rows = [
        {"mailout_id": sent, "address": f"d{n}@x.test", "state": "sent" if n % 2 else "queued", "settled_at": None}
        for n in range(100_000)
    ]
    db.session.execute(insert(Recipient), rows)
    db.session.commit()
    db.session.execute(text("ANALYZE"))
    db.session.commit()

    best = 1.0
    for _ in range(7):
        began = time.process_time()
        seen = progress.overview(sent, now)
        progress.live(seen, now)
        db.session.rollback()
        best = min(best, time.process_time() - began)

    assert seen.counts.total == 100_040
    assert best < 0.025, f"{best * 1000:.1f} ms"
