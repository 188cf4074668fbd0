"""Mail-outs for tests of the outbox: a letter, a list, as many recipients as wanted, accepted and due."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import insert, select

from mailout.core import own
from mailout.core.delivery import public
from mailout.models import Customer, Letter, LetterBytes, ListPlace, MailingList, Mailout, Recipient, User, db
from mailout.outbox.pump import PATIENCE, Pump
from mailout.wires.smtp_open import Patience

LETTER = (
    b"From: Jane <jane@mail.test>\r\nTo: mailout+key@mail.test\r\nSubject: Spring news\r\n"
    b"Date: Wed, 25 Nov 2026 03:00:00 +0000\r\nMessage-ID: <one@mail.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)


def letter(size: int = 200) -> bytes:
    """A letter whose body has about `size` octets."""
    line = b"The quick brown fox jumps over the lazy dog, and then again, and again.\r\n"
    return LETTER + (line * (size // len(line) + 1))[: max(size, 2) - 2].rstrip(b"\r\n") + b"\r\n"


def customers_of(place: MailingList) -> list[tuple[int, str]]:
    """Who is included in the list."""
    query = select(Customer.id, Customer.email).join(ListPlace, ListPlace.customer_id == Customer.id)
    return [(found, email) for found, email in db.session.execute(query.where(ListPlace.list_id == place.id))]


def mailout(
    user: User,
    place: MailingList,
    raw: bytes,
    addresses: Sequence[str],
    now: datetime,
    customers: Sequence[tuple[int, str]] = (),
) -> int:
    """An accepted mail-out of this letter to these addresses (who are no customers) and customers, due; commits."""
    digest = hashlib.sha256(raw + str(now.timestamp()).encode() + ",".join(addresses).encode()).hexdigest()
    stored = Letter(digest=digest, received_at=now, size=len(raw), author=user.email, spool="handled")
    db.session.add(stored)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=stored.id, raw=raw))
    row = Mailout(
        list_id=place.id,
        created_by_id=user.id,
        created_at=now,
        expires_at=now + timedelta(hours=24),
        key_nonce=bytes(16),
        key_digest=own.digest(digest),
        letter_id=stored.id,
        received_at=now,
        author=user.email,
        author_known=True,
        subject="Spring news",
        accepted_at=now,
        starts_at=now,
    )
    db.session.add(row)
    db.session.flush()
    everybody = [(None, address) for address in addresses] + list(customers)
    rows = [
        {"mailout_id": row.id, "customer_id": customer, "address": address, "name": "", "state": "queued"}
        for customer, address in everybody
    ]
    if rows:
        db.session.execute(insert(Recipient), rows)
    db.session.commit()
    return row.id


def run_pump(
    app: Flask, stopping: Callable[[], bool] = lambda: False, patience: Patience = PATIENCE, seconds: float = 30
) -> None:
    """Run the pump until there is nothing left to do in the next moments, `seconds` at most."""
    until = time.monotonic() + seconds
    Pump(app, lambda: datetime.now(UTC), lambda: stopping() or time.monotonic() > until, patience).run()
    db.session.expire_all()


def states(mailout_id: int) -> dict[str, str]:
    """Each address and the state of its copy, in the contract's words."""
    query = select(Recipient.address, Recipient.state).where(Recipient.mailout_id == mailout_id)
    return {address: public(state) for address, state in db.session.execute(query)}
