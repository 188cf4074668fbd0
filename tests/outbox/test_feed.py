"""Whose turn it is, and that nobody who was claimed is lost sight of."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from mailout.models import Recipient, db
from mailout.outbox.feed import NOTHING, Feed
from mailout.outbox.ledger import Claimed, Ledger
from mailout.outbox.ledger_lines import NOTICES
from mailout.outbox.limiter import Limiter
from mailout.outbox.shelf import Unfit
from mailout.settings import Rate
from mailout.wires.smtp import Copy
from tests.makers import Make
from tests.outbox.makers import letter, mailout

NewFeed = Callable[..., Feed]


@pytest.fixture
def sent(app: Flask, now: datetime) -> int:
    """A mail-out to three people."""
    make = Make(now)
    return mailout(make.user(), make.list(), letter(), [f"c{n}@customers.test" for n in range(3)], now)


@pytest.fixture
def new_feed(app: Flask, sent: int, now: datetime) -> Iterator[NewFeed]:
    """Makes a feed that is open for the mail-out; `compose` makes its copies."""
    with Ledger(db.engine, "me") as ledger:
        driver: Any = ledger._connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout = 20")

        def new(compose: Callable[[Claimed], Copy] = lambda claimed: NOTHING, rates: Sequence[Rate] = ()) -> Feed:
            feed = Feed(ledger, compose, Limiter(rates), lambda: now)
            feed.open([sent])
            return feed

        yield new


@contextmanager
def locked() -> Iterator[None]:
    """Another process writes for longer than anybody waits: what is tried meanwhile fails."""
    db.session.rollback()
    other = sqlite3.connect(db.engine.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError):
        yield
    other.close()


def raw_states() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Recipient.state).order_by(Recipient.id)))


def test_nobody_is_lost_who_can_not_be_given_back_while_nothing_can_be_written(new_feed: NewFeed, sent: int) -> None:
    feed = new_feed()
    first, second, third = feed.take(), feed.take(), feed.take()
    assert first
    assert second
    assert third
    feed.put_back(third)

    with locked():
        feed.shut(sent)
    with locked():
        feed.let_go(first)
    with locked():
        feed.put_back(second)
    assert raw_states() == ["claimed"] * 3
    feed.open([])

    assert raw_states() == ["queued"] * 3


def test_nobody_is_lost_whose_mailout_is_paused_while_nothing_can_be_written(new_feed: NewFeed) -> None:
    feed = new_feed()
    taken = feed.take()
    assert taken
    feed.put_back(taken)

    with locked():
        feed.open([])
    feed.open([])

    assert raw_states() == ["queued"] * 3


@pytest.mark.parametrize("error", [Unfit("no copy"), ValueError("strange")], ids=["unfit", "unforeseen"])
def test_nobody_is_lost_and_no_place_taken_whose_copy_can_not_be_made_while_nothing_can_be_written(
    new_feed: NewFeed, error: Exception
) -> None:
    def compose(claimed: Claimed) -> Copy:
        driver.execute("BEGIN IMMEDIATE")
        raise error

    driver = sqlite3.connect(db.engine.url.database or "", isolation_level=None)
    feed = new_feed(compose, [Rate(1, 86_400)])

    with pytest.raises(OperationalError):
        feed.take()
    driver.close()
    feed.open([])

    assert raw_states() == ["queued"] * 3
    assert feed.limited_by() == ""


def test_how_many_are_in_hand_is_told_while_another_thread_shuts_one(new_feed: NewFeed, sent: int) -> None:
    class Shuts(deque[Claimed]):
        def __len__(self) -> int:
            feed._hands.pop(sent, None)
            return super().__len__()

    feed = new_feed()
    feed._hands = {NOTICES: Shuts(), sent: deque()}

    assert feed.in_hand == 0
