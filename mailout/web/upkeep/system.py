"""system -- the System page: how mailbox, relay, worker, database and disk are, and three buttons that try.

Owns     the page /system; adopting a mailbox; what "Try the mailbox", "Try the relay" and "Look it up" answer
Never    removes or sends anything by trying; holds a transaction while it talks (`doctor` does the trying)
Commits  the adoption, with its journal entry
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from ... import doorbell, journal
from ...core.checking.finding import Status
from ...core.fault import Fault
from ...core.telling.spoken import things
from ...current import settings
from ...doctor import attempts, names
from ...doctor.attempts import Came
from ...intake import adoption
from ...intake.turn import Turn
from ...models import db
from .. import asking
from ..access.security import limiter
from . import checkup

blueprint = Blueprint("system", __name__)

TONES = {Status.OK: "good", Status.WARNING: "look", Status.FAILED: "bad"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that a try came to: what happened, what it means and what to do, the server's words."""

    tone: str
    text: str
    why: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try came to, and how many milliseconds it took."""

    name: str
    answers: tuple[Answer, ...]
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
    """Sign in to the mailbox and count its letters, in turn with the worker."""
    server = adoption.server(settings())
    return _answer("mailbox", lambda: _came(attempts.mailbox(server, Turn(asking.now))))


@blueprint.post("/system/relay")
@limiter.limit("30/minute")
def try_relay() -> str:
    """Sign in to the relay, and send nothing."""
    server, helo_name = settings().smtp, settings().helo_name
    if server is None:
        raise Fault("There is no relay: the sandbox is not running, and SMTP_HOST is not set.")
    return _answer("relay", lambda: _came(attempts.relay(server, helo_name)))


@blueprint.post("/system/domain")
@limiter.limit("30/minute")
def look_up() -> str:
    """Ask DNS what it says of our domains."""
    return _answer("domain", _domain)


def _answer(name: str, attempt: Callable[[], tuple[Answer, ...]]) -> str:
    """Try it, in no transaction of ours: the words under the button for htmx, the page with them for a plain form."""
    db.session.rollback()
    begun = time.monotonic()
    answers = attempt()
    tried = Tried(name, answers, round((time.monotonic() - begun) * 1000))
    return render_template("system/_tried.html", tried=tried) if asking.wants_fragment() else _page(tried)


def _came(came: Came) -> tuple[Answer, ...]:
    """An attempt in the page's words."""
    return (Answer(TONES[came.status], came.text, came.why, came.said),)


def _domain() -> tuple[Answer, ...]:
    """What DNS says."""
    found = names.look(settings())
    return tuple(Answer(TONES[finding.status], finding.text, finding.advice) for finding in found)
