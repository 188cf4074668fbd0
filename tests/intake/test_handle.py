"""What becomes of a letter that names a key: accepted, held, refused, dropped; and who is told."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from mailout.book import customers, lists, places, suppression, users
from mailout.core.copying import compose
from mailout.core.phase import Phase, phase
from mailout.core.problem import Problem
from mailout.core.reading.letter import Letter as Read
from mailout.intake import handle, late, retention, submission
from mailout.intake.handle import Done
from mailout.journal import COMMAND, Actor
from mailout.models import JournalEntry, Letter, LetterBytes, Mailout, Notice, Place, Recipient, Suppressed, User, db
from mailout.outbox import progress, steering
from mailout.settings import Settings
from tests.makers import Make

JANE = "jane@mail.test"
FIVE = [f"c{number}@customers.test" for number in range(1, 6)]


def letter(to: str, *, author: str = f"Jane <{JANE}>", subject: str = "Spring news", number: int = 1, head: str = "",
           body: str = "Hello,\r\nthe spring trim is here.\r\n") -> bytes:  # fmt: skip
    """A letter as a mail program sends it."""
    return (
        f"Received: from mail.test by mx.mail.test; Wed, 25 Nov 2026 03:00:00 +0000\r\nFrom: {author}\r\nTo: {to}\r\n"
        f"Subject: {subject}\r\nDate: Wed, 25 Nov 2026 03:00:00 +0000\r\nMessage-ID: <letter-{number}@mail.test>\r\n"
        f"{head}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    ).encode()


class Post:
    """Brings letters as the mailbox would have, and handles them at once."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def bring(self, raw: bytes, at: datetime | None = None) -> Done:
        """Store the letter and handle it."""
        moment = at or self.now
        row = Letter(digest=hashlib.sha256(raw).hexdigest(), received_at=moment, size=len(raw))
        db.session.add(row)
        db.session.flush()
        db.session.add(LetterBytes(letter_id=row.id, raw=raw))
        db.session.commit()
        (done,) = handle.handle_new(lambda: moment)
        return done


@pytest.fixture
def post(app: Flask, now: datetime) -> Post:
    return Post(now)


@pytest.fixture
def jane(make: Make) -> User:
    return make.user(JANE)


@pytest.fixture
def mailout(make: Make, jane: User, now: datetime) -> Mailout:
    """A mail-out to five customers, its key waiting."""
    row = submission.open_mailout(make.list("Newsletter", FIVE).id, jane, check_first=False, now=now)
    db.session.commit()
    return row


def notices() -> list[tuple[str, str]]:
    """The notices in the outbox: (subject, address)."""
    query = (
        select(Notice.subject, Recipient.address).join(Recipient, Recipient.notice_id == Notice.id).order_by(Notice.id)
    )
    return [(subject, address) for subject, address in db.session.execute(query)]


def copies() -> int:
    return db.session.scalar(select(func.count()).where(Recipient.mailout_id.is_not(None))) or 0


def test_a_letter_to_the_key_is_accepted_and_its_recipients_are_frozen(
    post: Post, mailout: Mailout, now: datetime
) -> None:
    done = post.bring(letter(submission.key_address(mailout)))

    assert (done.verdict, done.mailout_id) == ("mail-out", mailout.id)
    seen = progress.overview(mailout.id, now)
    assert (seen.state, seen.counts.queued, seen.counts.total) == (Phase.STARTING, 5, 5)
    assert (seen.row.subject, seen.row.author) == ("Spring news", JANE)
    assert notices() == []


def test_the_key_is_blanked_in_what_is_stored(post: Post, mailout: Mailout) -> None:
    address = submission.key_address(mailout)
    done = post.bring(letter(address))

    raw = db.session.scalar(select(LetterBytes.raw).where(LetterBytes.letter_id == done.letter_id))
    assert raw is not None
    assert address.partition("@")[0].rpartition("-")[2].encode() not in raw
    assert b"the spring trim is here" in raw


def test_a_key_in_the_subject_is_told_to_nobody(post: Post, mailout: Mailout) -> None:
    address = submission.key_address(mailout)
    key = address.partition("@")[0].rpartition("-")[2]
    done = post.bring(letter(address, subject=f"Für {key.upper()}"))

    assert (done.verdict, done.why) == ("refused", "key-in-text")
    assert db.session.get_one(Letter, done.letter_id).subject == "Für " + "*" * len(key)
    assert key.encode() not in db.session.scalar(select(Notice.raw)).lower()  # type: ignore[union-attr]


def test_the_same_letter_again_is_dropped_in_silence(post: Post, mailout: Mailout) -> None:
    address = submission.key_address(mailout)
    post.bring(letter(address))
    again = letter(address).replace(b"Received: from mail.test", b"Received: from other.test")

    assert post.bring(again).verdict == "duplicate"
    assert notices() == []
    assert copies() == 5


def test_another_letter_to_a_used_key_is_an_error_and_can_be_sent_after_all(
    post: Post, mailout: Mailout, jane: User, now: datetime
) -> None:
    address = submission.key_address(mailout)
    post.bring(letter(address))
    done = post.bring(letter(address, number=2, subject="Second thoughts"))

    assert (done.verdict, done.why) == ("refused", "key-used")
    assert notices() == [("Mail-out error", JANE)]
    assert copies() == 5
    sent = late.release(done.letter_id, jane, now)
    db.session.commit()
    assert copies() == 10
    assert progress.overview(sent.id, now).row.subject == "Second thoughts"


def test_a_late_letter_is_refused_by_when_it_was_received_never_by_its_date(
    post: Post, mailout: Mailout, now: datetime
) -> None:
    late_by_a_second = now + timedelta(hours=24, seconds=1)
    done = post.bring(letter(submission.key_address(mailout)), at=late_by_a_second)

    assert (done.verdict, done.why) == ("refused", "key-expired")
    assert phase(mailout, late_by_a_second) is Phase.EXPIRED
    assert notices() == [("Mail-out error", JANE)]
    assert copies() == 0


def test_a_letter_a_second_before_the_end_is_accepted(post: Post, mailout: Mailout, now: datetime) -> None:
    done = post.bring(letter(submission.key_address(mailout)), at=now + timedelta(hours=23, minutes=59, seconds=59))

    assert done.verdict == "mail-out"


@pytest.mark.parametrize(
    ("author", "told"), [(f"Jane <{JANE}>", [("Mail-out error", JANE)]), ("Spam <spam@elsewhere.test>", [])]
)
@pytest.mark.parametrize(
    ("local", "why"), [("mailout+newsletter-{}", "key-unknown"), ("mailout+newsletter-abc", "key-damaged")]
)
def test_a_key_that_is_none_is_answered_to_users_alone(
    post: Post, jane: User, author: str, told: list[tuple[str, str]], local: str, why: str
) -> None:
    from_nowhere = local.format("0" * 27)
    done = post.bring(letter(f"{from_nowhere}@mail.test", author=author))

    assert (done.verdict, done.why) == ("refused", why)
    assert notices() == told


def test_a_damaged_key_is_told_from_an_unknown_one(post: Post, mailout: Mailout, jane: User) -> None:
    address = submission.key_address(mailout)
    local, _, domain = address.partition("@")
    damaged = f"{local[:-3]}{'a' if local[-3] != 'a' else 'b'}{local[-2:]}@{domain}"

    assert post.bring(letter(damaged)).why == "key-damaged"
    assert post.bring(letter(address)).verdict == "mail-out"


def test_two_keys_send_nothing_and_use_neither_up(
    post: Post, mailout: Mailout, make: Make, jane: User, now: datetime
) -> None:
    other = submission.open_mailout(make.list("Promotions", FIVE[:1]).id, jane, check_first=False, now=now)
    db.session.commit()
    both = f"{submission.key_address(mailout)}, {submission.key_address(other)}"
    done = post.bring(letter(both))

    assert (done.verdict, done.why) == ("refused", "two-keys")
    assert notices() == [("Mail-out error", JANE)]
    assert copies() == 0
    assert post.bring(letter(submission.key_address(other), number=2)).verdict == "mail-out"


def test_an_empty_list_is_an_error_and_the_key_stays_good(post: Post, make: Make, jane: User, now: datetime) -> None:
    empty = make.list("Empty")
    row = submission.open_mailout(empty.id, jane, check_first=False, now=now)
    db.session.commit()

    assert post.bring(letter(submission.key_address(row))).why == "list-empty"
    assert progress.overview(row.id, now).row.problem == "list-empty"
    customer = make.customer("new@customers.test")
    places.set_place(customer.id, empty.id, Place.INCLUDED, how="test", actor=COMMAND, now=now)
    db.session.commit()
    assert post.bring(letter(submission.key_address(row), number=2)).verdict == "mail-out"
    assert progress.overview(row.id, now).row.problem is None


def test_a_cancelled_mailout_sends_nothing(post: Post, mailout: Mailout, jane: User, now: datetime) -> None:
    steering.cancel(mailout.id, COMMAND, now)
    db.session.commit()

    assert post.bring(letter(submission.key_address(mailout))).why == "cancelled"
    assert notices() == [("Mail-out error", JANE)]


def test_the_key_of_a_deactivated_user_works_no_more(
    post: Post, mailout: Mailout, jane: User, make: Make, now: datetime
) -> None:
    make.user("admin@mail.test", administrator=True)
    users.deactivate(jane.id, actor=COMMAND, now=now)
    db.session.commit()

    assert post.bring(letter(submission.key_address(mailout))).why == "not-permitted"
    assert copies() == 0


def test_an_archived_list_is_an_error(post: Post, mailout: Mailout, now: datetime) -> None:
    lists.archive(mailout.list_id, actor=COMMAND, now=now)
    db.session.commit()

    assert post.bring(letter(submission.key_address(mailout))).why == "list-archived"


def test_a_letter_from_a_stranger_is_held_for_the_creating_user(post: Post, mailout: Mailout, now: datetime) -> None:
    done = post.bring(letter(submission.key_address(mailout), author="Forger <forger@elsewhere.test>"))

    assert (done.verdict, done.why) == ("mail-out", "unknown-sender")
    assert progress.overview(mailout.id, now).state is Phase.HELD
    assert notices() == [("Mail-out waiting", JANE)]
    assert copies() == 0


def test_a_reply_is_held_and_goes_at_release(post: Post, mailout: Mailout, jane: User, now: datetime) -> None:
    done = post.bring(letter(submission.key_address(mailout), head="In-Reply-To: <other@mail.test>\r\n"))

    assert (done.verdict, done.why) == ("mail-out", "reply")
    steering.release(mailout.id, Actor(jane.id, jane.email), now)
    db.session.commit()
    seen = progress.overview(mailout.id, now)
    assert (seen.state, seen.counts.queued) == (Phase.SENDING, 5)


def test_check_it_first_holds_without_a_problem(post: Post, make: Make, jane: User, now: datetime) -> None:
    row = submission.open_mailout(make.list("Promotions", FIVE).id, jane, check_first=True, now=now)
    db.session.commit()
    post.bring(letter(submission.key_address(row)))

    seen = progress.overview(row.id, now)
    assert (seen.state, seen.row.problem) == (Phase.HELD, None)
    assert notices() == [("Mail-out waiting", JANE)]


def test_a_held_letter_is_discarded_after_seven_days_with_notice(post: Post, mailout: Mailout, now: datetime) -> None:
    post.bring(letter(submission.key_address(mailout), author="x@elsewhere.test"))
    later = now + timedelta(days=7, seconds=1)
    retention.sweep(later)

    assert progress.overview(mailout.id, later).state is Phase.CANCELLED
    assert notices()[-1] == ("Mail-out discarded", JANE)
    discarded = select(JournalEntry.actor).where(JournalEntry.action == "mailout.discard")
    assert list(db.session.scalars(discarded)) == ["Mailout"]


def test_a_key_in_the_text_is_refused_before_anybody_sees_it(post: Post, mailout: Mailout) -> None:
    address = submission.key_address(mailout)
    done = post.bring(letter(address, body=f"Write to {address}!\r\n"))

    assert (done.verdict, done.why) == ("refused", "key-in-text")
    assert copies() == 0
    assert post.bring(letter(address, number=2)).verdict == "mail-out"


def test_the_key_of_another_open_mailout_in_the_text_is_refused_too(
    post: Post, mailout: Mailout, make: Make, jane: User, now: datetime
) -> None:
    other = submission.open_mailout(make.list("Promotions", FIVE[:1]).id, jane, check_first=False, now=now)
    db.session.commit()
    done = post.bring(letter(submission.key_address(mailout), body=f"Write to {submission.key_address(other)}!\r\n"))

    assert (done.verdict, done.why) == ("refused", "key-in-text")


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied\r\n",
        "Return-Path: <>\r\n",
        "X-Autoreply: yes\r\nAuto-Submitted: auto-generated\r\n",
    ],
)
def test_an_automatic_letter_to_a_key_starts_nothing_and_is_not_answered(
    post: Post, mailout: Mailout, head: str
) -> None:
    done = post.bring(letter(submission.key_address(mailout), head=head))

    assert done.verdict in ("auto-reply", "bounce", "other")
    assert (copies(), notices()) == (0, [])
    assert post.bring(letter(submission.key_address(mailout), number=2)).verdict == "mail-out"


@pytest.mark.parametrize("author", ["mailout@mail.test", "Mailout+b-1-xyz@mail.test"])
def test_a_letter_that_says_it_is_from_ourselves_is_not_answered(post: Post, mailout: Mailout, author: str) -> None:
    address = submission.key_address(mailout)
    post.bring(letter(address))

    assert post.bring(letter(address, number=2, author=author)).verdict == "refused"
    assert notices() == []


def test_a_user_whose_address_became_that_of_our_notices_hears_of_an_error(
    app: Flask, post: Post, mailout: Mailout
) -> None:
    made = app.extensions["mailout"]
    app.extensions["mailout"] = replace(made, own=replace(made.own, sender=JANE))
    address = submission.key_address(mailout)
    post.bring(letter(address))
    post.bring(letter(address, number=2))

    assert notices() == [("Mail-out error", JANE)]


def test_only_five_error_mails_an_hour_go_to_one_address(post: Post, jane: User, now: datetime) -> None:
    for number in range(9):
        post.bring(letter(f"mailout+{'0' * 27}@mail.test", number=number))

    assert len(notices()) == 5


def test_an_address_in_other_capitals_is_the_same_address_for_that(post: Post, jane: User, now: datetime) -> None:
    for number in range(8):
        author = "".join(one.upper() if number >> at & 1 else one for at, one in enumerate(JANE))
        post.bring(letter(f"mailout+{'0' * 27}@mail.test", author=author, number=number))

    assert len(notices()) == 5


def test_a_letter_that_can_not_be_handled_is_set_aside_and_its_user_hears_of_it(
    post: Post, mailout: Mailout, now: datetime
) -> None:
    address = submission.key_address(mailout)
    db.session.execute(
        text("CREATE TRIGGER broken BEFORE INSERT ON recipient WHEN NEW.mailout_id BEGIN SELECT RAISE(ABORT, 'x'); END")
    )
    db.session.commit()
    with pytest.raises(ValueError, match="not enough"):
        post.bring(letter(address))

    found = [[done.verdict for done in handle.handle_new(lambda: now)] for _ in range(3)]

    assert found == [[], ["quarantined"], []]
    db.session.refresh(mailout)
    assert (mailout.problem, phase(mailout, now)) == (Problem.UNREADABLE, Phase.WAITING)
    assert notices() == [("Mail-out error", JANE)]
    key = address.partition("@")[0].rpartition("-")[2].encode()
    assert not any(key in raw for raw in db.session.scalars(select(LetterBytes.raw)))


def test_a_letter_that_two_processes_took_is_handled_by_one_of_them(
    post: Post, mailout: Mailout, now: datetime
) -> None:
    done = post.bring(letter(submission.key_address(mailout)))

    # the other one, which saw it while it was new, comes second
    assert handle._handle(done.letter_id, now) is None
    db.session.commit()
    db.session.refresh(mailout)
    assert mailout.problem is None
    assert notices() == []


def test_a_letter_that_stopped_the_program_each_time_is_set_aside_and_not_handled_once_more(
    post: Post, mailout: Mailout, now: datetime
) -> None:
    raw = letter(submission.key_address(mailout))
    row = Letter(digest="0" * 64, received_at=now, size=len(raw), attempts=handle.TRIES)
    db.session.add(row)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=row.id, raw=raw))
    db.session.commit()
    (done,) = handle.handle_new(lambda: now)

    assert done.verdict == "quarantined"
    assert copies() == 0
    assert notices() == [("Mail-out error", JANE)]


def test_a_letter_larger_than_allowed_is_refused_by_its_head(post: Post, mailout: Mailout, now: datetime) -> None:
    raw = letter(submission.key_address(mailout), body="")
    row = Letter(digest="0" * 64, received_at=now, size=30_000_000, whole=False)
    db.session.add(row)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=row.id, raw=raw))
    db.session.commit()
    (done,) = handle.handle_new(lambda: now)

    assert done.why == Problem.TOO_LARGE
    assert notices() == [("Mail-out error", JANE)]


def test_a_suppressed_customer_has_a_row_that_says_why(post: Post, mailout: Mailout, make: Make, now: datetime) -> None:
    suppression.suppress(customers.by_email(FIVE[0]).id, Suppressed.BY_HAND, "asked by phone", actor=COMMAND, now=now)
    db.session.commit()
    post.bring(letter(submission.key_address(mailout)))

    counts = progress.overview(mailout.id, now).counts
    assert (counts.queued, counts.skipped) == (4, 1)
    (line,) = progress.lines(mailout.id, "skipped")
    assert line.reason.startswith("suppressed")


def test_others_can_write_while_a_letter_is_made_into_its_copies(
    post: Post, mailout: Mailout, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, busy = compose.prepare, []

    def watched(read: Read, about: compose.Circumstances) -> compose.Prepared:
        with sqlite3.connect(settings.instance_dir / "mailout.db", timeout=0.1) as other:
            other.execute("UPDATE list SET description = 'changed meanwhile'")
        busy.append(about.list_name)
        return really(read, about)

    monkeypatch.setattr(compose, "prepare", watched)

    assert post.bring(letter(submission.key_address(mailout))).verdict == "mail-out"
    assert busy == ["Newsletter"]


def test_a_user_who_is_deactivated_while_the_letter_is_composed_sends_nothing(
    post: Post, mailout: Mailout, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = compose.prepare

    def slow(read: Read, about: compose.Circumstances) -> compose.Prepared:
        with sqlite3.connect(settings.instance_dir / "mailout.db", timeout=0.1) as other:
            other.execute("UPDATE user SET is_active = 0")
        return really(read, about)

    monkeypatch.setattr(compose, "prepare", slow)

    assert post.bring(letter(submission.key_address(mailout))).verdict == "refused"
    assert mailout.accepted_at is None
    assert mailout.problem == Problem.NOT_PERMITTED
