"""tally -- how many stand where in each list, counted when something changed and remembered until the next change.

Owns     `list.edition`, another word after every change that a count of the list depends on, and the whole book's
Never    keeps a counter that could be wrong: a number is counted from the rows, and kept as long as the edition is
Commits  leaves that to the caller

100,000 customers in 10 lists are a million rows; counting one list takes 5 ms, so only those that changed are counted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar, cast

from flask import current_app
from sqlalchemy import Select, func, insert, select, update

from ..models import Customer, Import, ListPlace, MailingList, Place, Setting, Suppressed, changed, db

_KEPT, _ANSWERS, _LOCKS = "mailout_tallies", "mailout_answers", "mailout_asking"
#: So many answers are kept; a page of ids is the largest of them.
REMEMBERED = 200
Answer = TypeVar("Answer")
_BOOK, _SUPPRESSION = "book edition", "suppression edition"


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


@dataclass(frozen=True, slots=True)
class _Places:
    """What was counted of a list, and in which edition of it."""

    edition: str
    included: int
    unsubscribed: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What this application has counted, by list. An entry is never changed, only replaced: threads share them."""

    places: dict[int, _Places] = field(default_factory=dict)
    suppressed: dict[int, tuple[str, int]] = field(default_factory=dict)


def touch(*list_ids: int) -> None:
    """Note that the places of these lists, or of all when none is named, are others now."""
    renew()
    statement = update(MailingList).values(edition=_word())
    changed(statement.where(MailingList.id.in_(list_ids)) if list_ids else statement)


def touch_suppression() -> None:
    """Note that other customers are suppressed now."""
    renew()
    _renew(_SUPPRESSION)


def renew() -> None:
    """Note that something in the address book is another now, though no count is."""
    _renew(_BOOK)


def edition() -> str:
    """A word that is another one after every change of the address book."""
    return _setting(_BOOK)


def tally(list_id: int) -> Tally:
    """How many stand where in the list; all zeros for a list that there is not."""
    return tallies([list_id]).get(list_id, Tally())


def tallies(list_ids: Collection[int] | None = None) -> dict[int, Tally]:
    """How many stand where, for these lists or for all."""
    query = select(MailingList.id, MailingList.edition)
    if list_ids is not None:
        query = query.where(MailingList.id.in_(list_ids))
    editions = dict(iter(db.session.execute(query)))
    kept, suppression, everyone = _kept(), _setting(_SUPPRESSION), customers_here()
    places = {one: kept.places.get(one) for one in editions}
    stale = {
        one: word
        for one, word in editions.items()
        if not word or (found := places[one]) is None or found.edition != word
    }
    counted = _count_places(stale) if stale else {}
    kept.places.update(counted)
    both = {one: f"{word} {suppression}" for one, word in editions.items()}
    return {
        one: _tally(counted.get(one) or places[one], _suppressed(one, word, kept), everyone)
        for one, word in both.items()
    }


def customers_here() -> int:
    """How many customers there are."""
    return remembered("customers", _count_customers)


def remembered(question: Hashable, answer: Callable[[], Answer]) -> Answer:
    """What was answered to the question, asked anew when the address book is another one; ask nothing else this way.

    Several who ask the same at once wait for the one who asks the tables.
    """
    word = edition()
    found = _answers().get(question)
    if not word or found is None or found[0] != word:
        with _asking().setdefault(question, Lock()):
            found = _answers().get(question)
            if not word or found is None or found[0] != word:
                found = (word, answer())
                _keep(question, found)
    return cast(Answer, found[1])


def _answers() -> dict[Hashable, tuple[str, object]]:
    return cast("dict[Hashable, tuple[str, object]]", current_app.extensions.setdefault(_ANSWERS, {}))


def _asking() -> dict[Hashable, Lock]:
    return cast("dict[Hashable, Lock]", current_app.extensions.setdefault(_LOCKS, {}))


def _keep(question: Hashable, found: tuple[str, object]) -> None:
    """Remember an answer; when there are very many, forget the others."""
    kept, asking = _answers(), _asking()
    if len(kept) >= REMEMBERED:
        kept.clear()
        asking.clear()
    kept[question] = found


def _count_customers() -> int:
    """Count them in one look, for an import may be bringing some that are not here yet."""
    everyone = select(func.count()).select_from(Customer).scalar_subquery()
    not_yet = select(func.count()).select_from(unseen().subquery()).scalar_subquery()
    return db.session.scalar(select(everyone - not_yet)) or 0


def _tally(places: _Places | None, suppressed: int, everyone: int) -> Tally:
    assert places is not None, "a list that was not counted"
    excluded = max(0, everyone - places.included - places.unsubscribed)
    return Tally(places.included, suppressed, excluded, places.unsubscribed)


def _kept() -> _Kept:
    return cast(_Kept, current_app.extensions.setdefault(_KEPT, _Kept()))


def _count_places(editions: Mapping[int, str]) -> dict[int, _Places]:
    """Count who stands where in these lists, by one walk over an index."""
    query = (
        select(ListPlace.list_id, ListPlace.place, func.count())
        .where(ListPlace.list_id.in_(editions), ListPlace.customer_id.not_in(unseen()))
        .group_by(ListPlace.list_id, ListPlace.place)
    )
    numbers = {(list_id, place): number for list_id, place, number in db.session.execute(query)}
    included, unsubscribed = Place.INCLUDED.value, Place.UNSUBSCRIBED.value
    return {
        one: _Places(word, numbers.get((one, included), 0), numbers.get((one, unsubscribed), 0))
        for one, word in editions.items()
    }


def _suppressed(list_id: int, edition: str, kept: _Kept) -> int:
    """How many of the included are suppressed, counted from the suppressed, who are few."""
    found = kept.suppressed.get(list_id)
    if found is not None and found[0] == edition:
        return found[1]
    words = [str(word) for word in Suppressed]
    suppressed = select(Customer.id).where(Customer.suppressed_for.in_(words), Customer.here())
    included = (ListPlace.list_id == list_id) & (ListPlace.place == Place.INCLUDED.value)
    query = select(func.count()).select_from(ListPlace).where(included, ListPlace.customer_id.in_(suppressed))
    number = db.session.scalar(query) or 0
    kept.suppressed[list_id] = (edition, number)
    return number


def unseen() -> Select[int]:
    """The ids of customers whom an import that is under way has brought: they are not here yet."""
    return select(Customer.id).where(Customer.came_with.in_(_under_way()))


def _under_way() -> Select[int]:
    return select(Import.id).where(Import.applied_at.is_(None))


def _setting(name: str) -> str:
    return db.session.scalar(select(Setting.value).where(Setting.name == name)) or ""


def _renew(name: str) -> None:
    if not changed(update(Setting).where(Setting.name == name).values(value=_word())):
        db.session.execute(insert(Setting).values(name=name, value=_word()))


def _word() -> str:
    return secrets.token_hex(8)
