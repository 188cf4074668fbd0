"""Mail-outs for the tests of their pages, brought into each state the way the product brings them there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from mailout.core.delivery import State
from mailout.intake import handle, submission
from mailout.intake.handle import Done
from mailout.journal import COMMAND
from mailout.models import Letter, LetterBytes, MailingList, Mailout, Recipient, Reply, User, db
from mailout.outbox import closing, sending, steering

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
HTML = "<h1>Hello</h1><p>The price list is attached.</p><script>alert(1)</script>"


def raw_letter(to: str, *, author: str, subject: str = "Spring news", body: str = HTML, head: str = "") -> bytes:
    """A letter as a mail program sends it."""
    return (
        f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Wed, 25 Nov 2026 03:00:00 +0000\r\n"
        f"Message-ID: <{hashlib.sha256((to + subject).encode()).hexdigest()[:12]}@mail.test>\r\n{head}"
        f"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()


@dataclass
class Mailing:
    """Makes mail-outs; the pages tell the time by themselves, so these happen now."""

    user: User
    list: MailingList

    def make(self, *, check_first: bool = False, ago: timedelta = timedelta(0)) -> Mailout:
        """One that waits for its letter."""
        row = submission.open_mailout(self.list.id, self.user, check_first=check_first, now=now() - ago)
        db.session.commit()
        return row

    def arrive(self, row: Mailout, *, author: str = "", subject: str = "Spring news", body: str = HTML) -> Done:
        """Have its letter come."""
        raw = raw_letter(submission.key_address(row), author=author or self.user.email, subject=subject, body=body)
        return bring(raw)

    def held(self, **about: str) -> Mailout:
        """One whose letter is held."""
        row = self.make(check_first=True)
        self.arrive(row, **about)
        return fresh(row)

    def starting(self, **about: str) -> Mailout:
        """One whose letter has come, a moment before it starts."""
        row = self.make()
        self.arrive(row, **about)
        return fresh(row)

    def sending(self, outcomes: Sequence[str] = (), **about: str) -> Mailout:
        """One that sends; `outcomes` are the states of its first recipients."""
        row = self.starting(**about)
        db.session.execute(update(Mailout).where(Mailout.id == row.id).values(starts_at=now() - timedelta(seconds=1)))
        sending.begin([row.id], now())
        settle(row, outcomes)
        return fresh(row)

    def complete(self, outcomes: Sequence[str], **about: str) -> Mailout:
        """One that is over."""
        row = self.sending(outcomes, **about)
        closing.close_finished(now())
        return fresh(row)

    def cancelled(self) -> Mailout:
        """One that was taken back before its letter came."""
        row = self.make()
        steering.cancel(row.id, COMMAND, now())
        db.session.commit()
        return fresh(row)


def now() -> datetime:
    """The time that the pages see."""
    return datetime.now(UTC)


def fresh(row: Mailout) -> Mailout:
    """The row as the database has it."""
    db.session.rollback()
    return db.session.get_one(Mailout, row.id, populate_existing=True)


def bring(raw: bytes) -> Done:
    """Store a letter and handle it, as the worker does."""
    row = Letter(digest=hashlib.sha256(raw).hexdigest(), received_at=now(), size=len(raw))
    db.session.add(row)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=row.id, raw=raw))
    db.session.commit()
    (done,) = handle.handle_new(now)
    return done


SAID = {
    "sent": (250, "2.0.0", "Ok: queued"),
    "failed": (550, "5.1.1", "<gone>: user unknown"),
    "deferred": (451, "4.2.0", "try later"),
    "uncertain": (0, "", "connection lost"),
    "bounced": (550, "5.1.1", "user unknown"),
}


def settle(row: Mailout, outcomes: Sequence[str]) -> None:
    """Write down what became of the first recipients, as the pump would have."""
    query = select(Recipient.id).where(Recipient.mailout_id == row.id, Recipient.state == State.QUEUED)
    for recipient_id, state in zip(db.session.scalars(query.order_by(Recipient.id)).all(), outcomes, strict=False):
        if state == "queued":
            continue
        code, enhanced, text = SAID[state]
        due = now() + timedelta(minutes=5) if state == "deferred" else None
        values = {"state": state, "code": code, "enhanced": enhanced, "reply": text, "attempts": 1, "due_at": due}
        times = {"dot_at": now(), "first_tried_at": now(), "settled_at": None if due else now()}
        db.session.execute(update(Recipient).where(Recipient.id == recipient_id).values(**values, **times))
        if state != "sent":
            said = {"code": code, "enhanced": enhanced, "text": text, "stage": "rcpt"}
            db.session.add(Reply(recipient_id=recipient_id, at=now(), state=state, **said))
    db.session.commit()
