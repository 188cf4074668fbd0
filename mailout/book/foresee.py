"""foresee -- what a bulk change would do, counted before anybody presses.

Owns     nothing: it counts in what `columns` and `grid` know already
Never    changes anything; what it says is true at that moment
Fails    as a search does: Fault for what there is not, LookupError for an unknown list
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from ..models import ListPlace, Place, db
from . import columns
from .edition import remembered
from .grid import Search, count, few, ids


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How many of some customers stand where in a list. Whoever has no row in it is excluded."""

    total: int
    included: int
    unsubscribed: int

    @property
    def excluded(self) -> int:
        """How many are neither in it nor left it."""
        return self.total - self.included - self.unsubscribed

    def moved(self, place: Place) -> int:
        """How many places would be others after all of them were put into `place`; the unsubscribed stay."""
        return self.excluded if place is Place.INCLUDED else self.included


def foresee(wanted: Search, list_id: int) -> Foreseen:
    """How those who are looked for stand in the list now."""
    found = few(wanted)
    if found is not None:
        return _of_few(found, columns.places(list_id))
    if wanted.q or wanted.state or not wanted.place or wanted.list_id is None:
        key = replace(wanted, page=1, sort="name")
        return remembered(("foresee", key, list_id), lambda: _of_many(key, list_id))
    first, second = columns.places(wanted.list_id), columns.places(list_id)
    place = Place(wanted.place)
    return Foreseen(count(wanted), *(_of_list(first, place, second, to) for to in _STAND_THERE))


#: Places that are a row; whoever is excluded may have none.
_STAND_THERE = (Place.INCLUDED, Place.UNSUBSCRIBED)


def _of_few(found: Sequence[int], stands: bytes) -> Foreseen:
    """Count a few by what is known of the list."""
    theirs = bytes(stands[one] for one in found if one < len(stands))
    return Foreseen(len(found), theirs.count(columns.INCLUDED), theirs.count(columns.UNSUBSCRIBED))


def _of_list(first: bytes, place: Place, second: bytes, to: Place) -> int:
    """How many of those who have `place` in the first list stand at `to` in the second."""
    there = columns.marked(second, to)
    if place is not Place.EXCLUDED:
        return columns.both(columns.marked(first, place), there)
    elsewhere = sum(columns.both(columns.marked(first, other), there) for other in _STAND_THERE)
    return there.count(1) - elsewhere


def _of_many(wanted: Search, list_id: int) -> Foreseen:
    """Count many, by a walk: two questions, whatever their number."""
    standing = (
        select(ListPlace.place, func.count())
        .where(ListPlace.list_id == list_id, ListPlace.customer_id.in_(ids(wanted)))
        .group_by(ListPlace.place)
    )
    numbers = dict(iter(db.session.execute(standing)))
    return Foreseen(count(wanted), numbers.get(Place.INCLUDED, 0), numbers.get(Place.UNSUBSCRIBED, 0))
