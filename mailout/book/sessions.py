"""sessions -- who is signed in where; each one lives here, so that it ends here.

Owns     the table `sign_in`: a session's secret (its digest), when it was last used, its end
Never    holds the cookie's secret; keeps a session alive by itself: a page touches it, a poll does not
Fails    never: what is unknown, over or ended is nobody's session
Commits  leaves that to the caller
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, true, update
from sqlalchemy.orm import contains_eager
from sqlalchemy.sql.elements import ColumnElement

from ..models import SignIn, User, changed, db

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
TOUCH = timedelta(minutes=1)


def start(user_id: int, browser: str, address: str, now: datetime) -> str:
    """Begin a session and return its secret, which only the cookie will hold (256 bits)."""
    secret = secrets.token_urlsafe(32)
    row = SignIn(user_id=user_id, digest=_digest(secret), created_at=now, seen_at=now)
    row.browser, row.address = _shown(browser)[:200], _shown(address)[:64]
    db.session.add(row)
    db.session.flush()
    return secret


def find(secret: str, now: datetime) -> SignIn | None:
    """The session of this secret, if it is alive and its user active.

    It is over 12 hours after it was last touched, and 7 days after it began.
    """
    values = {"digest": _digest(secret), "idle": now - IDLE, "oldest": now - LONGEST}
    return db.session.scalar(_ALIVE, values, execution_options={"populate_existing": True})


#: Asked by every page, and so put together once.
_ALIVE = (
    select(SignIn)
    .join(User, User.id == SignIn.user_id)
    .where(SignIn.digest == bindparam("digest"), SignIn.ended_at.is_(None), User.is_active)
    .where(SignIn.seen_at > bindparam("idle"), SignIn.created_at > bindparam("oldest"))
    .options(contains_eager(SignIn.user))
)


def touch(secret: str, now: datetime) -> bool:
    """Note that the session is in use, at most once a minute. Returns whether a row was written."""
    due = (SignIn.digest == _digest(secret)) & SignIn.ended_at.is_(None) & (SignIn.seen_at <= now - TOUCH)
    return changed(update(SignIn).where(due).values(seen_at=now)) == 1


def end(secret: str, now: datetime | None = None) -> bool:
    """End the session of this secret, at `now` or when it was last used. Returns False when it was none."""
    return _end(SignIn.digest == _digest(secret), now) == 1


def end_one(user_id: int, sign_in_id: int, now: datetime | None = None) -> bool:
    """End one session of this user, from their list of them."""
    return _end((SignIn.id == sign_in_id) & (SignIn.user_id == user_id), now) == 1


def end_all(user_id: int, *, except_secret: str | None = None, now: datetime | None = None) -> int:
    """End every session of this user, but for the one with that secret. Returns how many ended."""
    mine = SignIn.user_id == user_id
    if except_secret is not None:
        mine &= SignIn.digest != _digest(except_secret)
    return _end(mine, now)


def end_everybodys() -> int:
    """End all sessions, as of when each was last used. Returns how many ended."""
    return _end(true(), None)


def _end(mine: ColumnElement[bool], now: datetime | None) -> int:
    values = {"ended_at": SignIn.seen_at if now is None else now}
    return changed(update(SignIn).where(mine, SignIn.ended_at.is_(None)).values(values))


def of_user(user_id: int, now: datetime) -> list[SignIn]:
    """The sessions of a user that are alive, the latest used first."""
    fresh = (SignIn.seen_at > now - IDLE) & (SignIn.created_at > now - LONGEST)
    query = select(SignIn).where(SignIn.user_id == user_id, SignIn.ended_at.is_(None), fresh)
    return list(db.session.scalars(query.order_by(SignIn.seen_at.desc(), SignIn.id.desc())))


def _digest(secret: str) -> str:
    """What the table holds of a secret; at 256 bits no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
