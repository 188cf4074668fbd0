"""Who is told what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from mailout.models import Notice, db
from mailout.outbox import notify
from tests.makers import Make


def test_a_mailbox_and_a_relay_that_are_out_since_the_same_second_are_both_told_of(make: Make, now: datetime) -> None:
    make.user("jo@mail.test", administrator=True)
    for words in ("The mailbox does not answer.", "The relay does not answer.", "The relay does not answer."):
        notify.delayed(None, words, now, since=now)

    assert db.session.scalar(select(func.count()).select_from(Notice)) == 2
