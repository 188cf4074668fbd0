"""What is counted of the address book, once for as long as it is the same."""

from __future__ import annotations

import threading
import time

import pytest
from flask import Flask

from mailout.book import edition, places
from mailout.book.foresee import foresee
from mailout.book.grid import Search
from mailout.journal import COMMAND
from mailout.models import Place, db
from tests.conftest import NOW
from tests.makers import Make


def test_several_who_ask_the_same_at_once_wait_for_one_answer(app: Flask, make: Make) -> None:
    make.customer("ann@customers.test")
    db.session.commit()
    asked: list[int] = []
    found: list[int] = []

    def answer() -> int:
        asked.append(1)
        time.sleep(0.5)
        return 42

    def ask() -> None:
        with app.app_context():
            found.append(edition.remembered("how many", answer))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert found == [42] * 5
    assert len(asked) == 1


def test_what_was_asked_longest_ago_is_forgotten_first(app: Flask, make: Make) -> None:
    make.customer("ann@customers.test")
    asked: list[int] = []

    def ask(number: int) -> int:
        return edition.remembered(number, lambda: asked.append(number) or number)

    for number in range(edition.REMEMBERED):
        ask(number)
        assert ask(0) == 0
    ask(edition.REMEMBERED)  # one more than there is room for

    assert ask(0) == 0
    assert asked.count(0) == 1
    ask(1)
    assert asked.count(1) == 2


@pytest.mark.parametrize("place", [Place.INCLUDED, Place.EXCLUDED, Place.UNSUBSCRIBED])
def test_what_a_bulk_change_would_do_is_counted_for_each_place(app: Flask, make: Make, place: Place) -> None:
    first, second = make.list("First"), make.list("Second")
    people = [make.customer(f"c{number}@customers.test") for number in range(9)]
    db.session.commit()
    for number, one in enumerate(people):
        stands = (Place.INCLUDED, Place.EXCLUDED, Place.UNSUBSCRIBED)[number % 3]
        _put(one.id, first.id, stands)
        _put(one.id, second.id, Place.INCLUDED if number < 5 else Place.EXCLUDED)
    db.session.commit()

    found = foresee(Search(list_id=first.id, place=place), second.id)

    these = [number for number in range(9) if (Place.INCLUDED, Place.EXCLUDED, Place.UNSUBSCRIBED)[number % 3] is place]
    assert found.total == len(these) == 3
    assert found.included == sum(number < 5 for number in these)


def _put(customer_id: int, list_id: int, place: Place) -> None:
    """Have them stand there, by themselves where only they can."""
    if place is Place.UNSUBSCRIBED:
        places.unsubscribe(customer_id, list_id, how="test", now=NOW)
    else:
        places.set_place(customer_id, list_id, place, how="test", actor=COMMAND, now=NOW)
