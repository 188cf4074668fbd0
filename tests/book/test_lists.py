"""Lists: made with nobody, everyone or another's, renamed, put away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from mailout.book import customers, lists, places
from mailout.core.fault import Fault
from mailout.journal import COMMAND
from mailout.models import Place, db


@pytest.fixture
def by(app, now):
    """Who does it, and when."""
    return {"actor": COMMAND, "now": now}


def test_a_list_starts_with_whom_it_is_told(make, by, now):
    emails = [f"c{number}@example.org" for number in range(4)]
    first = make.list("Newsletter", emails)
    places.unsubscribe(customers.by_email(emails[0]).id, first.id, how="one click", now=now)

    nobody = lists.create("Nobody", **by)
    everyone = lists.create("Everyone", starts_with="everyone", **by)
    others = lists.create("Others", starts_with=first.id, **by)

    assert [lists.tally(row.id).included for row in (nobody, everyone, others)] == [0, 4, 3]
    with pytest.raises(LookupError):
        lists.create("Lost", starts_with=99, **by)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_name_that_will_not_do_is_refused(by, name):
    with pytest.raises(Fault):
        lists.create(name, **by)


def test_a_name_is_a_lists_once_whatever_its_capitals(make, by):
    make.list("Newsletter")
    other = make.list("Promotions")

    with pytest.raises(Fault, match="a list Newsletter already"):
        lists.create(" news  letter ".replace("  ", ""), **by)
    with pytest.raises(Fault, match="already"):
        lists.rename(other.id, "NEWSLETTER", **by)
    lists.rename(other.id, "promotions", **by)
    assert lists.by_name("PROMOTIONS").name == "promotions"


def test_of_two_who_make_the_same_list_at_once_one_is_told(app, by):
    start, said = threading.Barrier(4), []

    def create():
        with app.app_context():
            start.wait()
            try:
                lists.create("Newsletter", starts_with="everyone", **by)
                db.session.commit()
                said.append("made")
            except Fault as fault:
                db.session.rollback()
                said.append(str(fault))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(said) == ["There is a list Newsletter already."] * 3 + ["made"]


@pytest.mark.parametrize("name", ["B", "U", "Welpen & Züchter", "新闻", "a/b+c@d"])
def test_a_list_may_be_called_anything(by, name):
    assert lists.create(name, **by).name == name


def test_an_archived_list_is_out_of_the_way_and_its_name_is_told(make, by):
    row = make.list("Newsletter")

    assert lists.archive(row.id, **by)
    assert not lists.archive(row.id, **by)
    assert (lists.all(), [one.name for one in lists.all(archived=True)]) == ([], ["Newsletter"])
    with pytest.raises(Fault, match="bring it back"):
        lists.create("newsletter", **by)

    assert lists.restore(row.id, **by)
    assert not lists.restore(row.id, **by)
    assert len(lists.all()) == 1


def test_only_what_is_given_is_changed(make, by):
    row = make.list("Newsletter")

    lists.change(row.id, description="For all", unsubscribe_line=False, **by)
    lists.change(row.id, customers_may_see=True, **by)

    now = lists.find(row.id)
    assert (now.description, now.unsubscribe_line, now.customers_may_see, now.includes_new) == (
        "For all",
        False,
        True,
        True,
    )


@pytest.mark.parametrize("wording", ["{name}", "{", "}{", "{organisation!r:{x}}", "{0}"])
def test_a_wording_that_can_not_be_filled_in_is_refused(make, by, wording):
    row = make.list("Newsletter")

    with pytest.raises(Fault, match="braces"):
        lists.change(row.id, unsubscribe_wording=wording, **by)
    lists.change(row.id, unsubscribe_wording="From {organisation}, {address}.", **by)


def test_growth_and_leavers_are_counted(make, by, now):
    emails = [f"c{number}@example.org" for number in range(5)]
    row = make.list("Newsletter", emails)
    later = {"actor": COMMAND, "now": now + timedelta(days=2)}
    places.unsubscribe(customers.by_email(emails[0]).id, row.id, how="one click", now=later["now"])
    places.set_place(customers.by_email(emails[1]).id, row.id, Place.EXCLUDED, how="switch", **later)
    customers.add("new@example.org", "", "", **later)
    db.session.commit()

    assert lists.movement(row.id, now) == lists.Movement(joined=6, excluded=1, unsubscribed=1)
    assert lists.movement(row.id, now + timedelta(days=1)) == lists.Movement(joined=1, excluded=1, unsubscribed=1)


def test_an_unknown_list_is_told(app):
    with pytest.raises(LookupError, match="no list Lost"):
        lists.by_name("Lost")
    with pytest.raises(LookupError):
        lists.find(99)
    assert lists.tally(99) == lists.Tally()
