"""The grid's short ways: what they find is what a plain walk through the tables finds, after every kind of change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from mailout.book import columns, customers, grid, importing, lists, places
from mailout.book.foresee import Foreseen, foresee
from mailout.book.grid import Search
from mailout.journal import COMMAND
from mailout.models import Customer, ListPlace, Place, db
from tests.conftest import NOW
from tests.makers import Make

SORTS = ("name", "-name", "email", "-email", "added", "-added")
PEOPLE = 30


@pytest.fixture
def always_far(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No page is near."""
    monkeypatch.setattr(grid, "NEAR", -1)
    return


@dataclass
class Truth:
    """Everybody and every place, as the tables have them."""

    people: list[Customer]
    stands: dict[tuple[int, int], str]

    def found(self, wanted: Search) -> list[int]:
        """Everybody who is looked for, in their order."""
        name, backwards = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
        keys = {"name": lambda one: one.sought, "email": lambda one: one.email_same, "added": lambda one: one.id}
        everybody = sorted(self.people, key=keys[name], reverse=backwards)
        return [one.id for one in everybody if not wanted.place or self.place(one.id, wanted.list_id) == wanted.place]

    def place(self, customer_id: int, list_id: int | None) -> str:
        """Where they stand."""
        return self.stands.get((customer_id, list_id or 0), Place.EXCLUDED)

    def foreseen(self, people: list[int], list_id: int) -> Foreseen:
        """How these stand in the list."""
        stand = [self.place(one, list_id) for one in people]
        return Foreseen(len(people), stand.count(Place.INCLUDED), stand.count(Place.UNSUBSCRIBED))


def _truth() -> Truth:
    db.session.commit()
    stands = db.session.execute(select(ListPlace.customer_id, ListPlace.list_id, ListPlace.place))
    people = db.session.scalars(select(Customer), execution_options={"populate_existing": True})
    return Truth(list(people), {(customer, list_): place for customer, list_, place in stands})


def _paged(wanted: Search) -> list[int]:
    """The same, a page at a time."""
    found: list[int] = []
    for page in range(1, 100):
        part = grid.search(replace(wanted, page=page), size=11)
        found += [row.id for row in part.rows]
        if page >= part.pages:
            assert part.total == len(found)
            break
    return found


def _check(list_ids: list[int]) -> None:
    """Every order, every list, every place, and what each would do to each other list."""
    truth = _truth()
    for sort in SORTS:
        assert _paged(Search(sort=sort)) == truth.found(Search(sort=sort))
    wanted = [Search(list_id=one, place=place, sort=SORTS[one % len(SORTS)]) for one in list_ids for place in Place]
    for search in wanted:
        assert _paged(search) == truth.found(search), search
        for other in list_ids:
            assert foresee(search, other) == truth.foreseen(truth.found(search), other), (search, other)


@pytest.fixture
def book(make: Make) -> tuple[list[int], list[int]]:
    """Customers and three lists, mixed by a seed: (the customers' ids, the lists' ids)."""
    mixed = random.Random(7)
    of = [make.list(f"List {number}").id for number in range(3)]
    names = ["Ada", "Bo", "Cy", "Di", "Éva", "zoë"]
    people = []
    for number in range(PEOPLE):
        named = {"first_name": mixed.choice(names), "last_name": mixed.choice(names)}
        people.append(make.customer(f"c{mixed.randrange(10**6)}-{number}@customers.test", **named).id)
    db.session.commit()
    for one in people:
        for list_id in of:
            _put(one, list_id, mixed.choice(list(Place)))
    return people, of


def _put(customer_id: int, list_id: int, place: Place) -> None:
    """Have them stand there, by themselves where only they can."""
    if place is Place.UNSUBSCRIBED:
        places.unsubscribe(customer_id, list_id, how="test", now=NOW)
    else:
        places.set_place(customer_id, list_id, place, how="test", actor=COMMAND, now=NOW)


@pytest.mark.usefixtures("always_far")
def test_what_is_far_is_found_as_what_is_near(book: tuple[list[int], list[int]]) -> None:
    _check(book[1])


@pytest.mark.usefixtures("always_far")
def test_after_every_change_it_is_still_true(book: tuple[list[int], list[int]]) -> None:
    people, of = book
    _check(of)

    customers.edit(people[3], email="aaa@customers.test", first_name="Aa", last_name="Aa", actor=COMMAND, now=NOW)
    _check(of)
    places.set_place(people[4], of[0], Place.EXCLUDED, how="test", actor=COMMAND, now=NOW)
    places.take_back(people[5], of[1], how="test", reason="asked", actor=COMMAND, now=NOW)
    _check(of)
    made = customers.add("new@customers.test", "New", "Person", actor=COMMAND, now=NOW)
    _check(of)
    customers.delete(made.id, actor=COMMAND, now=NOW)
    customers.delete(people[6], actor=COMMAND, now=NOW)
    _check(of)
    places.bulk(grid.ids(Search()), of[2], Place.INCLUDED, mark=places.new_mark(), actor=COMMAND, now=NOW)
    _check(of)
    of.append(lists.create("One more", starts_with="everyone", actor=COMMAND, now=NOW).id)
    _check(of)
    planned = importing.plan("email,first_name\nzz@customers.test,Aaron\n", "more.csv", actor=COMMAND, now=NOW)
    importing.apply(planned.id, actor=COMMAND, now=NOW)
    _check(of)
    importing.undo(planned.id, actor=COMMAND, now=NOW)
    _check(of)


def test_what_words_find_is_foreseen_too(book: tuple[list[int], list[int]]) -> None:
    people, of = book
    db.session.commit()
    wanted = Search(q="ada")
    these = [row.id for row in grid.search(wanted, size=PEOPLE).rows]
    assert 0 < len(these) < len(people)

    assert foresee(wanted, of[1]) == _truth().foreseen(these, of[1])
    left = Search(q="ada", list_id=of[0], place=Place.UNSUBSCRIBED)
    gone = [row.id for row in grid.search(left, size=PEOPLE).rows]
    assert 0 < len(gone) < len(these)
    assert foresee(left, of[1]) == _truth().foreseen(gone, of[1])
    assert foresee(Search(q="nobody is called so"), of[1]) == Foreseen(0, 0, 0)


def test_a_list_that_there_is_not_has_nobody_in_it(make: Make) -> None:
    make.customer("ann@customers.test")
    db.session.commit()
    assert columns.places(99) == b"\0"
