"""users -- who uses Mailout, what they may, where they write from.

Owns     the tables `user` and `user_address`
Never    leaves Mailout without an active Administrator; says whether an account exists to whoever is not signed in
Fails    LookupError for a user that there is not, Fault in words for what can't be done
Commits  leaves that to the caller
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..current import settings
from ..journal import Actor, note
from ..models import User, UserAddress, changed, db
from . import address, links, passwords, sessions
from .address import same
from .folding import clean

_FRESH = {"populate_existing": True}
LAST = "This is the last active Administrator. Make somebody else one first."


def create(
    email: str,
    name: str,
    *,
    administrator: bool,
    may_send: bool,
    password: str | None = None,
    actor: Actor,
    now: datetime,
) -> User:
    """Add a user. Without a password they choose one by a link.

    Raises Fault when the address is no good or a user's already, or the password won't do.
    """
    kept, full_name = address.check(email, settings().own, of_user=True), clean(name, "The name")
    if not full_name:
        raise Fault("A user needs a name: it stands beside what they do.")
    if password is not None:
        passwords.check_new(password, kept, full_name)
    values = {"email": kept, "email_same": same(kept), "name": full_name, "created_at": now}
    flags = {"is_administrator": administrator, "may_send": may_send}
    hashed = None if password is None else passwords.make_hash(password)
    _clear_claims(kept)
    try:
        statement = insert(User).values(**values, **flags, password_hash=hashed).returning(User.id)
        user_id = db.session.scalar(statement)
        _add_address(user_id, kept, now)
    except IntegrityError:
        raise Fault(f"{kept} is a user's address already.") from None
    assert user_id is not None
    note(actor, "user.create", kept, _flag_words(administrator, may_send), now)
    return find(user_id)


def find(user_id: int) -> User:
    """The user, active or not; raises LookupError."""
    row = db.session.get(User, user_id, populate_existing=True)
    if row is None:
        raise LookupError(f"There is no user {user_id}.")
    return row


def by_email(email: str) -> User:
    """The user who signs in with this address, whatever its case; raises LookupError."""
    row = db.session.scalar(select(User).where(User.email_same == same(email)), execution_options=_FRESH)
    if row is None:
        raise LookupError(f"There is no user {email.strip()}.")
    return row


def everyone() -> list[User]:
    """All users, the active ones first, by name."""
    query = select(User).order_by(User.is_active.desc(), User.name, User.id)
    return list(db.session.scalars(query, execution_options=_FRESH))


def administrators() -> list[User]:
    """The active Administrators."""
    query = select(User).where(User.is_active, User.is_administrator).order_by(User.id)
    return list(db.session.scalars(query, execution_options=_FRESH))


def set_flags(user_id: int, *, administrator: bool, may_send: bool, actor: Actor, now: datetime) -> None:
    """Say what a user may. Raises Fault when nobody would be an active Administrator any more.

    Whoever loses something is signed out everywhere (S 10.09).
    """
    row = find(user_id)
    if (row.is_administrator, row.may_send) == (administrator, may_send):
        return
    less = (row.is_administrator and not administrator) or (row.may_send and not may_send)
    _change(user_id, administrator or _not_the_last(user_id), is_administrator=administrator, may_send=may_send)
    if less:
        sessions.end_all(user_id, now=now)
    note(actor, "user.flags", row.email, _flag_words(administrator, may_send), now)


def deactivate(user_id: int, *, actor: Actor, now: datetime) -> bool:
    """Sign a user out at once and let them in no more; their unused keys don't work. False when they were inactive."""
    row = find(user_id)
    if not row.is_active:
        return False
    _change(user_id, _not_the_last(user_id), is_active=False)
    sessions.end_all(user_id, now=now)
    links.void(user_id, now)
    note(actor, "user.deactivate", row.email, "", now)
    return True


def activate(user_id: int, *, actor: Actor, now: datetime) -> bool:
    """Let a deactivated user in again. Returns False when they were active."""
    row = find(user_id)
    done = changed(update(User).where(User.id == user_id, ~User.is_active).values(is_active=True)) == 1
    if done:
        note(actor, "user.activate", row.email, "", now)
    return done


def rename(user_id: int, name: str, *, actor: Actor, now: datetime) -> None:
    """Give a user another name. Raises Fault for an empty one."""
    row, kept = find(user_id), clean(name, "The name")
    if not kept:
        raise Fault("A user needs a name: it stands beside what they do.")
    if kept != row.name:
        _change(user_id, True, name=kept)
        note(actor, "user.rename", row.email, f"{row.name} is {kept} now", now)


def set_theme(user_id: int, theme: str) -> None:
    """Remember how a user wants the pages: "light", "dark", or "" for what their system says."""
    if theme not in ("", "light", "dark"):
        raise Fault("The pages are light, dark, or as your system is.")
    _change(user_id, True, theme=theme)


def set_password(
    user_id: int,
    password: str,
    *,
    actor: Actor,
    now: datetime,
    but: str | None = None,
    must_change: bool = False,
) -> None:
    """Give a user a new password; all their sessions end, but for the one whose secret is `but`, and their open links.

    `must_change`: they are asked for another at their next sign-in. Raises Fault when the password won't do.
    """
    row = find(user_id)
    passwords.check_new(password, row.email, row.name)
    _change(user_id, True, password_hash=passwords.make_hash(password), must_change_password=must_change)
    sessions.end_all(user_id, except_secret=but, now=now)
    links.void(user_id, now)
    note(actor, "user.password", row.email, "", now)


def check_password(email: str, password: str, now: datetime) -> User | None:
    """The active user whose address and password these are, or None, after as long a time in each case (S 10.05).

    A hash with old parameters is made anew (S 10.01).
    """
    query = select(User).where(User.email_same == same(email), User.is_active)
    row = db.session.scalar(query, execution_options=_FRESH)
    right = passwords.verify(row.password_hash if row else None, password)
    if row is None or not right:
        return None
    if row.password_hash and passwords.is_old(row.password_hash):
        changed(update(User).where(User.id == row.id).values(password_hash=passwords.make_hash(password)))
    changed(update(User).where(User.id == row.id).values(last_seen_at=now))
    return find(row.id)


def user_of_address(email: str) -> User | None:
    """The active user who writes from this address, if it is confirmed."""
    mine = (UserAddress.user_id == User.id) & (UserAddress.address_same == same(email))
    query = select(User).join(UserAddress, mine).where(UserAddress.confirmed_at.is_not(None), User.is_active)
    return db.session.scalar(query, execution_options=_FRESH)


def addresses(user_id: int) -> list[UserAddress]:
    """Where a user writes from, the address they sign in with first."""
    query = select(UserAddress).where(UserAddress.user_id == user_id).order_by(UserAddress.id)
    return list(db.session.scalars(query, execution_options=_FRESH))


def add_address(user_id: int, email: str, *, actor: Actor, now: datetime, confirmed: bool = False) -> UserAddress:
    """Add an address that a user writes from; it counts once it is confirmed, by a mailed link or a released letter.

    An unconfirmed claim of somebody else gives way. Raises Fault when it is no good or another user's.
    """
    row, kept = find(user_id), address.check(email, settings().own, of_user=True)
    mine = next((found for found in addresses(user_id) if found.address_same == same(kept)), None)
    if mine is None:
        _clear_claims(kept)
        try:
            address_id = _add_address(user_id, kept, now if confirmed else None)
        except IntegrityError:
            raise Fault(f"{kept} is a user's address already.") from None
        note(actor, "user.address", row.email, f"{kept}, {'confirmed' if confirmed else 'to be confirmed'}", now)
        mine = db.session.get_one(UserAddress, address_id)
    elif confirmed and mine.confirmed_at is None:
        confirm_address(mine.id, actor=actor, now=now)
    return mine


def confirm_address(address_id: int, *, actor: Actor, now: datetime) -> bool:
    """Note that the address is its user's. Returns False when it was confirmed before, or is gone."""
    statement = update(UserAddress).where(UserAddress.id == address_id, UserAddress.confirmed_at.is_(None))
    if not changed(statement.values(confirmed_at=now)):
        return False
    row = db.session.get_one(UserAddress, address_id, populate_existing=True)
    note(actor, "user.address", row.user.email, f"{row.address}, confirmed", now)
    return True


def remove_address(user_id: int, address_id: int, *, actor: Actor, now: datetime) -> None:
    """Take away an address that a user writes from. Raises Fault for the one they sign in with, LookupError."""
    row = find(user_id)
    found = next((one for one in addresses(user_id) if one.id == address_id), None)
    if found is None:
        raise LookupError("There is no such address.")
    if found.address_same == row.email_same:
        raise Fault("This is the address that you sign in with; it stays.")
    kept = found.address
    db.session.expunge(found)
    db.session.execute(delete(UserAddress).where(UserAddress.id == address_id))
    note(actor, "user.address", row.email, f"{kept}, taken away", now)


def is_first() -> bool:
    """Whether there is no user yet, so that the first Administrator may be made with the set-up code."""
    return db.session.scalar(select(User.id).limit(1)) is None


def _add_address(user_id: int | None, kept: str, confirmed_at: datetime | None) -> int | None:
    values = {"user_id": user_id, "address": kept, "address_same": same(kept), "confirmed_at": confirmed_at}
    return db.session.scalar(insert(UserAddress).values(values).returning(UserAddress.id))


def _clear_claims(email: str) -> None:
    """Take away claims on the address that nobody confirmed."""
    unconfirmed = UserAddress.confirmed_at.is_(None)
    db.session.execute(delete(UserAddress).where(UserAddress.address_same == same(email), unconfirmed))


def _not_the_last(user_id: int) -> ColumnElement[bool]:
    """That somebody else is an active Administrator, or this one is none."""
    other = aliased(User)
    another = exists().where(other.id != user_id, other.is_administrator, other.is_active)
    return another | ~User.is_administrator | ~User.is_active


def _change(user_id: int, still: ColumnElement[bool] | bool, **values: object) -> None:
    """Write these columns, if that leaves an Administrator."""
    statement = update(User).where(User.id == user_id)
    if not isinstance(still, bool):
        statement = statement.where(still)
    if not changed(statement.values(values)):
        raise Fault(LAST)


def _flag_words(administrator: bool, may_send: bool) -> str:
    words = [word for word, flag in (("Administrator", administrator), ("Send Mailout", may_send)) if flag]
    return ", ".join(words) or "neither Administrator nor Send Mailout"
