"""The whole way with real servers: mutt writes, Dovecot and Postfix carry, the Procfile's worker reads and sends."""

from __future__ import annotations

import email
import email.policy
import os
import signal
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.installation import Installation, until
from tests.mailservers import CUSTOMERS, DOMAIN, PASSWORD, MailServers, require

SUBJECT = "Frühlingsschnitt für Hund & Katze"
PICTURE = bytes(range(256)) * 40
NAMES = ("ann", "bob", "cem", "dora", "eve")


@pytest.fixture
def installation(mail_servers: MailServers, tmp_path: Path) -> Iterator[Installation]:
    """An installation with a mailbox and a user of its own, and customers."""
    name = f"m{os.getpid()}{abs(hash(tmp_path.name)) % 1000}"
    environment = mail_servers.environment(tmp_path / "instance", mailbox=f"{name}@{DOMAIN}")
    found = Installation(environment | {"START_DELAY_SECONDS": "0", "POP3_POLL_SECONDS": "0.5"}, tmp_path)
    found.flask("db", "upgrade")
    found.flask(
        "users",
        "create",
        f"jane@{DOMAIN}",
        "--name",
        "Jane Doe",
        "--send-mailout",
        "--password-stdin",
        stdin="long enough a word",
    )
    found.flask("lists", "create", "Newsletter", "--no-unsubscribe-line")
    found.flask("mailbox", "poll")  # it is empty, so it is ours from now on
    yield found
    for who in (*NAMES, "gone"):
        mail_servers.empty(f"{who}@{CUSTOMERS}")
    mail_servers.empty(f"jane@{DOMAIN}")


def plant(installation: Installation, names: tuple[str, ...]) -> None:
    rows = "".join(f"{name}@{CUSTOMERS},{name.title()},Test\n" for name in names)
    file = installation.folder / "customers.csv"
    file.write_text("email,first_name,last_name\n" + rows)
    installation.flask("customers", "import", str(file), "--list", "Newsletter")


def write_with_mutt(servers: MailServers, installation: Installation, to: str) -> None:
    """Write as Jane does: a non-ASCII subject and text, a picture."""
    picture = installation.folder / "bild ü.png"
    picture.write_bytes(PICTURE)
    rc = installation.folder / "muttrc"
    rc.write_text(
        f'set from="jane@{DOMAIN}"\nset realname="Jane Doe"\nset use_from=yes\nset envelope_from=yes\nset copy=no\n'
        f'set smtp_url="smtp://jane%40{DOMAIN}@localhost:{servers.ports["submission"]}/"\nset smtp_pass="{PASSWORD}"\n'
        f'set ssl_starttls=yes\nset ssl_force_tls=yes\nset certificate_file="{servers.ca_file}"\n'
        f'set ssl_ca_certificates_file="{servers.ca_file}"\n'
        f'set send_charset="utf-8"\nset charset="utf-8"\nset smtp_authenticators="plain"\n'
    )
    subprocess.run(
        ["mutt", "-n", "-F", str(rc), "-s", SUBJECT, "-a", str(picture), "--", to],
        input="Liebe Kundin,\n\n.ein Punkt am Anfang, und Grüße.\n".encode(), check=True, timeout=30,
        env={"HOME": str(installation.folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"},
    )  # fmt: skip


def parts(raw: bytes) -> list[tuple[str, bytes]]:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in mail.walk() if not part.is_multipart()]


def test_a_letter_written_in_mutt_reaches_every_customer_as_it_was_written(
    mail_servers: MailServers, installation: Installation
) -> None:
    require("mutt")
    plant(installation, (*NAMES[:3], "gone", *NAMES[3:]))
    made = installation.json("mailouts", "create", "--list", "Newsletter", "--user", f"jane@{DOMAIN}")

    with installation.worker():
        write_with_mutt(mail_servers, installation, made["address"])
        until(lambda: installation.json("mailouts", "show", str(made["id"]))["state"] == "complete", 60)
        until(lambda: mail_servers.inbox(f"jane@{DOMAIN}"), 20)

    shown = installation.json("mailouts", "show", str(made["id"]))
    assert shown["counts"] == shown["counts"] | {"sent": 5, "failed": 1, "total": 6}
    assert shown["subject"] == SUBJECT
    for name in NAMES:
        (copy,) = mail_servers.inbox(f"{name}@{CUSTOMERS}")
        mail = email.message_from_bytes(copy, policy=email.policy.default)
        assert mail["Subject"] == SUBJECT
        assert mail["To"] == f"{name.title()} Test <{name}@{CUSTOMERS}>"
        assert mail["From"] == f"Jane Doe <jane@{DOMAIN}>"
        assert "One-Click" in mail["List-Unsubscribe-Post"]
        text, picture = parts(copy)
        assert text[1].decode() == "Liebe Kundin,\n\n.ein Punkt am Anfang, und Grüße.\n"
        assert picture == ("image/png", PICTURE)
        key = made["address"].partition("@")[0].rpartition("-")[2].encode()
        assert key not in copy
        assert not any(f"{other}@".encode() in copy for other in NAMES if other != name)
    (failed,) = installation.lines("mailouts", "recipients", str(made["id"]), "--state", "failed")
    assert failed["address"] == f"gone@{CUSTOMERS}"
    assert "The address does not exist" in failed["reply"]
    (complete,) = mail_servers.inbox(f"jane@{DOMAIN}")
    told = email.message_from_bytes(complete, policy=email.policy.default)
    assert isinstance(told, EmailMessage)
    assert told["Subject"] == "Mail-out complete"
    text = told.get_body().get_content()  # type: ignore[union-attr]
    assert all(f"{name}@{CUSTOMERS}" in text for name in (*NAMES, "gone"))
    assert [part.get_filename() for part in told.iter_attachments()] == ["recipients.csv"]


@pytest.mark.slow
def test_the_loss_of_huey_db_loses_nothing(mail_servers: MailServers, installation: Installation) -> None:
    plant(installation, NAMES)
    made = installation.json("mailouts", "create", "--list", "Newsletter", "--user", f"jane@{DOMAIN}")
    mail_servers.deliver(
        made["address"],
        f"From: jane@{DOMAIN}\r\nTo: {made['address']}\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\nHello\r\n".encode(),
    )
    installation.flask("mailbox", "poll")
    for file in (installation.folder / "instance").glob("huey.db*"):
        file.unlink()

    with installation.worker():
        until(lambda: installation.json("mailouts", "show", str(made["id"]))["state"] == "complete", 60)

    assert len(mail_servers.inbox(f"eve@{CUSTOMERS}")) == 1


@pytest.mark.slow
def test_a_worker_killed_in_mid_mailout_is_followed_by_one_that_ends_it(
    mail_servers: MailServers, installation: Installation
) -> None:
    names = tuple(f"k{number}" for number in range(120))
    plant(installation, names)
    installation.environment["SMTP_RATE_LIMIT"] = "40/second"
    made = installation.json("mailouts", "create", "--list", "Newsletter", "--user", f"jane@{DOMAIN}")
    mail_servers.deliver(
        made["address"],
        f"From: jane@{DOMAIN}\r\nTo: {made['address']}\r\nSubject: x\r\nMessage-ID: <2@x>\r\n\r\nHello\r\n".encode(),
    )

    def counts() -> dict[str, int]:
        shown = installation.json("mailouts", "show", str(made["id"]))
        return dict(shown["counts"])

    process = installation.start_worker()
    until(lambda: counts()["sent"] > 10, 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with installation.worker():
        until(lambda: installation.json("mailouts", "show", str(made["id"]))["state"] == "complete", 90)

    end = counts()
    assert end["sent"] + end["uncertain"] == end["total"] == 120
    assert end["uncertain"] <= 3
    arrived = [len(mail_servers.inbox(f"{name}@{CUSTOMERS}")) for name in names]
    assert max(arrived) == 1
    assert arrived.count(0) <= end["uncertain"]
