"""Customers: unique whatever the case, found by any part of what is known, forgotten for good."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select

from mailout.book import customers, lists, places, suppression
from mailout.core.delivery import State
from mailout.core.fault import Fault
from mailout.journal import COMMAND
from mailout.models import Forgotten, JournalEntry, ListPlace, Place, Recipient, Suppressed, db
from mailout.outbox import queue


@pytest.fixture
def by(app, now):
    """Who does it, and when."""
    return {"actor": COMMAND, "now": now}


def found(**wanted):
    """The addresses on the page that a search finds."""
    return [row.email for row in customers.search(customers.Search(**wanted)).rows]


def test_a_customer_is_found_whatever_the_case_and_kept_as_typed(make):
    row = make.customer("Jo.Smith@Example.ORG", " Jo ", "Smith\n")

    assert customers.by_email("JO.smith@example.org").id == row.id
    assert (row.email, row.first_name, row.last_name, row.name) == ("Jo.Smith@Example.ORG", "Jo", "Smith", "Jo Smith")


def test_an_address_is_a_customers_once(make, by):
    make.customer("jo@example.org")

    with pytest.raises(Fault, match="customer already"):
        customers.add("JO@Example.org", "", "", **by)
    other = make.customer("ann@example.org")
    with pytest.raises(Fault, match="customer already"):
        customers.edit(other.id, email="Jo@example.org", first_name="", last_name="", **by)


def test_a_fault_leaves_the_rest_of_the_transaction_whole(make, by):
    make.customer("jo@example.org")
    customers.add("ann@example.org", "", "", **by)
    with pytest.raises(Fault):
        customers.add("jo@example.org", "", "", **by)
    db.session.commit()

    assert customers.by_email("ann@example.org")


def test_a_new_customer_stands_where_each_list_says(make, by):
    yes = make.list("Newsletter")
    no = lists.create("Promotions", includes_new=False, **by)
    away = make.list("Old")
    lists.archive(away.id, **by)
    row = make.customer("jo@example.org")

    said = customers.places_of([row.id], [yes.id, no.id, away.id])

    assert [said[row.id, one.id] for one in (yes, no, away)] == [Place.INCLUDED, Place.EXCLUDED, Place.EXCLUDED]
    assert not db.session.get(ListPlace, (yes.id, row.id)).chosen


def test_an_edit_says_in_the_journal_what_was_changed_and_not_to_what(make, by):
    row = make.customer("jo@example.org", "Jo", "Smith")

    customers.edit(row.id, email="jo@example.org", first_name="Jo", last_name="Jones", **by)
    customers.edit(row.id, email="jo@example.org", first_name="Jo", last_name="Jones", **by)
    db.session.commit()

    entries = db.session.scalars(select(JournalEntry).where(JournalEntry.action == "customer.edit")).all()
    assert [(entry.subject, entry.detail) for entry in entries] == [(f"customer {row.id}", "last name")]
    assert found(q="jones") == ["jo@example.org"]
    assert found(q="smith") == []


def test_a_deleted_customer_leaves_a_hash_and_nothing_else(make, by):
    newsletter = make.list("Newsletter", ["jo@example.org"])
    row = customers.by_email("jo@example.org")

    customers.delete(row.id, **by)
    db.session.commit()

    with pytest.raises(LookupError):
        customers.find(row.id)
    kept = db.session.scalars(select(Forgotten.digest)).all()
    assert kept == [customers.forgotten_digest("JO@example.org")]
    assert lists.tally(newsletter.id) == lists.Tally()
    assert not [entry for entry in db.session.scalars(select(JournalEntry)) if "jo@" in entry.subject + entry.detail]


def test_whoever_was_deleted_may_be_added_by_hand(make, by):
    customers.delete(make.customer("jo@example.org").id, **by)
    db.session.commit()

    make.customer("jo@example.org")

    assert db.session.scalars(select(Forgotten)).all() == []


def test_a_number_is_never_given_again_so_that_an_old_link_is_nobody_elses(make, by):
    before = make.customer("jo@example.org").id
    customers.delete(before, **by)
    db.session.commit()

    after = customers.add("ann@example.org", "", "", **by).id
    customers.delete(after, **by)
    last = customers.add("ben@example.org", "", "", **by).id

    assert (after, last) == (before + 1, before + 2)


def test_a_deleted_customers_waiting_copy_does_not_go(make, by, mailout, now):
    newsletter = make.list("Newsletter", ["jo@example.org", "ann@example.org"])
    row = mailout(newsletter.id)
    queue.freeze(row.id, newsletter.id, now)
    db.session.commit()

    customers.delete(customers.by_email("jo@example.org").id, **by)
    db.session.commit()

    rows = db.session.scalars(select(Recipient).order_by(Recipient.address)).all()
    assert [(one.address, one.state) for one in rows] == [
        ("ann@example.org", State.QUEUED),
        ("jo@example.org", State.SKIPPED),
    ]
    assert rows[1].reason == "deleted: by command line"


@pytest.fixture
def many(make, by):
    """Five customers in a list, one of whom left it, and two of whom get nothing."""
    newsletter = make.list("Newsletter")
    for email, first, last in (
        ("jo.smith@example.org", "Jo", "Smith"),
        ("zoe@example.com", "Zoë", "Müller"),
        ("ann@bluegum.example", "Ann", "de Vries"),
        ("bob@example.org", "", ""),
        ("liam@example.org", "Liam", "Smith"),
    ):
        make.customer(email, first, last)
    places.set_place(customers.by_email("bob@example.org").id, newsletter.id, Place.EXCLUDED, how="t", **by)
    places.unsubscribe(customers.by_email("zoe@example.com").id, newsletter.id, how="one click", now=by["now"])
    suppression.suppress(customers.by_email("ann@bluegum.example").id, Suppressed.BOUNCED, "5.1.1", **by)
    suppression.suppress(customers.by_email("liam@example.org").id, Suppressed.BY_HAND, "", **by)
    db.session.commit()
    return newsletter


def test_a_search_finds_any_part_of_names_and_address(many):
    assert found(q="smith") == ["jo.smith@example.org", "liam@example.org"]
    assert found(q="bluegum") == ["ann@bluegum.example"]
    assert found(q="  JO   smi ") == ["jo.smith@example.org"]
    assert found(q="muller zoe") == ["zoe@example.com"]
    assert found(q="MÜLLER") == ["zoe@example.com"]
    assert found(q="smith liam nobody") == []
    assert len(found(q="")) == 5


@pytest.mark.parametrize("hostile", ["%", "_", "\\", "'", '" OR 1=1', "/", "%%%"])
def test_what_means_something_to_a_database_means_nothing_in_a_search(many, hostile):
    assert found(q=hostile) == []


def test_filters_go_by_list_place_and_state(many):
    included = ["ann@bluegum.example", "jo.smith@example.org", "liam@example.org"]
    assert found(list_id=many.id, place="included") == included
    assert found(list_id=many.id, place="excluded") == ["bob@example.org"]
    assert found(list_id=many.id, place="unsubscribed") == ["zoe@example.com"]
    assert sorted(found(state="suppressed")) == ["ann@bluegum.example", "liam@example.org"]
    assert found(state="bounced") == ["ann@bluegum.example"]
    assert found(list_id=many.id, place="included", state="reached") == ["jo.smith@example.org"]
    assert found(q="smith", list_id=many.id, place="included", state="suppressed") == ["liam@example.org"]


def test_sorts_go_by_name_address_and_time(many):
    by_name = ["bob@example.org", "ann@bluegum.example", "zoe@example.com", "jo.smith@example.org", "liam@example.org"]
    added = ["jo.smith@example.org", "zoe@example.com", "ann@bluegum.example", "bob@example.org", "liam@example.org"]

    assert found(sort="name") == by_name
    assert found(sort="-name") == by_name[::-1]
    assert found(sort="email") == sorted(by_name)
    assert found(sort="added") == added
    assert found(sort="-added") == added[::-1]


@pytest.mark.parametrize("wanted", [{}, {"sort": "-name"}, {"q": "example"}, {"place": "included"}])
def test_pages_hold_everybody_once_from_either_end(make, app, wanted):
    newsletter = make.list("Newsletter", [f"c{number:02}@example.org" for number in range(23)])
    if "place" in wanted:
        wanted = {**wanted, "list_id": newsletter.id}
    pages = [customers.search(customers.Search(**wanted, page=number), size=5) for number in range(1, 6)]

    emails = [row.email for page in pages for row in page.rows]

    assert [len(page.rows) for page in pages] == [5, 5, 5, 5, 3]
    assert emails == sorted(emails, reverse=wanted.get("sort") == "-name")
    assert len(set(emails)) == 23
    assert {(page.total, page.pages) for page in pages} == {(23, 5)}


def test_a_page_after_the_last_is_the_last(make):
    make.customer("jo@example.org")

    page = customers.search(customers.Search(page=99))

    assert (page.page, page.pages, len(page.rows)) == (1, 1, 1)
    assert customers.search(customers.Search(q="nobody", page=3)).rows == []


@pytest.mark.parametrize("wanted", [{"sort": "shoes"}, {"state": "happy"}, {"place": "above"}])
def test_a_search_for_what_there_is_not_is_told_so(app, wanted):
    with pytest.raises(Fault):
        customers.search(customers.Search(**wanted))
    with pytest.raises(LookupError):
        customers.search(customers.Search(list_id=7, place="included"))


def test_what_is_found_can_be_handed_to_a_bulk_change(many):
    ids = db.session.scalars(customers.ids(customers.Search(q="smith"))).all()

    assert len(ids) == 2


def test_a_page_asks_the_database_as_often_for_fifty_as_for_one(make, app):
    make.list("Newsletter", [f"c{number:02}@example.org" for number in range(60)])

    def questions(size):
        asked = []
        customers.search(customers.Search(), size=size)  # what is counted once is known then

        def count(*_):
            asked.append(1)

        event.listen(db.engine, "before_cursor_execute", count)
        customers.search(customers.Search(), size=size)
        event.remove(db.engine, "before_cursor_execute", count)
        return len(asked)

    assert questions(50) == questions(1) <= 4
