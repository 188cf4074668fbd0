"""Counts of a large mail-out, counted once a second while it is being sent, and exactly once it is not."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from mailout.core.delivery import State
from mailout.models import Mailout, Recipient, db
from mailout.web.story import recent
from tests.makers import Make
from tests.outbox.makers import letter, mailout


@pytest.fixture
def sending(make: Make) -> int:
    """A mail-out that is being sent to three people."""
    addresses = [f"c{number}@bluegum.example" for number in range(3)]
    return mailout(make.user(), make.list(), letter(), addresses, make._now)


def accept_one() -> None:
    one = db.session.query(Recipient).filter_by(state=State.QUEUED).first()
    assert one is not None
    db.session.execute(update(Recipient).where(Recipient.id == one.id).values(state=State.SENT))
    db.session.commit()


def test_a_small_mailout_is_counted_each_time(sending: int, make: Make) -> None:
    before = recent.overview(sending, make._now).counts.sent

    accept_one()

    assert recent.overview(sending, make._now).counts.sent == before + 1


def test_a_large_one_is_counted_once_a_second(sending: int, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "LARGE", 2)
    before = recent.overview(sending, make._now).counts

    accept_one()
    within = recent.overview(sending, make._now).counts
    monkeypatch.setattr(recent, "SECONDS", 0.0)

    assert within == before
    assert recent.overview(sending, make._now).counts.sent == before.sent + 1


def test_one_that_is_paused_or_over_is_counted_exactly(
    sending: int, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "LARGE", 2)
    before = recent.overview(sending, make._now).counts
    accept_one()

    db.session.execute(update(Mailout).values(paused_at=make._now))
    db.session.commit()

    assert recent.overview(sending, make._now).counts.sent == before.sent + 1
