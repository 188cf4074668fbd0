"""foresee -- what a bulk change would do, counted before anybody presses.

Owns     nothing: it counts in what `columns` and `grid` know
Never    changes anything; what it says is true at that moment
Fails    as a search does: Fault for what there is not, LookupError for an unknown list
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..models import Place
from . import columns, grid
from .grid import Search


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
    total, stands = grid.count(wanted), columns.places(list_id)
    if wanted.list_id is None:
        return _of_all(total, stands) if not grid.seeks(wanted) else _of_these(grid.order(wanted).ids, stands)
    first, place = columns.places(wanted.list_id), Place(wanted.place)
    if grid.seeks(wanted):
        return _of_these(grid.order(wanted).part_in(first, place, 0, total, turned=False), stands)
    return Foreseen(total, *(_of_list(first, place, stands, to) for to in _STAND_THERE))


#: Places that are a row; whoever is excluded may have none.
_STAND_THERE = (Place.INCLUDED, Place.UNSUBSCRIBED)


def _of_all(total: int, stands: bytes) -> Foreseen:
    return Foreseen(total, stands.count(columns.INCLUDED), stands.count(columns.UNSUBSCRIBED))


def _of_these(found: Sequence[int], stands: bytes) -> Foreseen:
    """Count some by where they stand."""
    reaching = stands.ljust(max(found, default=0) + 1, b"\0")
    return _of_all(len(found), bytes(map(reaching.__getitem__, found)))


def _of_list(first: bytes, place: Place, second: bytes, to: Place) -> int:
    """How many of those who have `place` in the first list stand at `to` in the second."""
    there = columns.marked(second, to)
    if place is not Place.EXCLUDED:
        return columns.both(columns.marked(first, place), there)
    elsewhere = sum(columns.both(columns.marked(first, other), there) for other in _STAND_THERE)
    return there.count(1) - elsewhere
