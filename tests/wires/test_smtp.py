"""One connection to a relay, against relays that behave and relays that don't."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailout.core.delivery import Reply, Stage
from mailout.wires.smtp import Connection, Copy
from mailout.wires.smtp_line import FilePart
from mailout.wires.smtp_open import Patience, open_line
from tests.relay import (
    EXTENSIONS,
    Relay,
    Session,
    accept_and_drop,
    accept_and_say,
    drip,
    drop,
    say,
    say_and_drop,
    wait,
)

LOCKSTEP = tuple(word for word in EXTENSIONS if word != "PIPELINING")
QUICK = Patience(connect=5, command=5, data=5, block=5, dot=5)
BOTH = pytest.mark.parametrize("extensions", [EXTENSIONS, LOCKSTEP], ids=["pipelined", "lock-step"])


def copy(address: str = "ada@customers.test", body: bytes = b"hello\r\n", **more: object) -> Copy:
    pieces = [b"Subject: x\r\nMessage-ID: <1@mail.test>\r\n\r\n", memoryview(body)]
    return Copy("b-1@mail.test", address, pieces, sum(map(len, pieces)), **more)  # type: ignore[arg-type]


def connect(relay: Relay, patience: Patience = QUICK) -> Connection:
    return Connection(open_line(relay.server(), "mailout.test", patience), patience)


def send_all(connection: Connection, copies: Sequence[Copy]) -> list[Reply]:
    """Send as a sender does: envelopes ahead where the relay takes them."""
    replies = []
    ahead = False
    for index, one in enumerate(copies):
        if not ahead:
            connection.offer(one)
        ahead = False
        refused = connection.answer()
        if refused:
            replies.append(refused)
            continue
        following = copies[index + 1] if index + 1 < len(copies) and connection.abilities.pipelining else None
        replies.append(connection.finish(one, following))
        ahead = following is not None
    return replies


@BOTH
def test_each_copy_arrives_once_byte_for_byte(extensions: Sequence[str]) -> None:
    with Relay(extensions=extensions) as relay:
        connection = connect(relay)

        replies = send_all(connection, [copy(f"c{n}@customers.test", b"line %d\r\n" % n) for n in range(5)])
        connection.close()

        assert [reply.code for reply in replies] == [250] * 5
        assert [message.address for message in relay.accepted] == [f"c{n}@customers.test" for n in range(5)]
        assert relay.accepted[3].octets.endswith(b"\r\n\r\nline 3\r\n")
        assert not relay.violations


def test_pipelining_costs_one_write_for_a_body_and_the_next_envelope() -> None:
    with Relay() as relay:
        connection = connect(relay)
        connection.offer(copy("a@x.test"))
        assert connection.answer() is None

        connection.finish(copy("a@x.test"), copy("b@x.test"))

        assert [line for _, line in relay.commands[-3:]] == [
            "MAIL FROM:<b-1@mail.test> SIZE=48 RET=HDRS",
            "RCPT TO:<b@x.test> NOTIFY=FAILURE",
            "DATA",
        ]


def test_what_is_not_offered_is_not_asked_for() -> None:
    with Relay(extensions=()) as relay:
        send_all(connect(relay), [copy(eight_bit=True)])

        assert [line for _, line in relay.commands[1:]] == [
            "MAIL FROM:<b-1@mail.test>",
            "RCPT TO:<ada@customers.test>",
            "DATA",
        ]


@BOTH
def test_a_refused_recipient_never_spoils_the_next(extensions: Sequence[str]) -> None:
    with Relay(extensions=extensions) as relay:
        relay.rule("RCPT", say("550 5.1.1 no such user"), every=3)

        replies = send_all(connect(relay), [copy(f"c{n}@customers.test") for n in range(9)])

        assert [reply.code for reply in replies] == [250, 250, 550] * 3
        assert replies[2].stage is Stage.RCPT
        assert len(relay.accepted) == 6


@BOTH
def test_data_granted_although_nobody_is_left_gets_a_lone_dot_and_no_body(extensions: Sequence[str]) -> None:
    def refuse_but_grant(session: Session) -> bool:
        session.rcpt_good = True
        session.say(b"550 5.1.1 no such user")
        return True

    with Relay(extensions=extensions) as relay:
        relay.rule("RCPT", refuse_but_grant, nth=1)
        relay.rule("DOT", say("554 5.5.1 no valid recipients"), fits_session=lambda session: not session.octets)

        replies = send_all(connect(relay), [copy("gone@x.test"), copy("ada@x.test")])

        if "PIPELINING" in extensions:
            assert [reply.code for reply in replies] == [550, 250]
        assert [message.address for message in relay.accepted][-1:] == ["ada@x.test"]
        assert all(message.octets for message in relay.accepted)


@BOTH
def test_any_refusal_after_the_dot_is_the_dots(extensions: Sequence[str]) -> None:
    with Relay(extensions=extensions) as relay:
        relay.rule("DOT", say("554 5.7.1 looks like spam"), nth=2)

        replies = send_all(connect(relay), [copy(f"c{n}@x.test") for n in range(3)])

        assert [(reply.code, reply.stage) for reply in replies][1] == (554, Stage.DOT)
        assert len(relay.accepted) == 2


@pytest.mark.parametrize("code", [250, 251, 299])
def test_any_2yz_after_the_dot_is_a_yes(code: int) -> None:
    with Relay() as relay:
        relay.rule("DOT", accept_and_say(f"{code} fine"))

        assert send_all(connect(relay), [copy()])[0].accepted


def test_a_reply_of_nine_kilobytes_is_believed() -> None:
    with Relay() as relay:
        relay.rule("DOT", accept_and_say("250 2.0.0 " + "x" * 9000))

        [reply] = send_all(connect(relay), [copy()])

        assert (reply.code, reply.enhanced, len(reply.text)) == (250, "2.0.0", 2000)


def test_a_reply_of_many_lines_and_eight_bits_is_read() -> None:
    with Relay() as relay:
        relay.rule("RCPT", say(b"550-5.1.1 Der Empf\xc3\xa4nger\r\n550 5.1.1 gibt es nicht\xe9"))

        [reply] = send_all(connect(relay), [copy()])

        assert (reply.code, reply.enhanced) == (550, "5.1.1")
        assert reply.text == "Der Empfänger gibt es nichté"


@pytest.mark.parametrize("strange", [b"hello", b"25", b"abc def", b"\xff\xfe", b"999 what", b"250"])
def test_what_is_no_reply_has_no_code_and_ends_the_connection(strange: bytes) -> None:
    with Relay() as relay:
        relay.rule("DOT", accept_and_say(strange))
        connection = connect(relay)

        [reply] = send_all(connection, [copy()])

        assert reply.code == (250 if strange == b"250" else 0)
        assert connection.alive is (strange == b"250")


def test_a_line_that_breaks_after_the_dot_leaves_it_open_whether_it_was_taken() -> None:
    with Relay() as relay:
        relay.rule("DOT", accept_and_drop())
        connection = connect(relay)

        [reply] = send_all(connection, [copy()])

        assert (reply.code, reply.stage, connection.alive) == (0, Stage.DOT, False)


def test_no_answer_to_the_dot_in_time_leaves_it_open() -> None:
    with Relay() as relay:
        relay.rule("DOT", wait(60))
        connection = connect(relay, Patience(5, 5, 5, 5, 0.3))

        began = time.monotonic()
        [reply] = send_all(connection, [copy()])

        assert (reply.code, reply.stage) == (0, Stage.DOT)
        assert time.monotonic() - began < 20


def test_an_answer_that_drips_longer_than_patience_lasts_is_none() -> None:
    with Relay() as relay:
        relay.rule("MAIL", drip("250 2.1.0 all is well", 60))
        connection = connect(relay, Patience(5, 0.4, 5, 5, 5))

        began = time.monotonic()
        connection.offer(copy())
        refused = connection.answer()

        assert refused is not None
        assert (refused.code, refused.stage) == (0, Stage.MAIL)
        assert time.monotonic() - began < 20


def test_an_answer_that_drips_in_time_is_read() -> None:
    with Relay() as relay:
        relay.rule("DOT", accept_and_say("250-2.0.0 first\r\n250-second\r\n250 2.0.0 last"), nth=1)
        relay.rule("RCPT", drip("250 2.1.5 ok", 0.3), nth=2)

        replies = send_all(connect(relay), [copy("a@x.test"), copy("b@x.test")])

        assert [reply.code for reply in replies] == [250, 250]
        assert replies[0].text == "first second last"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@BOTH
def test_a_line_that_breaks_before_the_dot_hands_nothing_over(command: str, extensions: Sequence[str]) -> None:
    with Relay(extensions=extensions) as relay:
        relay.rule(command, drop())
        connection = connect(relay)

        connection.offer(copy())
        refused = connection.answer()

        assert refused is not None
        assert refused.code == 0
        assert refused.stage.value == command.lower()
        assert not relay.accepted


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "DOT"])
def test_421_at_any_command_ends_the_connection_with_the_relays_words(command: str) -> None:
    with Relay() as relay:
        relay.rule(command, say_and_drop("421 4.3.2 shutting down"))
        connection = connect(relay)

        [reply] = send_all(connection, [copy()])

        assert (reply.code, reply.text, connection.alive) == (421, "shutting down", False)


def test_an_early_no_in_mid_body_is_heard() -> None:
    with Relay() as relay:
        relay.rule("BODY", say_and_drop("552 5.3.4 too large"), fits_session=lambda s: s.body_octets > 100_000)
        connection = connect(relay)
        large = copy(body=b"x" * 70 * 200_000 + b"\r\n")
        connection.offer(large)
        assert connection.answer() is None

        refused = connection.upload(large)

        assert refused is not None
        assert (refused.code, refused.stage) == (552, Stage.DATA)
        assert not relay.accepted


def test_a_relay_that_says_no_and_stops_reading_is_heard_without_waiting() -> None:
    def no_and_sit(session: Session) -> bool:
        session.say(b"452 4.3.1 disk full")
        session.flush()
        session.relay.stopping.wait(60)
        return True

    with Relay() as relay:
        relay.rule("BODY", no_and_sit)
        connection = connect(relay)
        large = copy(body=b"x" * 70 * 400_000 + b"\r\n")
        connection.offer(large)
        assert connection.answer() is None

        began = time.monotonic()
        refused = connection.upload(large)

        assert refused is not None
        assert (refused.code, refused.stage) == (452, Stage.DATA)
        assert time.monotonic() - began < 20


def test_a_large_body_is_uploaded_and_its_dot_goes_later() -> None:
    with Relay() as relay:
        connection = connect(relay)
        body = b"".join(b"%06d\r\n" % n for n in range(100_000))
        large = copy(body=body)
        connection.offer(large)
        assert connection.answer() is None

        assert connection.upload(large) is None
        assert not relay.accepted
        reply = connection.finish(large, uploaded=True)

        assert reply.accepted
        assert relay.accepted[0].octets.endswith(body)


def test_a_letter_over_the_size_that_the_relay_announced_is_not_offered() -> None:
    with Relay(extensions=("PIPELINING", "SIZE 1000")) as relay:
        connection = connect(relay)
        connection.offer(copy(body=b"x" * 2000 + b"\r\n"))

        refused = connection.answer()

        assert refused is not None
        assert (refused.code, refused.enhanced) == (552, "5.3.4")
        assert not [line for _, line in relay.commands if line.startswith("MAIL")]
        assert send_all(connection, [copy()])[0].accepted


def test_an_address_outside_ascii_needs_a_relay_that_takes_it() -> None:
    with Relay(extensions=("PIPELINING",)) as relay:
        connection = connect(relay)
        connection.offer(copy("jürgen@x.test", smtputf8=True))

        refused = connection.answer()

        assert refused is not None
        assert (refused.code, refused.stage) == (553, Stage.RCPT)
    with Relay() as relay:
        assert send_all(connect(relay), [copy("jürgen@x.test", smtputf8=True)])[0].accepted
        assert "SMTPUTF8" in relay.commands[1][1]


@pytest.mark.parametrize("address", ["a b@x.test", "a@x.test> NOTIFY=NEVER", "a@x.test\r\nDATA", "<a@x.test"])
def test_an_address_that_would_be_a_command_is_never_written(address: str) -> None:
    with Relay() as relay:
        connection = connect(relay)
        connection.offer(copy(address))

        refused = connection.answer()

        assert refused is not None
        assert refused.stage is Stage.RCPT
        assert [line for _, line in relay.commands] == ["ehlo mailout.test"]


def test_dropping_a_copy_that_is_not_wanted_sends_no_dot() -> None:
    with Relay() as relay:
        connection = connect(relay)
        connection.offer(copy("a@x.test"))
        assert connection.answer() is None
        connection.finish(copy("a@x.test"), copy("b@x.test"))
        assert connection.answer() is None

        connection.abandon()
        time.sleep(0.1)

        assert relay.copies() == {"a@x.test": 1}


def test_a_body_in_a_file_goes_out_as_it_is(tmp_path: Path) -> None:
    body = b"".join(b"%07d\r\n" % n for n in range(300_000))
    (tmp_path / "body").write_bytes(b"not this" + body + b"nor this")
    with (tmp_path / "body").open("rb") as file, Relay() as relay:
        connection = connect(relay)
        pieces = [b"Subject: x\r\n\r\n", FilePart(file, 8, len(body)), b"the end\r\n"]
        large = Copy("b-1@mail.test", "ada@customers.test", pieces, sum(map(len, pieces)))

        for _ in range(2):
            connection.offer(large)
            assert connection.answer() is None
            assert connection.upload(large) is None
            assert connection.finish(large, uploaded=True).accepted

        assert [message.octets for message in relay.accepted] == [b"Subject: x\r\n\r\n" + body + b"the end\r\n"] * 2
