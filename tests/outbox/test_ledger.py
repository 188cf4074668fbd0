"""What is written down about each copy, by whom, and that nobody else can."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from mailout.core.delivery import Outcome, Reply, Scope, Stage, State
from mailout.models import Mailout, Recipient, db
from mailout.models import Reply as Kept
from mailout.outbox import queue
from mailout.outbox.ledger import Ledger, Settled
from mailout.outbox.ledger_lines import NOTICES
from mailout.outbox.loop import Loop
from mailout.settings import Settings
from tests.makers import Make
from tests.outbox.makers import letter, mailout

YES = Reply(250, "2.0.0", "ok queued as 1", Stage.DOT)
NO = Reply(550, "5.1.1", "no such user", Stage.RCPT)


@pytest.fixture
def sent(app: Flask, now: datetime) -> int:
    """A mail-out to ten people."""
    make = Make(now)
    return mailout(make.user(), make.list(), letter(), [f"c{n}@customers.test" for n in range(10)], now)


@pytest.fixture
def ledger(app: Flask) -> Iterator[Ledger]:
    with Ledger(db.engine, "me") as book:
        yield book


def row(recipient_id: int) -> Recipient:
    db.session.rollback()
    return db.session.get_one(Recipient, recipient_id, populate_existing=True)


def raw_states(mailout_id: int) -> list[str]:
    db.session.rollback()
    return list(
        db.session.scalars(select(Recipient.state).where(Recipient.mailout_id == mailout_id).order_by(Recipient.id))
    )


def test_a_page_is_claimed_in_order_and_nobody_twice(ledger: Ledger, sent: int, now: datetime) -> None:
    first = ledger.claim(sent, 4, now)
    second = ledger.claim(sent, 100, now)

    assert [claimed.address for claimed in first] == [f"c{n}@customers.test" for n in range(4)]
    assert len(second) == 6
    assert ledger.claim(sent, 100, now) == []
    assert set(raw_states(sent)) == {"claimed"}


def test_who_is_due_again_comes_before_who_waits_for_the_first_try(ledger: Ledger, sent: int, now: datetime) -> None:
    ids = list(db.session.scalars(select(Recipient.id).where(Recipient.mailout_id == sent).order_by(Recipient.id)))
    for recipient_id, minutes in ((ids[7], -1), (ids[8], -2), (ids[9], 1)):
        due = {"state": "deferred", "due_at": now + timedelta(minutes=minutes)}
        db.session.execute(update(Recipient).where(Recipient.id == recipient_id).values(**due))
    db.session.commit()

    claimed = [one.id for one in ledger.claim(sent, 5, now)]

    assert set(claimed[:2]) == {ids[7], ids[8]}
    assert claimed[2:] == ids[:3]
    assert row(ids[9]).state == "deferred"


def test_an_empty_claim_takes_no_lock(ledger: Ledger, sent: int, now: datetime) -> None:
    with db.engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        assert ledger.claim(NOTICES, 10, now) == []
        other.exec_driver_sql("ROLLBACK")


def test_dot_and_outcome_of_the_one_before_are_one_commit(ledger: Ledger, sent: int, now: datetime) -> None:
    first, second = ledger.claim(sent, 2, now)
    assert ledger.to_dot(first.id, now)
    commits = []
    event.listen(db.engine, "commit", commits.append)

    settled = Settled(first.id, State.DOT_PENDING, Outcome(State.SENT, None, YES))
    assert ledger.to_dot(second.id, now + timedelta(seconds=1), settled)

    done = row(first.id)
    assert (done.state, done.code, done.enhanced, done.reply) == ("sent", 250, "2.0.0", "ok queued as 1")
    assert (done.attempts, done.dot_at, done.settled_at) == (1, now, now + timedelta(seconds=1))
    assert done.claimed_by is None
    assert row(second.id).state == "dot_pending"
    assert db.session.scalars(select(Kept)).all() == [], "a plain yes is kept in the row alone"


def test_a_refusal_is_kept_in_the_row_and_word_for_word(ledger: Ledger, sent: int, now: datetime) -> None:
    (first,) = ledger.claim(sent, 1, now)

    ledger.settle(Settled(first.id, State.CLAIMED, Outcome(State.FAILED, Scope.RECIPIENT, NO)), now)

    done, kept = row(first.id), db.session.scalars(select(Kept)).one()
    assert (done.state, done.attempts, done.first_tried_at, done.settled_at) == ("failed", 1, now, now)
    assert (kept.code, kept.text, kept.stage, kept.state, kept.at) == (550, "no such user", "rcpt", "failed", now)


def test_a_copy_that_was_skipped_or_cancelled_meanwhile_gets_no_dot(ledger: Ledger, sent: int, now: datetime) -> None:
    (first,) = ledger.claim(sent, 1, now)
    queue.cancel(sent, now)
    db.session.commit()

    assert not ledger.to_dot(first.id, now)
    assert row(first.id).state == "cancelled"


def test_a_paused_mailout_gives_no_dot_and_keeps_its_claim(ledger: Ledger, sent: int, now: datetime) -> None:
    (first,) = ledger.claim(sent, 1, now)
    db.session.execute(update(Mailout).values(paused_at=now))
    db.session.commit()

    assert not ledger.to_dot(first.id, now)
    assert row(first.id).state == "claimed"
    assert ledger.hand_back([first.id]) == 1
    assert row(first.id).state == "queued"


def test_who_lost_the_lease_changes_nothing_any_more(ledger: Ledger, sent: int, now: datetime) -> None:
    first, second = ledger.claim(sent, 2, now)
    assert ledger.to_dot(first.id, now)
    with Ledger(db.engine, "the next") as other:
        assert other.take_over(now) == (1, 1)

    ledger.settle(Settled(first.id, State.DOT_PENDING, Outcome(State.SENT, None, YES)), now)

    assert row(first.id).state == "uncertain"
    assert not ledger.to_dot(second.id, now)
    assert ledger.hand_back([second.id]) == 0


def test_a_dot_that_was_noted_and_never_written_is_no_try(ledger: Ledger, sent: int, now: datetime) -> None:
    (first,) = ledger.claim(sent, 1, now)
    ledger.to_dot(first.id, now)

    ledger.take_back_dot(first.id)

    assert (row(first.id).state, row(first.id).attempts) == ("queued", 0)


@pytest.mark.parametrize(
    ("scope", "state", "attempts"), [(Scope.QUOTA, State.DEFERRED, 0), (Scope.RECIPIENT, State.DEFERRED, 1)]
)
def test_a_quota_uses_up_no_try(
    ledger: Ledger, sent: int, now: datetime, scope: Scope, state: State, attempts: int
) -> None:
    (first,) = ledger.claim(sent, 1, now)
    ledger.to_dot(first.id, now)

    later = Reply(451, "4.7.0", "later", Stage.DOT)
    ledger.settle(Settled(first.id, State.DOT_PENDING, Outcome(state, scope, later, now + timedelta(hours=1))), now)

    assert row(first.id).attempts == attempts
    assert row(first.id).due_at == now + timedelta(hours=1)


def test_many_threads_write_down_together_and_each_learns_its_own(ledger: Ledger, sent: int, now: datetime) -> None:
    claimed = ledger.claim(sent, 10, now)
    wanted: dict[int, bool] = {}
    queue.cancel(sent, now)
    db.session.execute(
        update(Recipient)
        .where(Recipient.id.in_([one.id for one in claimed[::2]]))
        .values(state="claimed", claimed_by="me", settled_at=None)
    )
    db.session.commit()

    def work(recipient_id: int) -> None:
        wanted[recipient_id] = ledger.to_dot(recipient_id, now)

    threads = [threading.Thread(target=work, args=(one.id,)) for one in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [wanted[one.id] for one in claimed] == [True, False] * 5


def test_one_entry_that_can_not_be_written_spoils_no_other(ledger: Ledger, sent: int, now: datetime) -> None:
    first, second = ledger.claim(sent, 2, now)
    ledger.to_dot(first.id, now)
    bad = Settled(second.id, State.CLAIMED, Outcome(State.SENT, None, YES))

    with pytest.raises(AssertionError):
        ledger.settle(bad, now)
    ledger.settle(Settled(first.id, State.DOT_PENDING, Outcome(State.SENT, None, YES)), now)

    assert row(first.id).state == "sent"
    assert row(second.id).state == "claimed"


def test_who_comes_after_the_end_changes_nothing_and_holds_no_lock(app: Flask, sent: int, now: datetime) -> None:
    with Ledger(db.engine, "me") as book:
        first, second = book.claim(sent, 2, now)
        book.to_dot(first.id, now)

    with pytest.raises(SQLAlchemyError):  # its relay hung until now, and nobody waited for it
        book.to_dot(second.id, now, Settled(first.id, State.DOT_PENDING, Outcome(State.SENT, None, YES)))

    other = sqlite3.connect(db.engine.url.database or "", timeout=0.2)
    other.execute("UPDATE mailout SET paused_for = 'by another connection'")
    other.close()
    assert raw_states(sent)[:2] == ["dot_pending", "claimed"]


def test_claims_stay_cheap_however_many_were_sent(app: Flask, ledger: Ledger, sent: int, now: datetime) -> None:
    plan = "\n".join(
        str(line)
        for line in db.session.connection().exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM recipient WHERE mailout_id = 1 AND state = 'queued' AND due_at IS NULL"
            " ORDER BY id LIMIT 500"
        )
    )

    assert "USING COVERING INDEX" in plan
    assert "TEMP B-TREE" not in plan


def test_a_database_that_is_locked_is_waited_for_once_and_not_by_each(
    app: Flask, sent: int, now: datetime, settings: Settings
) -> None:
    told: list[str] = []
    with Loop() as loop, Ledger(db.engine, "me", loop.together) as ledger:
        ledger._connection.exec_driver_sql("PRAGMA busy_timeout = 1000")
        claimed = ledger.claim(sent, 3, now)

        def note(recipient_id: int) -> None:
            try:
                ledger.to_dot(recipient_id, now)
            except OperationalError:
                told.append("locked")

        with sqlite3.connect(settings.instance_dir / "mailout.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            for one in claimed:
                loop.start(partial(note, one.id))
            while len(told) < 3 and time.monotonic() < began + 30:
                time.sleep(0.01)
            took = time.monotonic() - began
            other.execute("ROLLBACK")

    assert told == ["locked"] * 3
    assert took < 2.9, "three waits would be 3 seconds and more"
    assert raw_states(sent).count("dot_pending") == 0
