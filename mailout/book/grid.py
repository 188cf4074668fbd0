"""grid -- searching, filtering, sorting and paging the customers.

Owns     what a search means, and how it stays quick at 100,000 customers in 10 lists
Never    changes a row
Fails    Fault for a search that asks for what there is not; LookupError for an unknown list

Rows are found by two steps: the ids of one page from a narrow index, then those rows. A search looks for each of its
words anywhere in a customer's names and address, capitals and accents aside.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, exists, func, select
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..models import Customer, ListPlace, MailingList, Place, Suppressed, db
from . import columns
from .edition import remembered
from .folding import fold
from .tally import customers_here

SIZE = 25
SORTS = ("name", "email", "added")
STATES = ("", "suppressed", "bounced")
#: A search has this many words at most; more are left out.
WORDS_MOST = 8
#: Up to so many in a list it is quicker to sort them all than to walk through everybody.
FEW = 2_000
#: Up to so many that words or a state find are numbered by the walk that finds them; more are counted by a walk.
FOUND_FEW = 2_000
#: Rows that are so near to an end of a list are walked to; farther ones are found in whole columns.
NEAR = 250


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: words, a place in a list, a state; sorted how; which page. Sorts may begin with "-"."""

    q: str = ""
    list_id: int | None = None
    place: str = ""
    state: str = ""
    sort: str = "name"
    page: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One page of what was found. `page` is the one shown, which is the last when a later one was asked for."""

    rows: Sequence[Customer]
    total: int
    page: int
    pages: int


def search(wanted: Search, size: int = SIZE) -> Page:
    """The page of customers that are looked for; raises Fault for a place, state or sort that there is not."""
    _order(wanted.sort)
    found = few(wanted)
    total = count(wanted) if found is None else len(found)
    pages = max(1, -(-total // size))
    page = min(max(1, wanted.page), pages)
    offset = (page - 1) * size
    here = _page_ids(wanted, offset, size, total) if found is None else found[offset : offset + size]
    return Page(_rows(here) if here else [], total, page, pages)


def few(wanted: Search) -> Sequence[int] | None:
    """The ids of all that words or a state find, in their order, by one walk through everybody; None for many."""
    if not (fold(wanted.q) or wanted.state):
        return None
    return remembered(("few", replace(wanted, page=1)), lambda: _few(wanted))


def _few(wanted: Search) -> Sequence[int] | None:
    walk = bool(fold(wanted.q))
    query = select(Customer.id).where(*_conditions(wanted, walk=walk)).order_by(*_in_order(wanted.sort))
    found = array("q", db.session.scalars(query.limit(FOUND_FEW + 1)))
    return found if len(found) <= FOUND_FEW else None


def ids(wanted: Search) -> Select[int]:
    """The ids of all that are looked for, for a bulk change or an export."""
    return select(Customer.id).where(*_conditions(wanted, walk=False))


def count(wanted: Search) -> int:
    """How many are looked for, from what is known already where that says it."""
    conditions = _conditions(wanted, walk=bool(fold(wanted.q)))
    if fold(wanted.q) or wanted.state:
        query = select(func.count()).select_from(Customer).where(*conditions)
        key = replace(wanted, page=1, sort="name")
        return remembered(("count", key), lambda: db.session.scalar(query) or 0)
    if wanted.list_id is None or not wanted.place:
        return customers_here()
    return _in_place(columns.places(wanted.list_id), wanted.place)


def _in_place(stands: bytes, place: str) -> int:
    """How many stand there; whoever has no place is excluded."""
    if place == Place.EXCLUDED:
        return max(0, customers_here() - stands.count(columns.INCLUDED) - stands.count(columns.UNSUBSCRIBED))
    return stands.count(columns.BYTES[Place(place)])


def _page_ids(wanted: Search, offset: int, size: int, total: int) -> list[int]:
    """The ids of one page in their order; found from whichever end of the sort is nearer."""
    size = min(size, total - offset)
    from_end = offset > total // 2
    skipped = total - offset - size if from_end else offset
    look = _far if total > FEW and _is_far(wanted, skipped, total) else _near
    found = look(wanted, skipped, size, total, from_end=from_end)
    return found[::-1] if from_end else found


def _is_far(wanted: Search, skipped: int, total: int) -> bool:
    """Whether a walk to the page would pass by many; those who are few among everybody may all be at its end."""
    if fold(wanted.q) or wanted.state:
        return False
    return skipped > NEAR or (wanted.list_id is not None and 2 * total < customers_here())


def _near(wanted: Search, skipped: int, size: int, total: int, *, from_end: bool) -> list[int]:
    """So many ids near to an end, by a walk from there."""
    query = select(Customer.id).where(*_conditions(wanted, walk=total > FEW))
    query = query.order_by(*_in_order(wanted.sort, turned=from_end))
    return list(db.session.scalars(query.limit(size).offset(skipped)))


def _far(wanted: Search, skipped: int, size: int, total: int, *, from_end: bool) -> list[int]:
    """So many ids far from both ends, out of everybody's order and where they stand in the list."""
    name, backwards = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    query = select(Customer.id).where(Customer.here()).order_by(*_in_order(name))
    order, turned = columns.everybody(name, query), backwards != from_end
    if wanted.list_id is None or not wanted.place:
        return order.part(skipped, size, turned=turned)
    return order.part_in(columns.places(wanted.list_id), Place(wanted.place), skipped, size, turned=turned)


def _in_order(sort: str, *, turned: bool = False) -> list[ColumnElement[Any]]:
    """The columns to sort by, each from the end that the sort, or its opposite, begins at."""
    columns, backwards = _order(sort)
    return [column.desc() if backwards != turned else column.asc() for column in columns]


def _rows(customer_ids: Sequence[int]) -> list[Customer]:
    """The customers of these ids, in that order."""
    query = select(Customer).where(Customer.id.in_(customer_ids))
    found = {row.id: row for row in db.session.scalars(query, execution_options={"populate_existing": True})}
    return [found[customer_id] for customer_id in customer_ids if customer_id in found]


def _order(sort: str) -> tuple[tuple[ColumnElement[Any], ...], bool]:
    """The columns to sort by, and whether from the end."""
    name, backwards = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        raise Fault(f"Customers can be sorted by {', '.join(SORTS)}, not by {name}.")
    columns: dict[str, tuple[ColumnElement[Any], ...]] = {
        "name": (Customer.sought.expression,),
        "email": (Customer.email_same.expression,),
        "added": (Customer.id.expression,),
    }
    return columns[name], backwards


def _conditions(wanted: Search, *, walk: bool) -> list[ColumnElement[bool]]:
    """What a row must meet. `walk`: places are looked up for each customer in turn, which suits a page of many."""
    conditions = [Customer.here()]
    words = sorted(fold(wanted.q).split()[:WORDS_MOST], key=len, reverse=True)  # the longest is in the fewest
    conditions += [Customer.sought.contains(word, autoescape=True) for word in words]
    if wanted.state not in STATES:
        raise Fault(f"There is no state {wanted.state} to filter by.")
    if wanted.state == "suppressed":
        conditions.append(Customer.suppressed_for.in_([str(word) for word in Suppressed]))
    if wanted.state == "bounced":
        conditions.append(Customer.suppressed_for == Suppressed.BOUNCED.value)
    if wanted.place and wanted.place not in [str(place) for place in Place]:
        raise Fault(f"There is no place {wanted.place} to filter by.")
    if wanted.list_id is not None:
        _check_list(wanted.list_id)
        if wanted.place:
            conditions.append(_stands(wanted.list_id, wanted.place, walk))
    return conditions


def _stands(list_id: int, place: str, walk: bool) -> ColumnElement[bool]:
    """That a customer has this place in the list; excluded is whoever has no other."""
    there = ListPlace.list_id == list_id
    if place == Place.EXCLUDED:
        there &= ListPlace.place != Place.EXCLUDED
    else:
        there &= ListPlace.place == place
    met: ColumnElement[bool]
    if walk:
        met = exists().where(there, ListPlace.customer_id == Customer.id)
    else:
        met = Customer.id.in_(select(ListPlace.customer_id).where(there))
    return ~met if place == Place.EXCLUDED else met


def _check_list(list_id: int) -> None:
    if db.session.get(MailingList, list_id) is None:
        raise LookupError(f"There is no list {list_id}.")
