"""profile -- one's own account: name, password, addresses to write from, the look of the pages, where one is signed in.

Owns     the pages /profile, /profile/password and /profile/addresses/confirm/<token>
Never    changes anybody else's account, or what one may do
Commits  each press, with its journal entry
"""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from ... import doorbell
from ...book import links, passwords, users
from ...book import sessions as kept_sessions
from ...core.fault import Fault
from ...journal import note
from ...models import Link, UserAddress, db
from ...outbox import notify
from .. import asking
from . import browsers, sessions
from .security import limiter

blueprint = Blueprint("profile", __name__)

#: How many sessions are listed one by one.
SESSIONS = 10
THEMES = (("", "As your system is"), ("light", "Light"), ("dark", "Dark"))


@blueprint.get("/profile")
def show() -> str:
    """One's own account."""
    return _page({})


def _page(errors: dict[str, str]) -> str:
    user, mine = asking.who(), sessions.current_row().id
    return render_template(
        "profile/show.html",
        errors=errors,
        addresses=users.addresses(user.id),
        sessions=sorted(kept_sessions.of_user(user.id, asking.now()), key=lambda row: row.id != mine),
        most=SESSIONS,
        mine=mine,
        browser=browsers.name,
        themes=THEMES,
    )


@blueprint.post("/profile")
def save() -> Response | tuple[str, int]:
    """Save the name and the look of the pages."""
    user = asking.who()
    try:
        users.rename(user.id, asking.text("name"), actor=asking.actor(), now=asking.now())
        users.set_theme(user.id, request.form.get("theme", ""))
    except Fault as fault:
        db.session.rollback()
        return _page({"name": str(fault)}), 422
    db.session.commit()
    flash("Saved.", "good")
    return asking.go(url_for("profile.show"))


@blueprint.get("/profile/password")
def password() -> str:
    """The form that changes one's password; whoever has a one-time password sees nothing else."""
    return _password_form({})


@blueprint.post("/profile/password")
@limiter.limit("30/hour", key_func=lambda: str(asking.who().id))
def change_password() -> Response | tuple[str, int]:
    """Change the password; all other sessions end. Whoever has just come in with a one-time one is not asked for it."""
    user, new = asking.who(), request.form.get("password", "")
    if not (user.must_change_password or passwords.verify(user.password_hash, request.form.get("present", ""))):
        return _password_form({"present": "This is not your present password."}), 422
    if passwords.verify(user.password_hash, new):
        return _password_form({"password": "This is the password that you have. Choose another one."}), 422
    try:
        users.set_password(user.id, new, actor=asking.actor(), now=asking.now(), but=sessions.secret())
    except Fault as fault:
        db.session.rollback()
        return _password_form({"password": str(fault)}), 422
    db.session.commit()
    flash("Your password is changed. You are signed out everywhere else.", "good")
    return asking.go(url_for("auth.home"))


def _password_form(errors: dict[str, str]) -> str:
    return render_template("profile/password.html", errors=errors)


@blueprint.post("/profile/addresses")
@limiter.limit("20/hour", key_func=lambda: str(asking.who().id))
def add_address() -> Response | tuple[str, int]:
    """Add an address to write from, and mail the link that confirms it."""
    user, now = asking.who(), asking.now()
    try:
        added = users.add_address(user.id, asking.text("address", 254), actor=asking.actor(), now=now)
    except Fault as fault:
        db.session.rollback()
        return _page({"address": str(fault)}), 422
    if added.confirmed_at is None:
        link = links.make(links.ADDRESS, user.id, None, now, address_id=added.id)
        notify.confirm_address(user, added.address, link, now)
        flash(f"A link is on its way to {added.address}. Open it to confirm the address.", "good")
    db.session.commit()
    doorbell.ring(doorbell.SEND)
    return asking.go(url_for("profile.show"))


@blueprint.get("/profile/addresses/confirm/<token>")
def confirm_address(token: str) -> str | tuple[str, int]:
    """Ask whether to write from the address; the link stays good."""
    link = links.find(links.ADDRESS, token, asking.now())
    row = _of(link)
    return render_template("profile/confirm.html", address=row.address) if row else _gone()


@blueprint.post("/profile/addresses/confirm/<token>")
def save_address(token: str) -> Response | tuple[str, int]:
    """Confirm the address and use the link up."""
    link = links.find(links.ADDRESS, token, asking.now())
    row = _of(link)
    if link is None or row is None or not links.use(link.id, asking.now()):
        db.session.rollback()
        return _gone()
    address = row.address
    users.confirm_address(row.id, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"You write from {address} too now.", "good")
    return asking.go(url_for("profile.show"))


def _of(link: Link | None) -> UserAddress | None:
    """The address that a link confirms, if it is the signed-in user's."""
    if link is None or link.user_id != asking.who().id:
        return None
    return next((one for one in users.addresses(link.user_id) if one.id == link.address_id), None)


def _gone() -> tuple[str, int]:
    """Say that the link is over, or is for somebody else."""
    return render_template("profile/confirm.html", address=""), 410


@blueprint.post("/profile/addresses/<int:address_id>/remove")
def remove_address(address_id: int) -> Response:
    """Write from an address no more."""
    users.remove_address(asking.who().id, address_id, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash("A letter from that address is held from now on.", "good")
    return asking.go(url_for("profile.show"))


@blueprint.post("/profile/sessions/<int:session_id>/end")
def end_session(session_id: int) -> Response:
    """Sign out one of one's own browsers."""
    if kept_sessions.end_one(asking.who().id, session_id, asking.now()):
        note(asking.actor(), "sign-out", asking.who().email, "another browser", asking.now())
        flash("That browser is signed out.", "good")
    db.session.commit()
    return asking.go(url_for("profile.show"))


@blueprint.post("/profile/sessions/end")
def end_sessions() -> Response:
    """Sign out everywhere but here."""
    kept_sessions.end_all(asking.who().id, now=asking.now(), except_secret=sessions.secret())
    note(asking.actor(), "sign-out", asking.who().email, "everywhere else", asking.now())
    db.session.commit()
    flash("You are signed out everywhere else.", "good")
    return asking.go(url_for("profile.show"))
