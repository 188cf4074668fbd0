"""grid -- searching, filtering, sorting and paging the customers.

Owns     what a search means, and how it stays quick at 100,000 customers in 10 lists
Never    changes a row
Fails    Fault for a search that asks for what there is not; LookupError for an unknown list

Rows are found by two steps: the ids of one page, then those rows. The first pages of everybody are walked to in an
index; all else is found in whole columns, which are kept until they change. A search looks for each of its words
anywhere in a customer's names and address, capitals and accents aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.sql.elements import ColumnElement

from ..core.fault import Fault
from ..models import Customer, ListPlace, MailingList, Place, Suppressed, db
from . import columns
from .folding import fold
from .tally import customers_here

SIZE = 25
SORTS = ("name", "email", "added")
STATES = ("", "reached", "suppressed", "bounced")
#: A search has this many words at most; more are left out.
WORDS_MOST = 8
#: Rows that are so near to an end are walked to.
NEAR = 250


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: words, a place in a list, a state; sorted how; which page. Sorts may begin with "-".

    With a list goes a place: who is looked for stands there.
    """

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


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a search: whom words and a state find (None: not sought), where all stand in its list."""

    found: columns.Order | None
    stands: bytes | None


def search(wanted: Search, size: int = SIZE) -> Page:
    """The page of customers that are looked for; raises Fault for a place, state or sort that there is not."""
    known = _known(wanted)
    total = _count(wanted, known)
    pages = max(1, -(-total // size))
    page = min(max(1, wanted.page), pages)
    here = _page_ids(wanted, known, (page - 1) * size, size, total) if total else []
    return Page(_rows(here) if here else [], total, page, pages)


def ids(wanted: Search) -> Select[int]:
    """The ids of all that are looked for, for a bulk change or an export."""
    return select(Customer.id).where(*_conditions(wanted))


def count(wanted: Search) -> int:
    """How many are looked for; raises as `search` does."""
    return _count(wanted, _known(wanted))


def order(wanted: Search) -> columns.Order:
    """Everybody, or those whom words and a state find, wherever they stand; in the sort's order, not backwards."""
    name = wanted.sort.removeprefix("-")
    query = select(Customer.id).where(*_are_found(wanted)).order_by(*_in_order(name))
    return columns.order((name, *_words(wanted), wanted.state), query, suppression=bool(wanted.state))


def seeks(wanted: Search) -> bool:
    """Whether words or a state are looked for."""
    return bool(fold(wanted.q) or wanted.state)


def _known(wanted: Search) -> _Known:
    _check(wanted)
    stands = None if wanted.list_id is None else columns.places(wanted.list_id)
    return _Known(order(wanted) if seeks(wanted) else None, stands)


def _count(wanted: Search, known: _Known) -> int:
    if known.stands is None:
        return customers_here() if known.found is None else len(known.found.ids)
    place = Place(wanted.place)
    if known.found is not None:
        return known.found.count_in(known.stands, place)
    if place is Place.EXCLUDED:  # whoever has no place
        return max(
            0, customers_here() - known.stands.count(columns.INCLUDED) - known.stands.count(columns.UNSUBSCRIBED)
        )
    return known.stands.count(columns.BYTES[place])


def _page_ids(wanted: Search, known: _Known, offset: int, size: int, total: int) -> list[int]:
    """The ids of one page in their order; found from whichever end of the sort is nearer."""
    size = min(size, total - offset)
    from_end = offset > total // 2
    skipped = total - offset - size if from_end else offset
    if known == _Known(None, None) and skipped <= NEAR:
        found = _walked(wanted, skipped, size, from_end=from_end)
    else:
        found = _looked_up(wanted, known, skipped, size, from_end=from_end)
    return found[::-1] if from_end else found


def _walked(wanted: Search, skipped: int, size: int, *, from_end: bool) -> list[int]:
    """So many ids of everybody, near to an end."""
    query = select(Customer.id).where(Customer.here()).order_by(*_in_order(wanted.sort, turned=from_end))
    return list(db.session.scalars(query.limit(size).offset(skipped)))


def _looked_up(wanted: Search, known: _Known, skipped: int, size: int, *, from_end: bool) -> list[int]:
    """So many ids out of an order, and of where they stand in the list."""
    found, turned = known.found or order(wanted), wanted.sort.startswith("-") != from_end
    if known.stands is None:
        return found.part(skipped, size, turned=turned)
    return found.part_in(known.stands, Place(wanted.place), skipped, size, turned=turned)


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


def _check(wanted: Search) -> None:
    """Raises Fault for a sort, place or state that there is not, LookupError for such a list."""
    _order(wanted.sort)
    if wanted.state not in STATES:
        raise Fault(f"There is no state {wanted.state} to filter by.")
    if (wanted.place or wanted.list_id is not None) and wanted.place not in [str(place) for place in Place]:
        raise Fault(f"There is no place {wanted.place} to filter by.")
    if wanted.list_id is not None and db.session.get(MailingList, wanted.list_id) is None:
        raise LookupError(f"There is no list {wanted.list_id}.")


def _words(wanted: Search) -> list[str]:
    """The words that are looked for; the longest first, for it is in the fewest."""
    return sorted(fold(wanted.q).split()[:WORDS_MOST], key=len, reverse=True)


def _are_found(wanted: Search) -> list[ColumnElement[bool]]:
    """What words and the state ask of a row, and that it is here."""
    conditions = [Customer.here()]
    conditions += [Customer.sought.contains(word, autoescape=True) for word in _words(wanted)]
    if wanted.state == "reached":
        conditions.append(Customer.suppressed_for.is_(None))
    if wanted.state == "suppressed":
        conditions.append(Customer.suppressed_for.in_([str(word) for word in Suppressed]))
    if wanted.state == "bounced":
        conditions.append(Customer.suppressed_for == Suppressed.BOUNCED.value)
    return conditions


def _conditions(wanted: Search) -> list[ColumnElement[bool]]:
    """What a row must meet to be looked for; excluded is whoever has no other place."""
    _check(wanted)
    if wanted.list_id is None:
        return _are_found(wanted)
    there = ListPlace.list_id == wanted.list_id
    excluded = wanted.place == Place.EXCLUDED
    there &= (ListPlace.place != Place.EXCLUDED) if excluded else (ListPlace.place == wanted.place)
    stand = Customer.id.in_(select(ListPlace.customer_id).where(there))
    return [*_are_found(wanted), ~stand if excluded else stand]
