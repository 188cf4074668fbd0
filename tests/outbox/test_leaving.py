"""Whoever leaves while their copy is on the wire, and whose copy is put off there, is not tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from mailout.book import places
from mailout.intake import submission
from mailout.journal import COMMAND
from mailout.models import Mailout, Place, Recipient, changed, db
from mailout.outbox import queue, sending
from tests.makers import Make

ANN, BOB = "ann@customers.test", "bob@customers.test"


@pytest.fixture
def put_off(make: Make, now: datetime) -> Mailout:
    """A mail-out to two customers, both put off by the relay for a second."""
    row = submission.open_mailout(make.list("Newsletter", [ANN, BOB]).id, make.user(), check_first=False, now=now)
    queue.freeze(row.id, row.list_id, now)
    later = {"state": "deferred", "due_at": now + timedelta(seconds=1)}
    changed(update(Recipient).where(Recipient.mailout_id == row.id).values(**later))
    db.session.commit()
    return row


def states(row: Mailout) -> dict[str, tuple[str, str]]:
    query = select(Recipient.address, Recipient.state, Recipient.reason).where(Recipient.mailout_id == row.id)
    return {address: (state, reason) for address, state, reason in db.session.execute(query)}


def test_who_was_excluded_meanwhile_is_left_out_before_the_next_try(put_off: Mailout, now: datetime) -> None:
    ann = db.session.scalar(select(Recipient.customer_id).where(Recipient.address == ANN)) or 0
    places.set_place(ann, put_off.list_id, Place.EXCLUDED, how="test", actor=COMMAND, now=now)
    later = {"state": "deferred", "due_at": now + timedelta(seconds=1), "reason": "", "settled_at": None}
    changed(update(Recipient).where(Recipient.customer_id == ann).values(**later))  # it was on the wire at that moment
    db.session.commit()

    sending.leave_out_due([put_off.id], now)

    assert states(put_off) == {ANN: ("skipped", "excluded"), BOB: ("deferred", "")}


def test_nobody_is_left_out_who_still_wants_it(put_off: Mailout, now: datetime) -> None:
    sending.leave_out_due([put_off.id], now)

    assert {state for state, _ in states(put_off).values()} == {"deferred"}


def test_who_left_is_not_among_those_who_wait_anew(put_off: Mailout, now: datetime) -> None:
    ann = db.session.scalar(select(Recipient).where(Recipient.address == ANN))
    assert ann is not None
    places.set_place(ann.customer_id or 0, put_off.list_id, Place.EXCLUDED, how="test", actor=COMMAND, now=now)
    ids = list(db.session.scalars(select(Recipient.id).where(Recipient.mailout_id == put_off.id)))
    anew = {"state": "queued", "due_at": None, "reason": "", "settled_at": None}
    changed(update(Recipient).where(Recipient.id.in_(ids)).values(**anew))  # both were refused, and are unmarked
    db.session.commit()

    sending.leave_out_again(put_off.id, ids, now)

    assert states(put_off) == {ANN: ("skipped", "excluded"), BOB: ("queued", "")}


def test_the_lock_of_the_database_is_let_go_when_nobody_is_left_out(put_off: Mailout, now: datetime) -> None:
    sending.leave_out_due([put_off.id], now)

    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        other.exec_driver_sql("PRAGMA busy_timeout = 100")
        other.execute(update(Mailout).where(Mailout.id == put_off.id).values(paused_for="by another connection"))
