"""moving -- changes of many places at once, and taking them back.

Owns     the few statements that move any number of customers in a list, and the mark by which a move is undone
Never    touches whoever unsubscribed; forgets who stood where: each change has its row in `place_change`
Commits  leaves that to the caller

What is moved is found once, as rows of `place_change` under the mark, for whom a search finds may change by the move.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, exists, false, func, insert, literal, select, true, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import ColumnElement

from ..journal import Actor, note
from ..models import Customer, ListPlace, Place, PlaceChange, changed, db
from ..outbox import queue
from .edition import touch

UNDO = "undo"
_NOTED = ["list_id", "customer_id", "was", "became", "at", "user_id", "how", "was_chosen", "mark"]


@dataclass(frozen=True, slots=True)
class Move:
    """A change of many places in one list. `if_unchosen`: only of those whose place nobody ever chose."""

    list_id: int
    place: Place
    how: str
    mark: str
    actor: Actor
    now: datetime
    if_unchosen: bool = False


def new_mark() -> str:
    """A mark for a change of many places, by which it can be undone."""
    return secrets.token_hex(12)


def move(ids: Select[int], wanted: Move) -> int:
    """Put these customers into that place; who unsubscribed stays so. Returns how many places are others now."""
    assert wanted.place is not Place.UNSUBSCRIBED, "nobody is unsubscribed in bulk"
    touch(wanted.list_id)
    _remember(ids, wanted)
    here = (PlaceChange.mark == wanted.mark) & (PlaceChange.list_id == wanted.list_id)
    noted = here & (PlaceChange.became == wanted.place.value)
    _write(select(PlaceChange.customer_id).where(noted), wanted)
    moved = select(PlaceChange.customer_id).where(noted, PlaceChange.was != PlaceChange.became)
    tell_mailouts(moved, wanted.list_id, wanted.place, wanted.actor, wanted.now)
    return db.session.scalar(select(func.count()).select_from(moved.subquery())) or 0


def undo(mark: str, *, actor: Actor, now: datetime) -> int:
    """Put back every place that the change with this mark changed and nobody changed since. Returns how many."""
    undone = new_mark()
    columns = (PlaceChange.list_id, PlaceChange.customer_id, PlaceChange.became, PlaceChange.was)
    more = (_time(now), literal(actor.user_id), literal(UNDO), true(), literal(undone))
    rows = select(*columns, *more).where(PlaceChange.mark == mark, ~_changed_since())
    db.session.execute(insert(PlaceChange).from_select(_NOTED, rows))
    lists = db.session.scalars(select(PlaceChange.list_id).where(PlaceChange.mark == undone).distinct()).all()
    total = sum(_undo_in(list_id, mark, undone, actor, now) for list_id in lists)
    note(actor, "customers.undo", f"change {mark}", f"{total} places", now)
    return total


def tell_mailouts(ids: Select[int], list_id: int, place: Place, actor: Actor, now: datetime) -> None:
    """Have mail-outs under way skip these customers, or let them in again if they may be written to."""
    if place is Place.INCLUDED:
        queue.let_back_in(ids, list_id=list_id)
    else:
        queue.leave_out(ids, list_id=list_id, reason=f"{queue.EXCLUDED}: by {actor.name}", now=now)


def _changed_since() -> ColumnElement[bool]:
    """That the place was changed again after this change."""
    later = aliased(PlaceChange)
    same_place = and_(later.customer_id == PlaceChange.customer_id, later.list_id == PlaceChange.list_id)
    return exists().where(same_place, later.id > PlaceChange.id)


def _undo_in(list_id: int, mark: str, undone: str, actor: Actor, now: datetime) -> int:
    """Write the places of one list whose undoing is noted already; returns how many are others now."""
    noted = select(PlaceChange.customer_id).where(PlaceChange.mark == undone, PlaceChange.list_id == list_id)
    before = (PlaceChange.mark == mark) & (PlaceChange.list_id == list_id)
    mine = (ListPlace.list_id == list_id) & (ListPlace.customer_id == PlaceChange.customer_id)
    values = {"place": PlaceChange.was, "chosen": PlaceChange.was_chosen, "changed_at": now}
    changed(update(ListPlace).where(mine, before, ListPlace.customer_id.in_(noted)).values(values))
    moved = noted.where(PlaceChange.was != PlaceChange.became)
    for place in (Place.INCLUDED, Place.EXCLUDED):
        tell_mailouts(moved.where(PlaceChange.became == place), list_id, place, actor, now)
    touch(list_id)
    return db.session.scalar(select(func.count()).select_from(moved.subquery())) or 0


def _remember(ids: Select[int], wanted: Move) -> None:
    """Note the change of everyone in `ids` who is not in that place by choice already."""
    chosen = func.coalesce(ListPlace.chosen, false())
    was = func.coalesce(ListPlace.place, Place.EXCLUDED.value)
    there = and_(ListPlace.customer_id == Customer.id, ListPlace.list_id == wanted.list_id)
    differs = (was != wanted.place.value) & ~chosen if wanted.if_unchosen else (was != wanted.place.value) | ~chosen
    rows = (
        select(
            literal(wanted.list_id),
            Customer.id,
            was,
            literal(wanted.place.value),
            _time(wanted.now),
            literal(wanted.actor.user_id),
            literal(wanted.how),
            chosen,
            literal(wanted.mark),
        )
        .outerjoin(ListPlace, there)
        .where(Customer.id.in_(ids), was != Place.UNSUBSCRIBED.value, differs)
        .order_by(Customer.id)
    )
    db.session.execute(insert(PlaceChange).from_select(_NOTED, rows))


def _write(ids: Select[int], wanted: Move) -> None:
    """Put these customers there by choice, whether they had a row in the list or not."""
    mine, place = ListPlace.list_id == wanted.list_id, wanted.place.value
    there = update(ListPlace).where(mine, ListPlace.customer_id.in_(ids))
    changed(there.values(place=place, chosen=True, changed_at=wanted.now))
    rows = select(literal(wanted.list_id), Customer.id, literal(place), true(), _time(wanted.now))
    had = exists().where(mine, ListPlace.customer_id == Customer.id)
    rows = rows.where(Customer.id.in_(ids), ~had).order_by(Customer.id)
    columns = ["list_id", "customer_id", "place", "chosen", "changed_at"]
    db.session.execute(insert(ListPlace).from_select(columns, rows))


def _time(now: datetime) -> ColumnElement[datetime]:
    return literal(now, PlaceChange.at.type)
