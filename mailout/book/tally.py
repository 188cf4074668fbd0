"""tally -- how many stand where in each list, counted when something changed and remembered until the next change.

Owns     `list.edition`, another word after every change that a count of the list depends on, and the whole book's
Never    keeps a counter that could be wrong: a number is counted from the rows, and kept as long as the edition is
Commits  leaves that to the caller

100,000 customers in 10 lists are a million rows; counting one list takes 5 ms, so only those that changed are counted.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from flask import current_app
from sqlalchemy import and_, func, insert, select, update

from ..models import Customer, Import, ListPlace, MailingList, Place, Setting, changed, db

_KEPT = "mailout_tallies"
_EDITION = "book edition"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many customers stand where in a list. `suppressed` are included, and get nothing all the same."""

    included: int = 0
    suppressed: int = 0
    excluded: int = 0
    unsubscribed: int = 0

    @property
    def reached(self) -> int:
        """How many get a mail-out of this list: the included but for the suppressed."""
        return self.included - self.suppressed


def touch(list_id: int | None = None) -> None:
    """Note that the places of this list, or of all (None), are others now."""
    renew()
    statement = update(MailingList).values(edition=_word())
    changed(statement if list_id is None else statement.where(MailingList.id == list_id))


def renew() -> None:
    """Note that something in the address book is another now, though no count is."""
    if not changed(update(Setting).where(Setting.name == _EDITION).values(value=_word())):
        db.session.execute(insert(Setting).values(name=_EDITION, value=_word()))


def edition() -> str:
    """A word that is another one after every change of the address book."""
    return db.session.scalar(select(Setting.value).where(Setting.name == _EDITION)) or ""


def _word() -> str:
    return secrets.token_hex(8)


def tally(list_id: int) -> Tally:
    """How many stand where in the list; all zeros for a list that there is not."""
    return tallies([list_id]).get(list_id, Tally())


def tallies(list_ids: Collection[int] | None = None) -> dict[int, Tally]:
    """How many stand where, for these lists or for all."""
    query = select(MailingList.id, MailingList.edition)
    if list_ids is not None:
        query = query.where(MailingList.id.in_(list_ids))
    editions = dict(iter(db.session.execute(query)))
    kept = _kept()
    stale = [
        list_id for list_id, edition in editions.items() if kept.get(list_id, ("", None))[0] != edition or not edition
    ]
    counted = _count(stale) if stale else {}
    for list_id in stale:
        kept[list_id] = (editions[list_id], counted[list_id])
    return {list_id: kept[list_id][1] for list_id in editions}


def customers_here() -> int:
    """How many customers there are."""
    hidden = select(func.count()).where(Customer.came_with.in_(select(Import.id).where(Import.applied_at.is_(None))))
    everyone = select(func.count()).select_from(Customer)
    return (db.session.scalar(everyone) or 0) - (db.session.scalar(hidden) or 0)


def _kept() -> dict[int, tuple[str, Tally]]:
    """What this application has counted, by list, with the edition that it was counted in."""
    return cast("dict[int, tuple[str, Tally]]", current_app.extensions.setdefault(_KEPT, {}))


def _count(list_ids: Collection[int]) -> dict[int, Tally]:
    """Count these lists, each by a walk over an index."""
    everyone = customers_here()
    hidden = select(Customer.id).where(Customer.came_with.in_(select(Import.id).where(Import.applied_at.is_(None))))
    places = (
        select(ListPlace.list_id, ListPlace.place, func.count())
        .where(ListPlace.list_id.in_(list_ids), ListPlace.customer_id.not_in(hidden))
        .group_by(ListPlace.list_id, ListPlace.place)
    )
    numbers = {(list_id, place): number for list_id, place, number in db.session.execute(places)}
    suppressed = _suppressed(list_ids)
    return {list_id: _tally(list_id, numbers, suppressed.get(list_id, 0), everyone) for list_id in list_ids}


def _tally(list_id: int, numbers: dict[tuple[int, str], int], suppressed: int, everyone: int) -> Tally:
    included, unsubscribed = (numbers.get((list_id, place), 0) for place in (Place.INCLUDED, Place.UNSUBSCRIBED))
    return Tally(included, suppressed, max(0, everyone - included - unsubscribed), unsubscribed)


def _suppressed(list_ids: Collection[int]) -> dict[int, int]:
    """How many of the included are suppressed, by list."""
    included = and_(ListPlace.customer_id == Customer.id, ListPlace.place == Place.INCLUDED)
    query = (
        select(ListPlace.list_id, func.count())
        .join(Customer, included)
        .where(Customer.suppressed_for.is_not(None), ListPlace.list_id.in_(list_ids), Customer.here())
        .group_by(ListPlace.list_id)
    )
    return dict(iter(db.session.execute(query)))
