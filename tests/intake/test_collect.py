"""From the mailbox into the spool: a scripted POP3 server, a real database, and Dovecot."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select

from mailout import lease, pulse
from mailout.core.fault import Fault
from mailout.intake import collect, turn
from mailout.intake.collect import Polled
from mailout.models import JournalEntry, Letter, LetterBytes, Mailbox, db
from mailout.settings import Settings
from mailout.wires import pop3_line
from mailout.wires.tls import Server
from tests.fake_pop3 import ALWAYS, FakePop3, Session, close, cut, drip, stuffed
from tests.mailservers import PASSWORD, MailServers


def letter(number: int, body: str = "Hello.") -> bytes:
    return f"From: jane@mail.test\r\nSubject: letter {number}\r\n\r\n{body}\r\n".encode()


ONE, TWO, THREE = letter(1), letter(2), letter(3)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, **length: float) -> None:
        self.at += timedelta(**length)


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def fake() -> Iterator[FakePop3]:
    with FakePop3() as running:
        yield running


@pytest.fixture
def poll(app: Flask, settings: Settings, fake: FakePop3, clock: Clock) -> Callable[..., Polled]:
    """Polls a mailbox that was adopted while it was empty."""
    there = with_mailbox(settings, fake.server())
    assert collect.poll(there, clock) == Polled()

    def again(*, at_once: bool = True) -> Polled:
        return collect.poll(there, clock, at_once=at_once)

    return again


def with_mailbox(settings: Settings, server: Server) -> Settings:
    return dataclasses.replace(settings, pop3=server)


def stored() -> list[bytes]:
    """What the spool holds, oldest first, letters that could not be had left out."""
    query = select(LetterBytes.raw).join(Letter, Letter.id == LetterBytes.letter_id).where(LetterBytes.raw != b"")
    return list(db.session.scalars(query.order_by(Letter.id)))


def rows() -> list[Letter]:
    return list(db.session.scalars(select(Letter).order_by(Letter.id).execution_options(populate_existing=True)))


def test_letters_are_stored_whole_and_then_removed(poll: Callable[..., Polled], fake: FakePop3, now: datetime) -> None:
    fake.letters = [ONE, TWO]

    assert poll() == Polled(fetched=2)

    assert stored() == [ONE, TWO]
    assert fake.letters == []
    first = rows()[0]
    assert (first.spool, first.whole, first.size, first.received_at) == ("new", True, len(ONE), now)
    assert first.verdict is None


def test_a_mailbox_is_read_in_sessions_of_fifty_until_it_is_empty(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters = [letter(n) for n in range(120)]

    assert poll().fetched == 120

    assert stored() == [letter(n) for n in range(120)]
    assert fake.logins == 1 + 3
    assert fake.most_at_once == 1


def test_a_session_ends_after_thirty_seconds(poll: Callable[..., Polled], fake: FakePop3, clock: Clock) -> None:
    def slow(session: Session) -> None:
        clock.pass_(seconds=11)
        session.do_dele(*session.words)

    fake.letters = [letter(n) for n in range(6)]
    fake.answers["DELE"] = ALWAYS(slow)

    assert poll().fetched == 6

    assert fake.logins == 1 + 2
    assert fake.letters == []


def test_a_poll_ends_after_two_minutes_and_the_next_goes_on(
    poll: Callable[..., Polled], fake: FakePop3, clock: Clock
) -> None:
    def slow(session: Session) -> None:
        clock.pass_(seconds=31)
        session.do_dele(*session.words)

    fake.letters = [letter(n) for n in range(6)]
    fake.answers["DELE"] = ALWAYS(slow)

    assert poll() == Polled(fetched=4, waiting=2)
    assert poll() == Polled(fetched=2)


def test_a_mailbox_that_removes_nothing_is_read_all_the_same(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters = [letter(n) for n in range(70)]
    fake.answers["DELE"] = ALWAYS(b"-ERR this mailbox keeps everything\r\n")

    assert poll().fetched == 70
    fake.letters.append(ONE + b"new")

    assert poll().fetched == 1


@pytest.mark.parametrize("answer", [close, b"-ERR some deleted messages not removed\r\n", cut(b"+O")])
def test_what_is_offered_again_after_a_lost_quit_is_only_removed(
    poll: Callable[..., Polled], fake: FakePop3, answer: object
) -> None:
    fake.letters = [ONE, TWO]
    fake.answers["QUIT"] = [answer]  # type: ignore[list-item]

    assert poll().fetched == 2
    assert fake.letters == [ONE, TWO]

    assert poll() == Polled(known=2)
    assert fake.letters == []
    assert stored() == [ONE, TWO]


def test_a_line_that_breaks_after_dele_loses_nothing(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters = [ONE, TWO]
    fake.answers["DELE 1"] = [close]

    assert poll().trouble
    assert stored() == [ONE]

    assert poll() == Polled(fetched=1, known=1)
    assert stored() == [ONE, TWO]
    assert [row.spool for row in rows()] == ["new", "new"]


def test_identity_is_the_content_whatever_the_unique_ids_say(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters, fake.uidls = [ONE, ONE, TWO], ["same", "same", "same"]
    assert poll() == Polled(fetched=2, known=1)

    fake.letters, fake.uidls = [ONE, TWO, THREE], ["new1", "new2", "same"]
    assert poll() == Polled(fetched=1, known=2)

    assert stored() == [ONE, TWO, THREE]


def test_a_letter_that_comes_back_from_a_restored_mailbox_is_known(
    poll: Callable[..., Polled], fake: FakePop3, clock: Clock
) -> None:
    fake.letters = [ONE]
    poll()
    db.session.execute(delete(LetterBytes))
    db.session.commit()
    clock.pass_(days=60)
    fake.letters = [ONE]

    assert poll() == Polled(known=1)


def test_a_refused_letter_stays_and_does_not_stop_the_others(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters, fake.uidls = [ONE, TWO, THREE], ["a", "b", "c"]
    fake.answers["RETR 2"] = [b"-ERR disk trouble\r\n"]

    polled = poll()

    assert (polled.fetched, polled.waiting) == (2, 1)
    assert "disk trouble" in polled.trouble
    assert fake.letters == [TWO]
    left = next(row for row in rows() if row.size == len(TWO) and row.verdict)
    assert (left.spool, left.verdict, left.attempts) == ("quarantined", "quarantined", 1)
    assert "still in the mailbox" in left.why


def test_a_letter_that_is_had_at_last_is_no_longer_in_quarantine(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters, fake.uidls = [ONE], ["a"]
    fake.answers["RETR"] = [b"-ERR no\r\n", b"-ERR no\r\n"]
    poll()
    poll()
    assert [(row.spool, row.attempts) for row in rows()] == [("quarantined", 2)]

    assert poll() == Polled(fetched=1)

    assert [row.spool for row in rows()] == ["new"]


def test_a_letter_that_breaks_the_line_is_left_and_the_rest_is_read(
    poll: Callable[..., Polled], fake: FakePop3
) -> None:
    fake.letters, fake.uidls = [ONE, TWO, THREE], ["a", "b", "c"]
    fake.answers["RETR 2"] = [cut(stuffed(TWO)[:30])]

    polled = poll()

    assert stored() == [ONE, THREE]
    assert fake.letters == [TWO]
    assert polled.waiting == 1


def test_less_than_was_listed_is_fetched_again_and_then_quarantined(
    poll: Callable[..., Polled], fake: FakePop3
) -> None:
    fake.letters, fake.uidls, fake.sizes = [ONE, TWO], ["a", "b"], {1: 100_000}

    poll()

    quarantined, good = sorted(rows(), key=lambda row: row.spool != "quarantined")
    assert (quarantined.spool, quarantined.verdict) == ("quarantined", "quarantined")
    assert good.spool == "new"
    assert len(fake.said("RETR")) == 3
    assert fake.letters == []


def test_half_a_letter_that_is_whole_the_second_time_is_a_letter(poll: Callable[..., Polled], fake: FakePop3) -> None:
    long = letter(1, "x" * 5_000)
    fake.letters, fake.uidls = [long], ["a"]
    fake.answers["RETR 1"] = [stuffed(long[:500])]

    assert poll() == Polled(fetched=1)

    assert [row.spool for row in rows()] == ["new"]
    assert stored() == [long]


def test_of_a_letter_that_is_too_large_the_head_is_read(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.letters, fake.sizes = [ONE, TWO], {1: 500_000_000}

    assert poll() == Polled(fetched=2)

    large = rows()[0]
    assert (large.whole, large.size, large.spool) == (False, 500_000_000, "new")
    assert stored() == [ONE.partition(b"Hello")[0], TWO]
    assert fake.said("RETR") == ["RETR 2"]
    assert fake.letters == []


def test_a_large_letter_whose_head_can_not_be_had_stays_and_is_shown(
    poll: Callable[..., Polled], fake: FakePop3
) -> None:
    fake.letters, fake.sizes = [ONE, TWO], {1: 500_000_000}
    fake.answers["TOP"] = ALWAYS(b"-ERR unknown command\r\n")

    poll()

    assert fake.said("RETR") == ["RETR 2"]
    assert fake.letters == [ONE]
    assert {row.spool for row in rows()} == {"new", "quarantined"}


def test_when_the_database_fails_nothing_more_is_removed(
    poll: Callable[..., Polled], fake: FakePop3, app: Flask
) -> None:
    fake.letters = [ONE, TWO, THREE]
    db.session.execute(
        db.text(
            "CREATE TRIGGER full BEFORE INSERT ON letter WHEN (SELECT count(*) FROM letter) >= 1 BEGIN "
            "SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
    )
    db.session.commit()

    with pytest.raises(Exception, match="disk is full"):
        poll()

    assert fake.letters == [ONE, TWO, THREE]
    assert fake.said("QUIT") == ["QUIT"]  # the one that adopted the mailbox
    db.session.execute(db.text("DROP TRIGGER full"))
    db.session.commit()
    assert poll() == Polled(fetched=2, known=1)


def test_a_mailbox_that_holds_mail_is_not_touched_until_it_is_adopted(
    app: Flask, settings: Settings, clock: Clock, fake: FakePop3
) -> None:
    fake.letters = [ONE, TWO]
    there = with_mailbox(settings, fake.server())

    polled = collect.poll(there, clock)

    assert (polled.fetched, polled.waiting) == (0, 2)
    assert "holds 2 letters" in polled.trouble
    assert fake.letters == [ONE, TWO]
    assert fake.said("RETR") == fake.said("TOP") == fake.said("DELE") == []
    standing = collect.standing(there)
    assert (standing.met, standing.adopted, standing.letters) == (True, False, 2)
    assert "Administrator" in pulse.of(pulse.MAILBOX).trouble

    assert collect.adopt(there, clock) == 2

    assert collect.standing(there).adopted
    assert pulse.of(pulse.MAILBOX).trouble == ""
    assert db.session.scalars(select(JournalEntry.action)).all() == ["mailbox.adopt"]
    assert collect.poll(there, clock) == Polled(fetched=2)


def test_a_mailbox_that_was_emptied_meanwhile_is_adopted_silently(
    app: Flask, settings: Settings, clock: Clock, fake: FakePop3
) -> None:
    fake.letters = [ONE]
    there = with_mailbox(settings, fake.server())
    collect.poll(there, clock)
    fake.letters = []

    assert collect.poll(there, clock) == Polled()

    assert collect.standing(there).adopted


def test_another_user_name_is_another_mailbox(app: Flask, settings: Settings, clock: Clock, fake: FakePop3) -> None:
    there = with_mailbox(settings, fake.server())
    collect.poll(there, clock)
    fake.letters = [ONE]
    other = with_mailbox(settings, dataclasses.replace(fake.server(), username="other@mail.test"))

    assert collect.poll(other, clock).fetched == 0
    assert collect.poll(there, clock).fetched == 1
    assert db.session.scalar(select(func.count()).select_from(Mailbox)) == 2


def test_a_mailbox_can_be_adopted_before_it_was_ever_read(
    app: Flask, settings: Settings, clock: Clock, fake: FakePop3
) -> None:
    fake.letters = [ONE]
    there = with_mailbox(settings, fake.server())
    assert not collect.standing(there).met

    assert collect.adopt(there, clock) == 1

    assert collect.poll(there, clock).fetched == 1


def test_what_can_not_be_reached_is_not_adopted(app: Flask, settings: Settings, clock: Clock) -> None:
    there = with_mailbox(settings, Server("127.0.0.1", 1, "a", "b", "none"))

    with pytest.raises(Fault, match="does not answer on port 1"):
        collect.adopt(there, clock)


def test_without_a_mailbox_it_says_so(app: Flask, settings: Settings, clock: Clock) -> None:
    there = dataclasses.replace(settings, pop3=None)

    assert "no mailbox" in collect.poll(there, clock).trouble
    with pytest.raises(Fault, match="no mailbox"):
        collect.adopt(there, clock)


def test_a_wrong_password_is_tried_more_and_more_seldom(
    poll: Callable[..., Polled], fake: FakePop3, clock: Clock
) -> None:
    fake.password = "another"
    pauses = []
    for _ in range(9):
        assert "does not accept" in poll(at_once=False).trouble
        again = pulse.of(pulse.MAILBOX).again_at
        assert again is not None
        pauses.append(again - clock())
        logins = len(fake.said("PASS"))
        clock.at = again - timedelta(seconds=1)
        assert "does not accept" in poll(at_once=False).trouble
        assert len(fake.said("PASS")) == logins
        clock.at = again

    assert pauses[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
    assert pauses[-1] == timedelta(minutes=30)
    fake.password, fake.letters = "pop secret", [ONE]
    assert poll(at_once=False) == Polled(fetched=1)
    assert pulse.of(pulse.MAILBOX).trouble == ""


def test_a_person_does_not_wait_for_the_pause_to_end(poll: Callable[..., Polled], fake: FakePop3) -> None:
    fake.password = "another"
    poll()
    fake.password, fake.letters = "pop secret", [ONE]

    assert poll(at_once=False).fetched == 0
    assert poll(at_once=True).fetched == 1


def test_a_mailbox_in_use_is_tried_again_soon(poll: Callable[..., Polled], fake: FakePop3, clock: Clock) -> None:
    fake.letters = [ONE]
    fake.answers["PASS"] = [b"-ERR [IN-USE] locked\r\n"] * 3
    for _ in range(3):
        assert "Another program" in poll().trouble
        clock.pass_(seconds=10)

    assert poll(at_once=False).fetched == 1


def test_a_server_that_is_away_is_trouble_since_it_went(
    poll: Callable[..., Polled], fake: FakePop3, clock: Clock
) -> None:
    went = clock()
    fake.greeting = close
    for _ in range(3):
        assert "broke" in poll().trouble
        clock.pass_(seconds=10)

    known = pulse.of(pulse.MAILBOX)
    assert (known.trouble_since, known.again_at) == (went, None)


def test_a_slow_drip_ends_and_the_next_poll_reads(
    poll: Callable[..., Polled], fake: FakePop3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "SESSION_DEADLINE_SECONDS", 0.5)
    fake.letters = [ONE]
    fake.answers["LIST"] = [drip(b"+OK\r\n1 60\r\n" * 50, 0.1)]

    assert "in time" in poll().trouble

    assert poll().fetched == 1


def test_the_mailbox_is_read_by_one_at_a_time(poll: Callable[..., Polled], fake: FakePop3, clock: Clock) -> None:
    lease.take(turn.NAME, "another", clock(), timedelta(seconds=20))
    fake.letters = [ONE]

    polled = poll(at_once=False)

    assert polled.busy
    assert fake.logins == 1
    clock.pass_(seconds=21)
    assert poll(at_once=False).fetched == 1


def test_two_who_poll_at_once_have_one_session(app: Flask, settings: Settings, fake: FakePop3, clock: Clock) -> None:
    there = with_mailbox(settings, fake.server())
    collect.poll(there, clock)
    fake.letters = [letter(n) for n in range(30)]
    found: list[Polled] = []

    def read() -> None:
        with app.app_context():
            found.append(collect.poll(there, clock, at_once=True))
            db.session.remove()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(polled.fetched for polled in found) == 30
    assert fake.most_at_once == 1


def test_who_was_silent_for_too_long_leaves_the_mailbox_to_the_other(
    poll: Callable[..., Polled], fake: FakePop3, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pop3_line, "BEAT_SECONDS", 0.02)
    fake.letters = [ONE]

    def stolen(session: object) -> None:
        clock.pass_(seconds=25)
        fake.answers["UIDL"] = []
        session.wait(0.3)  # type: ignore[attr-defined]

    fake.answers["UIDL"] = [stolen]
    taken = threading.Event()
    keep = turn.Turn.keep

    def lost(self: turn.Turn) -> None:
        if clock() - self._taken_at >= turn.LENGTH and not taken.is_set():  # type: ignore[operator]
            lease.take(turn.NAME, "another", clock(), timedelta(seconds=30))
            taken.set()
        keep(self)

    monkeypatch.setattr(turn.Turn, "keep", lost)

    polled = poll()

    assert polled.busy
    assert stored() == []
    assert fake.letters == [ONE]


def test_dovecot_is_drained(app: Flask, settings: Settings, clock: Clock, dovecot: MailServers) -> None:
    address = "collect@mail.test"
    server = Server("localhost", dovecot.ports["pop3s"], address, PASSWORD, "tls", dovecot.ca_file)
    there = with_mailbox(settings, server)
    dovecot.empty(address)
    assert collect.poll(there, clock) == Polled()
    for number in range(3):
        dovecot.deliver(address.replace("@", "+key@"), letter(number))

    assert collect.poll(there, clock) == Polled(fetched=3)

    assert dovecot.inbox(address) == []
    assert b"Delivered-To: collect+key@mail.test\r\n" in stored()[0]
    assert stored()[0].endswith(letter(0))
