"""The grid of customers by lists: search, filters, switches, bulk changes, the CSV, and what it costs."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select

from mailout.book import customers, lists, places, suppression
from mailout.journal import COMMAND
from mailout.models import JournalEntry, Place, PlaceChange, Suppressed, User, db
from mailout.web.customers import finding, switches
from tests.makers import Make

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}

ClientOf = Callable[[User | None], FlaskClient]


@pytest.fixture
def sender(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("jo@mail.test"))


@pytest.fixture
def looker(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("pat@mail.test", sends=False))


def place(customer_id: int, list_id: int) -> Place:
    db.session.rollback()
    return places.place_of(customer_id, list_id)


def shown(page: str) -> list[str]:
    """The addresses on the page, in their order."""
    found = re.findall(r'aria-label="(\S+) in ', page)
    return list(dict.fromkeys(found))


def test_each_switch_is_called_by_address_and_list(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    page = sender.get("/customers").text

    assert 'role="switch"' in page
    assert 'aria-label="ben@bluegum.example in Newsletter"' in page


def test_one_press_includes_or_excludes_and_offers_to_undo_it(looker: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter")
    ben = make.customer("ben@bluegum.example", "Ben", "Fitzgerald")
    address = f"/customers/{ben.id}/lists/{newsletter.id}"

    off = looker.post(address, headers=PARTIAL)
    assert (off.status_code, place(ben.id, newsletter.id)) == (200, Place.EXCLUDED)
    assert "Ben Fitzgerald is excluded from Newsletter." in off.text
    assert "Undo" in off.text

    on = looker.post(address, data={"in": [f"{ben.id}.{newsletter.id}", "7.7"]}, headers=PARTIAL)
    assert (on.status_code, place(ben.id, newsletter.id)) == (200, Place.INCLUDED)


def test_a_change_keeps_who_made_it_and_how(sender: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter")
    ben = make.customer("ben@bluegum.example")

    sender.post(f"/customers/{ben.id}/lists/{newsletter.id}", headers=PARTIAL)

    last = db.session.scalars(select(PlaceChange).order_by(PlaceChange.id.desc())).first()
    assert last is not None
    assert last.user_id is not None
    assert (last.was, last.became, last.how) == ("included", "excluded", "by a switch")


def test_unsubscribed_is_a_word_and_its_switch_can_not_be_forced(sender: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter")
    ben = make.customer("ben@bluegum.example")
    places.unsubscribe(ben.id, newsletter.id, how="one-click", now=make._now)
    db.session.commit()

    page = sender.get("/customers").text
    forced = sender.post(
        f"/customers/{ben.id}/lists/{newsletter.id}", data={"in": f"{ben.id}.{newsletter.id}"}, headers=PARTIAL
    )

    assert "Unsubscribed" in page
    assert 'aria-label="ben@bluegum.example in Newsletter"' not in page
    assert forced.status_code == 409
    assert "They left this list themselves" in forced.text
    assert place(ben.id, newsletter.id) is Place.UNSUBSCRIBED


@pytest.mark.parametrize("path", ["/customers/1/lists/99", "/customers/99/lists/1"])
def test_a_switch_of_nobody_is_404(sender: FlaskClient, make: Make, path: str) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    assert sender.post(path, headers=PARTIAL).status_code == 404


def test_without_script_a_button_saves_the_switches_that_differ(looker: FlaskClient, make: Make) -> None:
    newsletter, offers = make.list("Newsletter"), make.list("Offers")
    ben, ann = make.customer("ben@bluegum.example"), make.customer("ann@bluegum.example")
    pairs = [(c.id, x.id) for c in (ben, ann) for x in (newsletter, offers)]
    said = {"shown": " ".join(f"{a}.{b}" for a, b in pairs), "on": " ".join(f"{a}.{b}" for a, b in pairs)}

    answer = looker.post("/customers/places", data=said | {"in": [f"{a}.{b}" for a, b in pairs[1:]], "q": "bluegum"})

    assert answer.location == "/customers?q=bluegum"
    assert [place(a, b) for a, b in pairs] == [Place.EXCLUDED, Place.INCLUDED, Place.INCLUDED, Place.INCLUDED]
    assert db.session.scalars(select(PlaceChange).where(PlaceChange.how == "by a switch")).all().__len__() == 1


def test_a_switch_that_the_page_did_not_show_is_not_touched_by_that_button(looker: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter")
    ben = make.customer("ben@bluegum.example")

    looker.post("/customers/places", data={"shown": "", "on": f"{ben.id}.{newsletter.id}", "in": "x 1.x -1.2"})

    assert place(ben.id, newsletter.id) is Place.INCLUDED


def test_more_switches_than_a_page_has_are_not_saved(looker: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter")
    ben = make.customer("ben@bluegum.example")
    shown = " ".join(f"{ben.id}.{number}" for number in range(1, switches.SAVED_MOST + 2))

    answer = looker.post("/customers/places", data={"shown": shown, "on": f"{ben.id}.{newsletter.id}"})

    assert answer.status_code == 422
    assert "more switches than a page has" in answer.text
    assert place(ben.id, newsletter.id) is Place.INCLUDED


def test_search_looks_in_names_and_addresses_without_capitals_or_accents(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter")
    make.customer("ivan@bluegum.example", "Ivan", "Kovačević")
    make.customer("ann@homemail.example", "Ann", "Smith")

    assert shown(sender.get("/customers?q=KOVACEVIC").text) == ["ivan@bluegum.example"]
    assert shown(sender.get("/customers?q=homemail+smi").text) == ["ann@homemail.example"]
    assert "Nobody matches" in sender.get("/customers?q=zzz").text


@pytest.mark.parametrize("query", ["%", "_", "'", '"><script>', "((((" * 300, "\0", "😀"])
def test_any_search_is_only_a_search(sender: FlaskClient, make: Make, query: str) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    answer = sender.get("/customers", query_string={"q": query})

    assert answer.status_code == 200
    assert "<script>" not in answer.text.replace("</script>", "").split("<body>")[1]


def test_filters_are_in_the_address(sender: FlaskClient, make: Make) -> None:
    newsletter = make.list("Newsletter", ["in@bluegum.example"])
    out, left, bad = (make.customer(f"{name}@bluegum.example") for name in ("out", "left", "bad"))
    places.set_place(out.id, newsletter.id, Place.EXCLUDED, how="test", actor=COMMAND, now=make._now)
    places.unsubscribe(left.id, newsletter.id, how="one-click", now=make._now)
    suppression.suppress(bad.id, Suppressed.BOUNCED, "no such user", actor=COMMAND, now=make._now)
    db.session.commit()

    def found(query: str) -> str:
        page = sender.get(f"/customers?{query}").text
        return " ".join(re.findall(r'row-title" href="/customers/\d+">(\w+)@', page))

    assert found(f"list={newsletter.id}") == "bad in"
    assert found(f"list={newsletter.id}&place=excluded") == "out"
    assert found(f"list={newsletter.id}&place=unsubscribed") == "left"
    assert found("state=suppressed") == found("state=bounced") == "bad"
    assert found(f"list={newsletter.id}&state=reached") == "in"
    assert found("sort=-added") == "bad left out in"
    assert found("sort=nonsense&place=nonsense&state=nonsense&page=nonsense&list=nonsense") == "bad in left out"
    assert sender.get("/customers?list=99").status_code == 404


def test_pages_follow_each_other_and_keep_the_search(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter")
    for number in range(30):
        make.customer(f"c{number:02}@bluegum.example")

    first, second = sender.get("/customers?q=bluegum").text, sender.get("/customers?q=bluegum&page=2").text

    assert (len(shown(first)), len(shown(second))) == (25, 5)
    assert "1–25 of 30" in first
    assert 'rel="next" href="/customers?q=bluegum&amp;page=2"' in first
    assert 'rel="prev" href="/customers?q=bluegum"' in second
    assert shown(sender.get("/customers?page=999").text) == shown(second)


def test_a_search_as_you_type_gets_a_part_of_the_page_and_a_tidy_address(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    answer = sender.get("/customers?q=ben&list=&state=&sort=name", headers=PARTIAL)

    assert "<html" not in answer.text
    assert answer.headers["HX-Replace-Url"] == "/customers?q=ben"
    assert "1 customer matches." in answer.text


def test_a_suppressed_row_is_grey_and_says_why(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter")
    ivan = make.customer("ivan@bluegum.example", "Ivan")
    suppression.suppress(ivan.id, Suppressed.BOUNCED, "no such user", actor=COMMAND, now=make._now)
    db.session.commit()

    page = sender.get("/customers").text

    assert 'class="greyed"' in page
    assert "Bounced" in page


# -- what is done to all that match ------------------------------------------------------------------------------------


def test_a_filter_by_an_archived_list_says_so(sender: FlaskClient, make: Make) -> None:
    make.customer("ann@bluegum.example")
    old = make.list("Old news", ["ben@bluegum.example"])
    lists.archive(old.id, actor=COMMAND, now=make._now)
    db.session.commit()

    page = sender.get(f"/customers?list={old.id}").text

    assert "Old news (archived)</option>" in page
    assert "ben@bluegum.example" in page
    assert "ann@bluegum.example" not in page


def test_the_bulk_bar_is_there_only_with_a_search_or_filter(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    assert 'id="bulk"' not in sender.get("/customers").text
    assert 'id="bulk"' in sender.get("/customers?q=ben").text


def test_bulk_shows_what_would_change_before_it_does(sender: FlaskClient, make: Make) -> None:
    offers = make.list("Offers")
    ids = [make.customer(f"c{number}@bluegum.example").id for number in range(4)]
    places.set_place(ids[0], offers.id, Place.EXCLUDED, how="test", actor=COMMAND, now=make._now)
    places.unsubscribe(ids[1], offers.id, how="one-click", now=make._now)
    db.session.commit()

    page = " ".join(sender.get(f"/customers?q=bluegum&do=include&to={offers.id}").text.split())

    assert "4 customers match." in page
    assert "1 would be new in Offers, 2 are in it already, 1 unsubscribed from it and stays out." in page
    assert "Include 4 customers in Offers" in page
    assert place(ids[0], offers.id) is Place.EXCLUDED


def test_bulk_never_touches_the_unsubscribed_and_can_be_undone(sender: FlaskClient, make: Make) -> None:
    offers = make.list("Offers")
    ids = [make.customer(f"c{number}@bluegum.example").id for number in range(3)]
    places.unsubscribe(ids[1], offers.id, how="one-click", now=make._now)
    db.session.commit()

    done = sender.post("/customers/bulk", data={"q": "bluegum", "do": "exclude", "to": offers.id, "count": 3})
    assert [place(one, offers.id) for one in ids] == [Place.EXCLUDED, Place.UNSUBSCRIBED, Place.EXCLUDED]
    assert re.fullmatch(r"/customers\?q=bluegum&undo=[0-9a-f]{24}", done.location)
    assert "Undo that change" in sender.get(done.location).text

    sender.post("/customers/bulk/undo", data={"undo": done.location.rpartition("=")[2], "q": "bluegum"})
    assert [place(one, offers.id) for one in ids] == [Place.INCLUDED, Place.UNSUBSCRIBED, Place.INCLUDED]


def test_bulk_asks_again_when_others_match_by_now(sender: FlaskClient, make: Make) -> None:
    offers = make.list("Offers")
    ben = make.customer("ben@bluegum.example")

    answer = sender.post("/customers/bulk", data={"q": "bluegum", "do": "exclude", "to": offers.id, "count": 7})

    assert answer.location == f"/customers?q=bluegum&do=exclude&to={offers.id}"
    assert place(ben.id, offers.id) is Place.INCLUDED


@pytest.mark.parametrize(
    "form",
    [
        {"do": "exclude", "to": "1", "count": "1"},
        {"q": "ben", "do": "unsubscribe", "to": "1", "count": "1"},
        {"q": "ben", "do": "exclude", "to": "x", "count": "1"},
        {},
    ],
)
def test_bulk_without_a_search_or_without_sense_changes_nothing(
    sender: FlaskClient, make: Make, form: dict[str, str]
) -> None:
    offers = make.list("Offers")
    ben = make.customer("ben@bluegum.example")

    assert sender.post("/customers/bulk", data=form).status_code == 422
    assert place(ben.id, offers.id) is Place.INCLUDED


def test_bulk_export_and_undo_need_send_mailout(looker: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    answers = [looker.post(f"/customers/{path}") for path in ("bulk", "bulk/undo", "export")]
    page = looker.get("/customers?q=ben").text

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "Send Mailout" in answers[0].text
    assert 'id="bulk"' not in page
    assert "as CSV" not in page
    assert "Import" not in page


# -- the CSV -----------------------------------------------------------------------------------------------------------


def test_the_csv_holds_what_matches_and_no_formula_runs(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter")
    make.customer("a@bluegum.example", '=HYPERLINK("http://x","y")', "+61 2 6621 0000")
    make.customer("b@other.example")

    answer = sender.post("/customers/export", data={"q": "bluegum"})

    assert answer.data.startswith(codecs.BOM_UTF8), "Excel spoils the accents of a file without it"
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[0][:3] == ["email", "first_name", "last_name"]
    assert rows[1:] == [["a@bluegum.example", '\'=HYPERLINK("http://x","y")', "+61 2 6621 0000"]]
    assert "attachment" in answer.headers["Content-Disposition"]


def test_an_export_is_written_into_the_journal(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])

    sender.post("/customers/export", data={"q": "bluegum"})

    entry = db.session.scalars(select(JournalEntry).order_by(JournalEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.detail) == ("customers.export", "q=bluegum")


# -- empty, hostile, and the cost --------------------------------------------------------------------------------------


def test_without_a_list_the_page_says_what_makes_the_switches(sender: FlaskClient, make: Make) -> None:
    make.customer("ben@bluegum.example")

    page = sender.get("/customers").text

    assert "1 person, and no list yet." in page
    assert '<a href="/lists/new">Make a list</a>' in page


def test_an_empty_book_says_what_to_do(sender: FlaskClient) -> None:
    assert "Import a file" in sender.get("/customers").text


def test_an_empty_book_offers_only_what_one_may_do(looker: FlaskClient) -> None:
    assert "Import a file" not in looker.get("/customers").text


def test_names_with_markup_stay_text(sender: FlaskClient, make: Make) -> None:
    make.list("' data-hx-get=/logout x='")
    make.customer("a@bluegum.example", '"><img src=x onerror=alert(1)>', "{{7*7}}")

    page = sender.get("/customers").text

    assert "<img src=x" not in page
    assert "{{7*7}}" in page
    assert "' data-hx-get" not in page


def test_an_address_that_says_nothing_says_nothing() -> None:
    assert finding.read({"page": "1", "sort": "name", "q": "  "}).parameters() == {}
    assert finding.read({"list": "3"}).parameters() == {"list": "3", "place": "included"}
    assert not finding.read({"sort": "-added", "page": "4"}).narrowed


def questions(client: FlaskClient, path: str) -> int:
    """How many questions the page asks the database."""
    asked: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    try:
        assert client.get(path).status_code == 200
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    return len(asked)


def test_the_questions_do_not_grow_with_customers_lists_or_pages(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])
    sender.get("/customers")
    few = questions(sender, "/customers")

    for number in range(60):
        make.customer(f"c{number:02}@bluegum.example")
    for number in range(5):
        make.list(f"List {number}")
    sender.get("/customers")

    assert questions(sender, "/customers") <= few
    assert questions(sender, "/customers?page=3") <= few
    assert questions(sender, "/customers?q=bluegum") <= few + 1
    assert few <= 15


def test_a_page_of_ten_lists_is_light(sender: FlaskClient, make: Make) -> None:
    for number in range(10):
        make.list(f"List number {number}")
    for number in range(30):
        make.customer(f"somebody{number:02}@bluegum.example", "Somebody", f"Number{number}")

    assert len(sender.get("/customers").data) < 100_000


def test_a_customer_who_is_gone_leaves_the_grid(sender: FlaskClient, make: Make) -> None:
    make.list("Newsletter", ["ben@bluegum.example"])
    customers.delete(customers.by_email("ben@bluegum.example").id, actor=COMMAND, now=make._now)
    db.session.commit()

    assert "ben@bluegum.example" not in sender.get("/customers").text
