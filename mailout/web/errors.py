"""errors -- what a page says when it can't do what was asked: what happened, what it means, what to do next.

Owns     the pages and notes for 400, 401, 403, 404, 405, 409, 413, 422, 429, 500; the id under which a 500 is logged
Never    shows a traceback, or what another server said
Fails    no more than the page that failed: without a database the plain words are still shown
"""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError, TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from ..book import users
from ..core.fault import Fault
from ..core.telling.spoken import length
from ..current import settings
from ..models import db
from ..outbox.steering import NotNow
from . import asking
from .access.security import limiter
from .asking import Refused
from .words import either

log = logging.getLogger(__name__)

Answer = tuple[str, int] | tuple[str, int, dict[str, str]] | AnyResponse


@dataclass(frozen=True, slots=True)
class Words:
    """A page's heading, and what stands under it."""

    heading: str
    text: str


WORDS = {
    400: Words("That did not arrive whole", "Nothing was changed. Go back, load the page again, and press once more."),
    404: Words("There is nothing here", "The address is wrong, or what it named is gone. Nothing was changed."),
    405: Words("There is nothing to see here", "This address only takes forms. Nothing was changed."),
    413: Words(
        "That is too large",
        "Nothing was changed. A file may have up to 40 MB, a form 1 MB: split it, and send the parts.",
    ),
    429: Words("A short pause", "Too many tries in a short time. Nothing was changed; try again in"),
    500: Words(
        "That went wrong on our side",
        "We have written down what happened. Nothing is sent twice because of it; load the page again.",
    ),
}
CSRF = Words(
    "This page is from another session",
    "You signed in or out since it was opened, so nothing was changed. Load the page again, and press once more.",
)


def answer_for(app: Flask) -> None:
    """Have `app` answer in our words."""
    app.register_error_handler(CSRFError, lambda error: _say(CSRF, 400))
    app.register_error_handler(401, _sign_in)
    app.register_error_handler(SecurityError, _another_name)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Fault, _fault)
    app.register_error_handler(LookupError, _nothing)
    app.register_error_handler(TooManyRequests, _too_often)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(500, _broken)
    app.log_exception = _no_second_time  # type: ignore[method-assign]


def _say(words: Words, status: int, headers: dict[str, str] | None = None) -> Answer:
    """The words as a page; for htmx as a note at the top of the page that stays."""
    if asking.wants_fragment():
        where = {"HX-Retarget": "#notes", "HX-Reswap": "innerHTML"}
        return _render("errors/_note.html", words), status, where | (headers or {})
    page = "public/trouble.html" if request.blueprint == "public" else "errors/page.html"
    return _render(page, words), status, headers or {}


def _render(template: str, words: Words) -> str:
    """The template; the bare words where even that fails (the database may be what is broken)."""
    try:
        return render_template(template, words=words)
    except Exception:
        # a page that says what went wrong must not go wrong itself
        log.exception("no page for an error")
        return f"{words.heading}. {words.text}"


def _sign_in(error: HTTPException) -> Answer:
    """Send whoever is not signed in to the door, and back to where they wanted to go."""
    if request.headers.get("HX-Request"):
        here = urlsplit(request.headers.get("HX-Current-URL", "")).path
        return Response(status=401, headers={"HX-Redirect": url_for("auth.login", next=here or None)})
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return asking.go(url_for("auth.login", next=wanted if wanted != "/" else None))


def _another_name(error: SecurityError) -> Answer:
    """Say where we are to whoever called us by a name that is not ours; no page can be made for a name that is not."""
    words = f"Mailout does not answer to this name. It is at {settings().base_url}/\n"
    return Response(words, 400, content_type="text/plain; charset=utf-8")


def _refused(error: Refused) -> Answer:
    """Say which permission it needs and who can give it."""
    givers = [user.name for user in users.administrators()]
    if asking.wants_fragment():
        who = f" {either(givers)} can give it to you, on the page Users." if givers else ""
        text = error.words or f"This needs the permission {error.need}.{who}"
        return _say(Words("You may not do this", text), 403)
    return render_template("errors/refused.html", need=error.need, words=error.words, givers=givers), 403


def _fault(error: Fault) -> Answer:
    """Say what a person asked for that can't be done."""
    db.session.rollback()
    return _say(Words("That can't be done", str(error)), 409 if isinstance(error, NotNow) else 422)


def _nothing(error: LookupError) -> Answer:
    """Say that there is no such thing; an IndexError or KeyError is a mistake of ours and goes on."""
    if type(error) is not LookupError:
        raise error
    return _say(Words(WORDS[404].heading, str(error)), 404)


def _http(error: HTTPException) -> Answer:
    """Say what is wrong with the request."""
    status = error.code or 500
    if status < 400:
        return error.get_response()
    return _say(WORDS.get(status, WORDS[400 if status < 500 else 500]), status)


def _too_often(error: TooManyRequests) -> Answer:
    """Say how long to wait, to people and to programs."""
    limit = limiter.current_limit
    left = max(1, round(limit.reset_at - time.time())) if limit else 60
    words = WORDS[429]
    said = Words(words.heading, f"{words.text} {length(timedelta(seconds=left))}.")
    return _say(said, 429, {"Retry-After": str(left)})


def _no_second_time(exc_info: object) -> None:
    """Leave it to `_broken` to log what broke: Flask's own line would hold the path as it is, and no id."""


def _where() -> str:
    """The path that was asked for; of one that holds a secret only its form, so that no log has it."""
    rule = request.url_rule.rule if request.url_rule else ""
    return rule if "<token>" in rule else request.path


def _broken(error: Exception) -> Answer:
    """Log what broke under an id, and give the id to whoever saw it."""
    db.session.rollback()
    name = secrets.token_hex(4)
    log.error("error id=%s path=%s", name, _where(), exc_info=getattr(error, "original_exception", None) or error)
    words = WORDS[500]
    return _say(Words(words.heading, f"{words.text} If it stays so, tell support this number: {name}."), 500)
