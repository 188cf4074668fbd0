"""Who is told what."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from mailout.intake import submission
from mailout.models import Notice, db
from mailout.outbox import notify
from tests.makers import Make


def test_a_mailbox_and_a_relay_that_are_out_since_the_same_second_are_both_told_of(make: Make, now: datetime) -> None:
    make.user("jo@mail.test", administrator=True)
    for words in ("The mailbox does not answer.", "The relay does not answer.", "The relay does not answer."):
        notify.delayed(None, words, now, since=now)

    assert db.session.scalar(select(func.count()).select_from(Notice)) == 2


def test_a_mail_out_that_pauses_twice_within_a_minute_is_told_of_twice(make: Make, now: datetime) -> None:
    row = submission.open_mailout(make.list("Newsletter").id, make.user("jo@mail.test"), check_first=False, now=now)
    for later in (0, 20):
        notify.paused(row, "The relay refuses the letter.", now + timedelta(seconds=later))

    assert db.session.scalar(select(func.count()).select_from(Notice)) == 2
