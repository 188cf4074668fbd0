"""lists -- the types of mail-out: made, renamed, put away, counted.

Owns     the table `list`
Never    deletes a list: its mail-outs are history, so it is archived
Fails    LookupError for a list that there is not, Fault in words for a name or a wording that won't do
Commits  leaves that to the caller
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..journal import Actor, note
from ..models import Customer, ListPlace, MailingList, Place, PlaceChange, changed, db
from . import places
from .edition import touch
from .folding import clean, same_name
from .tally import Tally, tallies, tally

__all__ = [
    "Movement",
    "Tally",
    "all",
    "archive",
    "by_name",
    "change",
    "create",
    "find",
    "movement",
    "rename",
    "restore",
    "tallies",
    "tally",
    "touch",
]

NOBODY, EVERYONE = "nobody", "everyone"
NAME_MOST, DESCRIPTION_MOST, WORDING_MOST = 100, 500, 500
#: What the wording of an unsubscribe line may hold besides words.
PLACEHOLDERS = ("organisation", "address")


@dataclass(frozen=True, slots=True)
class Movement:
    """What happened to a list since some day: who came in, who was taken out, who left by themselves."""

    joined: int
    excluded: int
    unsubscribed: int


def all(archived: bool = False) -> list[MailingList]:
    """The lists in use by name, or those put away."""
    put_away = MailingList.archived_at.is_not(None) if archived else MailingList.archived_at.is_(None)
    query = select(MailingList).where(put_away).order_by(MailingList.name_same)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def find(list_id: int) -> MailingList:
    """The list, archived or not; raises LookupError."""
    row = db.session.get(MailingList, list_id, populate_existing=True)
    if row is None:
        raise LookupError(f"There is no list {list_id}.")
    return row


def by_name(name: str) -> MailingList:
    """The list of this name, whatever its capitals; raises LookupError."""
    query = select(MailingList).where(MailingList.name_same == same_name(name))
    row = db.session.scalar(query, execution_options={"populate_existing": True})
    if row is None:
        raise LookupError(f"There is no list {name}.")
    return row


def create(
    name: str,
    *,
    description: str = "",
    includes_new: bool = True,
    unsubscribe_line: bool = True,
    unsubscribe_wording: str = "",
    customers_may_see: bool = False,
    starts_with: str | int = NOBODY,
    actor: Actor,
    now: datetime,
) -> MailingList:
    """Make a list that starts with nobody, with everyone, or with those whom another list (its id) includes.

    Raises Fault when the name is no good or taken, LookupError when there is no such other list.
    """
    kept = _name(name)
    values = {
        "name": kept,
        "name_same": same_name(kept),
        "description": clean(description, "The description", DESCRIPTION_MOST),
        "includes_new": includes_new,
        "unsubscribe_line": unsubscribe_line,
        "unsubscribe_wording": _wording(unsubscribe_wording),
        "customers_may_see": customers_may_see,
        "created_at": now,
    }
    try:
        list_id = db.session.scalars(insert(MailingList).values(values).returning(MailingList.id)).one()
    except IntegrityError:
        raise _taken(kept) from None
    touch(list_id)
    _fill(list_id, starts_with, actor, now)
    note(actor, "list.create", f"list {kept}", f"starts with {_start_words(starts_with)}", now)
    return find(list_id)


def rename(list_id: int, name: str, *, actor: Actor, now: datetime) -> None:
    """Give the list another name. Raises Fault when it is no good or another list's."""
    before, kept = find(list_id).name, _name(name)
    if kept == before:
        return
    try:
        changed(update(MailingList).where(MailingList.id == list_id).values(name=kept, name_same=same_name(kept)))
    except IntegrityError:
        raise _taken(kept) from None
    note(actor, "list.rename", f"list {kept}", f"was {before}", now)


def change(
    list_id: int,
    *,
    description: str | None = None,
    includes_new: bool | None = None,
    unsubscribe_line: bool | None = None,
    unsubscribe_wording: str | None = None,
    customers_may_see: bool | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Change what is given and leave the rest. Raises Fault when a wording can't be filled in."""
    row = find(list_id)
    wanted = {
        "description": None if description is None else clean(description, "The description", DESCRIPTION_MOST),
        "includes_new": includes_new,
        "unsubscribe_line": unsubscribe_line,
        "unsubscribe_wording": None if unsubscribe_wording is None else _wording(unsubscribe_wording),
        "customers_may_see": customers_may_see,
    }
    values = {name: value for name, value in wanted.items() if value is not None and value != getattr(row, name)}
    if values:
        changed(update(MailingList).where(MailingList.id == list_id).values(values))
        note(actor, "list.change", f"list {row.name}", ", ".join(values).replace("_", " "), now)


def archive(list_id: int, *, actor: Actor, now: datetime) -> bool:
    """Put the list away: no mail-out can be made for it. Returns False when it was away already."""
    name, here = find(list_id).name, MailingList.archived_at.is_(None)
    done = changed(update(MailingList).where(MailingList.id == list_id, here).values(archived_at=now)) == 1
    if done:
        note(actor, "list.archive", f"list {name}", "", now)
    return done


def restore(list_id: int, *, actor: Actor, now: datetime) -> bool:
    """Take the list into use again. Returns False when it was in use."""
    name, away = find(list_id).name, MailingList.archived_at.is_not(None)
    done = changed(update(MailingList).where(MailingList.id == list_id, away).values(archived_at=None)) == 1
    if done:
        note(actor, "list.restore", f"list {name}", "", now)
    return done


def movement(list_id: int, since: datetime) -> Movement:
    """Who came into the list and who went since then; a place that changed twice counts twice."""
    excluded = _count_changes(list_id, Place.EXCLUDED, since, PlaceChange.was == Place.INCLUDED.value)
    joined, left = (
        _count_changes(list_id, place, since, PlaceChange.was != place.value)
        for place in (Place.INCLUDED, Place.UNSUBSCRIBED)
    )
    return Movement(joined, excluded, left)


def _count_changes(list_id: int, became: Place, since: datetime, was: ColumnElement[bool]) -> int:
    """How many changes into one place there were, by a walk over an index that holds all of it."""
    here = (PlaceChange.list_id == list_id) & (PlaceChange.became == became.value) & (PlaceChange.at >= since)
    return db.session.scalar(select(func.count()).select_from(PlaceChange).where(here, was)) or 0


def _fill(list_id: int, starts_with: str | int, actor: Actor, now: datetime) -> None:
    """Include whom a new list starts with."""
    if starts_with == NOBODY:
        return
    ids = select(Customer.id).where(Customer.here())
    if starts_with != EVERYONE:
        other = find(int(starts_with))
        included = (ListPlace.list_id == other.id) & (ListPlace.place == Place.INCLUDED)
        ids = select(ListPlace.customer_id).join(Customer, Customer.id == ListPlace.customer_id)
        ids = ids.where(included, Customer.here())
    places.bulk(ids, list_id, Place.INCLUDED, how="list made", actor=actor, now=now)


def _start_words(starts_with: str | int) -> str:
    return starts_with if isinstance(starts_with, str) else f"those of {find(starts_with).name}"


def _name(name: str) -> str:
    kept = clean(name, "The name", NAME_MOST)
    if not kept:
        raise Fault("A list needs a name, like Newsletter.")
    return kept


def _taken(name: str) -> Fault:
    """Why a name can't be taken: another list has it, perhaps one that is put away."""
    row = by_name(name)
    away = " It is archived; bring it back, or choose another name." if row.archived_at else ""
    return Fault(f"There is a list {row.name} already.{away}")


def _wording(wording: str) -> str:
    """The wording of an unsubscribe line on one line; raises Fault when it can't be filled in."""
    kept = clean(wording, "The wording of the unsubscribe line", WORDING_MOST)
    rest = kept
    for name in PLACEHOLDERS:
        rest = rest.replace(f"{{{name}}}", "")
    if "{" in rest or "}" in rest:
        raise Fault("The wording may hold {organisation} and {address} in braces, and no other braces.")
    return kept
