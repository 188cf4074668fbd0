"""foresee -- what a bulk change would do, counted before anybody presses.

Owns     nothing: it counts the rows of `list_place`
Never    changes anything; what it says is true at that moment
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select

from ..models import ListPlace, Place, db


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


def foresee(ids: Select[int], list_id: int) -> Foreseen:
    """How these customers stand in the list now; two questions, whatever their number."""
    standing = (
        select(ListPlace.place, func.count())
        .where(ListPlace.list_id == list_id, ListPlace.customer_id.in_(ids))
        .group_by(ListPlace.place)
    )
    numbers = dict(iter(db.session.execute(standing)))
    total = db.session.scalar(select(func.count()).select_from(ids.subquery())) or 0
    return Foreseen(total, numbers.get(Place.INCLUDED, 0), numbers.get(Place.UNSUBSCRIBED, 0))
