"""Coming in: TLS that is checked, log-ins, relays that turn us away, and what a person is told then."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mailout.core.delivery import Stage
from mailout.wires.smtp_open import Opened, Patience, RelayUnavailable, open_line
from mailout.wires.tls import Server
from tests.relay import EXTENSIONS, Relay, Session, drop, say, say_and_drop

QUICK = Patience(connect=3)
LOGIN = ("mailout@mail.test", "pässword with blanks")


class Authority:
    """Certificates, and the file of the one who signed them."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.file)

    def context(self, name: str) -> ssl.SSLContext:
        """What a server called `name` shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def opened() -> Iterator[list[Opened]]:
    lines: list[Opened] = []
    yield lines
    for line in lines:
        line.drop()


def refusal(server: Server) -> RelayUnavailable:
    with pytest.raises(RelayUnavailable) as caught:
        open_line(server, "mailout.test", QUICK)
    return caught.value


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN CRAM-MD5", "LOGIN", "CRAM-MD5", "NTLM LOGIN", "XOAUTH2 PLAIN"])
def test_it_logs_in_by_what_is_offered_inside_tls(
    authority: Authority, opened: list[Opened], at_once: bool, mechanisms: str
) -> None:
    context = authority.context("127.0.0.1")
    with Relay(tls=context, tls_at_once=at_once, login=LOGIN, mechanisms=mechanisms) as relay:
        security = "tls" if at_once else "starttls"
        opened.append(open_line(relay.server(security=security, ca_file=authority.file), "mailout.test", QUICK))

        assert opened[0].abilities.pipelining
        assert opened[0].abilities.size == 52_428_800
        if not at_once:
            assert [line.split()[0].upper() for _, line in relay.commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


def test_a_wrong_password_is_said_in_words_and_never_shown(authority: Authority) -> None:
    with Relay(tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        error = refusal(relay.server(security="starttls", ca_file=authority.file, password="wrong one"))

    assert error.words == "127.0.0.1 does not accept the user name and password for sending mail."
    assert (error.reply.code, error.reply.stage) == (535, Stage.LOGIN)
    assert "wrong one" not in str(error.__cause__) + repr(error)


def test_a_way_to_log_in_that_is_taken_back_gives_way_to_the_next(authority: Authority, opened: list[Opened]) -> None:
    with Relay(tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        relay.rule("AUTH", say("504 5.5.4 not that one"), nth=1)
        opened.append(open_line(relay.server(security="starttls", ca_file=authority.file), "mailout.test", QUICK))

        assert [line.split()[1] for _, line in relay.commands if line.startswith("AUTH")] == ["PLAIN", "LOGIN"]


@pytest.mark.parametrize("name", ["mail.example.org", "localhost"])
def test_a_certificate_of_another_name_is_not_trusted(authority: Authority, name: str) -> None:
    with Relay(tls=authority.context(name), tls_at_once=True, login=LOGIN) as relay:
        error = refusal(relay.server(security="tls", ca_file=authority.file))

        assert "can't be trusted" in error.words
        assert not relay.commands


def test_a_certificate_of_an_unknown_authority_is_not_trusted(authority: Authority) -> None:
    with Relay(tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        error = refusal(relay.server(security="starttls"))

        assert "can't be trusted" in error.words
        assert not [line for _, line in relay.commands if line.startswith("AUTH")]


@pytest.mark.parametrize("octets", [b"", b"no certificates"], ids=["gone", "damaged"])
def test_certificates_that_can_not_be_read_are_the_relays_trouble_and_no_customers(
    tmp_path: Path, octets: bytes
) -> None:
    file = tmp_path / "ca.pem"
    if octets:
        file.write_bytes(octets)

    refused = refusal(Server("localhost", 1, "", "", "tls", str(file)))

    assert "ca.pem can't be read" in refused.words
    assert refused.reply.code == 0


def test_a_relay_without_starttls_is_told_nothing() -> None:
    with Relay(login=LOGIN) as relay:
        error = refusal(relay.server(security="starttls"))

        assert "offers no secured line" in error.words
        assert [line.split()[0].lower() for _, line in relay.commands] == ["ehlo"]


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "501 5.5.4 no"])
def test_a_relay_that_refuses_starttls_is_told_nothing(authority: Authority, answer: str) -> None:
    with Relay(tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        relay.rule("STARTTLS", say(answer))
        error = refusal(relay.server(security="starttls", ca_file=authority.file))

        assert error.reply.stage is Stage.TLS
        assert not [line for _, line in relay.commands if line.startswith(("AUTH", "MAIL"))]


def test_tls_that_fails_half_way_is_told_nothing(authority: Authority) -> None:
    with Relay(tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        relay.rule("STARTTLS", say_and_drop("220 go ahead"))
        error = refusal(relay.server(security="starttls", ca_file=authority.file))

        assert error.reply.stage is Stage.TLS
        assert not [line for _, line in relay.commands if line.startswith("AUTH")]


def test_what_was_slipped_in_before_tls_counts_for_nothing(authority: Authority, opened: list[Opened]) -> None:
    def slip_in(session: Session) -> bool:
        session.sock.sendall(b"220 ok\r\n250-relay.test\r\n250 AUTH PLAIN XEVIL\r\n")
        assert session.relay.tls is not None
        session.sock = session.relay.tls.wrap_socket(session.sock, server_side=True)
        session._secured = True
        return True

    with Relay(extensions=("SIZE 1000",), tls=authority.context("127.0.0.1"), login=LOGIN) as relay:
        relay.rule("STARTTLS", slip_in)
        opened.append(open_line(relay.server(security="starttls", ca_file=authority.file), "mailout.test", QUICK))

        assert opened[0].abilities.size == 1000
        assert [line.split()[0].upper() for _, line in relay.commands] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("banner", ["421 4.3.2 too many connections", "554 5.7.1 go away"])
def test_a_relay_that_turns_us_away_is_quoted(banner: str) -> None:
    with Relay() as relay:
        relay.rule("CONNECT", say_and_drop(banner))
        error = refusal(relay.server())

    assert error.reply.code == int(banner[:3])
    assert error.reply.text == banner[10:]
    assert error.words == "127.0.0.1 does not serve us at the moment."


@pytest.mark.parametrize("command", ["CONNECT", "EHLO"])
def test_a_relay_that_breaks_off_is_unavailable(command: str) -> None:
    with Relay() as relay:
        relay.rule(command, drop())
        error = refusal(relay.server())

    assert error.reply.code == 0


def test_nobody_at_home_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    error = refusal(Server("127.0.0.1", port, "", "", "none"))

    assert error.words == f"127.0.0.1 does not answer on port {port}."


def test_a_relay_from_before_ehlo_is_greeted_with_helo(opened: list[Opened]) -> None:
    with Relay() as relay:
        relay.rule("EHLO", say("502 5.5.1 what?"))
        opened.append(open_line(relay.server(), "mailout.test", QUICK))

        assert not opened[0].abilities.pipelining
        assert [line for _, line in relay.commands] == ["ehlo mailout.test", "helo mailout.test"]


def test_the_limits_that_a_relay_announces_are_read(opened: list[Opened]) -> None:
    with Relay(extensions=(*EXTENSIONS, "LIMITS MAILMAX=7 RCPTMAX=20")) as relay:
        opened.append(open_line(relay.server(), "mailout.test", QUICK))

        assert opened[0].abilities.mailmax == 7
