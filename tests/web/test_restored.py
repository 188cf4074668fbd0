"""What the pages say after a restore: why mail-outs wait, what to look at first, what was done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailout.keeping import backup, new_life
from mailout.models import Setting, User, db
from tests.makers import Make
from tests.web.mailing import Mailing, now

ClientOf = Callable[[User | None], FlaskClient]
TAKEN = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
THEN = "25 November 2026, 2:04 pm AEDT"


@pytest.fixture
def mailing(make: Make) -> Mailing:
    return Mailing(make.user(administrator=True), make.list("Newsletter", ["ann@customers.test"]))


def test_the_pages_say_why_a_mailout_waits_and_what_to_look_at(
    app: Flask, mailing: Mailing, client_of: ClientOf
) -> None:
    going, held = mailing.sending().id, mailing.held(subject="Summer").id
    waiting, before = mailing.make().id, client_of(mailing.user)
    assert before.get("/mailouts").status_code == 200
    db.session.add(Setting(name=backup.TAKEN, value=TAKEN.isoformat()))
    db.session.commit()
    new_life.begin("backup.db", now())

    assert before.get("/mailouts").status_code == 303, "everybody signs in again"
    client = client_of(db.session.get_one(User, 1))
    paused = client.get(f"/mailouts/{going}").text
    assert "Paused by itself" in paused
    assert f"It was restored from a backup of {THEN}. Whoever is still queued may have had their copy" in paused
    assert "Resume" in paused
    for number in (held, waiting):
        words = f"Since then a backup of {THEN} was restored, and the letter may have gone out after that time."
        assert words in client.get(f"/mailouts/{number}").text
    log = client.get("/audit?what=service").text
    assert "Data: a backup was restored" in log
    assert "backup.db" in log
