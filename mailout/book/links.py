"""links -- links and codes that work once: an invitation, a new password, an address to confirm, the first run.

Owns     the table `link`: the digest of each secret, when it expires, whether it was used
Never    holds a secret; is used up by being looked at (S 10.14: a GET shows, a POST consumes)
Fails    never: what is unknown, used or expired is no link
Commits  leaves that to the caller
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update

from ..core.own import ALPHABET
from ..models import Link, changed, db

INVITE, RESET, ADDRESS, FIRST_RUN = "invite", "reset", "address", "first-run"
#: How long each kind works, and how many wrong codes a first run bears.
LIFETIMES = {
    INVITE: timedelta(hours=1),
    RESET: timedelta(hours=1),
    ADDRESS: timedelta(hours=24),
    FIRST_RUN: timedelta(hours=1),
}
TRIES = 5
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "u": "v"})


def make(
    kind: str, user_id: int | None, lifetime: timedelta | None, now: datetime, address_id: int | None = None
) -> str:
    """Make a link and return its secret; older ones of the same kind for the same user (or address) work no more.

    `lifetime` None: as long as its kind does. A first-run code can be typed: three groups of four.
    """
    others = (Link.kind == kind) & (Link.user_id == user_id) & (Link.address_id == address_id) & Link.used_at.is_(None)
    changed(update(Link).where(others, Link.expires_at > now).values(expires_at=now))
    secret = _code() if kind == FIRST_RUN else secrets.token_urlsafe(32)
    row = Link(kind=kind, digest=_digest(kind, secret), user_id=user_id, address_id=address_id)
    row.created_at, row.expires_at = now, now + (lifetime or LIFETIMES[kind])
    db.session.add(row)
    db.session.flush()
    return secret


def find(kind: str, secret: str, now: datetime) -> Link | None:
    """The link of this secret, if it still works. Looking at it changes nothing."""
    working = Link.used_at.is_(None) & (Link.expires_at > now) & (Link.tries < TRIES)
    query = select(Link).where(Link.kind == kind, Link.digest == _digest(kind, secret), working)
    return db.session.scalar(query, execution_options={"populate_existing": True})


def find_any(secret: str, now: datetime) -> Link | None:
    """The link of this secret that sets a password, be it an invitation or a reset."""
    return find(INVITE, secret, now) or find(RESET, secret, now)


def use(link_id: int, now: datetime) -> bool:
    """Use a link up. Returns False when it was used or expired meanwhile: one of two presses wins."""
    working = Link.used_at.is_(None) & (Link.expires_at > now)
    return changed(update(Link).where(Link.id == link_id, working).values(used_at=now)) == 1


def void(user_id: int, now: datetime) -> int:
    """Have a user's open links that set a password work no more. Returns how many those were."""
    open_ones = (Link.user_id == user_id) & Link.kind.in_((INVITE, RESET)) & Link.used_at.is_(None)
    return changed(update(Link).where(open_ones, Link.expires_at > now).values(expires_at=now))


def void_all(now: datetime) -> int:
    """Have every open link and code work no more. Returns how many those were."""
    return changed(update(Link).where(Link.used_at.is_(None), Link.expires_at > now).values(expires_at=now))


def try_code(code: str, now: datetime) -> Link | None:
    """The first-run link that this code is for; a wrong one counts, and after five the code works no more."""
    found = find(FIRST_RUN, code, now)
    if found is None:
        changed(update(Link).where(Link.kind == FIRST_RUN, Link.used_at.is_(None)).values(tries=Link.tries + 1))
    return found


def tries_left(now: datetime) -> int:
    """How many wrong codes the first run bears still; 0 when there is no code that works."""
    working = (Link.kind == FIRST_RUN) & Link.used_at.is_(None) & (Link.expires_at > now)
    tries = db.session.scalar(select(Link.tries).where(working).order_by(Link.id.desc()))
    return 0 if tries is None else max(0, TRIES - tries)


def _code() -> str:
    """A code that can be read aloud and typed: 60 bits in three groups."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(12))
    return "-".join((letters[:4], letters[4:8], letters[8:]))


def _digest(kind: str, secret: str) -> str:
    """What the table holds; a typed code is forgiven its blanks, capitals and misread letters."""
    if kind == FIRST_RUN:
        secret = "".join(secret.lower().replace("-", "").split()).translate(_MISREAD)
    return hashlib.sha256(f"{kind}:{secret}".encode("utf-8", "replace")).hexdigest()
