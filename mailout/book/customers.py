"""customers -- the people written to: found, added, edited, forgotten.

Owns     the table `customer` but for its suppression, and `forgotten`
Never    shows anybody whom an import under way would bring, writes a customer's address into the journal
Fails    LookupError for a customer that there is not, Fault in words for what can't be kept
Commits  leaves that to the caller
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import Insert, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError

from ..core.fault import Fault
from ..current import settings
from ..journal import Actor, note
from ..models import Customer, Forgotten, ListPlace, Place, changed, db
from ..outbox import queue
from . import address, arrivals, numbers, places
from .address import same
from .edition import touch, touch_people
from .folding import FIELD_MOST, clean, sought
from .grid import Page, Search, ids, search
from .history import HistoryLine
from .history import letters as history

__all__ = [
    "HistoryLine",
    "Page",
    "Search",
    "add",
    "by_email",
    "check_address",
    "delete",
    "edit",
    "find",
    "history",
    "ids",
    "places_of",
    "same",
    "search",
]


_FRESH = {"populate_existing": True}
_PLACES = {place.value: place for place in Place}


def find(customer_id: int) -> Customer:
    """The customer, as the database has them now; raises LookupError."""
    row = db.session.scalar(
        select(Customer).where(Customer.id == customer_id, Customer.here()), execution_options=_FRESH
    )
    if row is None:
        raise LookupError(f"There is no customer {customer_id}.")
    return row


def by_email(email: str) -> Customer:
    """The customer of this address, whatever its case; raises LookupError."""
    query = select(Customer).where(Customer.email_same == same(email), Customer.here())
    row = db.session.scalar(query, execution_options=_FRESH)
    if row is None:
        raise LookupError(f"There is no customer {email.strip()}.")
    return row


def check_address(email: str) -> str:
    """`email` as a customer's address is kept; raises Fault, in words, when it can't be one."""
    return address.check(email, settings().own)


def add(email: str, first_name: str, last_name: str, *, actor: Actor, now: datetime) -> Customer:
    """Add a customer, in each list as its default says. Whoever was deleted before may come back this way.

    Raises Fault when the address is no good or is a customer's already.
    """
    kept, first, last = check_address(email), *_names(first_name, last_name)
    values: dict[str, Any] = {"email": kept, "email_same": same(kept), "first_name": first, "last_name": last}
    values["id"] = numbers.highest() + 1
    statement = insert(Customer).values(**values, sought=sought(kept, first, last), fields={}, created_at=now)
    customer_id = _insert(statement) or (arrivals.make_way(same(kept)) and _insert(statement))
    if not customer_id:
        raise _taken(kept)
    db.session.execute(sql_delete(Forgotten).where(Forgotten.digest == forgotten_digest(kept)))
    touch_people()
    places.start(customer_id, actor=actor, now=now)
    note(actor, "customer.add", f"customer {customer_id}", "", now)
    return find(customer_id)


def edit(
    customer_id: int,
    *,
    email: str,
    first_name: str,
    last_name: str,
    fields: Mapping[str, str] | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Change a customer's address, names, and what stands in the fields that they have; copies frozen already stay.

    A field that is emptied goes; one that they have not is not added. Raises LookupError, or Fault when the address is
    no good or is another customer's.
    """
    row = find(customer_id)
    kept, first, last = check_address(email), *_names(first_name, last_name)
    values: dict[str, Any] = {"email": kept, "email_same": same(kept), "first_name": first, "last_name": last}
    values["fields"] = _fields(row.fields, fields or {})
    different = [name for name, value in values.items() if getattr(row, name) != value and name != "email_same"]
    if not different:
        return
    statement = update(Customer).where(Customer.id == customer_id)
    try:
        changed(statement.values(**values, sought=sought(kept, first, last)))
    except IntegrityError:
        raise _taken(kept) from None
    db.session.expire(row)
    touch_people()
    note(actor, "customer.edit", f"customer {customer_id}", ", ".join(different).replace("_", " "), now)


def delete(customer_id: int, *, actor: Actor, now: datetime) -> None:
    """Forget a customer: waiting copies are left out, and only a hash of the address stays behind.

    What mail-outs say of them (address, outcome) is kept as long as those are. Raises LookupError.
    """
    row = find(customer_id)
    queue.leave_out([customer_id], list_id=None, reason=f"{queue.DELETED}: by {actor.name}", now=now)
    digest = forgotten_digest(row.email)
    if db.session.get(Forgotten, digest) is None:
        db.session.add(Forgotten(digest=digest, at=now))
    db.session.expunge(row)
    if stood_in := db.session.scalars(select(ListPlace.list_id).where(ListPlace.customer_id == customer_id)).all():
        touch(*stood_in)
    touch_people()
    numbers.keep()
    db.session.execute(sql_delete(Customer).where(Customer.id == customer_id))
    note(actor, "customer.delete", f"customer {customer_id}", "", now)


def forgotten_digest(email: str) -> str:
    """What is kept of a deleted customer's address (SHA-256 of the compared form)."""
    return hashlib.sha256(same(email).encode()).hexdigest()


def places_of(customer_ids: Collection[int], list_ids: Collection[int]) -> dict[tuple[int, int], Place]:
    """Where these customers stand in these lists: every pair of (customer, list), excluded where nothing is said."""
    query = select(ListPlace.customer_id, ListPlace.list_id, ListPlace.place).where(
        ListPlace.list_id.in_(list_ids), ListPlace.customer_id.in_(customer_ids)
    )
    standing = dict.fromkeys(product(customer_ids, list_ids), Place.EXCLUDED)
    standing.update({(customer, list_): _PLACES[place] for customer, list_, place in db.session.execute(query)})
    return standing


def _names(first_name: str, last_name: str) -> tuple[str, str]:
    return clean(first_name, "The first name"), clean(last_name, "The last name")


def _fields(were: Mapping[str, Any], become: Mapping[str, str]) -> dict[str, Any]:
    """A customer's own fields, those that are named as they become, without the empty ones."""
    typed = {name: clean(become[name], name, FIELD_MOST) for name in were if name in become}
    return {name: value for name, value in {**were, **typed}.items() if value != ""}


def _insert(statement: Insert) -> int | None:
    """Write the row; None when its address is another's."""
    try:
        return db.session.scalar(statement.returning(Customer.id))
    except IntegrityError:
        return None


def _taken(email: str) -> Fault:
    """Why an address can't be taken: a customer has it, or is about to."""
    here = db.session.scalar(select(Customer.id).where(Customer.email_same == same(email), Customer.here()))
    if here is None:
        return Fault(f"An import that brings {email} is being applied just now. Try again in a minute.")
    return Fault(f"{email} is a customer already.")
