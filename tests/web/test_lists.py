"""The lists: made, changed, put away; their figures, who left, and the line under each letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from mailout.book import customers, lists, places, suppression
from mailout.journal import COMMAND
from mailout.models import Place, Suppressed, User, db
from tests.makers import Make
from tests.web.conftest import Clock

ClientOf = Callable[[User | None], FlaskClient]
FORM = {"name": "Newsletter", "includes_new": "yes", "unsubscribe_line": "yes"}


@pytest.fixture
def sender(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("kim@mail.test"))


@pytest.fixture
def looker(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("pat@mail.test", sends=False))


def standing(name: str, email: str) -> Place:
    db.session.rollback()
    return places.place_of(customers.by_email(email).id, lists.by_name(name).id)


@pytest.mark.parametrize(
    ("starts_with", "expected"),
    [("nobody", Place.EXCLUDED), ("everyone", Place.INCLUDED), ("those of Offers", Place.INCLUDED)],
)
def test_a_list_starts_with_whom_one_says(sender: FlaskClient, make: Make, starts_with: str, expected: Place) -> None:
    offers = make.list("Offers", ["ben@bluegum.example"])
    ann = make.customer("ann@bluegum.example")
    places.set_place(ann.id, offers.id, Place.EXCLUDED, how="test", actor=COMMAND, now=make._now)
    db.session.commit()
    word = str(offers.id) if starts_with.startswith("those") else starts_with

    answer = sender.post("/lists/new", data=FORM | {"starts_with": word})

    assert answer.location == f"/lists/{lists.by_name('Newsletter').id}"
    assert standing("Newsletter", "ben@bluegum.example") is expected
    assert (standing("Newsletter", "ann@bluegum.example") is Place.INCLUDED) == (starts_with == "everyone")


def test_what_is_said_of_a_new_list_is_kept(sender: FlaskClient) -> None:
    said = {"name": " News  letter ", "description": "Four times a year.", "customers_may_see": "yes"}

    sender.post("/lists/new", data=said | {"unsubscribe_wording": "No more of {organisation}"})

    row = lists.by_name("news letter")
    assert (row.name, row.description) == ("News letter", "Four times a year.")
    assert (row.includes_new, row.unsubscribe_line, row.customers_may_see) == (False, False, True)
    assert row.unsubscribe_wording == "No more of {organisation}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "offers"},
        {"name": "x" * 101},
        {"unsubscribe_wording": "{nobody}"},
        {"starts_with": "99"},
        {"starts_with": "9" * 30},
        {"starts_with": "whom?"},
    ],
)
def test_a_list_that_won_t_do_is_said_and_not_made(sender: FlaskClient, make: Make, wrong: dict[str, str]) -> None:
    make.list("Offers")

    answer = sender.post("/lists/new", data=FORM | {"description": "Kept as typed"} | wrong)

    assert answer.status_code == 422
    assert f'id="field-{next(iter(wrong))}-error"' in answer.text
    assert "Kept as typed" in answer.text
    assert [row.name for row in lists.all()] == ["Offers"]


def test_a_list_is_renamed_and_changed(sender: FlaskClient, make: Make) -> None:
    row = make.list("Offers")

    sender.post(
        f"/lists/{row.id}", data={"name": "Promotions", "description": "Once a month.", "unsubscribe_line": "yes"}
    )

    changed = lists.by_name("Promotions")
    assert (changed.id, changed.description, changed.includes_new) == (row.id, "Once a month.", False)


def test_two_who_change_a_list_at_once_keep_what_the_other_changed(sender: FlaskClient, make: Make) -> None:
    row = make.list("Newsletter")
    path = f"/lists/{row.id}"
    seen = dict(re.findall(r'name="(seen_\w+)" value="([^"]*)"', sender.get(path).text))
    typed = {"name": "Newsletter", "includes_new": "yes", "unsubscribe_line": "yes"} | seen

    sender.post(path, data=typed | {"name": "News", "customers_may_see": "yes"})
    sender.post(path, data=typed | {"description": "Four times a year."})

    db.session.rollback()
    found = lists.find(row.id)
    assert (found.name, found.description) == ("News", "Four times a year.")
    assert found.customers_may_see
    assert found.unsubscribe_line


def test_a_name_that_is_taken_is_said_beside_its_field(sender: FlaskClient, make: Make) -> None:
    make.list("Offers")
    row = make.list("Newsletter")

    answer = sender.post(f"/lists/{row.id}", data=FORM | {"name": "OFFERS"})

    assert answer.status_code == 422
    assert "There is a list" in answer.text
    assert lists.find(row.id).name == "Newsletter"


def test_a_list_is_archived_after_a_question_and_brought_back(sender: FlaskClient, make: Make) -> None:
    row = make.list("Offers", ["ben@bluegum.example"])

    asked = sender.get(f"/lists/{row.id}?ask=archive").text
    sender.post(f"/lists/{row.id}/archive")
    away = sender.get("/lists").text
    sender.post(f"/lists/{row.id}/restore")

    assert "Archive Offers?" in asked
    assert "Archived" in away
    assert [found.name for found in lists.all()] == ["Offers"]
    assert standing("Offers", "ben@bluegum.example") is Place.INCLUDED


def test_the_figures_say_who_gets_it_and_who_does_not(looker: FlaskClient, make: Make) -> None:
    row = make.list("Offers")
    ids = [make.customer(f"c{number}@bluegum.example").id for number in range(5)]
    places.set_place(ids[0], row.id, Place.EXCLUDED, how="test", actor=COMMAND, now=make._now)
    places.unsubscribe(ids[1], row.id, how="one-click", now=make._now)
    suppression.suppress(ids[2], Suppressed.BOUNCED, "gone", actor=COMMAND, now=make._now)
    db.session.commit()

    page = " ".join(looker.get("/lists").text.split())

    assert f'href="/customers?list={row.id}&amp;state=reached">2</a>' in page
    assert "1–2 of 2" in looker.get(f"/customers?list={row.id}&state=reached").text
    assert 'state=suppressed">1</a></td>' in page
    assert f'href="/customers?list={row.id}&amp;place=excluded">1</a>' in page
    assert f'href="/customers?list={row.id}&amp;place=unsubscribed">1</a>' in page


def test_growth_and_leavers_are_counted_and_named(make: Make, client_of: ClientOf, clock: Clock) -> None:
    clock.at = make._now + timedelta(days=3)
    looker = client_of(make.user("pat@mail.test", sends=False))
    row = make.list("Offers")
    ben, ann = make.customer("ben@bluegum.example", "Ben"), make.customer("ann@bluegum.example")
    before = looker.get(f"/lists/{row.id}").text
    places.unsubscribe(ben.id, row.id, how="one-click", now=make._now)
    places.set_place(ann.id, row.id, Place.EXCLUDED, how="test", actor=COMMAND, now=make._now)
    db.session.commit()

    page = looker.get(f"/lists/{row.id}").text

    assert "Nobody has left it." in before
    assert "2 joined, 1 left, 1 taken out" in page
    assert "with one click in their mail program" in page
    assert f'href="/customers/{ben.id}">Ben</a>' in page


def test_who_has_neither_flag_sees_lists_and_changes_none(looker: FlaskClient, make: Make) -> None:
    row = make.list("Offers")

    page, one = looker.get("/lists").text, looker.get(f"/lists/{row.id}").text
    presses = [looker.post(path) for path in ("/lists/new", f"/lists/{row.id}", f"/lists/{row.id}/archive")]
    presses += [looker.post(f"/lists/{row.id}/restore"), looker.get("/lists/new"), looker.post("/lists/line")]

    assert "Offers" in page
    assert "Make a list" not in page
    assert "Change it" not in one
    assert {answer.status_code for answer in presses} == {403}
    assert [found.name for found in lists.all()] == ["Offers"]


def test_the_line_is_shown_as_it_would_stand_under_a_letter(sender: FlaskClient) -> None:
    own = sender.post("/lists/line", data=FORM | {"unsubscribe_wording": "No more from {organisation}"}).text
    default = sender.post("/lists/line", data=FORM).text
    off = sender.post("/lists/line", data={"name": "Newsletter"}).text

    assert "No more from Happy Paws" in own
    assert "Happy Paws, 12 High Street, Lismore NSW 2480" in default
    assert "http://127.0.0.1:5000/u/" in default
    assert "Nothing." in off


def test_an_empty_shelf_says_what_to_do(sender: FlaskClient) -> None:
    assert "There is no list yet" in sender.get("/lists").text


@pytest.mark.parametrize("path", ["/lists/99", "/lists/0"])
def test_a_list_that_is_not_there_is_404(sender: FlaskClient, path: str) -> None:
    answers = [
        sender.get(path),
        sender.post(path, data=FORM),
        sender.post(f"{path}/archive"),
        sender.post(f"{path}/restore"),
    ]

    assert {answer.status_code for answer in answers} == {404}


def test_names_with_markup_stay_text(sender: FlaskClient, make: Make) -> None:
    row = make.list('"><img src=x onerror=alert(1)>{{7*7}}')

    for path in ("/lists", f"/lists/{row.id}", f"/lists/{row.id}?ask=archive", "/lists/new", "/customers"):
        page = sender.get(path).text
        assert "<img src=x" not in page
        assert "49" not in page.replace(row.name, "")
