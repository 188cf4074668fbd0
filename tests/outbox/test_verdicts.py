"""What the relay's answers mean for more than the copy that they answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from flask import Flask

from mailout.core.delivery import Outcome, Reply, Scope, Stage, State
from mailout.models import db
from mailout.outbox.feed import NOTHING, Feed, Job
from mailout.outbox.ledger import Claimed, Ledger
from mailout.outbox.limiter import Limiter
from mailout.outbox.shelf import Shelf
from mailout.outbox.standing import Standing
from mailout.outbox.verdicts import Verdicts

SPAM = Reply(554, "5.7.1", "spam", Stage.DOT)
REFUSED = Outcome(State.FAILED, Scope.LETTER, SPAM)


@pytest.fixture
def feed(app: Flask, now: datetime) -> Iterator[Feed]:
    with Ledger(db.engine, "me") as ledger:
        yield Feed(ledger, lambda claimed: NOTHING, Limiter([]), lambda: now)


def test_a_refusal_that_is_noted_after_the_letter_was_found_unfit_is_taken_back_too(feed: Feed, now: datetime) -> None:
    verdicts = Verdicts(feed, Standing(4), Shelf(), (), lambda: now)
    first, *others = [Job(Claimed(n, 7, None, None, f"c{n}@x.test", "", 0), NOTHING) for n in range(4)]
    assert verdicts.judge(first, SPAM, 1).state is State.FAILED  # and while this is written down, the others come

    for job in others:
        verdicts.happened(job, REFUSED, rotation=False)
    assert verdicts.take_refused(7) == [1, 2, 3]
    del feed.unfit[7]  # as the pump does, which pauses the mail-out
    verdicts.happened(first, REFUSED, rotation=False)

    assert 7 in feed.unfit
    assert verdicts.take_refused(7) == [0]
