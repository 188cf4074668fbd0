"""What tests of the address book share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mailout.models import Letter, Mailout, db
from tests.makers import Make


@pytest.fixture
def mailout(make: Make, now) -> Callable[[int], Mailout]:
    """Makes a mail-out of a list whose letter is accepted and is being sent."""

    def made(list_id: int, subject: str = "Spring news") -> Mailout:
        number = db.session.query(Mailout).count() + 1
        letter = Letter(digest=f"{number:064}", received_at=now, size=1)
        db.session.add(letter)
        user = make.user(f"sender{number}@mail.test")
        db.session.flush()
        row = Mailout(
            list_id=list_id,
            created_by_id=user.id,
            created_at=now,
            expires_at=now + timedelta(days=1),
            key_nonce=b"n" * 16,
            key_digest=f"{number:064}",
            letter_id=letter.id,
            subject=subject,
            accepted_at=now,
            starts_at=now,
        )
        db.session.add(row)
        db.session.commit()
        return row

    return made
