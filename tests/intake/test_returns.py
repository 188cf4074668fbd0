"""What comes back: who is marked, who is written to no more, who is told, and who is left in peace."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from mailout.book import customers, lists, places, suppression
from mailout.core import own
from mailout.core.delivery import State
from mailout.current import secret
from mailout.current import settings as current_settings
from mailout.intake import blame, digest, handle
from mailout.intake.handle import Done
from mailout.intake.returned import Returned, returned
from mailout.journal import COMMAND
from mailout.models import Customer, Letter, LetterBytes, Mailout, Notice, Place, Recipient, Reply, Suppressed, db
from mailout.outbox import queue
from tests.makers import Make

COPY = "Subject: Spring news\n\nHello\n"


class Sent:
    """Mail-outs that have been sent, and what comes back for them."""

    def __init__(self, make: Make, now: datetime) -> None:
        self.make = make
        self.now = now
        self.jane = make.user("jane@mail.test")
        self.letters = 0

    def mailout(self, emails: Sequence[str], name: str = "Newsletter") -> Mailout:
        """A mail-out to these, all of them accepted by the relay an hour ago."""
        try:
            found = lists.by_name(name)
        except LookupError:
            found = self.make.list(name, emails)
        self.letters += 1
        letter = self._letter(f"Subject: {name} {self.letters}\n\nHello\n".encode())
        row = Mailout(
            list_id=found.id,
            created_by_id=self.jane.id,
            created_at=self.now,
            expires_at=self.now,
            key_nonce=b"n" * 16,
            key_digest=hashlib.sha256(f"{name}{letter.id}".encode()).hexdigest(),
            letter_id=letter.id,
            subject="Spring news",
            author="jane@mail.test",
            accepted_at=self.now,
            starts_at=self.now,
            started_at=self.now,
            finished_at=self.now,
        )
        db.session.add(row)
        db.session.flush()
        queue.freeze(row.id, found.id, self.now)
        db.session.execute(
            update(Recipient)
            .where(Recipient.mailout_id == row.id, Recipient.state == State.QUEUED)
            .values(state=State.SENT, settled_at=self.now, code=250)
        )
        db.session.commit()
        return row

    def recipient(self, row: Mailout, email: str) -> Recipient:
        query = select(Recipient).where(Recipient.mailout_id == row.id, Recipient.address == email)
        return db.session.scalars(query.execution_options(populate_existing=True)).one()

    def state(self, row: Mailout, email: str) -> str:
        return self.recipient(row, email).state

    def bring(self, raw: bytes) -> Done:
        """Have the letter come in and be handled."""
        self._letter(raw)
        (done,) = handle.handle_new(lambda: self.now)
        return done

    def bounce(self, row: Mailout, email: str, fields: str, *, to: str = "", head: str = "", copy: str = COPY) -> Done:
        """A report about the copy of `email`, with these groups in it."""
        token = own.bounce_token(secret(), self.recipient(row, email).id) if row else ""
        self.letters += 1
        raw = f"""\
To: {to or current_settings().own.return_path(token)}
From: MAILER-DAEMON@mx.a.test
Return-Path: <>
Subject: Undelivered Mail Returned to Sender
Message-ID: <{self.letters}@mx.a.test>
{head}Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It came back.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.a.test

{fields}
--b
Content-Type: message/rfc822

{copy}
--b--
"""
        return self.bring(raw.replace("\n", "\r\n").encode())

    def _letter(self, raw: bytes) -> Letter:
        row = Letter(digest=hashlib.sha256(raw).hexdigest(), received_at=self.now, size=len(raw))
        row.spool = "new" if b"To: " in raw else "handled"
        db.session.add(row)
        db.session.flush()
        db.session.add(LetterBytes(letter_id=row.id, raw=raw))
        db.session.commit()
        return row


@pytest.fixture
def sent(app: Flask, make: Make, now: datetime) -> Sent:
    return Sent(make, now)


def group(email: str, status: str = "5.1.1", words: str = "550 5.1.1 User unknown", action: str = "failed") -> str:
    return f"Final-Recipient: rfc822; {email}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; {words}\n\n"


FULL = ("5.2.2", "552 5.2.2 Mailbox full")


def suppressed(email: str) -> str | None:
    db.session.expire_all()
    return customers.by_email(email).suppressed_for


def count(*what: object) -> int:
    return db.session.scalar(select(func.count()).where(*what)) or 0  # type: ignore[arg-type]


# -- marking -----------------------------------------------------------------------------------------------------------


def test_a_bounce_marks_its_recipient_with_the_servers_words_and_ours(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test", "al@a.test"])

    done = sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert (done.verdict, done.mailout_id) == ("bounce", row.id)
    found = sent.recipient(row, "jo@a.test")
    assert (found.state, found.code, found.enhanced) == ("bounced", 550, "5.1.1")
    assert (found.reply, found.reason) == ("550 5.1.1 User unknown", "The address does not exist.")
    assert sent.state(row, "al@a.test") == "sent"
    (kept,) = db.session.scalars(select(Reply)).all()
    assert (kept.recipient_id, kept.state, kept.stage, kept.text) == (found.id, "bounced", "bounce", found.reply)


def test_the_same_report_twice_counts_once(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo@a.test"))
    again = sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert (again.verdict, again.why) == ("bounce", "it changes nothing")
    assert count(Reply.id.is_not(None)) == 1


def test_without_a_token_our_message_id_in_the_copy_is_enough(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    identity = own.message_id(secret(), sent.recipient(row, "jo@a.test").id, current_settings().own.domain)

    sent.bounce(row, "jo@a.test", group("jo@a.test"), to="mailout@mail.test", copy=f"Message-ID: {identity}\n{COPY}")

    assert sent.state(row, "jo@a.test") == "bounced"


@pytest.mark.parametrize("to", ["mailout@mail.test", "mailout+b-1-00000000000000000000000000@mail.test"])
def test_a_forged_report_marks_nobody(sent: Sent, to: str) -> None:
    row = sent.mailout(["jo@a.test"])

    done = sent.bounce(row, "jo@a.test", group("jo@a.test"), to=to)

    assert (done.verdict, done.why) == ("bounce", "of no letter of ours")
    assert sent.state(row, "jo@a.test") == "sent"
    assert suppressed("jo@a.test") is None


def test_a_token_of_somebody_else_marks_nobody_but_them(sent: Sent) -> None:
    """Whoever holds their own token can write any report to it."""
    row = sent.mailout(["jo@a.test", "al@a.test"])

    sent.bounce(row, "al@a.test", group("jo@a.test"))

    assert (sent.state(row, "jo@a.test"), suppressed("jo@a.test")) == ("sent", None)
    assert sent.state(row, "al@a.test") == "bounced"


def test_others_that_the_same_report_names_are_marked_when_we_wrote_to_them_but_not_suppressed(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test", "al@a.test", "mo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo@a.test") + group("AL@a.test") + group("nobody@else.test"))

    assert [sent.state(row, f"{name}@a.test") for name in ("jo", "al", "mo")] == ["bounced", "bounced", "sent"]
    assert (suppressed("jo@a.test"), suppressed("al@a.test")) == ("bounced", None)


def test_whom_another_mail_out_wrote_to_is_not_marked(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    other = sent.mailout(["al@a.test"], "Promotions")

    sent.bounce(row, "jo@a.test", group("jo@a.test") + group("al@a.test"))

    assert sent.state(other, "al@a.test") == "sent"


def test_a_delay_marks_nobody_and_is_a_bounce(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    done = sent.bounce(row, "jo@a.test", group("jo@a.test", "4.4.1", "451 later", "delayed"))

    assert (done.verdict, done.why, done.mailout_id) == ("bounce", "delivery is still being tried", row.id)
    assert sent.state(row, "jo@a.test") == "sent"


def test_failed_and_delayed_in_one_report_each_mark_their_own(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test", "al@a.test"])
    both = group("jo@a.test", action="delayed", status="4.2.2") + group("al@a.test")

    sent.bounce(row, "jo@a.test", both)

    assert (sent.state(row, "jo@a.test"), sent.state(row, "al@a.test")) == ("sent", "bounced")


def test_a_report_of_where_it_was_forwarded_to_is_about_our_recipient(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo.smith@elsewhere.test"))

    assert (sent.state(row, "jo@a.test"), suppressed("jo@a.test")) == ("bounced", "bounced")


def test_one_dead_member_of_an_alias_suppresses_nobody(sent: Sent) -> None:
    row = sent.mailout(["club@a.test"])

    sent.bounce(row, "club@a.test", group("one@b.test") + group("two@b.test", "2.0.0", "250 ok", "delivered"))

    assert (sent.state(row, "club@a.test"), suppressed("club@a.test")) == ("bounced", None)


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED, State.SKIPPED, State.CANCELLED])
def test_who_got_no_copy_can_send_none_back(sent: Sent, state: State) -> None:
    row = sent.mailout(["jo@a.test"])
    db.session.execute(update(Recipient).values(state=state))
    db.session.commit()

    sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert sent.state(row, "jo@a.test") == state
    assert suppressed("jo@a.test") is None


def test_an_uncertain_copy_that_comes_back_was_accepted(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    db.session.execute(update(Recipient).values(state=State.UNCERTAIN))
    db.session.commit()

    sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert sent.state(row, "jo@a.test") == "bounced"


def test_a_bounce_of_our_own_notice_touches_no_customer(sent: Sent, now: datetime) -> None:
    sent.make.customer("jane.doe@a.test")
    notice = Notice(name="complete:1:1", kind="complete", subject="Mail-out complete", raw=b"", created_at=now)
    queue.put_notice(notice, [("jane.doe@a.test", "Jane")])
    row = db.session.scalars(select(Recipient).where(Recipient.notice_id == notice.id)).one()
    db.session.execute(update(Recipient).values(state=State.SENT))
    db.session.commit()
    to = current_settings().own.return_path(own.bounce_token(secret(), row.id))

    done = sent.bounce(None, "", group("jane.doe@a.test"), to=to)  # type: ignore[arg-type]

    assert (done.verdict, done.why) == ("bounce", "of a letter that we wrote ourselves")
    assert suppressed("jane.doe@a.test") is None
    assert db.session.get_one(Recipient, row.id, populate_existing=True).state == "sent"
    assert count(Notice.kind != "complete") == 0


# -- whose fault it was ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [("5.1.1", "550 5.1.1 User unknown"), ("5.1.2", "550 Host unknown"), ("5.2.1", "550 5.2.1 Mailbox disabled"),
     ("5.1.10", "550 5.1.10 Recipient not found"), ("5.1.3", "501 5.1.3 Bad address syntax")],
)  # fmt: skip
def test_an_addresss_own_fault_suppresses_at_once(sent: Sent, status: str, words: str) -> None:
    row = sent.mailout(["jo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo@a.test", status, words))

    found = customers.by_email("jo@a.test")
    assert found.suppressed_for == "bounced"
    assert words in found.suppressed_why
    assert found.suppressed_at == sent.now


@pytest.mark.parametrize(
    ("status", "words"),
    [("5.7.1", "550 5.7.1 Message rejected as spam"), ("5.3.4", "552 5.3.4 Message too large"),
     ("5.7.26", "550 5.7.26 Unauthenticated mail: DMARC"), ("5.0.0", "550 blocked by a list"),
     ("5.4.7", "expired"), ("4.4.7", "connection timed out"), ("5.6.1", "media not supported"), FULL,
     ("5.1.1", "550 5.1.1 SPF check failed")],
)  # fmt: skip
def test_the_letters_fault_or_a_policy_or_a_full_mailbox_does_not(sent: Sent, status: str, words: str) -> None:
    row = sent.mailout(["jo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo@a.test", status, words))

    assert (sent.state(row, "jo@a.test"), suppressed("jo@a.test")) == ("bounced", None)


def test_a_full_mailbox_suppresses_after_three_mail_outs(sent: Sent) -> None:
    for expected in (None, None, "bounced"):
        row = sent.mailout(["jo@a.test"])
        sent.bounce(row, "jo@a.test", group("jo@a.test", *FULL))
        assert suppressed("jo@a.test") == expected


def test_a_mailbox_that_had_room_in_between_is_spared(sent: Sent) -> None:
    for arrives in (False, False, True, False):
        row = sent.mailout(["jo@a.test"])
        if not arrives:
            sent.bounce(row, "jo@a.test", group("jo@a.test", *FULL))

    assert suppressed("jo@a.test") is None


def test_the_same_full_mailbox_reported_three_times_is_one(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    for _ in range(3):
        sent.bounce(row, "jo@a.test", group("jo@a.test", *FULL))

    assert suppressed("jo@a.test") is None


def test_a_customer_who_has_another_address_now_is_not_suppressed_for_the_old_one(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    customers.edit(
        customers.by_email("jo@a.test").id, email="jo@b.test", first_name="", last_name="", actor=COMMAND, now=sent.now
    )
    db.session.commit()

    sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert (sent.state(row, "jo@a.test"), suppressed("jo@b.test")) == ("bounced", None)


def test_a_bounce_for_a_customer_who_was_deleted_only_marks(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    customers.delete(customers.by_email("jo@a.test").id, actor=COMMAND, now=sent.now)
    db.session.commit()

    assert sent.bounce(row, "jo@a.test", group("jo@a.test")).verdict == "bounce"
    assert sent.state(row, "jo@a.test") == "bounced"


def test_when_a_tenth_comes_back_it_is_the_letter_and_nobody_stays_suppressed(sent: Sent) -> None:
    many = [f"c{number}@a.test" for number in range(60)]
    row = sent.mailout(many)
    suppression.suppress(customers.by_email("c59@a.test").id, Suppressed.BY_HAND, "asked", actor=COMMAND, now=sent.now)

    for number in range(19):
        sent.bounce(row, many[number], group(many[number]))
    assert count(Customer.suppressed_for == "bounced") == 19
    assert not blame.is_spared(row.id)

    sent.bounce(row, many[19], group(many[19]))
    assert blame.is_spared(row.id)
    assert count(Customer.suppressed_for == "bounced") == 0

    sent.bounce(row, many[20], group(many[20]))
    assert count(Customer.suppressed_for == "bounced") == 0
    assert count(Customer.suppressed_for == "by-hand") == 1
    assert count(Recipient.mailout_id == row.id, Recipient.state == "bounced") == 21
    assert returned(row.id) == Returned(bounced=21, complaints=0, answers=0)


def test_twenty_of_many_are_just_twenty(sent: Sent) -> None:
    many = [f"c{number}@a.test" for number in range(210)]
    row = sent.mailout(many)

    for email in many[:20]:
        sent.bounce(row, email, group(email))

    assert count(Customer.suppressed_for == "bounced") == 20
    assert not blame.is_spared(row.id)


# -- complaints, leavers, answers --------------------------------------------------------------------------------------


def complaint(copy: str, to: str = "abuse@mail.test") -> bytes:
    return f"""\
To: {to}
From: feedback@provider.test
Subject: FW: Spring news
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: x/1
Version: 1

--b
Content-Type: message/rfc822

{copy}
--b--
""".replace("\n", "\r\n").encode()


def test_a_complaint_suppresses_at_once_and_is_no_bounce(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    path = current_settings().own.return_path(own.bounce_token(secret(), sent.recipient(row, "jo@a.test").id))

    done = sent.bring(complaint(f"Return-Path: <{path}>\n{COPY}"))

    assert (done.verdict, done.mailout_id) == ("complaint", row.id)
    assert (suppressed("jo@a.test"), sent.state(row, "jo@a.test")) == ("complained", "sent")
    assert returned(row.id).complaints == 1


def test_a_complaint_that_hides_everything_but_the_unsubscribe_link_is_understood(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    token = own.unsubscribe_token(secret(), row.list_id, customers.by_email("jo@a.test").id)

    sent.bring(complaint(f"List-Unsubscribe: <https://mail.test/u/{token}>\n{COPY}"))

    assert suppressed("jo@a.test") == "complained"


def test_a_complaint_about_nothing_of_ours_is_noted(sent: Sent) -> None:
    assert sent.bring(complaint(COPY)).why == "of no letter of ours"


def leaving(token: str) -> bytes:
    to = current_settings().own.unsubscribe_address(token)
    return f"To: {to}\r\nFrom: jo@a.test\r\nSubject: unsubscribe\r\n\r\n".encode()


def test_a_letter_to_the_unsubscribe_address_leaves_that_list(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    customer = customers.by_email("jo@a.test")
    token = own.unsubscribe_token(secret(), row.list_id, customer.id)

    assert sent.bring(leaving(token)).verdict == "unsubscribe"
    assert places.place_of(customer.id, row.list_id) is Place.UNSUBSCRIBED
    assert suppressed("jo@a.test") is None
    again = leaving(token).replace(b"unsubscribe\r\n", b"again\r\n")
    assert sent.bring(again).why == "they had left before"


def test_a_letter_from_somebody_who_is_not_there_any_more_leaves_nothing(sent: Sent) -> None:
    done = sent.bring(leaving(own.unsubscribe_token(secret(), sent.mailout(["jo@a.test"]).list_id, 4711)))

    assert done.verdict == "unsubscribe"
    assert "4711" in done.why


def answer(sent: Sent, row: Mailout, text: str = "See you then!") -> bytes:
    identity = own.message_id(secret(), sent.recipient(row, "jo@a.test").id, current_settings().own.domain)
    head = f"To: mailout@mail.test\r\nFrom: Jo <jo@a.test>\r\nSubject: Re: News\r\nIn-Reply-To: {identity}"
    return f"{head}\r\n\r\n{text}\r\n".encode()


def test_a_persons_answer_is_passed_on_once_as_an_attachment_and_counted(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    done = sent.bring(answer(sent, row))

    assert (done.verdict, done.why, done.mailout_id) == ("reply", "passed on", row.id)
    (notice,) = db.session.scalars(select(Notice).where(Notice.kind == "reply")).all()
    to = db.session.scalars(select(Recipient.address).where(Recipient.notice_id == notice.id)).all()
    assert (notice.mailout_id, list(to)) == (row.id, ["jane@mail.test"])
    assert returned(row.id) == Returned(bounced=0, complaints=0, answers=1)


def test_a_programs_answer_is_passed_on_to_nobody(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    raw = answer(sent, row).replace(b"Subject: Re: News", b"Subject: Automatic reply: News")

    assert sent.bring(raw).verdict == "auto-reply"
    assert count(Notice.id.is_not(None)) == 0


def test_nothing_that_comes_back_is_ever_answered(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])

    sent.bounce(row, "jo@a.test", group("jo@a.test"))
    sent.bring(complaint(COPY))
    sent.bring(b"To: stranger@else.test\r\nFrom: spam@else.test\r\n\r\nBuy\r\n")

    assert count(Notice.id.is_not(None)) == 0


# -- the mail that sums it up ------------------------------------------------------------------------------------------


def test_two_days_later_one_mail_sums_up_what_came_back(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test", "al@a.test"])
    sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert digest.due_digests(sent.now + timedelta(days=2, seconds=-1)) == 0
    assert digest.due_digests(sent.now + timedelta(days=2)) == 1
    assert digest.due_digests(sent.now + timedelta(days=2, minutes=1)) == 0
    (notice,) = db.session.scalars(select(Notice).where(Notice.kind == "returns")).all()
    assert notice.mailout_id == row.id


def test_when_nothing_came_back_nobody_is_told(sent: Sent) -> None:
    sent.mailout(["jo@a.test"])

    assert digest.due_digests(sent.now + timedelta(days=2)) == 0


def test_a_mail_out_of_long_ago_is_not_summed_up(sent: Sent) -> None:
    row = sent.mailout(["jo@a.test"])
    sent.bounce(row, "jo@a.test", group("jo@a.test"))

    assert digest.due_digests(sent.now + timedelta(days=30)) == 0
