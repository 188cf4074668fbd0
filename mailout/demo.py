"""demo -- the whole loop against the built-in sandbox, with real sockets, in under a minute.

Owns     a folder that is gone afterwards, a sandbox, a worker; what is said while they work
Never    touches the real data or the real servers, whatever the environment says
Fails    Fault, in words, when the loop does not come round

Nothing is acted: the worker is the Procfile's, the letter goes by SMTP and comes by POP3, and what is printed is read
from the tables and the inboxes.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from . import database, pulse
from . import settings as mailout_settings
from .book import lists, users
from .core.fault import Fault
from .core.phase import ENDED, Phase
from .core.telling.spoken import things
from .intake import submission
from .models import db
from .outbox import progress
from .sandbox import data, mail, process
from .settings import ROOT, Settings

SECONDS = 50
SUBJECT = "Spring trims, and a picture 🐕"
TEXT = "Hello,\n\nthe spring trim is here. Bring the whole pack.\n\nJo\n"
PICTURE = mail.Attachment("dog.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)

#: What of the real environment must not reach the demo: everything that names a server or an address of ours.
_KEPT_OUT = re.compile(
    r"(POP3|SMTP|MAILOUT|BOUNCE|UNSUBSCRIBE|FROM|ALIGNED|SENDER|ORGANISATION|DATABASE|BASE|TLS)_[A-Z_]+"
)


def run(say: Callable[[str], None]) -> None:
    """Go round once, telling each step with `say`. Raises Fault."""
    with tempfile.TemporaryDirectory(prefix="mailout-demo-") as folder, _environment(Path(folder)) as settings:
        app = _application(settings)
        with process.running(settings):
            say("A small mail server has started on the loopback address.")
            with _worker(), app.app_context():
                _go_round(mailout_settings.with_servers(settings, *process.wait(settings)), say)


def _go_round(settings: Settings, say: Callable[[str], None]) -> None:
    """Create, write, wait, look."""
    _wait("the mailbox was not read", lambda: pulse.of(pulse.MAILBOX).well_at)
    user = users.by_email(data.EMAIL)
    row = submission.open_mailout(lists.by_name("Newsletter").id, user, check_first=False, now=_now())
    db.session.commit()
    address = submission.key_address(row)
    say(f"{user.name} presses Create for Newsletter. The letter goes to {address}")
    mail.write(settings, f"{user.name} <{user.email}>", address, SUBJECT, TEXT, [PICTURE], now=_now())
    say(f'She writes "{SUBJECT}" in her mail program, with a picture, and presses Send.')
    _follow(row.id, say)
    _look(settings, row.id, say)


def _follow(mailout_id: int, say: Callable[[str], None]) -> None:
    """Tell each new state until it ends."""
    told: list[str] = []
    words = {
        Phase.STARTING: "Mailout has read its mailbox and knows the key. It starts in a moment.",
        Phase.SENDING: "It is being sent, one copy to each customer.",
    }

    def ended() -> bool:
        state = progress.overview(mailout_id, _now()).state
        if state in words and state not in told:
            say(words[state])
        told.append(state)
        return state in ENDED

    _wait("the mail-out did not end", ended)


def _look(settings: Settings, mailout_id: int, say: Callable[[str], None]) -> None:
    """Tell what arrived, and what the complete mail says."""
    seen = progress.overview(mailout_id, _now())
    if seen.state is not Phase.COMPLETE:
        raise Fault(f"The demo's mail-out is {seen.state}.")
    say(f"{things(seen.counts.sent, 'copy', 'copies')} accepted by the mail server.")
    for line in progress.lines(mailout_id, "failed"):
        say(f"{line.address} failed: {line.reply}")
    _wait("the complete mail did not arrive", lambda: "Mail-out complete" in _subjects(settings, data.EMAIL))
    copies = [box for box in mail.inboxes(settings) if box.address != data.EMAIL]
    say(f"{things(len(copies), 'customer')} have it in their inbox, and she has the complete mail.")


def _subjects(settings: Settings, address: str) -> list[str]:
    """What lies in an inbox of the sandbox."""
    return [letter.subject for letter in mail.letters(settings, address)]


def _wait(what: str, answer: Callable[[], object]) -> None:
    """Wait until the answer is a yes. Raises Fault."""
    end = time.monotonic() + SECONDS
    while not answer():
        if time.monotonic() > end:
            raise Fault(f"The demo stopped after {SECONDS} seconds: {what}.")
        db.session.rollback()
        time.sleep(0.1)


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[Settings]:
    """The process's environment and its settings while the demo runs: the sandbox, in a folder of its own."""
    before = dict(os.environ)
    ours = {name: "" for name in mailout_settings.environment() if _KEPT_OUT.fullmatch(name)}
    ours |= {"POP3_HOST": "", "SMTP_HOST": "", "INSTANCE_DIR": str(folder), "SANDBOX": "0"}
    ours |= {"START_DELAY_SECONDS": "2", "POP3_POLL_SECONDS": "0.5", "SENDER_POLICY": "known"}
    try:
        os.environ.update(ours)
        yield mailout_settings.read()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _application(settings: Settings) -> Flask:
    """An application without pages, its database made and planted."""
    app = Flask("mailout.demo")
    app.extensions["mailout"] = settings
    database.connect(app, settings)
    database.migrate(app, settings)
    with app.app_context():
        data.plant(_now())
    return app


@contextlib.contextmanager
def _worker() -> Iterator[None]:
    """The Procfile's worker, until the block is left."""
    command = next(
        line.partition(":")[2].strip()
        for line in (ROOT / "Procfile").read_text().splitlines()
        if line.startswith("worker:")
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    child = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        child.terminate()
        child.wait(30)


def _now() -> datetime:
    return datetime.now(UTC)
