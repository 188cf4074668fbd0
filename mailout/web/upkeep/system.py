"""system -- the System page: how mailbox, relay, worker, database and disk are, and two buttons that try.

Owns     the page /system; adopting a mailbox; what "Try the mailbox" and "Try the relay" answer
Never    removes or sends anything by trying; waits longer than PATIENCE; holds a transaction while it talks
Commits  the adoption, with its journal entry
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from ... import doorbell, journal
from ...core.delivery import Stage
from ...core.fault import Fault
from ...core.telling.spoken import size, things
from ...current import settings
from ...intake import adoption
from ...models import db
from ...wires.pop3 import MailboxUnavailable, Pop3Mailbox, Trouble
from ...wires.smtp_open import Opened, Patience, RelayUnavailable, open_line
from ...wires.tls import Server
from .. import asking
from ..access.security import limiter
from . import checkup

blueprint = Blueprint("system", __name__)

PATIENCE = 15.0
#: What to do next, by what is wrong: {0} is POP3 or SMTP. What is not here passes by itself.
_LOOK = "Look at {0}_HOST, {0}_PORT and {0}_SECURITY in the settings. When you change them, start Mailout again."
_LOGIN = (
    "Most often the password was changed, or the provider wants an app password: put it into {0}_PASSWORD, and start "
    "Mailout again."
)
NEXT = {
    Trouble.UNREACHABLE: _LOOK,
    Trouble.NOT_SECURE: _LOOK,
    Trouble.GARBLED: _LOOK,
    Trouble.LOGIN: _LOGIN,
    Stage.CONNECT: _LOOK,
    Stage.TLS: _LOOK,
    Stage.LOGIN: _LOGIN,
}


@dataclass(frozen=True, slots=True)
class Came:
    """What an attempt came to: `tone` good or bad, what happened, what it means and what to do, the server's words."""

    tone: str
    text: str
    why: str
    said: str = ""


Attempt = Callable[[Server], Came]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try of the mailbox or the relay came to, and how many milliseconds it took."""

    name: str
    came: Came
    took: int


@blueprint.get("/system")
def index() -> str:
    """How everything is."""
    return _page()


def _page(tried: Tried | None = None) -> str:
    return render_template("system/index.html", checkup=checkup.look(settings(), asking.now()), tried=tried)


@blueprint.post("/system/adopt")
def adopt() -> Response:
    """Confirm that the mailbox is ours, with as many letters in it as the page showed."""
    server = adoption.server(settings())
    known = adoption.standing(server)
    if not known.adopted:
        if request.form.get("letters", "") != str(known.letters):
            raise Fault(
                f"The mailbox holds {things(known.letters, 'letter')} now. Look at the System page and confirm that."
            )
        adoption.confirm(server, known.letters, asking.now())
        about = f"{known.letters} letters in it"
        journal.note(asking.actor(), "mailbox.adopt", f"{server.username} at {server.host}", about, asking.now())
    db.session.commit()
    doorbell.ring(doorbell.POLL)
    flash(
        f"{server.username} is Mailout's own now. Its letters are read, and removed once they are stored here.", "good"
    )
    return asking.go(url_for("system.index"))


@blueprint.post("/system/mailbox")
@limiter.limit("30/minute")
def try_mailbox() -> str:
    """Sign in to the mailbox and count its letters."""
    return _answer(_timed("mailbox", _mailbox, adoption.server(settings())))


@blueprint.post("/system/relay")
@limiter.limit("30/minute")
def try_relay() -> str:
    """Sign in to the relay, and send nothing."""
    server = settings().smtp
    if server is None:
        raise Fault("There is no relay: the sandbox is not running, and SMTP_HOST is not set.")
    return _answer(_timed("relay", _relay, server))


def _answer(tried: Tried) -> str:
    """The words under the button for htmx, the page with them for a plain form."""
    return render_template("system/_tried.html", tried=tried) if asking.wants_fragment() else _page(tried)


def _timed(name: str, attempt: Attempt, server: Server) -> Tried:
    """Try it without a transaction of ours, and say how long it took."""
    db.session.rollback()
    begun = time.monotonic()
    came = attempt(server)
    return Tried(name, came, round((time.monotonic() - begun) * 1000))


def _mailbox(server: Server) -> Came:
    """Look into the mailbox; what is in it stays."""
    try:
        with Pop3Mailbox.open(server, PATIENCE) as mailbox:
            letters = len(mailbox.listing())
            mailbox.close()
    except MailboxUnavailable as error:
        then = NEXT.get(error.kind, "").format("POP3")
        return Came("bad", error.words, f"Letters wait there unread until this is right; none are lost. {then}".strip())
    count = things(letters, "letter")
    return Came("good", f"Signed in to {server.host}", f"{count} in it now. Nothing was read or removed.")


def _relay(server: Server) -> Came:
    """Come to where a letter could be handed over."""
    try:
        line = open_line(server, settings().helo_name, Patience(connect=PATIENCE, command=PATIENCE))
    except RelayUnavailable as error:
        then = NEXT.get(error.reply.stage, "").format("SMTP")
        said = f"{error.reply.code or ''} {error.reply.text}".strip()
        return Came("bad", error.words, f"Copies wait until this is right; nobody is lost. {then}".strip(), said)
    try:
        line.client.quit()
    except (OSError, smtplib.SMTPException):
        line.drop()
    text = f"Signed in to {server.host}" if server.username else f"{server.host} lets us in"
    return Came("good", text, _abilities(line))


def _abilities(line: Opened) -> str:
    """What the relay can do, in words."""
    able = line.abilities
    most = f"Takes letters up to {size(able.size)}" if able.size else "Says no limit to a letter's size"
    return f"{most}, {'one command after another without waiting' if able.pipelining else 'one command at a time'}."
