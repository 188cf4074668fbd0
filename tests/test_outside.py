"""The product as its contract tells it, from outside: commands, real Dovecot and Postfix, the Procfile's worker.

The commands run in this process where that is all the same: a process for each costs a second or more.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import re
import sqlite3
import subprocess
import time
from email.message import EmailMessage
from itertools import count
from pathlib import Path

import pytest
from flask import Flask

from mailout import settings
from mailout.models import db
from mailout.web import create_app
from mailout.worker import create_huey
from tests.installation import Installation, until
from tests.mailservers import CUSTOMERS, DOMAIN, PASSWORD, MailServers, require

NUMBERS = count(1)


class Outside(Installation):
    """An installation on real servers, with a mailbox, a user and customers of its own."""

    def __init__(self, servers: MailServers, folder: Path, **more: str) -> None:
        mark = f"o{next(NUMBERS)}{int(time.time()) % 100_000}"
        self.servers, self.mark = servers, mark
        self.mailbox, self.jane = f"{mark}@{DOMAIN}", f"jane-{mark}@{DOMAIN}"
        quick = {"START_DELAY_SECONDS": "0", "POP3_POLL_SECONDS": "0.3", "DURABILITY": "process"}
        super().__init__(servers.environment(folder / "instance", mailbox=self.mailbox) | quick | more, folder)
        self._app: Flask | None = None
        self.flask("db", "upgrade")
        who = ("users", "create", self.jane, "--name", "Jane Doe", "--send-mailout", "--password-stdin")
        self.flask(*who, stdin="long enough a word")
        self.flask("lists", "create", "Newsletter", "--no-unsubscribe-line")
        self.flask("mailbox", "poll")  # it is empty, so it is ours from now on

    def flask(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `flask` command in this process."""
        if self._app is None:
            self._app = create_app(settings.read(self.environment))
            create_huey(self._app)
        with self._app.app_context():
            result = self._app.test_cli_runner().invoke(args=list(words), input=stdin)
            db.session.remove()
        assert not check or result.exit_code == 0, f"flask {' '.join(words)}: {result.stderr} {result.exception}"
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    def again(self, **more: str) -> None:
        """Start anew with other settings."""
        self.environment |= more
        self._app = None

    def customer(self, name: str) -> str:
        """The address of a customer whom nobody else has."""
        return f"{name}-{self.mark}@{CUSTOMERS}"

    def plant(self, *addresses: str) -> None:
        """Import customers, included in Newsletter."""
        file = self.folder / "customers.csv"
        file.write_text("email\n" + "".join(f"{address}\n" for address in addresses))
        self.flask("customers", "import", str(file), "--list", "Newsletter")

    def create(self) -> tuple[str, str]:
        """Make a mail-out: its number, and the address of its key."""
        made = self.json("mailouts", "create", "--list", "Newsletter", "--user", self.jane)
        return str(made["id"]), str(made["address"])

    def write(self, to: str, head: str = "", body: str = "Hello", author: str = "", sender: str = "") -> None:
        """Have a letter arrive in the mailbox, as a server that received it for `to` hands it over."""
        author = author or self.jane
        lines = [f"From: {author}", f"To: {to}", "Subject: News", f"Message-ID: <{next(NUMBERS)}@{self.mark}>", head]
        raw = "\r\n".join([*filter(None, lines), "", body, ""])
        self.servers.deliver(self.mailbox, raw.encode(), sender or author)

    def poll(self) -> str:
        """Read the mailbox: what each letter was."""
        return self.flask("mailbox", "poll").stdout

    def show(self, number: str) -> dict[str, object]:
        """The mail-out."""
        found: dict[str, object] = self.json("mailouts", "show", number)
        return found

    def mail(self, address: str) -> list[EmailMessage]:
        """What is in somebody's inbox."""
        found = [email.message_from_bytes(raw, policy=email.policy.default) for raw in self.servers.inbox(address)]
        return [letter for letter in found if isinstance(letter, EmailMessage)]

    def verdicts(self) -> list[str]:
        """What the letters were that came."""
        return [letter["verdict"] for letter in self.lines("inbox", "list")]


@pytest.fixture
def outside(mail_servers: MailServers, tmp_path: Path) -> Outside:
    return Outside(mail_servers, tmp_path)


def text(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_what_comes_back_marks_whom_it_is_about_and_nobody_else(mail_servers: MailServers, tmp_path: Path) -> None:
    outside = Outside(mail_servers, tmp_path, RETRY_SCHEDULE="1s,1s")
    ann, bob = outside.customer("ann"), outside.customer("bob")
    odd = [f"{name}@{CUSTOMERS}" for name in ("gone", "later", "bounce-gone", "bounce-full")]
    outside.plant(ann, bob, *odd)
    number, address = outside.create()

    with outside.worker():
        outside.write(address)
        until(lambda: outside.show(number)["state"] == "complete", 60)
        until(lambda: len(outside.mail(outside.jane)) == 1, 20)
        until(lambda: outside.json("mailouts", "show", number)["counts"]["bounced"] == 2, 20)
        (copy,) = outside.mail(ann)
        leave = re.search(r"<mailto:([^?>]+)", copy["List-Unsubscribe"])
        assert leave is not None
        answers = f"In-Reply-To: {copy['Message-ID']}"
        outside.write(outside.mailbox, answers, "Thank you", author=ann)
        outside.write(outside.mailbox, answers + "\r\nAuto-Submitted: auto-replied", "I am away", author=bob)
        outside.write(outside.mailbox, "", "Buy our things", author="stranger@elsewhere.test")
        outside.write(leave[1], "", "", author=ann)
        until(lambda: len(outside.verdicts()) == 7, 20)
        until(lambda: len(outside.mail(outside.jane)) == 2, 20)

    counts = outside.json("mailouts", "show", number)["counts"]
    assert counts == counts | {"sent": 2, "failed": 2, "bounced": 2, "total": 6}
    states = {
        line["address"]: (line["state"], line["attempts"]) for line in outside.lines("mailouts", "recipients", number)
    }
    assert [states[address] for address in odd] == [("failed", 1), ("failed", 3), ("bounced", 1), ("bounced", 1)]
    assert sorted(outside.verdicts()) == [
        "auto-reply", "bounce", "bounce", "mail-out", "other", "reply", "unsubscribe"
    ]  # fmt: skip
    complete, passed_on = outside.mail(outside.jane)
    assert (complete["Subject"], complete["Return-Path"]) == ("Mail-out complete", "<>")
    assert complete["In-Reply-To"].endswith(f"@{outside.mark}>")
    assert all(who in text(complete) for who in (ann, bob, *odd))
    assert ann in text(passed_on)
    assert [part.get_filename() for part in passed_on.iter_attachments()] == ["answer.eml"]
    assert (len(outside.mail(ann)), len(outside.mail(bob))) == (1, 1)  # nobody was answered
    (newsletter,) = outside.lines("lists", "list")
    assert (newsletter["included"], newsletter["unsubscribed"], newsletter["suppressed"]) == (5, 1, 1)
    nothing_secret(outside, address)


def nothing_secret(outside: Outside, address: str) -> None:
    """Neither the key nor a password is in the database, in a log, in a copy."""
    assert "letter 1 is mail-out" in outside.worker_log
    key = address.partition("@")[0].rpartition("-")[2]
    instance = outside.folder / "instance"
    with contextlib.closing(sqlite3.connect(instance / "mailout.db")) as database:
        rows = "\n".join(database.iterdump())
        blobs = b"".join(
            raw for (raw,) in database.execute("SELECT raw FROM letter_bytes UNION SELECT raw FROM notice")
        )
    cached = b"".join(file.read_bytes() for file in (instance / "cache").rglob("*") if file.is_file())
    copies = b"".join(outside.servers.inbox(outside.customer("ann")))
    everything = b"".join([rows.encode(), blobs, cached, copies, outside.worker_log.encode()]).lower()
    assert key.encode() not in everything
    assert PASSWORD.encode() not in everything


def test_a_blind_copy_to_the_key_is_enough(outside: Outside) -> None:
    require("swaks")
    outside.plant(outside.customer("ann"))
    number, address = outside.create()

    subprocess.run(
        ["swaks", "--server", f"localhost:{outside.servers.ports['submission']}", "--tls",
         "--tls-ca-path", outside.servers.ca_file, "--auth", "PLAIN",
         "--auth-user", outside.jane, "--auth-password", PASSWORD, "--from", outside.jane, "--to", address,
         "--h-From", outside.jane, "--h-To", "undisclosed-recipients:;", "--silent", "2"],
        check=True, timeout=30, capture_output=True,
    )  # fmt: skip
    until(lambda: outside.servers.inbox(outside.mailbox), 10)

    assert outside.poll().startswith("mail-out (mail-out 1)")
    assert outside.show(number)["state"] == "sending"


def test_a_letter_that_is_offered_again_after_a_crash_is_removed_in_silence(outside: Outside) -> None:
    outside.plant(outside.customer("ann"))
    number, address = outside.create()
    outside.write(address)
    (file,) = (outside.servers.maildir(outside.mailbox) / "new").iterdir()
    kept = file.with_name("1700000000.again")
    kept.hardlink_to(file)  # as if its removal had been lost
    (outside.servers.maildir(outside.mailbox) / "tmp" / kept.name).hardlink_to(kept)
    kept.unlink()
    outside.poll()
    (outside.servers.maildir(outside.mailbox) / "tmp" / kept.name).rename(kept)

    assert outside.poll() == "0 letters read.\n"

    assert outside.servers.inbox(outside.mailbox) == []
    assert (outside.verdicts(), outside.show(number)["problem"]) == (["mail-out"], None)


def test_a_key_works_until_it_ends_by_the_clock_of_a_host_that_is_believed(outside: Outside) -> None:
    outside.plant(outside.customer("ann"))
    outside.servers.deliver(outside.jane, b"From: a@b.test\r\n\r\nx\r\n")
    stamp = re.search(r"by (\S+) with LMTP", outside.servers.inbox(outside.jane)[0].decode())
    assert stamp is not None
    states = []

    for believed in ("mx.elsewhere.test", stamp[1]):
        outside.again(KEY_LIFETIME_HOURS="0.0006", RECEIVING_HOST=believed)
        time.sleep(1 - time.time() % 1)  # a stamp has whole seconds, and may not be before the key was made
        number, address = outside.create()
        time.sleep(1)
        outside.write(address)
        time.sleep(1.5)
        outside.poll()
        states.append((outside.show(number)["state"], outside.show(number)["problem"]))

    assert states == [("expired", "key-expired"), ("sending", None)]


def test_what_is_wrong_with_the_mailbox_is_one_line(outside: Outside) -> None:
    outside.environment["POP3_PASSWORD"] = "not the one"

    done = Installation.flask(outside, "mailbox", "poll", check=False)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "does not accept the user name and password" in done.stderr
    assert "not the one" not in done.stderr
