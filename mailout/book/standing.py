"""standing -- why a customer stands where they stand in each list: who put them there, when, how; and all before that.

Owns     nothing: it reads the rows of `place_change`, and of the journal what was done to one customer
Never    says "by whom" where nobody chose: a list's default is a default
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from ..models import Customer, Import, JournalEntry, ListPlace, MailingList, Place, PlaceChange, User, db


@dataclass(frozen=True, slots=True)
class Change:
    """The change that made a place what it is; `by` is a user's name, "" for whoever is none."""

    became: Place
    at: datetime
    by: str
    how: str
    reason: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to a customer beside their places: an action of the journal, who did it, and the detail."""

    action: str
    at: datetime
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who left a list by themselves."""

    customer_id: int
    name: str
    email: str
    at: datetime
    how: str


def latest(customer_id: int) -> dict[int, Change]:
    """The last change of each of the customer's places, by list. A list in which nothing changed is not in it."""
    newest = (
        select(func.max(PlaceChange.id)).where(PlaceChange.customer_id == customer_id).group_by(PlaceChange.list_id)
    )
    query = (
        select(PlaceChange, User.name).outerjoin(User, User.id == PlaceChange.user_id).where(PlaceChange.id.in_(newest))
    )
    return {
        row.list_id: Change(Place(row.became), row.at, name or "", row.how, row.reason)
        for row, name in db.session.execute(query)
    }


def changes(customer_id: int, most: int, *, but: str) -> list[tuple[str, Change]]:
    """The changes of the customer's places with their lists' names, the newest first; without those made by `but`."""
    query = (
        select(PlaceChange, MailingList.name, User.name)
        .join(MailingList, MailingList.id == PlaceChange.list_id)
        .outerjoin(User, User.id == PlaceChange.user_id)
        .where(PlaceChange.customer_id == customer_id, PlaceChange.how != but)
    )
    rows = db.session.execute(query.order_by(PlaceChange.id.desc()).limit(most))
    return [(name, Change(Place(row.became), row.at, by or "", row.how, row.reason)) for row, name, by in rows]


def deeds(customer_id: int, most: int) -> list[Deed]:
    """What the journal says was done to the customer, the newest first."""
    mine = JournalEntry.action.startswith("customer.") & (JournalEntry.subject == f"customer {customer_id}")
    rows = db.session.scalars(select(JournalEntry).where(mine).order_by(JournalEntry.id.desc()).limit(most))
    return [Deed(row.action, row.at, row.actor, row.detail) for row in rows]


def came_with(customer: Customer) -> Deed | None:
    """The import that brought the customer; None for whoever was added one by one."""
    row = db.session.get(Import, customer.came_with) if customer.came_with else None
    return Deed("customers.import", customer.created_at, row.actor, row.filename) if row else None


def leavers(list_id: int, most: int) -> list[Leaver]:
    """Who left the list by themselves and is out of it now; the last ones first, `most` at most."""
    here, out = aliased(ListPlace), (ListPlace.list_id == list_id) & (ListPlace.place == Place.UNSUBSCRIBED)
    left = here.customer_id.in_(select(ListPlace.customer_id).where(out)) & (here.list_id == list_id)
    last = select(here.customer_id, here.changed_at).where(left).order_by(here.changed_at.desc()).limit(most).subquery()
    query = select(Customer, last.c.changed_at).join(last, last.c.customer_id == Customer.id)
    rows = db.session.execute(query.order_by(last.c.changed_at.desc())).all()
    how = _how([customer.id for customer, _ in rows], list_id)
    return [Leaver(row.id, row.name, row.email, at, how.get(row.id, "")) for row, at in rows]


def _how(customer_ids: Sequence[int], list_id: int) -> dict[int, str]:
    """How these customers left the list, the last time that they did."""
    left = (PlaceChange.list_id == list_id) & (PlaceChange.became == Place.UNSUBSCRIBED)
    query = select(PlaceChange.customer_id, PlaceChange.how).where(PlaceChange.customer_id.in_(customer_ids), left)
    return dict(iter(db.session.execute(query.order_by(PlaceChange.id))))
