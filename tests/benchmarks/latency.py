"""How long a letter waits: from the moment at which it lies in the mailbox to the first RCPT at the relay.

The whole product does it: its worker process reads a POP3 server as often as POP3_POLL_SECONDS says, and sends to a
relay that notes when it hears a customer's address. The letters come at moments that are spread over the interval.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

from mailout import doorbell
from mailout.intake import submission
from mailout.models import User, db
from tests.benchmarks.product import Product
from tests.fake_pop3 import FakePop3
from tests.makers import Make
from tests.relay import Relay, Session
from tests.workers import until

POLL_SECONDS = 2
GRACE = 0.5
CUSTOMER = "ann@customers.test"


def waits(folder: Path, letters: int) -> list[float]:
    """The seconds that each of so many letters waited, one after the other."""
    with FakePop3() as mailbox, Relay() as relay:
        more = {"POP3_PORT": str(mailbox.port), "POP3_POLL_SECONDS": str(POLL_SECONDS), "START_DELAY_SECONDS": "0"}
        with Product(folder, relay.port, 4, "process", **more) as product, product.app.app_context():
            list_id = Make(datetime.now(UTC)).list("Regulars", [CUSTOMER]).id
            heard: list[float] = []

            def note(_: Session) -> bool:
                heard.append(time.monotonic())
                return False

            relay.rule("RCPT", note, address=CUSTOMER)
            until(lambda: mailbox.logins > 0, 30)
            return [_wait(mailbox, list_id, heard) for _ in range(letters)]


def _wait(mailbox: FakePop3, list_id: int, heard: list[float]) -> float:
    """How long one letter waits."""
    user = db.session.scalars(db.select(User)).first()
    assert user is not None
    row = submission.open_mailout(list_id, user, check_first=False, now=datetime.now(UTC))
    address = submission.key_address(row)
    db.session.commit()
    doorbell.ring(doorbell.POLL)
    time.sleep(POLL_SECONDS + random.uniform(0, POLL_SECONDS))
    before = len(heard)
    head = f"From: {user.name} <{user.email}>\r\nTo: {address}\r\nSubject: News\r\nMessage-ID: <{row.id}@mail.test>\r\n"
    arrived = time.monotonic()
    mailbox.letters.append(head.encode() + b"\r\nGood news.\r\n")
    until(lambda: len(heard) > before, POLL_SECONDS + 20, every=0.005)
    return heard[-1] - arrived
