"""foresee -- what a bulk change would do, counted before anybody presses.

Owns     nothing: it counts the rows of `list_place`, and remembers the last answers as long as the book's edition is
Never    changes anything; what it says is true at that moment
Fails    as a search does: Fault for what there is not, LookupError for an unknown list
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import func, select

from ..models import ListPlace, Place, db
from .grid import Search, count, ids
from .tally import remembered


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
        .where(ListPlace.list_id == list_id, ListPlace.customer_id.in_(ids(wanted)))
        .group_by(ListPlace.place)
    )
    numbers = dict(iter(db.session.execute(standing)))
    return Foreseen(count(wanted), numbers.get(Place.INCLUDED, 0), numbers.get(Place.UNSUBSCRIBED, 0))
