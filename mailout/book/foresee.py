"""foresee -- what a bulk change would do, counted before anybody presses.

Owns     nothing: it counts the rows of `list_place`, and remembers the last answers as long as the book's edition is
Never    changes anything; what it says is true at that moment
Fails    as a search does: Fault for what there is not, LookupError for an unknown list
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import exists, func, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import ColumnElement

from ..models import ListPlace, Place, db
from .grid import Search, count, ids
from .tally import remembered, unseen

#: Places that are a row; whoever is excluded may have none.
_STAND_THERE = (Place.INCLUDED, Place.UNSUBSCRIBED)


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
    """How those who are looked for stand in the list now; counted anew when the address book is another one."""
    key = replace(wanted, page=1, sort="name")
    return remembered(("foresee", key, list_id), lambda: _count(key, list_id))


def _count(wanted: Search, list_id: int) -> Foreseen:
    """Count them: two questions, whatever their number."""
    standing = (
        select(ListPlace.place, func.count())
        .where(ListPlace.list_id == list_id, _are_wanted(wanted))
        .group_by(ListPlace.place)
    )
    numbers = dict(iter(db.session.execute(standing)))
    return Foreseen(count(wanted), numbers.get(Place.INCLUDED, 0), numbers.get(Place.UNSUBSCRIBED, 0))


def _are_wanted(wanted: Search) -> ColumnElement[bool]:
    """That the customers of places are those looked for. Where only a place in a list counts, places are enough."""
    if wanted != Search(list_id=wanted.list_id, place=wanted.place) or wanted.place not in _STAND_THERE:
        return ListPlace.customer_id.in_(ids(wanted))
    there = aliased(ListPlace)
    same = (there.list_id == wanted.list_id) & (there.customer_id == ListPlace.customer_id)
    return exists().where(same, there.place == wanted.place) & ListPlace.customer_id.not_in(unseen())
