"""A newcomer's mail program, and what lies in the inboxes, over the sandbox's own sockets."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage

import pytest

from mailout import settings as mailout_settings
from mailout.core.fault import Fault
from mailout.sandbox import mail, process
from mailout.sandbox.mail import Attachment, Inbox
from mailout.settings import Settings
from mailout.wires.pop3 import Pop3Mailbox
from mailout.wires.tls import Server

JO = "Jo Hartley <you@sandbox.test>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return mailout_settings.read({"INSTANCE_DIR": str(tmp_path_factory.mktemp("instance"))})


@pytest.fixture(scope="module")
def pop3(place: Settings) -> Iterator[Server]:
    with process.running(place) as (server, _):
        yield server


def test_a_letter_written_in_the_sandbox_reaches_mailouts_own_mailbox(
    place: Settings, pop3: Server, now: datetime
) -> None:
    picture = Attachment("Übersicht.png", "image/png", bytes(range(256)))
    text = Attachment("list.txt", "text/plain", b"one\ntwo\n")

    sent = mail.write(
        place, JO, "mailout+newsletter-abc@sandbox.test", "Grüße aus Lismore", "Hello.\n.\nJo", [picture, text], now=now
    )

    with Pop3Mailbox.open(pop3, 10) as mailbox:
        raw = mailbox.fetch(mailbox.listing()[0].number)
        mailbox.delete(1)
        mailbox.close()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == "Grüße aus Lismore"
    assert message["Message-ID"] == sent
    assert message["Delivered-To"] == "mailout+newsletter-abc@sandbox.test"
    assert isinstance(message, EmailMessage)
    body, (first, second) = message.get_body(("plain",)), message.iter_attachments()
    assert body is not None
    assert body.get_content().splitlines() == ["Hello.", ".", "Jo"]
    assert (first.get_filename(), first.get_content()) == ("Übersicht.png", bytes(range(256)))
    assert (second.get_filename(), second.get_payload(decode=True)) == ("list.txt", b"one\ntwo\n")


def test_inboxes_show_what_came_newest_first(place: Settings, pop3: Server, now: datetime) -> None:
    mail.write(place, JO, "Ada Marsh <ada@sandbox.test>, bruno@sandbox.test", "First", "one", now=now)
    mail.write(place, JO, "ada@sandbox.test", "Second ✓", "two", now=now)

    assert {Inbox("ada@sandbox.test", 2), Inbox("bruno@sandbox.test", 1)} <= set(mail.inboxes(place))
    newest, oldest = mail.letters(place, "Ada@sandbox.test")
    assert (newest.subject, oldest.subject) == ("Second ✓", "First")
    assert newest.author == JO
    assert mail.letter(place, "ada@sandbox.test", newest.id) == newest
    assert mail.letters(place, "nobody@sandbox.test") == []


def test_a_letter_that_there_is_not_is_not_found(place: Settings, pop3: Server) -> None:
    for name in ("", "x", "../../../secret_key", "new"):
        with pytest.raises(LookupError):
            mail.letter(place, "ada@sandbox.test", name)


def test_what_the_server_refuses_is_said_in_words(place: Settings, pop3: Server, now: datetime) -> None:
    with pytest.raises(Fault, match=r"gone@sandbox.test: 5\.1\.1 .* does not exist"):
        mail.write(place, JO, "gone@sandbox.test", "x", "x", now=now)


def test_a_refusal_is_said_in_words_and_who_has_it_all_the_same(place: Settings, pop3: Server, now: datetime) -> None:
    with pytest.raises(Fault, match=r"gone@sandbox.test: .* The others have it\.$"):
        mail.write(place, JO, "ada@sandbox.test, gone@sandbox.test", "x", "x", now=now)
    with pytest.raises(Fault, match="“Ada” is no address"):
        mail.write(place, JO, "Ada", "x", "x", now=now)
    large = Attachment("a.bin", "application/octet-stream", b"x" * place.max_message_bytes)
    with pytest.raises(Fault, match="too large for the sandbox"):
        mail.write(place, JO, "ada@sandbox.test", "x", "x", [large], now=now)


@pytest.mark.parametrize(
    ("author", "to", "subject"),
    [("", "ada@sandbox.test", "x"), (JO, "", "x"), (JO, "ada@sandbox.test", "x\r\nBcc: bruno@sandbox.test")],
)
def test_what_is_no_letter_is_refused(
    place: Settings, pop3: Server, now: datetime, author: str, to: str, subject: str
) -> None:
    with pytest.raises(Fault):
        mail.write(place, author, to, subject, "text", now=now)


def test_without_a_sandbox_nothing_is_sent(place: Settings, pop3: Server, now: datetime) -> None:
    with pytest.raises(Fault, match="not running"):
        mail.write(dataclasses.replace(place, sandbox=False), JO, "ada@sandbox.test", "x", "x", now=now)
