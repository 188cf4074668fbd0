"""users -- who works here and what they may: invite, switch a permission, let somebody go and come again.

Owns     the pages /users and /users/invite
Never    shows a link or a password; leaves no active Administrator (`book.users` sees to that)
Commits  each press, with its journal entry
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, render_template, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from ... import doorbell
from ...book import links, users
from ...core.fault import Fault
from ...journal import note
from ...models import Link, User, UserAddress, db
from ...outbox import notify
from .. import asking

blueprint = Blueprint("users", __name__)

FLAGS = ("administrator", "may_send")


@dataclass(frozen=True, slots=True)
class Row:
    """A user in the table: `also` are more addresses they write from, `link_until` is when their invitation ends."""

    user: User
    also: Sequence[str]
    link_until: datetime | None


@blueprint.get("/users")
def index() -> str:
    """Everybody, with two switches each."""
    return render_template("users/index.html", rows=_rows())


@blueprint.get("/users/invite")
def invite() -> str:
    """The form that invites somebody."""
    return _form({})


@blueprint.post("/users/invite")
def send_invitation() -> Response | tuple[str, int]:
    """Make the account and mail its link."""
    email, name, now = asking.text("email", 254), asking.text("name"), asking.now()
    administrator, may_send = "administrator" in request.form, "may_send" in request.form
    try:
        user = users.create(email, name, administrator=administrator, may_send=may_send, actor=asking.actor(), now=now)
    except Fault as fault:
        db.session.rollback()
        return _form({"name" if not name else "email": str(fault)}), 422
    _mail_link(user, now)
    flash(f"An invitation is on its way to {email}. Its link works for an hour.", "good")
    return asking.go(url_for("users.index"))


def _form(errors: dict[str, str]) -> str:
    return render_template("users/invite.html", errors=errors)


def _mail_link(user: User, now: datetime) -> None:
    """Mail `user` a link that sets their first password; older ones work no more."""
    notify.invite(user, asking.who().name, links.make(links.INVITE, user.id, None, now), now)
    db.session.commit()
    doorbell.ring(doorbell.SEND)


@blueprint.post("/users/<int:user_id>/link")
def send_link(user_id: int) -> Response:
    """Mail the invitation once more."""
    user = users.find(user_id)
    if user.password_hash or not user.is_active:
        raise Fault(f"{user.name} has a password. On the page Sign in they can ask for a new one.")
    note(asking.actor(), "user.invite", user.email, "a new link", asking.now())
    _mail_link(user, asking.now())
    flash(f"A new link is on its way to {user.email}. It works for an hour.", "good")
    return asking.go(url_for("users.index"))


@blueprint.post("/users/<int:user_id>/flags")
def flag(user_id: int) -> Response | str | tuple[str, int]:
    """Switch one of the two permissions; the form says which, and whether it is on now."""
    user, name = users.find(user_id), request.form.get("flag", "")
    if name not in FLAGS:
        raise Fault("There are two permissions: Administrator and Send Mailout.")
    flags = {"administrator": user.is_administrator, "may_send": user.may_send} | {name: "on" in request.form}
    return _press(lambda: users.set_flags(user_id, **flags, actor=asking.actor(), now=asking.now()), _said(user, flags))


def _said(user: User, flags: dict[str, bool]) -> str:
    """What a user may now, in words."""
    have = [word for word, name in (("Administrator", "administrator"), ("Send Mailout", "may_send")) if flags[name]]
    return f"{user.name} has {' and '.join(have)} now." if have else f"{user.name} has neither permission now."


@blueprint.post("/users/<int:user_id>/deactivate")
def deactivate(user_id: int) -> Response | str | tuple[str, int]:
    """Sign somebody out and let them in no more."""
    words = f"{users.find(user_id).name} is deactivated: signed out, and their unused keys no longer work."
    return _press(lambda: users.deactivate(user_id, actor=asking.actor(), now=asking.now()), words)


@blueprint.post("/users/<int:user_id>/activate")
def activate(user_id: int) -> Response | str | tuple[str, int]:
    """Let somebody in again."""
    words = f"{users.find(user_id).name} may sign in again."
    return _press(lambda: users.activate(user_id, actor=asking.actor(), now=asking.now()), words)


def _press(do: Callable[[], object], words: str) -> Response | str | tuple[str, int]:
    """Do it and say so: by the table with a note for htmx, by a redirect for a plain form."""
    status, tone = 200, "good"
    try:
        do()
        db.session.commit()
    except Fault as fault:
        db.session.rollback()
        status, tone, words = 422, "bad", str(fault)
    # whoever took a permission from themselves is signed out, or has no business here any more
    if asking.wants_fragment() and users.find(asking.who().id).is_administrator:
        return render_template("users/_people.html", rows=_rows(), said=words, tone=tone), status
    flash(words, tone)
    return asking.go(url_for("users.index"))


def _rows() -> list[Row]:
    """Everybody, in three queries however many they are."""
    also: dict[int, list[str]] = {}
    for one in db.session.scalars(select(UserAddress).where(UserAddress.confirmed_at.is_not(None))):
        also.setdefault(one.user_id, []).append(one.address)
    good = (Link.kind == links.INVITE) & Link.used_at.is_(None) & (Link.expires_at > asking.now())
    ends = select(Link.user_id, func.max(Link.expires_at)).where(good).group_by(Link.user_id)
    until = {row[0]: row[1] for row in db.session.execute(ends)}
    return [
        Row(user, [address for address in also.get(user.id, ()) if address != user.email], until.get(user.id))
        for user in users.everyone()
    ]
