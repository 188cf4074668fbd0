"""What people see of a mail-out while it is sent, and that seeing it is cheap."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import insert, text

from mailout.models import Recipient, db
from mailout.outbox import progress
from tests.makers import Make
from tests.outbox.makers import letter, mailout


@pytest.fixture
def sent(app: Flask, now: datetime) -> int:
    make = Make(now)
    return mailout(make.user(), make.list(), letter(), [f"c{n}@customers.test" for n in range(40)], now)


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
        db.session.rollback()
        best = min(best, time.process_time() - began)

    assert seen.counts.total == 100_040
    assert best < 0.025, f"{best * 1000:.1f} ms"
