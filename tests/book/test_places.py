"""Places: who put whom where is kept, bulk changes leave alone whoever left, mail-outs under way hear of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from mailout.book import customers, lists, places, suppression
from mailout.core.delivery import State
from mailout.core.fault import Fault
from mailout.journal import COMMAND, Actor
from mailout.models import Customer, ListPlace, Place, PlaceChange, Recipient, Suppressed, db
from mailout.outbox import queue

JO, ANN, BOB = "jo@example.org", "ann@example.org", "bob@example.org"


@pytest.fixture
def by(app, now):
    """Who does it, and when."""
    return {"actor": COMMAND, "now": now}


@pytest.fixture
def newsletter(make):
    """A list that includes three customers."""
    return make.list("Newsletter", [JO, ANN, BOB])


def id_of(email):
    """A customer's id."""
    return customers.by_email(email).id


def standing(list_):
    """Where everybody stands."""
    emails = db.session.scalars(select(Customer.email).order_by(Customer.id))
    return {email: str(places.place_of(id_of(email), list_.id)) for email in emails}


def changes(list_):
    """All changes in the list, as (was, became, how)."""
    query = select(PlaceChange).where(PlaceChange.list_id == list_.id).order_by(PlaceChange.id)
    return [(row.was, row.became, row.how) for row in db.session.scalars(query)]


def test_a_change_is_kept_with_who_when_and_how(make, newsletter, now):
    user = make.user("boss@mail.test")

    changed = places.set_place(
        id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", actor=Actor(user.id, "Boss"), now=now
    )

    row = db.session.scalars(select(PlaceChange).order_by(PlaceChange.id.desc())).first()
    assert changed
    assert (row.was, row.became, row.user_id, row.at, row.how) == ("included", "excluded", user.id, now, "switch")


def test_the_second_of_two_presses_changes_nothing(newsletter, by):
    assert places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    before = changes(newsletter)

    assert not places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    assert changes(newsletter) == before


def test_to_choose_what_the_default_was_is_a_choice(make, by):
    row = make.customer(JO)
    promotions = make.list("Promotions")

    assert not places.set_place(row.id, promotions.id, Place.EXCLUDED, how="switch", **by)

    assert db.session.get(ListPlace, (promotions.id, row.id)).chosen


def test_whoever_left_comes_back_only_with_a_reason(newsletter, by, now):
    places.unsubscribe(id_of(JO), newsletter.id, how="one click", now=now)

    with pytest.raises(Fault, match="left this list themselves"):
        places.set_place(id_of(JO), newsletter.id, Place.INCLUDED, how="switch", **by)
    with pytest.raises(Fault, match="write down why"):
        places.take_back(id_of(JO), newsletter.id, "  ", **by)
    assert not places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    assert places.place_of(id_of(JO), newsletter.id) is Place.UNSUBSCRIBED

    assert places.take_back(id_of(JO), newsletter.id, "rang on 3 May", **by)
    db.session.commit()

    assert places.place_of(id_of(JO), newsletter.id) is Place.INCLUDED
    assert db.session.scalars(select(PlaceChange.reason).order_by(PlaceChange.id.desc())).first() == "rang on 3 May"
    assert not places.take_back(id_of(JO), newsletter.id, "again", **by)


def test_leaving_twice_is_leaving_once(newsletter, now):
    assert places.unsubscribe(id_of(JO), newsletter.id, how="one click", now=now)
    assert not places.unsubscribe(id_of(JO), newsletter.id, how="mail", now=now)


def test_whoever_was_never_in_a_list_can_leave_it(make, now):
    row = make.customer(JO)
    promotions = make.list("Promotions")

    assert places.unsubscribe(row.id, promotions.id, how="page", now=now)
    assert places.place_of(row.id, promotions.id) is Place.UNSUBSCRIBED


def test_a_bulk_change_moves_all_but_those_who_left(newsletter, by, now):
    places.unsubscribe(id_of(ANN), newsletter.id, how="one click", now=now)

    number = places.bulk(customers.ids(customers.Search()), newsletter.id, Place.EXCLUDED, **by)
    again = places.bulk(customers.ids(customers.Search()), newsletter.id, Place.EXCLUDED, **by)
    back = places.bulk(customers.ids(customers.Search()), newsletter.id, Place.INCLUDED, **by)
    db.session.commit()

    assert (number, again, back) == (2, 0, 2)
    assert standing(newsletter) == {JO: "included", ANN: "unsubscribed", BOB: "included"}


def test_a_bulk_change_may_be_found_by_the_very_place_it_changes(newsletter, by):
    wanted = customers.Search(list_id=newsletter.id, place="included")

    assert places.bulk(customers.ids(wanted), newsletter.id, Place.EXCLUDED, **by) == 3
    assert set(standing(newsletter).values()) == {"excluded"}


def test_a_bulk_change_can_be_undone_but_for_what_changed_since(make, newsletter, by, now):
    promotions = make.list("Promotions")
    places.set_place(id_of(BOB), newsletter.id, Place.EXCLUDED, how="switch", **by)
    before = standing(newsletter)
    mark, other = places.new_mark(), places.new_mark()
    places.bulk(customers.ids(customers.Search()), newsletter.id, Place.EXCLUDED, mark=mark, **by)
    places.bulk(customers.ids(customers.Search()), promotions.id, Place.INCLUDED, mark=other, **by)
    places.unsubscribe(id_of(ANN), newsletter.id, how="one click", now=now)

    back = places.undo(mark, **by)
    db.session.commit()

    assert back == 1
    assert standing(newsletter) == before | {ANN: "unsubscribed"}
    assert set(standing(promotions).values()) == {"included"}
    assert places.undo(mark, **by) == 0
    assert places.undo("no such mark", **by) == 0


def test_undoing_a_bulk_change_forgets_that_it_was_a_choice(make, by):
    row = make.customer(JO)
    promotions = make.list("Promotions")
    mark = places.new_mark()
    places.bulk(customers.ids(customers.Search()), promotions.id, Place.EXCLUDED, mark=mark, **by)

    places.undo(mark, **by)
    db.session.expire_all()

    assert not db.session.get(ListPlace, (promotions.id, row.id)).chosen


def test_an_unknown_customer_or_list_is_told(newsletter, by):
    with pytest.raises(LookupError):
        places.set_place(99, newsletter.id, Place.INCLUDED, how="switch", **by)
    with pytest.raises(LookupError):
        places.set_place(id_of(JO), 99, Place.INCLUDED, how="switch", **by)
    with pytest.raises(LookupError):
        places.bulk(customers.ids(customers.Search()), 99, Place.INCLUDED, **by)


@pytest.fixture
def going(newsletter, mailout, now):
    """A mail-out to the newsletter that is being sent."""
    row = mailout(newsletter.id)
    queue.freeze(row.id, newsletter.id, now)
    db.session.commit()
    return row


def copies():
    """State and reason of every copy, by address."""
    db.session.expire_all()
    rows = db.session.scalars(select(Recipient).order_by(Recipient.id))
    return {row.address: (str(row.state), row.reason) for row in rows}


def test_who_is_excluded_while_it_is_sent_gets_no_copy_until_included_again(going, newsletter, by):
    places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    assert copies()[JO] == ("skipped", "excluded: by command line")

    places.set_place(id_of(JO), newsletter.id, Place.INCLUDED, how="switch", **by)
    assert copies()[JO] == ("queued", "")


def test_who_leaves_while_it_is_sent_gets_no_copy(going, newsletter, by, now):
    places.unsubscribe(id_of(JO), newsletter.id, how="one click", now=now)
    assert copies()[JO] == ("skipped", "unsubscribed: one click")

    places.take_back(id_of(JO), newsletter.id, "they rang", **by)
    assert copies()[JO][0] == "queued"


def test_a_bulk_change_is_heard_by_a_mail_out_under_way(going, newsletter, by):
    mark = places.new_mark()
    places.bulk(customers.ids(customers.Search(q="jo")), newsletter.id, Place.EXCLUDED, mark=mark, **by)
    assert [state for state, _ in copies().values()] == ["skipped", "queued", "queued"]

    places.undo(mark, **by)
    assert [state for state, _ in copies().values()] == ["queued", "queued", "queued"]


def test_whoever_is_suppressed_is_not_let_back_in_by_a_list_nor_the_other_way_round(going, newsletter, by):
    places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    suppression.suppress(id_of(JO), Suppressed.BY_HAND, "asked", **by)
    places.set_place(id_of(JO), newsletter.id, Place.INCLUDED, how="switch", **by)
    assert copies()[JO][0] == "skipped"

    suppression.suppress(id_of(ANN), Suppressed.BY_HAND, "asked", **by)
    places.set_place(id_of(ANN), newsletter.id, Place.EXCLUDED, how="switch", **by)
    suppression.unsuppress(id_of(ANN), "asked again", **by)
    assert copies()[ANN][0] == "skipped"


def test_whoever_was_left_out_for_two_reasons_gets_a_copy_once_neither_holds(going, newsletter, by, now):
    """The row has the first reason only; the address book is what counts."""
    places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)
    suppression.suppress(id_of(JO), Suppressed.BY_HAND, "asked", **by)
    places.set_place(id_of(JO), newsletter.id, Place.INCLUDED, how="switch", **by)
    suppression.unsuppress(id_of(JO), "asked again", **by)
    assert copies()[JO] == ("queued", "")

    places.set_place(id_of(ANN), newsletter.id, Place.EXCLUDED, how="switch", **by)
    places.unsubscribe(id_of(ANN), newsletter.id, how="one click", now=now)
    places.take_back(id_of(ANN), newsletter.id, "they rang", **by)
    assert copies()[ANN] == ("queued", "")


def test_a_copy_that_was_accepted_stays_so(going, newsletter, by):
    db.session.query(Recipient).update({"state": State.SENT})

    places.set_place(id_of(JO), newsletter.id, Place.EXCLUDED, how="switch", **by)

    assert copies()[JO] == ("sent", "")


def counted(list_):
    """The figures of a list, counted from the rows one by one."""
    rows = {row.customer_id: row.place for row in db.session.scalars(select(ListPlace).filter_by(list_id=list_.id))}
    everyone = db.session.scalars(select(Customer)).all()
    where = [rows.get(customer.id, "excluded") for customer in everyone]
    suppressed = sum(rows.get(customer.id) == "included" and bool(customer.suppressed_for) for customer in everyone)
    return lists.Tally(where.count("included"), suppressed, where.count("excluded"), where.count("unsubscribed"))


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "include",
                "exclude",
                "leave",
                "back",
                "bulk in",
                "bulk out",
                "undo",
                "stop",
                "go",
                "delete",
                "add",
                "roll back",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_the_figures_of_a_list_are_those_of_its_rows_whatever_happens(make, by, acts):
    for old in db.session.scalars(select(Customer.id)).all():
        customers.delete(old, **by)
    both = list(lists.all()) or [make.list("Newsletter"), make.list("Promotions")]
    emails = [f"c{number}@example.org" for number in range(6)]
    for email in emails[:4]:
        make.customer(email)
    marks = ["none"]
    for act, which, list_number in acts:
        _do(act, emails[which], both[list_number].id, marks, by)
        db.session.rollback() if act == "roll back" else db.session.commit()
        assert lists.tallies([both[0].id]) == {both[0].id: counted(both[0])}
    assert lists.tallies() == {row.id: counted(row) for row in both}
    assert lists.tally(both[0].id).reached == queue_would_reach(both[0])


def queue_would_reach(list_):
    """How many a mail-out would be sent to."""
    included = (ListPlace.list_id == list_.id) & (ListPlace.place == "included")
    query = select(func.count()).select_from(ListPlace).join(Customer, Customer.id == ListPlace.customer_id)
    return db.session.scalar(query.where(included, Customer.suppressed_for.is_(None)))


def _do(act, email, list_id, marks, by):
    """One act of somebody; what can't be done is left."""
    try:
        customer_id = customers.by_email(email).id
    except LookupError:
        if act == "add":
            customers.add(email, "", "", **by)
        return
    everyone = customers.ids(customers.Search())
    try:
        match act:
            case "include" | "roll back":
                places.set_place(customer_id, list_id, Place.INCLUDED, how="switch", **by)
                lists.tallies()
            case "exclude":
                places.set_place(customer_id, list_id, Place.EXCLUDED, how="switch", **by)
            case "leave":
                places.unsubscribe(customer_id, list_id, how="one click", now=by["now"])
            case "back":
                places.take_back(customer_id, list_id, "rang", **by)
            case "bulk in" | "bulk out":
                marks.append(places.new_mark())
                place = Place.INCLUDED if act == "bulk in" else Place.EXCLUDED
                places.bulk(everyone, list_id, place, mark=marks[-1], **by)
            case "undo":
                places.undo(marks[-1], **by)
            case "stop":
                suppression.suppress(customer_id, Suppressed.BY_HAND, "", **by)
            case "go":
                suppression.unsuppress(customer_id, "asked", **by)
            case "delete":
                customers.delete(customer_id, **by)
    except Fault:
        db.session.rollback()


CHANGES = {
    "switch": lambda who, of, by: places.set_place(who, of, Place.INCLUDED, how="by a switch", **by),
    "unsubscribe": lambda who, of, by: places.unsubscribe(who, of, how="one-click", now=by["now"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_is_deleted_at_the_same_moment_is_not_there(newsletter, make, by, monkeypatch, change):
    jo = make.customer("gone@example.org").id
    others = make.list("Others").id
    whole = places.touch

    def touch(*list_ids):
        monkeypatch.setattr(places, "touch", whole)
        customers.delete(jo, **by)
        db.session.commit()
        whole(*list_ids)

    monkeypatch.setattr(places, "touch", touch)

    with pytest.raises(LookupError):
        CHANGES[change](jo, others, by)
