"""The sandbox's mail server, over real sockets: what SMTP brings is what POP3 gives."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailout import sandbox
from mailout import settings as mailout_settings
from mailout.sandbox import maildirs, process
from mailout.settings import Settings
from mailout.wires.pop3 import MailboxUnavailable, Pop3Mailbox, Trouble
from mailout.wires.tls import Server

Pair = tuple[Server, Server]
ODD = b"Subject: odd\r\n\r\n.\r\n..\r\n.x\r\n...\r\nbare\nlf\xe9\r\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return mailout_settings.read({"INSTANCE_DIR": str(tmp_path_factory.mktemp("instance"))})


@pytest.fixture(scope="module")
def pair(place: Settings) -> Iterator[Pair]:
    with process.running(place) as servers:
        yield servers


def send(pair: Pair, to: list[str], raw: bytes, author: str = "jane@sandbox.test") -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", pair[1].port) as smtp:
        return smtp.sendmail(author, to, raw, mail_options=["BODY=8BITMIME"])


def drained(server: Server) -> list[bytes]:
    with Pop3Mailbox.open(server, 10) as mailbox:
        found = [mailbox.fetch(waiting.number) for waiting in mailbox.listing()]
        for number in range(1, len(found) + 1):
            mailbox.delete(number)
        assert mailbox.close()
    return found


def test_a_letter_to_any_detail_lands_in_the_mailbox_with_its_envelope_written_down(pair: Pair) -> None:
    send(pair, ["mailout+newsletter-abc@sandbox.test"], ODD)

    (letter,) = drained(pair[0])

    assert letter.startswith(
        b"Return-Path: <jane@sandbox.test>\r\nDelivered-To: mailout+newsletter-abc@sandbox.test\r\nReceived: "
    )
    assert b"for <mailout+newsletter-abc@sandbox.test>" in letter
    assert letter.endswith(ODD)
    assert drained(pair[0]) == []


def test_every_other_address_has_a_mailbox_of_its_own(pair: Pair, place: Settings) -> None:
    send(pair, ["Ann@sandbox.test", "bob@elsewhere.test"], b"Subject: hello\r\n\r\nHello.\r\n")

    kept = maildirs.of(place)

    assert {"ann@sandbox.test", "bob@elsewhere.test"} <= set(kept.addresses())
    (letter,) = kept.letters("ann@sandbox.test")
    assert kept.raw("ann@sandbox.test", letter.name).endswith(b"Hello.\r\n")


def test_gone_does_not_exist(pair: Pair) -> None:
    refused = send(pair, ["gone@sandbox.test", "cat@sandbox.test"], b"Subject: x\r\n\r\nx\r\n")

    assert refused["gone@sandbox.test"][0] == 550
    assert refused["gone@sandbox.test"][1].startswith(b"5.1.1 ")
    assert list(refused) == ["gone@sandbox.test"]


def test_an_address_that_no_folder_can_be_named_after_is_refused(pair: Pair) -> None:
    strange = ["../../x@sandbox.test", "a/b@sandbox.test"]

    assert send(pair, strange, b"Subject: x\r\n\r\nx\r\n") == {}
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(pair, ["x" * 150 + "@" + "y" * 60 + ".test"], b"Subject: x\r\n\r\nx\r\n")


def test_the_null_sender_and_a_login_are_taken(pair: Pair) -> None:
    with smtplib.SMTP("127.0.0.1", pair[1].port) as smtp:
        smtp.login("anybody", "anything")
        assert smtp.sendmail("", ["dan@sandbox.test"], b"Subject: x\r\n\r\nx\r\n") == {}


def test_a_large_letter_with_dots_at_the_edges_of_blocks_passes_unchanged(pair: Pair) -> None:
    body = b"".join(b"x" * width + b"\r\n.\r\n..\r\n" for width in range(900)) + b"y" * 900 + b"\r\n"
    send(pair, ["mailout+large@sandbox.test"], b"Subject: large\r\n\r\n" + body)

    (letter,) = drained(pair[0])

    assert letter.endswith(b"Subject: large\r\n\r\n" + body)


def test_the_head_alone_can_be_had(pair: Pair) -> None:
    send(pair, ["mailout@sandbox.test"], b"Subject: head\r\n\r\nbody\r\n")

    with Pop3Mailbox.open(pair[0], 10) as mailbox:
        (waiting,) = mailbox.listing()
        assert mailbox.top(waiting.number).endswith(b"Subject: head\r\n\r\n")
        assert waiting.size > 0
        assert waiting.uidl
    drained(pair[0])


def test_a_wrong_password_is_refused(pair: Pair) -> None:
    wrong = Server("127.0.0.1", pair[0].port, "mailout@sandbox.test", "guess", "none")

    with pytest.raises(MailboxUnavailable) as caught, Pop3Mailbox.open(wrong, 10):
        pass

    assert caught.value.kind is Trouble.LOGIN


def test_it_listens_on_the_loopback_address_alone(pair: Pair, place: Settings) -> None:
    ports = {pair[0].port, pair[1].port}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    listening = {int(row[1].split(":")[1], 16): row[1].split(":")[0] for row in rows if row[3] == "0A"}

    assert {listening[port] for port in ports} == {"0100007F"}


def test_a_second_sandbox_of_the_same_folder_leaves_it_to_the_first(pair: Pair, place: Settings) -> None:
    child = process.start(place)

    assert child.wait(60) == 0
    assert sandbox.servers(place) == pair


def test_started_anew_it_has_its_ports_and_its_mail_again(tmp_path: Path) -> None:
    place = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
    with process.running(place) as first:
        send(first, ["mailout@sandbox.test"], b"Subject: stays\r\n\r\nx\r\n")

    with process.running(place) as second:
        assert second == first
        assert len(drained(second[0])) == 1


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_it_stops_when_it_is_told_to_and_when_who_started_it_is_gone(tmp_path: Path) -> None:
    place = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
    starter = (
        "import sys; from mailout import settings; from mailout.sandbox import maildirs, process; "
        "found = settings.read(); child = process.start(found); print(process.wait(found, child)[0].port)"
    )
    environment = {**os.environ, "INSTANCE_DIR": str(tmp_path)}
    for name in ("POP3_HOST", "SMTP_HOST"):
        environment.pop(name, None)

    told = subprocess.run([sys.executable, "-c", starter], env=environment, capture_output=True, timeout=90, check=True)

    port, until = int(told.stdout), time.monotonic() + 60
    while _answers(port) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _answers(port)
    assert sandbox.servers(place) is None
    child = process.start(place)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 0


def test_without_a_sandbox_there_are_no_servers(place: Settings, tmp_path: Path) -> None:
    never = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
    assert sandbox.servers(never) is None

    (never.instance_dir / "ports.json").write_text(json.dumps({"smtp": "x"}))
    assert sandbox.servers(never) is None


@pytest.mark.parametrize(("value", "asked"), [("1", True), ("yes", True), ("", False), ("0", False), ("no", False)])
def test_under_the_procfile_a_sandbox_is_asked_for(value: str, asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX", value)

    assert sandbox.is_asked_for() is asked
