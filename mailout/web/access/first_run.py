"""first_run -- the first Administrator, made once with the code that the server printed.

Owns     the page /first-run
Never    shows itself once there is a user, or in the sandbox, which makes its own
Commits  the user and the used code together; a wrong code is counted at once
"""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from ...book import links, users
from ...core.fault import Fault
from ...core.telling.spoken import things
from ...current import settings
from ...journal import Actor, note
from ...models import db
from .. import asking
from . import sessions
from .security import limiter

blueprint = Blueprint("first_run", __name__)

NO_CODE = (
    "That code works no more: its hour is over, or it was wrong five times. Start Mailout again, and it prints a "
    "new one."
)


@blueprint.get("/first-run")
def create() -> str:
    """Ask for the code and who the first Administrator is."""
    _only_first()
    return _form({})


@blueprint.post("/first-run")
@limiter.limit("30/hour")
def save() -> Response | tuple[str, int]:
    """Make the first Administrator, and sign them in."""
    _only_first()
    link = links.try_code(asking.text("code", 40), asking.now())
    if link is None:
        db.session.commit()
        return _form({"code": _wrong()}), 422
    email, name = asking.text("email", 254), asking.text("name")
    who, password = Actor(None, "first run"), request.form.get("password", "")
    try:
        user = users.create(
            email, name, administrator=True, may_send=True, password=password, actor=who, now=asking.now()
        )
    except Fault as fault:
        db.session.rollback()
        return _form({_field(str(fault).replace(email, "")): str(fault)}), 422
    if not links.use(link.id, asking.now()):
        db.session.rollback()
        return _form({"code": NO_CODE}), 422
    note(who, "first-run", user.email, "", asking.now())
    sessions.start(user)
    flash("You are the first Administrator. Two steps are left before your first letter.", "good")
    return asking.go(url_for("auth.home"))


def _only_first() -> None:
    """Raise NotFound unless there is no user yet, and no sandbox."""
    if settings().sandbox or not users.is_first():
        raise NotFound()


def _wrong() -> str:
    """What to say to a wrong code."""
    left = links.tries_left(asking.now())
    return (
        f"That is not the code. {things(left, 'more try', 'more tries')}, then it works no more." if left else NO_CODE
    )


def _field(fault: str) -> str:
    """The field that a fault belongs beside; the address that was typed is not in its words here."""
    words = fault.lower()
    return "password" if "password" in words else "name" if "name:" in words or "the name" in words else "email"


def _form(errors: dict[str, str]) -> str:
    typed = {name: asking.text(name, 254) for name in ("code", "name", "email")}
    return render_template("auth/first_run.html", errors=errors, typed=typed)
