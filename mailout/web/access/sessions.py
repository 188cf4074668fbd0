"""sessions -- who is signed in here: the cookie's secret, the row that it names, and the user behind it.

Owns     the meeting of Flask-Login with `book.sessions`
Never    believes the cookie alone: without a living row, or for a user who was deactivated, nobody is signed in
Commits  when it starts, ends or touches a session

A poll does not keep a session alive; everything else does, a minute apart at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, request, session
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy import update

from ...book import sessions
from ...models import SignIn, User, changed, db
from .. import asking
from .permissions import POLLS

manager = LoginManager()
manager.session_protection = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever is signed in, as Flask-Login wants to see them."""

    user: User
    row: SignIn
    secret: str
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """What the cookie holds: the session's secret."""
        return self.secret


def remember(app: Flask) -> None:
    """Have `app` know who is signed in."""
    manager.init_app(app)
    manager.user_loader(_visitor)
    app.before_request(_touch)


def _visitor(secret: str) -> Visitor | None:
    """The living session of that secret, if its user may still come in."""
    row = sessions.find(secret, asking.now())
    return Visitor(row.user, row, secret) if row else None


def start(user: User) -> None:
    """Sign `user` in: a new session, with nothing of what the browser brought along."""
    browser = request.headers.get("User-Agent", "")[:200]
    secret = sessions.start(user.id, browser, request.remote_addr or "", asking.now())
    db.session.commit()
    visitor = _visitor(secret)
    assert visitor is not None, "a session just made is alive"
    session.clear()
    login_user(visitor)


def end() -> None:
    """Sign out, here and on the server."""
    sessions.end(current_user.secret, asking.now())
    db.session.commit()
    logout_user()
    session.clear()


def secret() -> str:
    """The secret of the session that asks: what is spared when a user's other sessions end."""
    kept: str = current_user.secret
    return kept


def current_row() -> SignIn:
    """The row of the session that asks."""
    row: SignIn = current_user.row
    return row


def _touch() -> None:
    """Keep the session alive, and note that its user was here."""
    if request.endpoint in POLLS or request.endpoint == "static" or not asking.signed_in():
        return
    if asking.now() - current_row().seen_at < sessions.TOUCH:
        return  # most requests: no page waits for the right to write
    if sessions.touch(secret(), asking.now()):
        changed(update(User).where(User.id == asking.who().id).values(last_seen_at=asking.now()))
    db.session.commit()
