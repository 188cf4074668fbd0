"""The end of a mail-out."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from mailout.journal import COMMAND
from mailout.models import Mailout, db
from mailout.outbox import steering
from tests.makers import Make
from tests.relay import Relay, Session

from .makers import letter, mailout, run_pump, states


def test_a_copy_that_is_put_off_while_somebody_cancels_ends_as_cancelled(
    sending: Flask, make: Make, relay: Relay
) -> None:
    sent = mailout(make.user(), make.list(), letter(), ["first@people.test"], datetime.now(UTC))

    def cancel(session: Session) -> bool:
        with sending.app_context():
            steering.cancel(sent, COMMAND, datetime.now(UTC))
            db.session.commit()
            db.session.remove()
        session.say(b"451 4.3.0 later")
        return True

    relay.rule("DOT", cancel, address="first@people.test", times=1)
    run_pump(sending)

    assert states(sent) == {"first@people.test": "cancelled"}
    assert db.session.get_one(Mailout, sent).finished_at is not None
