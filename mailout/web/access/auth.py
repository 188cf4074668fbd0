"""auth -- the door: signing in and out, a forgotten password, a link that sets one.

Owns     the pages /, /login, /logout, /forgot, /reset/<token>
Never    says whether an account exists; uses a link up by showing it; sends anybody to another site
Commits  each sign-in, each link made or used, with its journal entry
"""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import cast

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from limits import RateLimitItemPerHour
from werkzeug.wrappers import Response

from ... import doorbell
from ...book import links, users
from ...book.address import same
from ...core.fault import Fault
from ...core.telling.spoken import length, things
from ...current import settings
from ...journal import Actor, note
from ...models import Link, User, db
from ...outbox import notify
from .. import asking
from . import sessions
from .security import limiter
from .throttle import Throttle

blueprint = Blueprint("auth", __name__)

FORGOT = "If that address is a user's, a link is on its way to it. It works for an hour, once."
#: How long it takes to answer who forgot, in seconds: longer than writing a letter to them does. What the worker then
#: has to do is hidden by a little more, which is chance.
FORGOT_SECONDS = 0.25
_CHANCE = random.SystemRandom()
#: How many links are mailed to one user in an hour.
_A_FEW = RateLimitItemPerHour(5)
GONE = "This link was used already, or its hour is over. Ask for a new one: a minute's work."


@blueprint.get("/")
def home() -> Response:
    """The start: the first run, the door, or the mail-outs."""
    if asking.signed_in():
        return redirect("/mailouts")
    return redirect(url_for("first_run.create" if _is_first_run() else "auth.login"))


def _is_first_run() -> bool:
    return not settings().sandbox and users.is_first()


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> Response | str | tuple[str, int, dict[str, str]]:
    """Sign in with an address and a password."""
    onward = asking.next_path(request.values.get("next"))
    if asking.signed_in():
        return redirect(onward)
    if request.method != "POST":
        return redirect(url_for("first_run.create")) if _is_first_run() else _door("", onward)
    email, password = asking.text("email", 254), request.form.get("password", "")
    account, address, now = same(email), request.remote_addr or "", asking.now()
    wait = _throttle().enter(account, address, now)
    if wait:
        return _shut(wait, email, onward)
    user = users.check_password(email, password, now)
    db.session.commit()
    if user is None:
        return _wrong(email, account, address, onward)
    _throttle().right(account, address)
    note(Actor(user.id, user.name), "sign-in", user.email, f"from {address}", now)
    sessions.start(user)
    return redirect(onward, 303)


def _throttle() -> Throttle:
    """The counts of wrong tries at this application."""
    return cast(Throttle, current_app.extensions.setdefault("mailout_throttle", Throttle()))


def _door(wrong: str, onward: str, email: str = "", heading: str = "That didn't match") -> str:
    """The sign-in page."""
    return render_template("auth/login.html", wrong=wrong, heading=heading, onward=onward, email=email)


def _wrong(email: str, account: str, address: str, onward: str) -> tuple[str, int, dict[str, str]]:
    """Say that it did not match, the same for an address that nobody has; a journal entry keeps what was tried."""
    tried = email if "@" in email else "what is no address"  # such as a password, typed one field too early
    note(Actor(None, "somebody"), "sign-in.wrong", tried, f"from {address}", asking.now())
    db.session.commit()
    left = _throttle().tries_left(account, address, asking.now())
    more = (
        f"{things(left, 'more try', 'more tries')}, then a short pause." if left else "Wait a little before the next."
    )
    return _door(f"The email or the password is not the one we have. {more}", onward, email), 422, {}


def _shut(wait: timedelta, email: str, onward: str) -> tuple[str, int, dict[str, str]]:
    """Say how long to wait."""
    words = f"That was wrong too often from here. The next try counts in {length(wait)}. A new password is quicker."
    again = {"Retry-After": str(max(1, round(wait.total_seconds())))}
    return _door(words, onward, email, "A short pause"), 429, again


@blueprint.post("/logout")
def logout() -> Response:
    """End this session, here and on the server."""
    note(asking.actor(), "sign-out", asking.who().email, "", asking.now())
    sessions.end()
    flash("You are signed out.", "good")
    return asking.go(url_for("auth.login"))


@blueprint.get("/forgot")
def forgot() -> str:
    """Ask for a link that sets a new password."""
    return render_template("auth/forgot.html")


@blueprint.post("/forgot")
@limiter.limit("20/hour")
def send_reset() -> Response:
    """Mail the link, if the address is an active user's; the answer is the same if not, and takes as long."""
    begun = time.monotonic()
    _mail_reset(asking.text("email", 254))
    time.sleep(max(0.0, begun + FORGOT_SECONDS + _CHANCE.uniform(0, FORGOT_SECONDS / 2) - time.monotonic()))
    flash(FORGOT, "good")
    return redirect(url_for("auth.login"), 303)


def _mail_reset(email: str) -> None:
    """Mail a link to the active user of this address, unless they were mailed a few within the hour."""
    now = asking.now()
    try:
        user: User | None = users.by_email(email)
    except LookupError:
        user = None
    if user and user.is_active and limiter.limiter.hit(_A_FEW, f"forgot:{user.id}"):
        notify.reset(user, links.make(links.RESET, user.id, None, now), now)
        note(Actor(None, "somebody"), "password.forgot", user.email, f"from {request.remote_addr}", now)
    db.session.commit()
    doorbell.ring(doorbell.SEND)


@blueprint.get("/reset/<token>")
def reset(token: str) -> str | tuple[str, int]:
    """Show the form that sets a password; the link stays good."""
    link = links.find_any(token, asking.now())
    return _chooser(link) if link else _gone()


@blueprint.post("/reset/<token>")
@limiter.limit("60/hour")
def set_password(token: str) -> Response | tuple[str, int]:
    """Set the password and use the link up; every session of the user ends."""
    link, now = links.find_any(token, asking.now()), asking.now()
    if link is None or link.user_id is None:
        return _gone()
    user, password = users.find(link.user_id), request.form.get("password", "")
    if not user.is_active:
        return _gone()
    if not links.use(link.id, now):
        db.session.rollback()
        return _gone()
    try:
        users.set_password(user.id, password, actor=Actor(user.id, user.name), now=now)
    except Fault as fault:
        db.session.rollback()
        return _chooser(links.find_any(token, now), str(fault)), 422
    db.session.commit()
    _throttle().forget(user.email_same, request.remote_addr or "")
    flash("Your password is set. Sign in with it.", "good")
    return redirect(url_for("auth.login"), 303)


def _chooser(link: Link | None, wrong: str = "") -> str:
    """The form that sets a password."""
    assert link, "the link was just found"
    assert link.user_id, "a link that sets a password is a user's"
    return render_template(
        "auth/reset.html", invited=link.kind == links.INVITE, user=users.find(link.user_id), wrong=wrong
    )


def _gone() -> tuple[str, int]:
    """Say that the link is used or over."""
    return render_template("auth/gone.html", words=GONE), 410
