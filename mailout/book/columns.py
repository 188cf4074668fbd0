"""columns -- what is asked of a hundred thousand customers at once, read whole and kept as long as its edition is.

Owns     everybody's ids in an order; one byte a customer for their place in a list
Never    is worth it for one customer, or for the first pages of a list: a few rows are found quicker in their index
Fails    never: a list that there is not has nobody in it

A column comes in one row. A hundred thousand rows would hand the interpreter on a hundred thousand times, and whoever
wants it back waits for the others.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import compress, islice

from sqlalchemy import Select, String, cast, func, select

from ..models import Customer, ListPlace, Place, db
from . import edition

#: The byte of each place. Whoever has none, and whoever was put out of it, is excluded.
EXCLUDED, INCLUDED, UNSUBSCRIBED = 0, 1, 2
BYTES = {Place.EXCLUDED: EXCLUDED, Place.INCLUDED: INCLUDED, Place.UNSUBSCRIBED: UNSUBSCRIBED}


@dataclass(frozen=True, slots=True)
class Order:
    """Ids in an order; `members` has a 1 for each of them, and reaches as far as the highest."""

    ids: array[int]
    members: bytes

    def part(self, skipped: int, size: int, *, turned: bool) -> list[int]:
        """So many ids after the first `skipped`; from the end when `turned`."""
        return list(islice(reversed(self.ids) if turned else iter(self.ids), skipped, skipped + size))

    def part_in(self, stands: bytes, place: Place, skipped: int, size: int, *, turned: bool) -> list[int]:
        """The same of those alone whose byte in `stands` is that of `place`."""
        theirs = marked(stands.ljust(len(self.members), b"\0"), place)
        walks = (reversed, reversed) if turned else (iter, iter)
        walked, again = (walk(self.ids) for walk in walks)
        return list(islice(compress(walked, map(theirs.__getitem__, again)), skipped, skipped + size))

    def count_in(self, stands: bytes, place: Place) -> int:
        """How many of them have that byte."""
        return both(self.members, marked(stands.ljust(len(self.members), b"\0"), place))


def order(question: Hashable, query: Select[int], *, suppression: bool) -> Order:
    """The ids that `query` selects, kept as long as the people (and with `suppression` the suppressed) are the same."""
    word = edition.of_people() + (edition.of_suppression() if suppression else "")
    return edition.remembered(("order", question), lambda: _order(query), word)


def places(list_id: int) -> bytes:
    """Where everybody stands in the list: a byte for each customer's id, as far as the highest that has a place."""
    return edition.remembered(("places", list_id), lambda: _places(list_id), edition.of_list(list_id))


def marked(stands: bytes, place: Place) -> bytes:
    """1 for each customer in that place, 0 for the others."""
    return stands.translate(_ONLY[place])


def both(first: bytes, second: bytes) -> int:
    """For how many customers both columns of 0 and 1 say 1."""
    return (int.from_bytes(first, "little") & int.from_bytes(second, "little")).bit_count()


def whole(query: Select[int]) -> list[int]:
    """All ids that `query` selects, in its order, fetched as one row."""
    column = query.subquery().c[0]
    joined = db.session.scalar(select(func.aggregate_strings(cast(column, String), ",")))
    ids: list[int] = json.loads(f"[{joined or ''}]")
    return ids


#: What makes one byte a 1 and all others a 0.
_ONLY = {place: bytes(int(value == byte) for value in range(256)) for place, byte in BYTES.items()}


def _order(query: Select[int]) -> Order:
    ids = whole(query)
    highest = max(ids, default=0)
    members = bytearray(highest + 1)
    for customer_id in ids:
        members[customer_id] = 1
    return Order(array("I" if highest < 1 << 32 else "q", ids), bytes(members))


def _places(list_id: int) -> bytes:
    found = {place: whole(_who(list_id, place)) for place in (Place.INCLUDED, Place.UNSUBSCRIBED)}
    stands = bytearray(max((max(ids, default=0) for ids in found.values()), default=0) + 1)
    for place, ids in found.items():
        byte = BYTES[place]
        for customer_id in ids:
            stands[customer_id] = byte
    return bytes(stands)


def _who(list_id: int, place: Place) -> Select[int]:
    """The ids of those who stand there, but for those whom an import under way has brought."""
    there = (ListPlace.list_id == list_id) & (ListPlace.place == place.value)
    return select(ListPlace.customer_id).where(there, ListPlace.customer_id.not_in(Customer.unseen()))
