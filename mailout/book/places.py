"""places -- who stands where in which list, and how they came there.

Owns     the tables `list_place` and `place_change`; every change of a place has its row there
Never    lets a bulk change touch whoever unsubscribed; asks who may (the windows do)
Fails    Fault, in words, when a place is the customer's own choice; LookupError for an unknown customer or list
Commits  leaves that to the caller

A change of a place is heard by mail-outs that are under way: whoever is excluded or leaves is skipped from then on,
whoever is taken back gets their copy after all. Whoever has no row in a list is excluded there, by nobody's choice.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, insert, select, update

from ..core.fault import Fault
from ..journal import Actor, note
from ..models import Customer, ListPlace, MailingList, Place, PlaceChange, changed, db
from ..outbox import queue
from .edition import touch
from .moving import Move, move, new_mark, tell_mailouts, undo

__all__ = ["bulk", "left_from", "new_mark", "place_of", "set_place", "start", "take_back", "undo", "unsubscribe"]

#: How a place came about, where no window names itself.
DEFAULT, BULK = "list's default", "in bulk"


def place_of(customer_id: int, list_id: int) -> Place:
    """Where the customer stands in the list; raises LookupError when there is no such customer or list."""
    _check(customer_id, list_id)
    row = _row(customer_id, list_id)
    return Place(row.place) if row else Place.EXCLUDED


def left_from(customer_id: int, list_id: int) -> Place:
    """Where a customer who left the list stood before that; excluded where nothing is known of it."""
    left = (PlaceChange.customer_id == customer_id) & (PlaceChange.list_id == list_id)
    query = select(PlaceChange.was).where(left, PlaceChange.became == Place.UNSUBSCRIBED.value)
    return Place(db.session.scalar(query.order_by(PlaceChange.id.desc()).limit(1)) or Place.EXCLUDED)


def start(customer_id: int, *, actor: Actor, now: datetime) -> None:
    """Give a new customer the places that the lists' defaults say; nobody has chosen them."""
    wanted = select(MailingList.id).where(MailingList.includes_new, MailingList.archived_at.is_(None))
    list_ids = db.session.scalars(wanted).all()
    touch(*list_ids)
    for list_id in list_ids:
        db.session.execute(insert(ListPlace).values(_place(list_id, customer_id, Place.INCLUDED, False, now)))
        _remember(list_id, customer_id, Place.EXCLUDED, Place.INCLUDED, DEFAULT, "", actor, now, was_chosen=False)


def set_place(
    customer_id: int, list_id: int, place: Place, *, how: str, reason: str = "", actor: Actor, now: datetime
) -> bool:
    """Include or exclude one customer, by somebody's choice. Returns whether their place is another one now.

    Who unsubscribed is out already. Raises Fault when they should be included: that takes `take_back`, with a reason.
    """
    assert place is not Place.UNSUBSCRIBED, "unsubscribing has its own function"
    _alone(customer_id, list_id)
    row = _row(customer_id, list_id)
    was, was_chosen = (Place(row.place), row.chosen) if row else (Place.EXCLUDED, False)
    if was is Place.UNSUBSCRIBED and place is Place.EXCLUDED:
        return False
    if was is Place.UNSUBSCRIBED:
        raise Fault(
            "They left this list themselves. To take them back, write down why: "
            "they asked for it, and when, or how you know."
        )
    if was is place and was_chosen:
        return False
    if not _write(customer_id, list_id, place, was if row else None, now):
        return False
    _remember(list_id, customer_id, was, place, how, reason, actor, now, was_chosen=was_chosen)
    tell_mailouts(select(Customer.id).where(Customer.id == customer_id), list_id, place, actor, now)
    return was is not place


def unsubscribe(
    customer_id: int, list_id: int, *, how: str, now: datetime, reason: str = "", actor: Actor | None = None
) -> bool:
    """Take the customer out of the list by their own wish. Returns False when they had left it before."""
    _alone(customer_id, list_id)
    row = _row(customer_id, list_id)
    was, was_chosen = (Place(row.place), row.chosen) if row else (Place.EXCLUDED, False)
    if was is Place.UNSUBSCRIBED or not _write(customer_id, list_id, Place.UNSUBSCRIBED, was if row else None, now):
        return False
    who = actor or Actor(None, "customer")
    _remember(list_id, customer_id, was, Place.UNSUBSCRIBED, how, reason, who, now, was_chosen=was_chosen)
    queue.leave_out([customer_id], list_id=list_id, reason=f"{queue.UNSUBSCRIBED}: {how}", now=now)
    return True


def take_back(
    customer_id: int,
    list_id: int,
    reason: str,
    *,
    place: Place = Place.INCLUDED,
    how: str = "taken back",
    actor: Actor,
    now: datetime,
) -> bool:
    """Put a customer who unsubscribed back into the list, with the reason, which is kept.

    Returns False when they are not unsubscribed (any more). Raises Fault without a reason.
    """
    if not reason.strip():
        raise Fault("They left this list themselves. To take them back, write down why.")
    _alone(customer_id, list_id)
    if not _write(customer_id, list_id, place, Place.UNSUBSCRIBED, now):
        return False
    _remember(list_id, customer_id, Place.UNSUBSCRIBED, place, how, reason.strip(), actor, now, was_chosen=True)
    if place is Place.INCLUDED:
        queue.let_back_in([customer_id], list_id=list_id)
    return True


def bulk(
    ids: Select[int],
    list_id: int,
    place: Place,
    *,
    actor: Actor,
    now: datetime,
    how: str = BULK,
    mark: str = "",
) -> int:
    """Include or exclude all these customers at once; who unsubscribed stays so. Returns how many places changed.

    With a `mark` (`new_mark`) it can be undone. One transaction of a few statements, whatever the number.
    """
    name = _list(list_id).name
    number = move(ids, Move(list_id, place, how, mark or new_mark(), actor, now))
    verb = "include" if place is Place.INCLUDED else "exclude"
    note(actor, f"customers.{verb}", f"list {name}", f"{number} customers, {how}", now)
    return number


def _remember(
    list_id: int,
    customer_id: int,
    was: Place,
    became: Place,
    how: str,
    reason: str,
    actor: Actor,
    now: datetime,
    *,
    was_chosen: bool,
) -> None:
    """Note one change of a place."""
    row = PlaceChange(list_id=list_id, customer_id=customer_id, was=was.value, became=became.value, at=now)
    row.user_id, row.how, row.reason, row.was_chosen = actor.user_id, how[:50], reason[:500], was_chosen
    db.session.add(row)


def _write(customer_id: int, list_id: int, place: Place, was: Place | None, now: datetime) -> bool:
    """Put one customer there by choice; False when somebody else changed the place meanwhile."""
    if was is None:
        db.session.execute(insert(ListPlace).values(_place(list_id, customer_id, place, True, now)))
        return True
    still = (ListPlace.list_id == list_id) & (ListPlace.customer_id == customer_id) & (ListPlace.place == was)
    return changed(update(ListPlace).where(still).values(place=place.value, chosen=True, changed_at=now)) == 1


def _list(list_id: int) -> MailingList:
    row = db.session.get(MailingList, list_id)
    if row is None:
        raise LookupError(f"There is no list {list_id}.")
    return row


def _row(customer_id: int, list_id: int) -> ListPlace | None:
    return db.session.get(ListPlace, (list_id, customer_id), populate_existing=True)


def _alone(customer_id: int, list_id: int) -> None:
    """Begin to write, and raise LookupError unless both are there: from then on nobody can delete the customer."""
    touch(list_id)
    _check(customer_id, list_id)


def _check(customer_id: int, list_id: int) -> None:
    """Raise LookupError unless both are there."""
    _list(list_id)
    if db.session.scalar(select(Customer.id).where(Customer.id == customer_id, Customer.here())) is None:
        raise LookupError(f"There is no customer {customer_id}.")


def _place(list_id: int, customer_id: int, place: Place, chosen: bool, now: datetime) -> dict[str, object]:
    names = ("list_id", "customer_id", "place", "chosen", "changed_at")
    return dict(zip(names, (list_id, customer_id, place.value, chosen, now), strict=True))
