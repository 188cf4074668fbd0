"""Going to real servers: what is well, and what each fault is told as."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask

from mailout import lease
from mailout.core.checking.finding import Status
from mailout.doctor import attempts
from mailout.intake import turn
from mailout.intake.turn import Turn
from mailout.models import db
from mailout.wires.tls import Server
from tests.conftest import NOW
from tests.fake_pop3 import ALWAYS, FakePop3
from tests.mailservers import MAILBOX, PASSWORD, MailServers, free_ports

LETTER = b"From: jo@a.test\r\nSubject: Hello\r\n\r\nHello.\r\n"


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def pop3(mail_servers: MailServers) -> Callable[..., Server]:
    """The mailbox's server with changes."""

    def server(**changes: object) -> Server:
        usual = {"host": "localhost", "port": mail_servers.ports["pop3s"], "username": MAILBOX, "password": PASSWORD}
        usual |= {"security": "tls", "ca_file": mail_servers.ca_file}
        return Server(**usual | changes)  # type: ignore[arg-type]

    return server


@pytest.fixture
def smtp(mail_servers: MailServers) -> Callable[..., Server]:
    """The relay with changes."""

    def server(**changes: object) -> Server:
        usual = {"host": "localhost", "port": mail_servers.ports["submission"], "username": MAILBOX}
        usual |= {"password": PASSWORD, "security": "starttls", "ca_file": mail_servers.ca_file}
        return Server(**usual | changes)  # type: ignore[arg-type]

    return server


def test_the_mailbox_is_looked_into_and_nothing_is_removed(
    app: Flask, mail_servers: MailServers, pop3: Callable[..., Server]
) -> None:
    box = "doctor@mail.test"
    mail_servers.empty(box)
    mail_servers.deliver(box, LETTER)

    came = attempts.mailbox(pop3(username=box), Turn(clock))

    assert (came.status, came.letters) == (Status.OK, 1)
    assert "Nothing was read or removed" in came.why
    assert len(mail_servers.inbox(box)) == 1


def test_the_relay_is_asked_and_gets_no_letter(mail_servers: MailServers, smtp: Callable[..., Server]) -> None:
    before = (mail_servers.run / "maillog").read_text().count("postfix/qmgr")

    came = attempts.relay(smtp(), "mailout.test")

    assert came.status is Status.OK
    assert came.able is not None
    assert came.able.size == 26_214_400
    assert "Takes letters up to 26.2 MB" in came.why
    assert (mail_servers.run / "maillog").read_text().count("postfix/qmgr") == before


@pytest.mark.parametrize(
    ("changes", "words", "advised"),
    [
        ({"password": "wrong"}, "user name and password", "POP3_PASSWORD"),
        ({"port": "free"}, "does not answer on port", "POP3 is 995 with tls"),
        ({"port": "pop3"}, "secured line", "does not speak TLS from the first word"),
        ({"host": "127.1"}, "certificate that can't be trusted", "put the name into POP3_HOST"),
        ({"ca_file": ""}, "certificate that can't be trusted", "TLS_CA_FILE"),
        ({"host": "no-such-host.invalid"}, "is not known", "Look at POP3_HOST"),
    ],
)
def test_what_keeps_the_mailbox_from_being_read(
    mail_servers: MailServers, pop3: Callable[..., Server], changes: dict[str, object], words: str, advised: str
) -> None:
    came = attempts.mailbox(pop3(**ports(mail_servers, changes)), None)

    assert came.status is Status.FAILED
    assert words in came.text
    assert advised in came.why
    assert PASSWORD not in repr(came)


@pytest.mark.parametrize(
    ("changes", "words", "advised"),
    [
        ({"password": "wrong"}, "user name and password", "SMTP_PASSWORD"),
        ({"port": "free"}, "does not answer on port", "SMTP is 587 with starttls"),
        ({"security": "tls"}, "secured line", "does not speak TLS from the first word"),
        ({"host": "127.1"}, "certificate that can't be trusted", "put the name into SMTP_HOST"),
        ({"ca_file": ""}, "certificate that can't be trusted", "TLS_CA_FILE"),
    ],
)
def test_what_keeps_the_relay_from_taking_letters(
    mail_servers: MailServers, smtp: Callable[..., Server], changes: dict[str, object], words: str, advised: str
) -> None:
    came = attempts.relay(smtp(**ports(mail_servers, changes)), "mailout.test")

    assert came.status is Status.FAILED
    assert words in came.text
    assert advised in came.why
    assert PASSWORD not in repr(came)


def ports(servers: MailServers, changes: dict[str, object]) -> dict[str, object]:
    """The changes with the number of the port that they name."""
    port = changes.get("port")
    if port is None:
        return changes
    return changes | {"port": free_ports(1)[0] if port == "free" else servers.ports[str(port)]}


def test_it_waits_while_the_worker_reads(app: Flask, mail_servers: MailServers, pop3: Callable[..., Server]) -> None:
    lease.take(turn.NAME, "the worker", NOW, turn.LENGTH)
    given_back: list[float] = []

    def finish() -> None:
        time.sleep(0.5)
        with app.app_context():
            lease.give_back(turn.NAME, "the worker")
            given_back.append(time.monotonic())
            db.session.remove()

    worker = threading.Thread(target=finish)
    worker.start()
    came = attempts.mailbox(pop3(), Turn(lambda: NOW))
    ended = time.monotonic()
    worker.join()

    assert (came.status, "Signed in" in came.text) == (Status.OK, True)
    assert ended >= given_back[0]


def test_a_worker_that_reads_for_long_is_not_disturbed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "WAIT_SECONDS", 0.1)
    lease.take(turn.NAME, "the worker", NOW, turn.LENGTH)
    with FakePop3() as fake:
        came = attempts.mailbox(fake.server(), Turn(lambda: NOW))

        assert (came.status, "at this moment" in came.text) == (Status.OK, True)
        assert fake.transcript == []


def test_a_mailbox_that_another_program_reads_is_a_warning(app: Flask) -> None:
    with FakePop3() as fake:
        fake.answers["PASS"] = ALWAYS(b"-ERR [IN-USE] locked\r\n")

        came = attempts.mailbox(fake.server(), Turn(clock))

    assert (came.status, "Mailout's own" in came.why) == (Status.WARNING, True)


def test_the_turn_is_given_back(app: Flask) -> None:
    with FakePop3() as fake:
        for _ in range(2):
            assert "Signed in" in attempts.mailbox(fake.server(), Turn(clock)).text
