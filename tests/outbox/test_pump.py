"""The pump, the database and a relay: what becomes of every copy."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from mailout import pulse
from mailout.core.delivery import State
from mailout.journal import COMMAND
from mailout.models import Lease, Mailout, Notice, Recipient, Reply, db
from mailout.outbox import progress, queue, sole, standing, steering
from mailout.outbox.pump import LEASE, LEASE_LENGTH, Pump
from mailout.settings import Settings
from tests.makers import Make
from tests.outbox.conftest import NewApp
from tests.outbox.makers import customers_of, letter, mailout, run_pump, states
from tests.relay import EXTENSIONS, Relay, Session, say, say_and_drop

CUSTOMERS = "customers.test"


def people(count: int, letter_of: str = "c") -> list[str]:
    return [f"{letter_of}{n}@{CUSTOMERS}" for n in range(count)]


def copies_to_customers(relay: Relay) -> list[str]:
    """The addresses of customers, in the order in which the relay took their copies."""
    return [message.address for message in relay.accepted if message.address.endswith(CUSTOMERS)]


@contextmanager
def pumping(app: Flask) -> Iterator[threading.Thread]:
    """The pump in a thread, until it is over or the block is."""
    stop = threading.Event()
    thread = threading.Thread(target=Pump(app, lambda: datetime.now(UTC), stop.is_set).run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)
        db.session.rollback()


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


def written_down(settings: Settings) -> Counter[str]:
    """How many copies are in each state, as somebody outside sees it."""
    with sqlite3.connect(settings.instance_dir / "mailout.db") as other:
        return Counter(state for (state,) in other.execute("SELECT state FROM recipient"))


@pytest.mark.parametrize("size", [3_000, 300_000], ids=["whole", "uploaded"])
def test_no_outcome_waits_in_memory_while_the_relay_takes_its_time(
    new_app: NewApp, relay: Relay, settings: Settings, now: datetime, size: int
) -> None:
    app = new_app(relay, smtp_connections=1)
    mailout(Make(now).user(), Make(now).list(), letter(size), people(3), datetime.now(UTC))
    seen: list[Counter[str]] = []

    def dawdle(session: Session) -> bool:
        session.flush()
        until = time.monotonic() + 10
        while not written_down(settings)["sent"] and time.monotonic() < until:
            time.sleep(0.02)
        seen.append(written_down(settings))
        return False

    relay.rule("MAIL", dawdle, nth=2)
    run_pump(app)

    assert [found["sent"] for found in seen] == [1]


# -- who gets what -----------------------------------------------------------------------------------------------------


def test_everybody_gets_one_copy_with_a_head_of_their_own(sending: Flask, make: Make, relay: Relay) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(50), datetime.now(UTC))

    run_pump(sending)

    assert set(states(sent).values()) == {"sent"}
    assert sorted(copies_to_customers(relay)) == sorted(people(50))
    copies = [message for message in relay.accepted if message.address.endswith(CUSTOMERS)]
    assert len({message.message_id for message in copies}) == 50
    assert len({message.return_path for message in copies}) == 50
    told = {line.address: line.message_id for line in progress.lines(sent)}
    assert all(message.message_id == told[message.address] for message in copies)


def test_every_reply_is_kept_and_a_refused_recipient_does_not_hold_up_the_next(
    sending: Flask, make: Make, relay: Relay
) -> None:
    relay.rule("RCPT", say("550 5.1.1 no such user"), address=f"c3@{CUSTOMERS}")
    sent = mailout(make.user(), make.list(), letter(), people(9), datetime.now(UTC))

    run_pump(sending)

    assert Counter(states(sent).values()) == {"sent": 8, "failed": 1}
    failed = next(progress.lines(sent, "failed"))
    assert (failed.address, failed.reply, failed.attempts) == (f"c3@{CUSTOMERS}", "550 5.1.1 no such user", 1)
    kept = db.session.scalars(select(Reply)).one()
    assert (kept.recipient_id, kept.stage, kept.code, kept.text) == (failed.id, "rcpt", 550, "no such user")
    accepted = next(progress.lines(sent, "sent"))
    assert accepted.reply.startswith("250 2.0.0 ok queued as")


def test_the_complete_mail_goes_once_and_comes_after_the_copies(sending: Flask, make: Make, relay: Relay) -> None:
    mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC))

    run_pump(sending)
    run_pump(sending)

    assert [message.address for message in relay.accepted][5:] == ["jane@mail.test"]
    assert relay.accepted[-1].return_path == ""
    assert b"Subject: Mail-out complete" in relay.accepted[-1].octets


def test_notices_go_first_and_mailouts_take_turns(new_app: NewApp, relay: Relay, now: datetime) -> None:
    app = new_app(relay, smtp_connections=1)
    make, moment = Make(now), datetime.now(UTC)
    user, place = make.user(), make.list()
    mailout(user, place, letter(), people(60, "a"), moment)
    mailout(user, place, letter(), people(5, "b"), moment + timedelta(microseconds=1))
    notice = Notice(name="n", kind="support", subject="Help", raw=b"Subject: Help\r\n\r\nHelp\r\n", created_at=moment)
    queue.put_notice(notice, [("jane@mail.test", "Jane")])
    db.session.commit()

    run_pump(app)

    order = [message.address for message in relay.accepted]
    assert order[0] == "jane@mail.test"
    assert max(order.index(address) for address in people(5, "b")) < 14


def test_a_name_and_an_address_outside_ascii_are_written_as_the_rfcs_ask(
    new_app: NewApp, relay: Relay, now: datetime
) -> None:
    app = new_app(relay)
    make = Make(now)
    user, place = make.user(), make.list("Newsletter", ["ada@bücher.test", "jürgen@customers.test"])
    sent = mailout(user, place, letter(), (), datetime.now(UTC), customers_of(place))

    run_pump(app)

    assert set(states(sent).values()) == {"sent"}
    assert set(copies_to_customers(relay)) == {"jürgen@customers.test"}
    assert "ada@xn--bcher-kva.test" in relay.copies()
    mails = [line for _, line in relay.commands if line.startswith("MAIL")]
    assert sum("SMTPUTF8" in line for line in mails) == 1


# -- steering ----------------------------------------------------------------------------------------------------------


def test_after_pause_no_new_copy_begins_and_resume_goes_on_where_it_was(new_app: NewApp, now: datetime) -> None:
    with Relay(dot_seconds=0.05) as relay:
        app = new_app(relay, smtp_connections=2)
        make = Make(now)
        sent = mailout(make.user(), make.list(), letter(), people(80), datetime.now(UTC))

        with pumping(app):
            wait_for(lambda: len(relay.accepted) > 10)
            steering.pause(sent, COMMAND, datetime.now(UTC))
            db.session.commit()
            at_the_press = len(relay.accepted)
            time.sleep(1)
            after = len(copies_to_customers(relay))
            time.sleep(0.5)
            assert len(copies_to_customers(relay)) == after <= at_the_press + 2
        assert set(states(sent).values()) == {"sent", "queued"}

        steering.resume(sent, COMMAND, datetime.now(UTC))
        db.session.commit()
        run_pump(app)
        assert sorted(copies_to_customers(relay)) == sorted(people(80))


def test_cancel_ends_it_and_the_complete_mail_says_who_got_it(new_app: NewApp, now: datetime) -> None:
    with Relay(dot_seconds=0.05) as relay:
        app = new_app(relay, smtp_connections=2)
        make = Make(now)
        sent = mailout(make.user(), make.list(), letter(), people(80), datetime.now(UTC))

        with pumping(app) as pump:
            wait_for(lambda: len(relay.accepted) > 10)
            steering.cancel(sent, COMMAND, datetime.now(UTC))
            db.session.commit()
            at_the_press = len(relay.accepted)
            pump.join(20)

        counts = Counter(states(sent).values())
        assert counts["sent"] <= at_the_press + 2
        assert counts["sent"] + counts["cancelled"] == 80
        assert len(copies_to_customers(relay)) == counts["sent"]
        assert relay.accepted[-1].address == "jane@mail.test"


def test_whoever_is_left_out_while_it_sends_gets_no_copy_and_no_lone_dot(new_app: NewApp, now: datetime) -> None:
    with Relay(dot_seconds=0.02) as relay:
        app = new_app(relay, smtp_connections=2)
        make = Make(now)
        emails = people(60)
        place = make.list("Newsletter", emails)
        sent = mailout(make.user(), place, letter(), (), datetime.now(UTC), customers_of(place))

        with pumping(app) as pump:
            wait_for(lambda: len(relay.accepted) > 5)
            ids = [found for found, email in customers_of(place) if email in emails[30:]]
            queue.leave_out(ids, list_id=place.id, reason=queue.EXCLUDED, now=datetime.now(UTC))
            db.session.commit()
            pump.join(20)

        found = states(sent)
        got = set(copies_to_customers(relay))
        assert {address for address, state in found.items() if state == "sent"} == got
        assert Counter(found.values())["skipped"] >= 26
        assert all(message.octets for message in relay.accepted)


def test_a_copy_that_is_excluded_after_its_354_is_never_finished(new_app: NewApp, now: datetime) -> None:
    with Relay() as relay:
        app = new_app(relay, smtp_connections=1)
        make = Make(now)
        place = make.list("Newsletter", people(3))
        sent = mailout(make.user(), place, letter(), (), datetime.now(UTC), customers_of(place))
        (second,) = [found for found, email in customers_of(place) if email == people(3)[1]]

        def exclude(session: Session) -> bool:
            session.flush()
            with app.app_context():
                queue.leave_out([second], list_id=None, reason=queue.SUPPRESSED, now=datetime.now(UTC))
                db.session.commit()
                db.session.remove()
            return False

        relay.rule("DATA", exclude, address=people(3)[1])
        run_pump(app)

        assert states(sent) == {people(3)[0]: "sent", people(3)[1]: "skipped", people(3)[2]: "sent"}
        assert copies_to_customers(relay) == [people(3)[0], people(3)[2]]
        assert relay.connections == 2


def test_the_failed_are_tried_again_when_a_person_asks(sending: Flask, make: Make, relay: Relay) -> None:
    relay.rule("RCPT", say("550 5.1.1 no such user"), address=f"c3@{CUSTOMERS}", times=1)
    place = make.list("Newsletter", people(5))
    sent = mailout(make.user(), place, letter(), (), datetime.now(UTC), customers_of(place))
    run_pump(sending)

    steering.once_more(sent, State.FAILED, COMMAND, datetime.now(UTC))
    db.session.commit()
    run_pump(sending)

    assert set(states(sent).values()) == {"sent"}
    assert relay.copies()["jane@mail.test"] == 2
    assert set(Counter(copies_to_customers(relay)).values()) == {1}


# -- the relay's ways --------------------------------------------------------------------------------------------------


def test_a_connection_carries_what_the_relay_announced_and_no_more(new_app: NewApp, now: datetime) -> None:
    with Relay(extensions=(*EXTENSIONS, "LIMITS MAILMAX=5")) as relay:
        app = new_app(relay, smtp_connections=1)
        make = Make(now)
        mailout(make.user(), make.list(), letter(), people(20), datetime.now(UTC))

        run_pump(app)

        per_connection = Counter(message.connection for message in relay.accepted)
        assert max(per_connection.values()) == 5
        assert sum(per_connection.values()) == 21


def test_421_at_a_boundary_is_rotation_and_costs_no_wait(new_app: NewApp, now: datetime) -> None:
    with Relay() as relay:
        app = new_app(relay, smtp_connections=3)
        make = Make(now)
        relay.rule("MAIL", say_and_drop("421 4.7.0 enough for one connection"), fits_session=lambda s: s.messages >= 4)
        sent = mailout(make.user(), make.list(), letter(), people(60), datetime.now(UTC))

        began = time.monotonic()
        run_pump(app)

        assert set(states(sent).values()) == {"sent"}
        assert time.monotonic() - began < 20
        assert pulse.of(pulse.RELAY).trouble == ""


def test_a_relay_that_bears_two_connections_gets_two(new_app: NewApp, now: datetime) -> None:
    with Relay(dot_seconds=0.02) as relay:
        app = new_app(relay, smtp_connections=5)
        make = Make(now)
        relay.rule("CONNECT", say_and_drop("421 4.7.0 too many"), fits_session=lambda s: s.relay.open_now > 2)
        sent = mailout(make.user(), make.list(), letter(), people(150), datetime.now(UTC))

        run_pump(app)

        assert set(states(sent).values()) == {"sent"}
        refused = relay.connections - len({message.connection for message in relay.accepted})
        assert refused <= 10, "all five may come twice before it is known that two are borne; then nobody else comes"


def test_a_relay_that_takes_no_null_sender_gets_notices_from_our_own_address(
    sending: Flask, make: Make, relay: Relay
) -> None:
    no_sender = say("550 5.1.7 no null sender")
    relay.rule("MAIL", no_sender, fits_session=lambda s: "MAIL FROM:<>" in s.relay.commands[-1][1])
    mailout(make.user(), make.list(), letter(), people(3), datetime.now(UTC))

    run_pump(sending)

    notice = next(message for message in relay.accepted if message.address == "jane@mail.test")
    assert notice.return_path.startswith("mailout+b-")


def test_a_relay_without_8bitmime_gets_seven_bits_that_decode_to_the_same(new_app: NewApp, now: datetime) -> None:
    with Relay(extensions=("PIPELINING", "SIZE 1000000")) as relay:
        app = new_app(relay)
        make = Make(now)
        raw = letter().replace(b"utf-8\r\n", b"utf-8\r\nContent-Transfer-Encoding: 8bit\r\n") + "Grüße\r\n".encode()
        sent = mailout(make.user(), make.list(line=False), raw, people(3), datetime.now(UTC))

        run_pump(app)

        assert set(states(sent).values()) == {"sent"}
        copy = next(message.octets for message in relay.accepted if message.address == people(1)[0])
        assert copy.isascii()
        assert b"Gr=C3=BC=C3=9Fe" in copy
        assert b"quoted-printable" in copy


def test_a_relay_that_is_down_fails_nobody_and_is_served_when_it_is_back(new_app: NewApp, now: datetime) -> None:
    with Relay() as first:
        port = first.port
    app = new_app(first)
    make = Make(now)
    sent = mailout(make.user(), make.list(), letter(), people(20), datetime.now(UTC))

    with pumping(app) as pump:
        wait_for(lambda: bool(pulse.of(pulse.RELAY).trouble))
        assert set(states(sent).values()) == {"queued"}
        assert pulse.of(pulse.RELAY).trouble == f"127.0.0.1 does not answer on port {port}."
        db.session.rollback()
        with Relay(port=port) as relay:
            pump.join(30)
            assert sorted(copies_to_customers(relay)) == sorted(people(20))

    assert set(states(sent).values()) == {"sent"}
    assert pulse.of(pulse.RELAY).trouble == ""


def test_a_relay_that_is_back_is_tried_at_a_press_and_not_a_minute_later(
    new_app: NewApp, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "WAITS", (timedelta(0), timedelta(minutes=1)))
    with Relay() as first:
        port = first.port
    app = new_app(first)
    make = Make(now)
    sent = mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC))

    with pumping(app) as pump:
        wait_for(lambda: bool(pulse.of(pulse.RELAY).trouble))
        with Relay(port=port):
            assert pulse.sooner(pulse.RELAY, datetime.now(UTC))
            pump.join(20)

    assert set(states(sent).values()) == {"sent"}
    assert not pulse.sooner(pulse.RELAY, datetime.now(UTC)), "it is well again"


# -- the database's ways -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("becomes", ["dot_pending", "sent"])
def test_what_can_not_be_written_down_is_not_sent_and_nobody_gets_it_twice(
    sending: Flask, make: Make, relay: Relay, becomes: str
) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(30), datetime.now(UTC))
    full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    db.session.execute(text(f"CREATE TRIGGER full BEFORE UPDATE ON recipient WHEN NEW.state = '{becomes}' {full}"))
    db.session.commit()

    with pumping(sending) as pump:
        wait_for(lambda: "could not be written" in pulse.of(pulse.RELAY).trouble)
        assert len(copies_to_customers(relay)) <= (0 if becomes == "dot_pending" else 4)
        db.session.execute(text("DROP TRIGGER full"))
        db.session.commit()
        pump.join(30)

    assert set(states(sent).values()) == {"sent"}
    assert sorted(copies_to_customers(relay)) == sorted(people(30))


def test_a_database_that_is_locked_for_a_while_is_waited_for(sending: Flask, make: Make, relay: Relay) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(40), datetime.now(UTC))
    with pumping(sending) as pump:
        wait_for(lambda: len(relay.accepted) > 3)
        with db.engine.connect() as locked:
            locked.exec_driver_sql("BEGIN IMMEDIATE")
            time.sleep(1.5)
            locked.exec_driver_sql("COMMIT")
        pump.join(30)

    assert set(states(sent).values()) == {"sent"}
    assert sorted(copies_to_customers(relay)) == sorted(people(40))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_loses_nobody(new_app: NewApp, now: datetime, hours: int) -> None:
    with Relay(dot_seconds=0.02) as relay:
        app = new_app(relay, smtp_connections=2)
        make = Make(now)
        sent = mailout(make.user(), make.list(), letter(), people(60), datetime.now(UTC) - timedelta(hours=2))

        def clock() -> datetime:
            return datetime.now(UTC) + timedelta(hours=hours if len(relay.accepted) > 20 else 0)

        Pump(app, clock, lambda: False).run()
        db.session.expire_all()

        assert set(states(sent).values()) == {"sent"}
        assert sorted(copies_to_customers(relay)) == sorted(people(60))


# -- one pump ----------------------------------------------------------------------------------------------------------


def test_while_one_pump_is_at_it_another_goes_away(
    sending: Flask, make: Make, relay: Relay, settings: Settings
) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC))

    with sole.alone(settings.instance_dir):
        run_pump(sending)
    assert set(states(sent).values()) == {"queued"}

    db.session.add(Lease(name=LEASE, owner="another machine's", until=datetime.now(UTC) + LEASE_LENGTH))
    db.session.commit()
    run_pump(sending)
    assert set(states(sent).values()) == {"queued"}
    assert not relay.accepted


def test_a_dead_pump_of_this_machine_is_taken_over_at_once(
    sending: Flask, make: Make, relay: Relay, settings: Settings
) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC))
    dead = sole.name(settings.instance_dir)
    db.session.add(Lease(name=LEASE, owner=dead, until=datetime.now(UTC) + LEASE_LENGTH))
    ids = list(db.session.scalars(select(Recipient.id).where(Recipient.mailout_id == sent)))
    db.session.execute(update(Recipient).where(Recipient.id == ids[0]).values(state="claimed", claimed_by=dead))
    db.session.execute(update(Recipient).where(Recipient.id == ids[1]).values(state="dot_pending", claimed_by=dead))
    db.session.commit()

    run_pump(sending)

    assert Counter(states(sent).values()) == {"sent": 4, "uncertain": 1}
    assert states(sent)[people(2)[1]] == "uncertain"


# -- waiting for a person ----------------------------------------------------------------------------------------------


def test_what_could_not_be_sent_for_twelve_hours_waits_for_a_person(sending: Flask, make: Make, relay: Relay) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC) - timedelta(hours=13))

    run_pump(sending)

    row = db.session.get_one(Mailout, sent, populate_existing=True)
    assert row.paused_for == "Nothing could be sent for over 12 hours. Look whether it should still go."
    assert set(states(sent).values()) == {"queued"}
    assert [message.address for message in relay.accepted] == ["jane@mail.test"]

    steering.resume(sent, COMMAND, datetime.now(UTC))
    db.session.commit()
    run_pump(sending)
    assert set(states(sent).values()) == {"sent"}


def test_a_mailout_that_stands_still_for_an_hour_is_told_of_once(new_app: NewApp, now: datetime) -> None:
    with Relay() as gone:
        pass
    app = new_app(gone)
    make = Make(now)
    sent = mailout(make.user(), make.list(), letter(), people(5), datetime.now(UTC))
    start = time.monotonic()

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=65 if time.monotonic() > start + 1 else 0)

    Pump(app, clock, lambda: time.monotonic() > start + 4).run()

    names = [name for name in db.session.scalars(select(Notice.name)) if name.startswith("delayed")]
    assert names == [f"delayed:{sent}:1"]


def test_a_quota_is_waited_out_and_said_in_words(sending: Flask, make: Make, relay: Relay) -> None:
    relay.rule("MAIL", say("450 4.7.0 daily limit exceeded, try again in 2 seconds"), nth=4)
    sent = mailout(make.user(), make.list(), letter(), people(20), datetime.now(UTC))

    with pumping(sending) as pump:
        wait_for(lambda: bool(pulse.of(pulse.RELAY).waits_for))
        line = pulse.of(pulse.RELAY)
        waits_for, waits_until = line.waits_for, line.waits_until
        db.session.rollback()
        pump.join(30)

    assert "limit is reached" in waits_for
    assert waits_until is not None
    assert pulse.of(pulse.RELAY).trouble == ""
    assert set(states(sent).values()) == {"sent"}


def test_a_stop_leaves_nothing_in_hand(new_app: NewApp, now: datetime) -> None:
    with Relay(dot_seconds=0.05) as relay:
        app = new_app(relay)
        make = Make(now)
        sent = mailout(make.user(), make.list(), letter(), people(100), datetime.now(UTC))

        run_pump(app, lambda: len(relay.accepted) > 12)

        raw = Counter(db.session.scalars(select(Recipient.state).where(Recipient.mailout_id == sent)))
        assert set(raw) == {"sent", "queued"}
        assert raw["sent"] == len(copies_to_customers(relay))
        assert db.session.get(Lease, LEASE) is None
