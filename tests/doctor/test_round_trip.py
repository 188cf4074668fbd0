"""A letter to ourselves and back, through real Postfix and Dovecot, with and without a worker."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from mailout import database, pulse
from mailout import settings as mailout_settings
from mailout.core.checking.finding import Part, Status
from mailout.current import settings
from mailout.doctor import examination, round_trip
from mailout.doctor.examination import Letters
from mailout.models import Letter, Notice, db
from mailout.sandbox import process
from mailout.web import create_app
from tests.installation import Installation, until
from tests.mailservers import DOMAIN, MailServers, mail_servers, require

#: It ends when all have come; so long it waits at most.
WAIT = ("--wait", "300")


def clock() -> datetime:
    return datetime.now(UTC)


def made(servers: MailServers, folder: Path, name: str = "", **more: str) -> Installation:
    """An installation with a mailbox of its own; its From is an active user's, whom an error mail would reach."""
    name = name or f"d{os.getpid()}{abs(hash(folder.name)) % 1000}"
    environment = servers.environment(folder / "instance", mailbox=f"{name}@{DOMAIN}")
    environment |= {"POP3_POLL_SECONDS": "0.5", "FROM_ADDRESS": f"jane@{DOMAIN}", "SMTP_HELO_NAME": "mailout.test"}
    found = Installation(environment | more, folder)
    found.flask("db", "upgrade")
    words = ("--name", "Jane Doe", "--administrator", "--send-mailout", "--password-stdin")
    found.flask("users", "create", f"jane@{DOMAIN}", *words, stdin="long enough a word")
    return found


@pytest.fixture
def installation(mail_servers: MailServers, tmp_path: Path) -> Iterator[Installation]:
    yield made(mail_servers, tmp_path)
    mail_servers.empty(f"jane@{DOMAIN}")


def make_app(installation: Installation) -> Flask:
    """The application that the installation's processes have."""
    return create_app(mailout_settings.read(installation.environment))


def trip(installation: Installation, *words: str) -> tuple[int, list[dict[str, str]]]:
    """The exit code, and what was found of the letters."""
    done = installation.flask("doctor", "--round-trip", "--json", *(words or WAIT), check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found, done.stderr
    return done.returncode, [finding for finding in found if finding["part"] == "round-trip"]


def told(found: list[dict[str, str]], words: str) -> dict[str, str]:
    mine = [finding for finding in found if words in finding["text"]]
    assert len(mine) == 1, (words, found)
    return mine[0]


def nothing_else_happened(installation: Installation, letters: int) -> None:
    """The letters are `other` with a reason; nobody was written to, nothing was made."""
    log: list[Any] = installation.lines("inbox", "list")
    assert [row["verdict"] for row in log] == ["other"] * letters
    assert {row["why"] for row in log} == {"it is the doctor's own letter, which tries the way"}
    assert {row["mailout"] for row in log} == {None}
    assert installation.lines("mailouts", "list") == []


@pytest.mark.parametrize("with_worker", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_letters_to_both_addresses_arrive_and_do_nothing(
    mail_servers: MailServers, installation: Installation, with_worker: bool
) -> None:
    if with_worker:
        with installation.worker():
            until(lambda: "alive" in worker_line(installation), 120)
            code, found = trip(installation)
            until(lambda: len(installation.lines("inbox", "list")) == 3, 60)
            until(lambda: all(row["verdict"] for row in installation.lines("inbox", "list")), 60)
    else:
        code, found = trip(installation)
        installation.flask("mailbox", "poll")  # the plain letter is not waited for

    assert code == 0, found
    assert "reaches the mailbox" in told(found, "to a key address")["text"]
    assert "reaches the mailbox" in told(found, "to a bounce address")["text"]
    assert told(found, "return path is kept")["status"] == "ok"
    assert told(found, "byte for byte")["status"] == "ok"
    assert told(found, "DKIM signature")["status"] == "warning"
    assert "RECEIVING_HOST=" in told(found, "receiving host")["advice"]
    nothing_else_happened(installation, 3)
    assert mail_servers.inbox(f"jane@{DOMAIN}") == [], "no notice was written"
    assert mail_servers.inbox(installation.environment["POP3_USERNAME"]) == [], "what was read is removed"


def worker_line(installation: Installation) -> str:
    found = [json.loads(line) for line in installation.flask("doctor", "--json", check=False).stdout.splitlines()]
    return next(finding["text"] for finding in found if finding["part"] == "worker")


@pytest.mark.slow
def test_other_letters_in_the_mailbox_are_left_to_the_worker(
    mail_servers: MailServers, installation: Installation
) -> None:
    installation.flask("mailbox", "poll")
    mail_servers.deliver(
        installation.environment["POP3_USERNAME"], b"From: jo@a.test\r\nSubject: Mine\r\n\r\nHello\r\n"
    )

    trip(installation)

    mine = [row for row in installation.lines("inbox", "list") if row["subject"] != "" or row["verdict"] == "new"]
    assert [row["verdict"] for row in mine if "Mailout tries" not in row["subject"]] == ["new"]


def test_a_mailbox_that_is_not_confirmed_gets_no_letter(mail_servers: MailServers, installation: Installation) -> None:
    box = installation.environment["POP3_USERNAME"]
    mail_servers.deliver(box, b"From: jo@a.test\r\nSubject: Private\r\n\r\nHello\r\n")

    code, found = trip(installation)

    assert (code, len(found)) == (1, 1)
    assert "holds 1 letter that Mailout did not put there" in found[0]["text"]
    assert len(mail_servers.inbox(box)) == 1, "nothing was sent, nothing was removed"


@pytest.mark.slow
def test_a_relay_that_does_not_let_us_in(mail_servers: MailServers, tmp_path: Path) -> None:
    code, found = trip(made(mail_servers, tmp_path, SMTP_PASSWORD="wrong"))

    assert (code, len(found)) == (1, 1)
    assert "user name and password" in found[0]["text"]


def test_in_the_sandbox_letters_go_round_too_and_nothing_is_to_be_changed(tmp_path: Path) -> None:
    place = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
    app = create_app(place)
    database.migrate(app, place)
    with process.running(place), app.app_context():
        found = list(examination.examine(settings(), clock, Letters(300, lambda *how_far: None)))
        db.session.remove()
        db.engine.dispose()

    trip = [finding for finding in found if finding.part is Part.ROUND_TRIP]
    assert sum("reaches the mailbox" in finding.text for finding in trip) == 2
    assert not any(finding.advice for finding in trip)
    assert not any(finding.status is Status.FAILED for finding in found)


# -- a mail server whose sub-addresses do not reach the mailbox --------------------------------------------------------


@contextmanager
def elsewhere(folder: Path, *lines: str) -> Iterator[tuple[MailServers, Installation]]:
    """Servers with these lines in main.cf, and an installation with a mailbox there."""
    require("dovecot", "dovecot-lmtpd", "postconf", root=True)
    with mail_servers(more="\n".join(lines)) as servers:
        yield servers, made(servers, folder, "box")


@pytest.mark.slow
def test_a_letter_to_a_key_that_comes_back_says_why(tmp_path: Path) -> None:
    rule = r"/^box\+[0-9a-z]{27}@/ x@gone.invalid"
    with elsewhere(tmp_path, f"virtual_alias_maps = regexp:{{ {{{rule}}} }}") as (servers, installation):
        code, found = trip(installation)

        back = told(found, "to the key address")
        assert (code, back["status"]) == (1, "failed")
        assert "came back" in back["text"]
        assert "does not exist" in back["text"]
        assert f"MAILOUT_ADDRESS={{key}}@mailout.{DOMAIN}" in back["advice"]
        assert "reaches the mailbox" in told(found, "to a bounce address")["text"]
        until(lambda: installation.flask("mailbox", "poll") and len(installation.lines("inbox", "list")) == 3, 60)
        log = installation.lines("inbox", "list")
        assert sorted(row["verdict"] for row in log) == ["bounce", "other", "other"]
        assert "of the doctor's own letter" in {row["why"] for row in log}
        assert servers.inbox(f"jane@{DOMAIN}") == [], "nobody is told of it by mail"


@pytest.mark.slow
def test_sub_addresses_that_are_off_are_refused_at_once(tmp_path: Path) -> None:
    boxes = f"{{box@{DOMAIN} = ok}}, {{jane@{DOMAIN} = ok}}"
    lines = ("recipient_delimiter =", f"virtual_mailbox_maps = inline:{{ {boxes} }}")
    with elsewhere(tmp_path, *lines) as (_, installation):
        code, found = trip(installation)

        refused = [finding for finding in found if "The relay does not take" in finding["text"]]
        assert (code, len(refused)) == (1, 2), found
        assert all("550" in finding["text"] for finding in refused)
        assert all(f"MAILOUT_ADDRESS={{key}}@mailout.{DOMAIN}" in finding["advice"] for finding in refused)
        assert "box+{key}@" in refused[0]["text"]
        noted = make_app(installation)
        with noted.app_context():
            assert pulse.of(pulse.ROUND_TRIP).trouble == refused[0]["text"]
            db.engine.dispose()
        assert f"box+b-{{token}}@{DOMAIN}" in refused[1]["text"], "no secret is shown"


@pytest.mark.slow
def test_a_relay_that_lets_one_send_as_oneself_alone_says_so_once(tmp_path: Path) -> None:
    lines = ("smtpd_sender_restrictions = reject_sender_login_mismatch", "smtpd_sender_login_maps = static:somebody")
    with elsewhere(tmp_path, *lines) as (_, installation):
        code, found = trip(installation)

        assert (code, len(found)) == (1, 1), found
        assert f"does not let us send as jane@{DOMAIN} with returns to box+b-{{token}}@{DOMAIN}" in found[0]["text"]
        assert "Sender address rejected" in found[0]["text"]
        assert "BOUNCE_ADDRESS" in found[0]["advice"]


@pytest.mark.slow
def test_what_the_way_changes_is_read_from_what_arrives(tmp_path: Path) -> None:
    signed = "{ {/^Subject: Mailout tries/ PREPEND DKIM-Signature: v=1; d=mail.test; s=one; b=x} }"
    lines = (
        f"sender_canonical_maps = static:owner@{DOMAIN}",
        "sender_canonical_classes = envelope_sender",
        f"header_checks = regexp:{signed}",
        "body_checks = regexp:{ {/^-- $$/ REPLACE Scanned by a machine} }",
    )
    with elsewhere(tmp_path, *lines) as (_, installation):
        code, found = trip(installation)

        assert code == 0, found
        replaced = told(found, "return path was replaced")
        assert (replaced["status"], f"owner@{DOMAIN}" in replaced["text"]) == ("warning", True)
        assert told(found, "signed for mail.test")["status"] == "ok"
        assert told(found, "changes the text")["status"] == "warning"


def test_a_worker_that_is_gone_is_not_waited_for(
    app: Flask, mail_servers: MailServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = f"gone-worker@{DOMAIN}"
    mail_servers.empty(box)
    environment = mail_servers.environment(tmp_path / "instance", mailbox=box) | {"SMTP_HELO_NAME": "mailout.test"}
    ours = mailout_settings.read(environment)
    app.extensions["mailout"] = ours
    pulse.well(pulse.WORKER, clock())
    monkeypatch.setattr(round_trip, "DEAF_SECONDS", 0.5)

    found = list(round_trip.run(ours, clock, 300, lambda *how_far: None))

    assert [finding.status for finding in found[:2]] == [Status.OK, Status.OK], found
    verdicts = db.session.execute(select(Letter.verdict, Letter.why)).all()
    assert {tuple(row) for row in verdicts} == {("other", "it is the doctor's own letter, which tries the way")}
    assert db.session.scalar(select(func.count()).select_from(Notice)) == 0
    assert pulse.of(pulse.ROUND_TRIP).well_at is not None


@pytest.mark.slow
def test_a_domain_of_its_own_does_without_sub_addresses(tmp_path: Path) -> None:
    lines = ("recipient_delimiter =", "virtual_alias_maps = regexp:{ {/@keys\\.test$$/ box@" + DOMAIN + "} }")
    lines = (*lines, "virtual_alias_domains = keys.test")
    with elsewhere(tmp_path, *lines) as (_, installation):
        installation.environment["MAILOUT_ADDRESS"] = "{key}@keys.test"

        code, found = trip(installation)

        assert code == 0, found
        assert "reaches the mailbox" in told(found, "to a key address")["text"]
        assert "reaches the mailbox" in told(found, "to a bounce address")["text"]
        assert [row["verdict"] for row in installation.lines("inbox", "list")] == ["other", "other"]
