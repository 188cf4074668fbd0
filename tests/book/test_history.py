"""Did they get it: every letter of a customer, what became of it, or why there was none; and the files of it all."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import event

from mailout.book import customers, exporting, importing, places, suppression
from mailout.core.delivery import State
from mailout.core.fault import Fault
from mailout.journal import COMMAND, Actor
from mailout.models import Place, Recipient, Suppressed, db
from mailout.outbox import queue

JO = "jo@example.org"


@pytest.fixture
def by(app, now):
    """Who does it, and when."""
    return {"actor": COMMAND, "now": now}


def story(email):
    """What the history says, the newest first."""
    return [(line.subject, line.state, line.why) for line in customers.history(customers.by_email(email).id)]


def settle(row, state, **values):
    """Have a mail-out's copies end like this."""
    db.session.query(Recipient).filter_by(mailout_id=row.id).update({"state": state, **values})
    db.session.commit()


def test_the_history_says_what_became_of_every_letter(make, mailout, now):
    newsletter = make.list("Newsletter", [JO])
    for subject, state, values in (
        ("One", State.SENT, {"code": 250, "enhanced": "2.0.0", "reply": "queued as 4F3"}),
        ("Two", State.BOUNCED, {"reason": "5.1.1 no such user"}),
        ("Three", State.QUEUED, {}),
    ):
        row = mailout(newsletter.id, subject)
        queue.freeze(row.id, newsletter.id, now)
        settle(row, state, **values)

    assert story(JO) == [
        ("Three", "queued", ""),
        ("Two", "bounced", "5.1.1 no such user"),
        ("One", "sent", "250 2.0.0 queued as 4F3"),
    ]
    line = customers.history(customers.by_email(JO).id)[-1]
    assert (line.words, line.list_name) == ("Accepted by your mail provider", "Newsletter")


def test_the_history_says_why_there_was_no_copy(make, mailout, now):
    user = make.user("boss@mail.test")
    boss = {"actor": Actor(user.id, "Boss"), "now": now - timedelta(days=1)}
    newsletter = make.list("Newsletter", [JO, "ann@example.org", "bob@example.org"])
    promotions = make.list("Promotions")
    places.set_place(customers.by_email(JO).id, newsletter.id, Place.EXCLUDED, how="switch", **boss)
    places.unsubscribe(customers.by_email("bob@example.org").id, newsletter.id, how="one click", now=boss["now"])
    row, other = mailout(newsletter.id, "Spring"), mailout(promotions.id, "Sale")
    for one in (row, other):
        queue.freeze(one.id, one.list_id, now)
    later = {"actor": COMMAND, "now": now + timedelta(days=1)}
    customers.add("new@example.org", "", "", **later)
    ann = customers.by_email("ann@example.org").id
    places.set_place(ann, promotions.id, Place.INCLUDED, how="switch", **later)
    db.session.commit()

    sale = ("Sale", "not-in-it", "nobody ever chose")
    assert story(JO) == [sale, ("Spring", "not-in-it", "excluded by Boss")]
    assert story("bob@example.org") == [sale, ("Spring", "not-in-it", "unsubscribed")]
    assert story("ann@example.org") == [("Sale", "joined-later", ""), ("Spring", "queued", "")]
    assert story("new@example.org") == [("Sale", "not-yet", ""), ("Spring", "not-yet", "")]


def test_an_outcome_that_is_not_kept_any_more_is_not_called_another(make, mailout, now):
    newsletter = make.list("Newsletter", [JO])
    row = mailout(newsletter.id, "Long ago")
    queue.freeze(row.id, newsletter.id, now)
    db.session.query(Recipient).delete()
    db.session.commit()

    assert story(JO) == [("Long ago", "not-kept", "")]


def test_the_history_says_who_left_them_out_while_it_was_sent(make, mailout, by, now):
    newsletter = make.list("Newsletter", [JO])
    row = mailout(newsletter.id, "Spring")
    queue.freeze(row.id, newsletter.id, now)
    places.set_place(customers.by_email(JO).id, newsletter.id, Place.EXCLUDED, how="switch", **by)

    assert story(JO) == [("Spring", "skipped", "excluded: by command line")]


def test_a_stronger_reason_to_write_no_more_takes_the_place_of_a_weaker_one(make, by):
    row = make.customer(JO)

    assert suppression.suppress(row.id, Suppressed.BOUNCED, "5.1.1", **by)
    assert suppression.suppress(row.id, Suppressed.COMPLAINED, "ARF", **by)
    assert not suppression.suppress(row.id, Suppressed.BOUNCED, "5.1.1", **by)
    assert not suppression.suppress(row.id, Suppressed.COMPLAINED, "ARF", **by)
    assert customers.find(row.id).suppressed_for == "complained"

    with pytest.raises(Fault, match="Write down why"):
        suppression.unsuppress(row.id, " ", **by)
    assert suppression.unsuppress(row.id, "they rang", **by)
    assert not suppression.unsuppress(row.id, "they rang", **by)
    assert customers.find(row.id).suppressed_for is None
    with pytest.raises(LookupError):
        suppression.suppress(99, Suppressed.BY_HAND, "", **by)


def read(lines):
    """A CSV file as a spreadsheet reads it."""
    return list(csv.reader(io.StringIO("".join(lines))))


def test_an_export_is_safe_to_open_and_comes_back_unchanged(make, by):
    newsletter = make.list("Newsletter")
    data = (
        "email,first_name,last_name,phone,note\n"
        'jo@example.org,"=HYPERLINK(""http://x"",""y"")",O\'Brien,+61 400 111 222,\n'
        'ann@example.org,@SUM(A1),"Lee, ""Annie""",-5,"two\nlines"\n'
    )
    importing.apply(importing.plan(data, "x.csv", list_ids=[newsletter.id], **by).id, **by)

    lines = "".join(exporting.lines(customers.ids(customers.Search())))

    assert read(lines) == [
        ["email", "first_name", "last_name", "phone", "note"],
        ["jo@example.org", '\'=HYPERLINK("http://x","y")', "O'Brien", "+61 400 111 222", ""],
        ["ann@example.org", "'@SUM(A1)", 'Lee, "Annie"', "-5", "two lines"],
    ]
    again = importing.plan(lines, "again.csv", **by)
    assert (again.new, again.updated, again.unchanged) == (0, 0, 2)


def test_an_export_of_odd_columns_comes_back_unchanged(by):
    wide = ",".join(["email", *(f"c{number}" for number in range(199))])
    cells = ",".join(["ann@example.org", *(f"'=v{number}" for number in range(199))])
    odd = (
        "email,Note,Note,=cmd,=cmd,@SUM,\uff1dx,first_name\n"
        "jo@example.org,\uff1d1,''=1,'-2,'+61 4,'\uff20x,\"two\nlines\",'-Jo\n"
    )
    for data in (odd, f"{wide}\n{cells}\n"):
        importing.apply(importing.plan(data, "x.csv", **by).id, **by)

    again = importing.plan("".join(exporting.lines(customers.ids(customers.Search()))), "again.csv", **by)

    assert (again.new, again.updated, again.unchanged, again.refused) == (0, 0, 2, 0)


def test_who_is_exported_is_sought_once_however_many_they_are(make, monkeypatch):
    newsletter = make.list("Newsletter", [f"c{number}@example.org" for number in range(7)])
    monkeypatch.setattr(exporting, "PAGE", 2)
    asked = []

    def count(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    found = list(exporting.lines(customers.ids(customers.Search(list_id=newsletter.id, place="included"))))
    event.remove(db.engine, "before_cursor_execute", count)

    assert len(found) == 8
    assert len([statement for statement in asked if "list_place" in statement]) == 1


def test_an_export_of_a_list_holds_those_included(make, by):
    newsletter = make.list("Newsletter", [JO, "ann@example.org"])
    places.set_place(customers.by_email(JO).id, newsletter.id, Place.EXCLUDED, how="switch", **by)

    ids = customers.ids(customers.Search(list_id=newsletter.id, place="included"))

    assert [row[0] for row in read(exporting.lines(ids))] == ["email", "ann@example.org"]


def test_the_outcome_of_a_mail_out_is_a_file_too(make, mailout, now):
    newsletter = make.list("Newsletter", [JO, "ann@example.org"])
    row = mailout(newsletter.id)
    queue.freeze(row.id, newsletter.id, now)
    settle(row, State.FAILED, code=550, reply="=cmd|' /C calc'!A0")

    rows = read(exporting.outcome(row.id))

    assert rows[0][:4] == ["address", "name", "state", "reason"]
    assert [one[0] for one in rows[1:]] == [JO, "ann@example.org"]
    assert {one[5] for one in rows[1:]} == {"550 =cmd|' /C calc'!A0"}
    assert len(read(exporting.outcome(row.id, "sent"))) == 1
