"""What the pump asks the tables between two copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event, update

from mailout.models import Recipient, changed, db
from mailout.outbox import sending
from mailout.settings import Settings
from tests.makers import Make
from tests.outbox.makers import letter, mailout

DEFERRED = "UPDATE recipient SET state = 'deferred', claimed_by = NULL, due_at = ?"
CLAIMED = "UPDATE recipient SET state = 'claimed', claimed_by = 'a pump', due_at = NULL"


@contextmanager
def taken_up(settings: Settings, due_at: str) -> Iterator[None]:
    """A copy that is always in the other state: put off while it is asked who is claimed, claimed while who is due."""
    other = sqlite3.connect(settings.instance_dir / "mailout.db", isolation_level=None)

    def moved(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        if "recipient" in statement:
            due = "deferred" in parameters
            other.execute(CLAIMED) if due else other.execute(DEFERRED, (due_at,))

    event.listen(db.engine, "before_cursor_execute", moved)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", moved)
        other.close()


def test_a_copy_that_is_taken_up_while_it_is_looked_for_is_work(
    app: Flask, make: Make, now: datetime, settings: Settings
) -> None:
    mailout(make.user(), make.list(), letter(), ["ann@customers.test"], now)
    due_at = now + timedelta(seconds=1)
    changed(update(Recipient).values(state="deferred", due_at=due_at))
    db.session.commit()

    with taken_up(settings, f"{due_at.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"):
        assert sending.work_before(now + timedelta(seconds=5))
