"""The page that a customer reaches from a letter: one click, the page's own forms, and nobody but its owner."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from mailout.book import customers, lists, places, suppression
from mailout.core import own
from mailout.current import secret
from mailout.journal import COMMAND
from mailout.models import Customer, MailingList, Notice, Place, PlaceChange, Recipient, Suppressed, db
from mailout.web.public import preferences as public
from tests.makers import Make

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def newsletter(make: Make) -> MailingList:
    return make.list("Newsletter", ["margaret.doyle@bluegum.example"])


@pytest.fixture
def margaret(newsletter: MailingList) -> Customer:
    return customers.by_email("margaret.doyle@bluegum.example")


@pytest.fixture
def link(margaret: Customer, newsletter: MailingList) -> str:
    return link_of(margaret, newsletter)


def link_of(customer: Customer, of: MailingList) -> str:
    return f"/u/{own.unsubscribe_token(secret(), of.id, customer.id)}"


def place(customer: Customer, of: MailingList) -> Place:
    db.session.rollback()
    return places.place_of(customer.id, of.id)


def press(client: FlaskClient, link: str, button: str, **form: object) -> TestResponse:
    """Press a button of the page, as a browser does that has opened it."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(link).text)
    return client.post(f"{link}/{button}", data={"csrf_token": found[1] if found else "", **form})


def changes() -> int:
    return db.session.scalar(select(func.count()).select_from(PlaceChange)) or 0


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_leaves_the_list_without_session_cookie_or_redirect(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList, form: str
) -> None:
    answer = client.post(link, data=ONE_CLICK, content_type=form)

    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED


def test_one_click_twice_is_one_change_and_200_both_times(client: FlaskClient, link: str) -> None:
    first = client.post(link, data=ONE_CLICK)
    after_one = changes()

    second = client.post(link, data=ONE_CLICK)

    assert (first.status_code, second.status_code) == (200, 200)
    assert changes() == after_one


@pytest.mark.parametrize(
    "body", [{}, {"List-Unsubscribe": "yes"}, {"list-unsubscribe": "one-click"}, {"One-Click": "List-Unsubscribe"}]
)
def test_any_other_body_is_refused_and_changes_nothing(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList, body: dict[str, str]
) -> None:
    answer = client.post(link, data=body)

    assert answer.status_code == 400
    assert place(margaret, newsletter) is Place.INCLUDED


def test_a_scanner_that_only_looks_changes_nothing(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    before = changes()

    for _ in range(3):
        answers = [client.get(link), client.head(link), client.options(link)]
        answers += [client.get(f"{link}/{form}") for form in ("leave", "lists", "everything", "undo")]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 405, 405, 405, 405]
    assert (changes(), place(margaret, newsletter)) == (before, Place.INCLUDED)
    assert customers.find(margaret.id).suppressed_for is None


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(client: FlaskClient, link: str, method: str) -> None:
    assert getattr(client, method)(link).status_code == 405


def test_a_body_that_is_too_long_is_refused(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    answer = client.post(link, data=ONE_CLICK | {"more": "x" * 50_000})

    assert answer.status_code == 413
    assert place(margaret, newsletter) is Place.INCLUDED


@pytest.mark.parametrize("token", ["x", "1-1-0000", "1-1-" + "0" * 26, "..", "%00", "1-1-" + "é" * 26, "9" * 400])
def test_a_link_that_we_did_not_make_gets_a_calm_page(client: FlaskClient, link: str, token: str) -> None:
    page, click = client.get(f"/u/{token}"), client.post(f"/u/{token}", data=ONE_CLICK)

    assert (page.status_code, click.status_code) == (404, 404)
    assert "This link is not whole" in page.text


def test_a_token_for_one_list_does_not_open_another(
    client: FlaskClient, make: Make, link: str, margaret: Customer
) -> None:
    other = make.list("Promotions", [margaret.email])
    body, _, mac = link.removeprefix("/u/").rpartition("-")

    answer = client.post(f"/u/{other.id}-{body.split('-')[1]}-{mac}", data=ONE_CLICK)

    assert answer.status_code == 404
    assert place(margaret, other) is Place.INCLUDED


def test_the_page_shows_the_address_masked_and_in_the_organisations_name(client: FlaskClient, link: str) -> None:
    page = client.get(link)

    assert "margaret" not in page.text
    assert "m••••••t.d•••e@b•••••m.example" in page.text
    assert "Happy Paws" in page.text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("jo@x.example", "j•@x.example"),
        ("a@b.c", "a@b.c"),
        ("anna-lena_k@mail.bluegum.example", "a•••-l•••_k@m•••.bluegum.example"),
        ("ivan.kovačević@blåbær.example", "i•••.k•••••••ć@b••••r.example"),
    ],
)
def test_addresses_are_masked_so_that_their_owner_knows_them(address: str, shown: str) -> None:
    assert public.masked(address) == shown


def test_the_pages_button_leaves_the_list_and_mails_a_note_with_the_way_back(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    answer = press(client, link, "leave")

    assert (answer.status_code, answer.location) == (303, link)
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED
    assert "You have left Newsletter" in client.get(link).text
    to = db.session.scalars(select(Recipient.address).where(Recipient.notice_id.is_not(None))).all()
    assert to == [margaret.email]
    assert f"http://127.0.0.1:5000{link}".encode() in db.session.scalars(select(Notice.raw)).one()
    assert (
        b"Happy Paws does not write to this address any more: Newsletter."
        in db.session.scalars(select(Notice.raw)).one()
    )


def test_pressing_twice_mails_one_note(client: FlaskClient, link: str) -> None:
    press(client, link, "leave")
    press(client, link, "leave")

    assert len(db.session.scalars(select(Notice.id)).all()) == 1


def test_a_one_click_mails_no_note(client: FlaskClient, link: str) -> None:
    client.post(link, data=ONE_CLICK)

    assert db.session.scalars(select(Notice.id)).all() == []


def test_undo_brings_the_list_back_and_keeps_that_they_did_it(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    press(client, link, "leave")

    press(client, link, "undo")

    assert f"Taken back: you get {newsletter.name} again." in client.get(link).text
    assert "Taken back" not in client.get(link).text
    assert place(margaret, newsletter) is Place.INCLUDED
    last = db.session.scalars(select(PlaceChange).order_by(PlaceChange.id.desc())).first()
    assert last is not None
    assert (last.was, last.became, last.how, last.user_id) == ("unsubscribed", "included", public.BY_PAGE, None)


def test_switches_are_there_for_the_lists_that_customers_may_see_and_no_others(
    client: FlaskClient, make: Make, link: str, margaret: Customer
) -> None:
    seen, secret_list = make.list("Puppy club", [margaret.email]), make.list("Late payers", [margaret.email])
    lists.change(seen.id, customers_may_see=True, actor=COMMAND, now=make._now)
    db.session.commit()

    page = client.get(link).text
    press(client, link, "lists")

    assert "Your choice is saved." not in page
    assert "Your choice is saved." in client.get(link).text
    assert "Puppy club" in page
    assert "Late payers" not in page
    assert place(margaret, seen) is Place.UNSUBSCRIBED
    assert place(margaret, secret_list) is Place.INCLUDED


def test_a_switch_can_bring_back_a_list_that_they_left(
    client: FlaskClient, make: Make, link: str, margaret: Customer
) -> None:
    seen, hidden = make.list("Puppy club", [margaret.email]), make.list("Late payers")
    lists.change(seen.id, customers_may_see=True, actor=COMMAND, now=make._now)
    places.unsubscribe(margaret.id, seen.id, how="one-click", now=make._now)
    db.session.commit()

    press(client, link, "lists", **{"in": [seen.id, hidden.id, "x", "-1"]})

    assert place(margaret, seen) is Place.INCLUDED
    assert place(margaret, hidden) is Place.EXCLUDED


def test_leaving_everything_suppresses_and_can_be_taken_back(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    press(client, link, "everything")

    assert customers.find(margaret.id).suppressed_for == Suppressed.UNSUBSCRIBED
    assert "You get nothing more from us" in client.get(link).text

    press(client, link, "undo")

    assert customers.find(margaret.id).suppressed_for is None
    assert place(margaret, newsletter) is Place.INCLUDED


def test_what_the_business_decided_is_not_theirs_to_take_back(
    client: FlaskClient, make: Make, link: str, margaret: Customer
) -> None:
    suppression.suppress(margaret.id, Suppressed.COMPLAINED, "said so", actor=COMMAND, now=make._now)
    db.session.commit()

    press(client, link, "undo")

    assert customers.find(margaret.id).suppressed_for == Suppressed.COMPLAINED
    assert "We don’t write to this address" in client.get(link).text


def test_coming_back_to_a_list_is_no_way_round_being_excluded_from_it(
    client: FlaskClient, make: Make, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    places.set_place(margaret.id, newsletter.id, Place.EXCLUDED, how="by a switch", actor=COMMAND, now=make._now)
    db.session.commit()
    client.post(link, data=ONE_CLICK)
    page = client.get(link).text
    assert "Get Newsletter again" not in page

    assert press(client, link, "undo").status_code == 303
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED

    lists.change(newsletter.id, customers_may_see=True, actor=COMMAND, now=make._now)
    db.session.commit()
    press(client, link, "undo")
    assert place(margaret, newsletter) is Place.INCLUDED, "a list that they may see is theirs to switch"


def test_a_deleted_customer_is_answered_calmly(client: FlaskClient, make: Make, link: str, margaret: Customer) -> None:
    customers.delete(margaret.id, actor=COMMAND, now=make._now + timedelta(days=1))
    db.session.commit()

    page, click, pressed = client.get(link), client.post(link, data=ONE_CLICK), press(client, link, "leave")

    assert (page.status_code, click.status_code, pressed.status_code) == (200, 200, 400)
    assert "There is nothing to leave" in page.text
    assert "There is nothing to leave" in pressed.text


def test_names_with_markup_stay_text(client: FlaskClient, make: Make, margaret: Customer) -> None:
    nasty = make.list('"><img src=x onerror=alert(1)>', [margaret.email])

    page = client.get(link_of(margaret, nasty)).text

    assert "<img" not in page
    assert "&lt;img" in page


def test_the_buttons_of_one_link_are_not_pressed_without_end(client: FlaskClient, app: Flask, link: str) -> None:
    answers = [press(client, link, button) for button in ("leave", "undo") * 11]

    assert [answer.status_code for answer in answers] == [303] * 20 + [429] * 2
    assert "Happy Paws" in answers[-1].text
    assert "Mailout" not in answers[-1].text


@pytest.mark.parametrize("button", ["leave", "lists", "everything", "undo"])
def test_a_press_without_the_pages_secret_changes_nothing_and_says_what_to_do(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList, button: str
) -> None:
    before = changes()

    answer = client.post(f"{link}/{button}")

    assert answer.status_code == 400
    assert "Press again, and it counts" in answer.text
    assert "Happy Paws" in answer.text
    assert (changes(), place(margaret, newsletter)) == (before, Place.INCLUDED)
    assert customers.find(margaret.id).suppressed_for is None


def test_the_second_press_of_a_browser_whose_cookie_was_gone_counts(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    first = client.post(f"{link}/leave")
    found = re.search(r'name="csrf_token" value="([^"]+)"', first.text)
    assert found

    second = client.post(f"{link}/leave", data={"csrf_token": found[1]})

    assert second.status_code == 303
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED


def test_what_was_ticked_is_not_lost_with_the_cookie(
    client: FlaskClient, make: Make, link: str, margaret: Customer
) -> None:
    for name in ("Puppy club", "Kittens"):
        lists.change(make.list(name).id, customers_may_see=True, actor=COMMAND, now=make._now)
    db.session.commit()

    page = client.post(f"{link}/lists", data={"in": [lists.by_name("Kittens").id]}).text

    assert re.search(r'aria-label="Kittens"[^>]* checked', page)
    assert not re.search(r'aria-label="Puppy club"[^>]* checked', page)


def test_a_browser_without_cookies_is_offered_the_one_click_and_gets_a_page(
    app: Flask, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    client = app.test_client(use_cookies=False)
    offered = client.post(f"{link}/leave").text
    assert f'action="{link}"' in offered
    assert 'name="List-Unsubscribe" value="One-Click"' in offered

    answer = client.post(link, data=ONE_CLICK, headers={"Accept": "text/html,application/xhtml+xml"})

    assert answer.status_code == 200
    assert "You have left Newsletter" in answer.text
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED
    after = client.post(f"{link}/leave").text
    assert "One-Click" not in after


def test_a_form_of_another_site_changes_nothing_and_is_answered_in_the_organisations_name(
    client: FlaskClient, link: str, margaret: Customer, newsletter: MailingList
) -> None:
    client.get(link)

    answer = client.post(f"{link}/leave", headers={"Origin": "https://evil.example"})

    assert answer.status_code == 400
    assert "Happy Paws" in answer.text
    assert place(margaret, newsletter) is Place.INCLUDED


@pytest.mark.parametrize("why", [Suppressed.BY_HAND, Suppressed.BOUNCED, Suppressed.COMPLAINED])
def test_stopping_everything_and_taking_it_back_never_lifts_what_the_organisation_decided(
    client: FlaskClient, make: Make, link: str, margaret: Customer, newsletter: MailingList, why: Suppressed
) -> None:
    client.get(link)  # a page that lies open since before
    suppression.suppress(margaret.id, why, "rang, and was rude", actor=COMMAND, now=make._now)
    db.session.commit()
    another = client.get(link_of(make.customer("ben@bluegum.example"), newsletter)).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', another)
    assert token

    for button in ("everything", "undo"):
        assert client.post(f"{link}/{button}", data={"csrf_token": token[1]}).status_code == 303

    db.session.rollback()
    kept = customers.find(margaret.id)
    assert (kept.suppressed_for, kept.suppressed_why) == (why, "rang, and was rude")
    assert place(margaret, newsletter) is Place.UNSUBSCRIBED, "their own wish is kept too"
