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

from .. import doorbell, journal
from ..core.fault import Fault
from ..core.telling.spoken import size, things
from ..current import settings
from ..intake import adoption
from ..models import db
from ..wires.pop3 import MailboxUnavailable, Pop3Mailbox
from ..wires.smtp_open import Opened, Patience, RelayUnavailable, open_line
from ..wires.tls import Server
from . import asking, checkup
from .security import limiter

blueprint = Blueprint("system", __name__)

PATIENCE = 15.0
Attempt = Callable[[Server], tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try came to: `tone` good or bad, the words, how many milliseconds it took."""

    name: str
    tone: str
    text: str
    why: str
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
    tone, text, why = attempt(server)
    return Tried(name, tone, text, why, round((time.monotonic() - begun) * 1000))


def _mailbox(server: Server) -> tuple[str, str, str]:
    """Look into the mailbox; what is in it stays."""
    try:
        with Pop3Mailbox.open(server, PATIENCE) as mailbox:
            letters = len(mailbox.listing())
            mailbox.close()
    except MailboxUnavailable as error:
        return "bad", error.words, "Letters wait there unread until this is right; none are lost."
    return "good", f"Signed in to {server.host}", f"{things(letters, 'letter')} in it now. Nothing was read or removed."


def _relay(server: Server) -> tuple[str, str, str]:
    """Come to where a letter could be handed over."""
    try:
        line = open_line(server, settings().helo_name, Patience(connect=PATIENCE, command=PATIENCE))
    except RelayUnavailable as error:
        said = f"It said: {error.reply.code} {error.reply.text}" if error.reply.code else error.reply.text
        return "bad", error.words, said
    try:
        line.client.quit()
    except (OSError, smtplib.SMTPException):
        line.drop()
    return "good", f"Signed in to {server.host}" if server.username else f"{server.host} lets us in", _abilities(line)


def _abilities(line: Opened) -> str:
    """What the relay can do, in words."""
    able = line.abilities
    most = f"Takes letters up to {size(able.size)}" if able.size else "Says no limit to a letter's size"
    return f"{most}, {'one command after another without waiting' if able.pipelining else 'one command at a time'}."
