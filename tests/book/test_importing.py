"""Imports: tried dry, applied at one moment, undone; nobody is brought back unnoticed."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from mailout.book import arrivals, customers, importing, lists, places, plans, staging, suppression
from mailout.core.delivery import State
from mailout.core.fault import Fault
from mailout.core.telling import sheet
from mailout.journal import COMMAND
from mailout.models import (
    Customer,
    Forgotten,
    Import,
    ImportRow,
    Place,
    PlaceChange,
    Recipient,
    Suppressed,
    db,
)
from mailout.outbox import queue

FILE = b"""email,first_name,last_name,phone
jo@example.org,Jo,Smith,+61 400 111 222
ann@example.org,Ann,Lee,
,Nobody,,
JO@Example.ORG,Jo,Again,
not an address,Bad,,
"""


@pytest.fixture
def by(app, now):
    """Who imports, and when."""
    return {"actor": COMMAND, "now": now}


def bring(data, by, **wishes):
    """Plan and apply."""
    planned = importing.plan(data, "customers.csv", **wishes, **by)
    return importing.apply(planned.id, **by)


def figures(plan):
    """The figures in the order of the contract."""
    good = (plan.new, plan.updated, plan.unchanged, plan.kept_out)
    return (*good, plan.without_address, plan.duplicates, plan.refused)


def everyone():
    """Whoever is in the address book, by address."""
    found = db.session.scalars(select(Customer).where(Customer.here()).order_by(Customer.email_same))
    return {row.email: (row.first_name, row.last_name, row.fields) for row in found}


def stands(email, name):
    """Where a customer stands in a list."""
    return places.place_of(customers.by_email(email).id, lists.by_name(name).id)


def test_a_dry_run_counts_every_row_and_changes_nothing(by):
    planned = importing.plan(FILE, "customers.csv", **by)

    assert figures(planned) == (2, 0, 0, 0, 1, 1, 1)
    assert planned.rows == 5
    assert everyone() == {}
    assert planned.as_json()["refused"] == [
        {"line": 6, "email": "not an address", "reason": importing.find(planned.id).as_json()["refused"][0]["reason"]}
    ]


def test_an_import_keeps_every_column(by):
    bring(FILE, by)

    assert everyone() == {
        "ann@example.org": ("Ann", "Lee", {}),
        "jo@example.org": ("Jo", "Smith", {"phone": "+61 400 111 222"}),
    }


def test_importing_the_same_file_again_changes_nothing(by, make):
    make.list("Newsletter")
    bring(FILE, by)
    before = everyone(), db.session.scalar(select(func.count()).select_from(PlaceChange))

    again = bring(FILE, by)

    assert figures(again) == (0, 0, 2, 0, 1, 1, 1)
    assert (everyone(), db.session.scalar(select(func.count()).select_from(PlaceChange))) == before


def test_an_empty_cell_erases_nothing_and_a_full_one_updates(by):
    bring(FILE, by)

    again = bring(b"email,first_name,last_name,phone,pet\nJO@example.org,,Jones,,dog\n", by)

    assert figures(again)[:3] == (0, 1, 0)
    assert everyone()["jo@example.org"] == ("Jo", "Jones", {"phone": "+61 400 111 222", "pet": "dog"})


def test_new_customers_stand_where_the_lists_say(by, make, now):
    make.list("Newsletter")
    lists.create("Promotions", includes_new=False, **by)
    archived = make.list("Old")
    lists.archive(archived.id, **by)
    db.session.commit()

    bring(FILE, by)

    assert stands("jo@example.org", "Newsletter") is Place.INCLUDED
    assert stands("jo@example.org", "Promotions") is Place.EXCLUDED
    assert stands("jo@example.org", "Old") is Place.EXCLUDED


def test_with_a_list_new_customers_are_in_it_and_in_no_other(by, make):
    make.list("Newsletter")
    promotions = make.list("Promotions")

    bring(FILE, by, list_ids=[promotions.id])

    assert stands("jo@example.org", "Promotions") is Place.INCLUDED
    assert stands("jo@example.org", "Newsletter") is Place.EXCLUDED


def test_with_a_list_known_customers_come_in_where_nobody_ever_chose(by, make):
    make.list("Newsletter")
    for email in ("jo@example.org", "ann@example.org"):
        make.customer(email)
    promotions = make.list("Promotions")
    ann = customers.by_email("ann@example.org")
    places.set_place(ann.id, promotions.id, Place.EXCLUDED, how="switch", **by)
    db.session.commit()

    done = bring(b"email\njo@example.org\nann@example.org\n", by, list_ids=[promotions.id])

    assert figures(done)[:4] == (0, 1, 1, 0)
    assert stands("jo@example.org", "Promotions") is Place.INCLUDED
    assert stands("ann@example.org", "Promotions") is Place.EXCLUDED
    assert stands("jo@example.org", "Newsletter") is Place.INCLUDED


def test_who_left_a_list_stays_out_of_it_and_the_report_says_so(by, make):
    newsletter = make.list("Newsletter", ["jo@example.org"])
    places.unsubscribe(customers.by_email("jo@example.org").id, newsletter.id, how="one click", now=by["now"])
    db.session.commit()
    column = importing.Mapping(email=0, listed=1, list_id=newsletter.id)

    by_name = importing.plan(b"email\njo@example.org\n", "a.csv", list_ids=[newsletter.id], **by)
    by_column = importing.plan(b"email,Newsletter\njo@example.org,yes\n", "b.csv", column, **by)
    for planned in (by_name, by_column):
        assert importing.apply(planned.id, **by).kept_out == 1

    assert stands("jo@example.org", "Newsletter") is Place.UNSUBSCRIBED
    assert importing.kept_out(by_name.id) == [("left Newsletter", 1)]


def test_why_they_are_kept_out_is_counted_to_the_last_row(by):
    data = "email\n" + "".join(f"c{number}@example.org\n" for number in range(1100))
    bring(data, by)
    for row in db.session.scalars(select(Customer).where(Customer.email != "c0@example.org")).all():
        customers.delete(row.id, **by)
    suppression.suppress(customers.by_email("c0@example.org").id, Suppressed.BY_HAND, "asked", **by)
    db.session.commit()

    again = importing.plan(data, "x.csv", **by)

    assert again.kept_out == 1100
    assert importing.kept_out(again.id) == [("deleted before", 1099), ("get no mail-outs: stopped by hand", 1)]


def test_who_is_suppressed_stays_so_and_the_report_says_so(by, make):
    make.customer("jo@example.org")
    suppression.suppress(customers.by_email("jo@example.org").id, Suppressed.COMPLAINED, "ARF", **by)
    db.session.commit()

    done = bring(FILE, by)

    assert (done.new, done.kept_out) == (1, 1)
    assert customers.by_email("jo@example.org").suppressed_for == "complained"


def test_who_was_deleted_does_not_come_back_unnoticed(by, make):
    row = make.customer("Jo@example.org")
    customers.delete(row.id, **by)
    db.session.commit()

    kept = bring(FILE, by)
    back = bring(FILE, by, bring_back=True)

    assert (kept.new, kept.kept_out) == (1, 1)
    assert back.new == 1
    assert "jo@example.org" in everyone()
    assert db.session.scalars(select(Forgotten)).all() == []


def test_a_column_of_yes_and_no_is_a_choice_for_its_list(by, make):
    newsletter = make.list("Newsletter", ["in@example.org", "out@example.org"])
    places.set_place(customers.by_email("out@example.org").id, newsletter.id, Place.EXCLUDED, how="switch", **by)
    db.session.commit()
    data = (
        "email,Newsletter\nin@example.org,no\nout@example.org,x\nnew@example.org,yes\n"
        "not@example.org,n\ndefault@example.org,\nodd@example.org,perhaps\n"
    )
    mapping = importing.Mapping(email=0, listed=1, list_id=newsletter.id)

    done = bring(data, by, mapping=mapping)

    wanted = {"in": "excluded", "out": "included", "new": "included", "not": "excluded", "default": "included"}
    assert {name: stands(f"{name}@example.org", "Newsletter") for name in wanted} == wanted
    assert done.refused == 1
    assert figures(bring(data, by, mapping=mapping))[:3] == (0, 0, 5)


def test_a_file_can_say_never_write_to_these(by, make, now):
    newsletter = make.list("Newsletter", ["jo@example.org", "kim@example.org"])

    done = bring(FILE, by, suppress=True)

    assert figures(done)[:3] == (1, 1, 0)
    assert customers.by_email("jo@example.org").suppressed_for == "by-hand"
    assert customers.by_email("ann@example.org").suppressed_for == "by-hand"
    assert customers.by_email("kim@example.org").suppressed_for is None
    assert lists.tally(newsletter.id).reached == 1
    assert figures(bring(FILE, by, suppress=True))[:3] == (0, 0, 2)


def test_strict_imports_nothing_when_a_row_is_refused(by):
    planned = importing.plan(FILE, "customers.csv", strict=True, **by)

    with pytest.raises(Fault, match="1 rows were refused"):
        importing.apply(planned.id, **by)

    assert everyone() == {}


def test_an_import_is_applied_once(by):
    planned = importing.plan(FILE, "customers.csv", **by)
    importing.apply(planned.id, **by)

    with pytest.raises(Fault, match="applied already"):
        importing.apply(planned.id, **by)


def test_what_changed_since_the_dry_run_is_judged_again(by, make):
    newsletter = make.list("Newsletter")
    planned = importing.plan(FILE, "customers.csv", list_ids=[newsletter.id], **by)
    row = make.customer("jo@example.org", "Joanna", "Smythe")
    places.unsubscribe(row.id, newsletter.id, how="one click", now=by["now"])
    db.session.commit()

    done = importing.apply(planned.id, **by)

    assert (done.new, done.updated, done.kept_out) == (1, 0, 1)
    assert stands("jo@example.org", "Newsletter") is Place.UNSUBSCRIBED


def test_a_name_that_was_edited_since_the_dry_run_is_not_written_over_by_an_empty_cell(by, make):
    row = make.customer("jo@example.org", "Jo", "Smith")
    planned = importing.plan(b"email,first_name,pet\njo@example.org,,cat\n", "x.csv", **by)
    customers.edit(row.id, email="jo@example.org", first_name="Joanna", last_name="Smith", **by)
    db.session.commit()

    importing.apply(planned.id, **by)

    assert everyone() == {"jo@example.org": ("Joanna", "Smith", {"pet": "cat"})}


def test_an_import_that_breaks_off_leaves_nothing_behind(by):
    planned = importing.plan(FILE, "customers.csv", **by)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importing.apply(planned.id, progress=stop, **by)

    assert db.session.scalars(select(Customer)).all() == []
    assert importing.apply(planned.id, **by).new == 2


def leave_half_of_an_import(by):
    """What a process that was killed while it brought customers leaves behind."""
    planned = importing.plan(FILE, "customers.csv", **by)
    db.session.add(
        Customer(
            email="jo@example.org", email_same="jo@example.org", created_at=by["now"], came_with=planned.id, fields={}
        )
    )
    db.session.commit()


def test_nobody_sees_half_an_import(by, make):
    newsletter = make.list("Newsletter", ["kim@example.org"])
    leave_half_of_an_import(by)

    assert customers.search(customers.Search()).total == 1
    assert lists.tally(newsletter.id).excluded == 0
    with pytest.raises(LookupError):
        customers.by_email("jo@example.org")


def test_a_dead_import_is_in_nobodys_way(by, make):
    leave_half_of_an_import(by)

    assert make.customer("JO@example.org").email == "JO@example.org"
    leave_no_rows = importing.plan(FILE, "customers.csv", **by)
    assert (leave_no_rows.new, leave_no_rows.updated) == (1, 1)


def test_an_address_that_is_being_imported_just_now_can_not_be_added(by, make):
    leave_half_of_an_import(by)

    with arrivals.alone(), pytest.raises(Fault, match="just now"):
        customers.add("jo@example.org", "", "", **by)


def test_one_import_at_a_time(by, app):
    said = []

    def other():
        with app.app_context():
            try:
                importing.plan(FILE, "customers.csv", **by)
            except Fault as fault:
                said.append(str(fault))

    with arrivals.alone():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    assert "Another import" in said[0]


def test_whoever_is_deleted_while_a_file_is_read_stops_nothing(by, make, monkeypatch):
    make.customer("ann@example.org", "Anna")
    whole = staging._judge

    def judge(*args):
        judged = whole(*args)
        for row in db.session.scalars(select(Customer)).all():
            customers.delete(row.id, **by)
            db.session.commit()
        return judged

    monkeypatch.setattr(staging, "_judge", judge)
    planned = importing.plan(FILE, "customers.csv", **by)

    assert figures(planned) == (1, 0, 0, 1, 1, 1, 1)


def test_undoing_an_import_is_as_if_it_had_not_been(by, make):
    newsletter = make.list("Newsletter", ["ann@example.org"])
    promotions = make.list("Promotions")
    before = everyone(), lists.tallies()
    done = bring(FILE, by, list_ids=[promotions.id])
    assert everyone() != before[0]

    undone = importing.undo(done.id, **by)

    assert (undone.removed, undone.kept) == (1, 0)
    assert (everyone(), lists.tallies()) == before
    assert db.session.scalars(select(Customer.id).where(Customer.came_with.is_not(None))).all() == []
    assert figures(importing.plan(FILE, "customers.csv", list_ids=[newsletter.id], **by))[0] == 1
    with pytest.raises(Fault, match="undone already"):
        importing.undo(done.id, **by)


def test_the_numbers_of_an_undone_import_are_never_given_again(by):
    done = bring(FILE, by)
    first = set(db.session.scalars(select(Customer.id)))
    importing.undo(done.id, **by)

    bring(b"email\nben@example.org\nkim@example.org\n", by)

    numbers = sorted(db.session.scalars(select(Customer.id)))
    assert len(numbers) == 2
    assert min(numbers) > max(first)


def test_undoing_keeps_what_was_changed_again_since(by, make):
    make.list("Newsletter")
    row = make.customer("ann@example.org", "Anna", "Lee")
    done = bring(FILE, by)
    customers.edit(row.id, email="ann@example.org", first_name="Annabel", last_name="Lee", **by)
    db.session.commit()

    importing.undo(done.id, **by)

    assert everyone()["ann@example.org"][0] == "Annabel"


def test_undoing_never_forgets_that_somebody_left(by, make):
    newsletter = make.list("Newsletter")
    done = bring(FILE, by)
    places.unsubscribe(customers.by_email("jo@example.org").id, newsletter.id, how="one click", now=by["now"])
    suppression.suppress(customers.by_email("ann@example.org").id, Suppressed.BOUNCED, "5.1.1", **by)
    db.session.commit()

    undone = importing.undo(done.id, **by)

    assert (undone.removed, undone.kept) == (0, 2)
    assert stands("jo@example.org", "Newsletter") is Place.UNSUBSCRIBED
    assert customers.by_email("ann@example.org").suppressed_for == "bounced"


def test_undoing_never_write_to_these_lets_them_be_written_to(by, make):
    make.list("Newsletter", ["jo@example.org"])
    done = bring(FILE, by, suppress=True)

    importing.undo(done.id, **by)

    assert customers.by_email("jo@example.org").suppressed_for is None
    assert list(everyone()) == ["jo@example.org"]


def test_an_import_is_in_time_for_no_mail_out_before_it_is_applied(by, make, mailout):
    newsletter = make.list("Newsletter", ["kim@example.org"])
    leave_half_of_an_import(by)
    row = mailout(newsletter.id)

    assert queue.freeze(row.id, newsletter.id, by["now"]) == 1


def test_never_write_to_these_stops_copies_that_wait(by, make, mailout):
    newsletter = make.list("Newsletter", ["jo@example.org", "kim@example.org"])
    row = mailout(newsletter.id)
    queue.freeze(row.id, newsletter.id, by["now"])
    db.session.commit()

    done = bring(FILE, by, suppress=True)

    states = dict(iter(db.session.execute(select(Recipient.address, Recipient.state))))
    assert states == {"jo@example.org": State.SKIPPED, "kim@example.org": State.QUEUED}
    importing.undo(done.id, **by)
    assert db.session.scalar(select(func.count()).where(Recipient.state == State.QUEUED)) == 2


def test_what_is_no_longer_needed_is_swept_away(by, now):
    planned = importing.plan(FILE, "customers.csv", **by)
    applied = bring(FILE, by)

    importing.sweep(now + importing.PLAN_FOR * 2)
    assert db.session.get(Import, planned.id) is None
    assert db.session.scalar(select(func.count()).select_from(ImportRow)) > 0

    importing.sweep(now + importing.UNDO_FOR * 2)
    assert db.session.scalar(select(func.count()).select_from(ImportRow)) == 0
    with pytest.raises(Fault, match="30 days"):
        importing.undo(applied.id, actor=COMMAND, now=now + importing.UNDO_FOR * 2)


def test_what_an_export_disarmed_is_armed_again(by):
    bring(b"email,last_name\njo@example.org,'=Smith\n", by)

    assert everyone()["jo@example.org"][1] == "=Smith"


@pytest.mark.parametrize(
    ("mapping", "word"),
    [
        (importing.Mapping(email=0, first_name=0), "one thing only"),
        (importing.Mapping(email=9), "one thing only"),
        (importing.Mapping(email=0, listed=1), "which list"),
    ],
)
def test_columns_that_do_not_match_are_refused(by, mapping, word):
    with pytest.raises(Fault, match=word):
        importing.plan(FILE, "customers.csv", mapping, **by)


def test_a_file_without_addresses_says_what_is_missing(by):
    with pytest.raises(Fault, match="No column"):
        importing.plan(b"who,where\nJo,Lismore\n", "x.csv", **by)


def test_too_many_cells_are_refused_for_a_comma_is_likely_the_cause(by):
    planned = importing.plan(b"email,first_name\njo@example.org,Smith, Jo\n", "x.csv", **by)

    assert "without quotes" in next(importing.refusals(planned.id)).reason


def test_two_columns_of_one_heading_are_two_fields(by):
    bring(b"email,Note,Note\njo@example.org,one,two\n", by)

    assert everyone() == {"jo@example.org": ("", "", {"Note": "one", "Note (2)": "two"})}


def test_a_column_without_a_heading_takes_no_other_ones_name(by):
    bring(b"email,column 3,,\njo@example.org,one,two,three\n", by)

    assert everyone()["jo@example.org"][2] == {"column 3": "one", "column 3 (2)": "two", "column 4": "three"}


def test_refused_rows_come_back_with_their_cells_and_are_imported_once_mended(by, make):
    newsletter = make.list("Newsletter")
    data = (
        "Name;E-Mail;Note;Note;Newsletter\n"
        "Jo Smith;jo@@example.org;=1+1;b;yes\n"
        "Eva;eva@example.org;a;b;x;one too many\n"
        "Ann;ann@example.org;;;\n"
    )

    given = list(plans.refused_rows(bring(data, by).id))
    reasons = [row[6] for row in given[1:]]
    mended = "".join(map(sheet.row, given)).replace("@@", "@").replace("one too many", "")
    done = bring(mended, by)

    assert given[0] == ["Name", "E-Mail", "Note", "Note (2)", "Newsletter", "line", "reason"]
    assert given[1][:6] == ["Jo Smith", "jo@@example.org", "=1+1", "b", "yes", "2"]
    assert given[2][7:] == ["one too many"]
    assert "one @" in reasons[0]
    assert "6 cells" in reasons[1]
    assert figures(done) == (2, 0, 0, 0, 0, 0, 0)
    assert everyone()["jo@example.org"] == ("Jo", "Smith", {"Note": "=1+1", "Note (2)": "b"})
    assert stands("jo@example.org", newsletter.name) is Place.INCLUDED


def test_refused_rows_that_nobody_mended_are_refused_again_and_keep_their_shape(by):
    data = "jo@@example.org,Jo\nann@example.org,Ann\nben@example.org,B\0en\n"

    first = list(plans.refused_rows(importing.plan(data, "x.csv", **by).id))
    again = list(plans.refused_rows(importing.plan("".join(map(sheet.row, first)), "refused.csv", **by).id))

    assert first[0] == ["email", "column 2", "line", "reason"]
    assert [row[:2] for row in again] == [row[:2] for row in first]
    assert again[2][:2] == ["ben@example.org", "B\ufffden"]
    assert [len(row) for row in again] == [4, 4, 4]


def test_refused_rows_of_an_import_from_before_they_were_kept_have_their_address(by):
    planned = importing.plan(FILE, "x.csv", **by)
    db.session.execute(update(ImportRow).values(fields={}))
    row = db.session.get(Import, planned.id)
    row.wishes = {name: value for name, value in row.wishes.items() if name != plans.HEADINGS}
    db.session.commit()

    given = list(plans.refused_rows(planned.id))

    assert given[0] == ["email", "line", "reason"]
    assert given[1][:2] == ["not an address", "6"]


def test_progress_is_told(by):
    told = []

    planned = importing.plan(FILE, "x.csv", progress=lambda done, total: told.append((done, total)), **by)
    importing.apply(planned.id, progress=lambda done, total: told.append((done, total)), **by)

    assert told[0][1] >= 5
    assert told[-1] == (2, 2)
