"""One customer's own page: did they get it, their places, stopping and allowing mail, adding, editing, deleting."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from mailout.book import customers, importing, places, suppression
from mailout.core.delivery import State
from mailout.journal import COMMAND, Actor, note
from mailout.models import Customer, Letter, MailingList, Mailout, Place, PlaceChange, Recipient, Suppressed, User, db
from tests.makers import Make
from tests.web.conftest import Clock

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
ClientOf = Callable[[User | None], FlaskClient]


@pytest.fixture(autouse=True)
def _weeks_later(clock: Clock, now: datetime) -> None:
    """The pages are looked at when what they tell of lies three weeks back."""
    clock.at = now + timedelta(days=21)


@pytest.fixture
def newsletter(make: Make) -> MailingList:
    return make.list("Newsletter")


@pytest.fixture
def ben(make: Make, newsletter: MailingList) -> Customer:
    return make.customer("ben@bluegum.example", "Ben", "Fitzgerald")


@pytest.fixture
def administrator(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("jo@mail.test", administrator=True))


@pytest.fixture
def sender(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("kim@mail.test"))


@pytest.fixture
def looker(make: Make, client_of: ClientOf) -> FlaskClient:
    return client_of(make.user("pat@mail.test", sends=False))


def sent_to(make: Make, of: MailingList, subject: str, *, hours: float = 0) -> Mailout:
    """A mail-out of this list that was accepted so many hours after the present."""
    at = make._now + timedelta(hours=hours)
    user = db.session.scalars(select(User)).first()
    assert user is not None
    letter = Letter(digest=subject, received_at=at, size=100, spool="handled", verdict="mail-out")
    db.session.add(letter)
    db.session.flush()
    row = Mailout(
        list_id=of.id,
        created_by_id=user.id,
        created_at=at,
        expires_at=at + timedelta(days=1),
        key_nonce=b"n" * 16,
        key_digest=subject,
        subject=subject,
        letter_id=letter.id,
        accepted_at=at,
        starts_at=at,
    )
    db.session.add(row)
    db.session.commit()
    return row


def copy(mailout: Mailout, customer: Customer, state: State, **facts: object) -> None:
    values = {"mailout_id": mailout.id, "customer_id": customer.id, "address": customer.email, "state": state}
    db.session.add(Recipient(**values | facts))
    db.session.commit()


def test_did_they_get_it_is_answered_letter_by_letter(
    looker: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    copy(sent_to(make, newsletter, "Summer hours", hours=1), ben, State.SENT, code=250, enhanced="2.0.0", reply="Ok")
    copy(sent_to(make, newsletter, "Spring coats", hours=2), ben, State.UNCERTAIN)
    copy(sent_to(make, newsletter, "Winter brushing", hours=3), ben, State.SKIPPED, reason="excluded: by Priya Raman")
    copy(sent_to(make, newsletter, "Puppies", hours=4), ben, State.BOUNCED, reply="user unknown", code=550)

    page = looker.get(f"/customers/{ben.id}").text

    assert "Accepted by your mail provider" in page
    assert "No bounce since. “250 2.0.0 Ok”" in page
    assert "The line broke at the last word. Nobody sent it again." in page
    assert "Excluded by Priya Raman." in page
    assert "user unknown" in page
    assert "delivered" not in page.lower()


def test_a_letter_that_they_were_not_in_says_why(
    looker: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    sent_to(make, newsletter, "Before they came", hours=-5)
    places.set_place(
        ben.id, newsletter.id, Place.EXCLUDED, how="by a switch", actor=COMMAND, now=make._now + timedelta(hours=1)
    )
    db.session.commit()
    sent_to(make, newsletter, "After they were taken out", hours=2)
    offers = make.list("Offers")
    sent_to(make, offers, "Never theirs", hours=3)
    places.set_place(
        ben.id, newsletter.id, Place.INCLUDED, how="by a switch", actor=COMMAND, now=make._now + timedelta(days=1)
    )
    places.unsubscribe(ben.id, newsletter.id, how="one-click", now=make._now + timedelta(days=2))
    db.session.commit()
    sent_to(make, newsletter, "After they left", hours=72)

    page = looker.get(f"/customers/{ben.id}").text
    page = page[page.index('id="got-it"') :]
    said = {
        subject: " ".join(re.sub("<[^>]+>", " ", page.split(subject)[1].split("</li>")[0]).split())
        for subject in ("Before they came", "After they were taken out", "Never theirs", "After they left")
    }

    assert "Not a customer yet Added 25 November." in said["Before they came"]
    assert "Not in the list then Excluded, 25 November." in said["After they were taken out"]
    assert "Not in the list then Nobody ever chose." in said["Never theirs"]
    assert "Not in the list then Unsubscribed, 27 November." in said["After they left"]


def test_whoever_joined_later_sees_when(
    looker: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    offers = make.list("Offers")
    sent_to(make, offers, "Ten dollars off", hours=1)
    places.set_place(
        ben.id, offers.id, Place.INCLUDED, how="by a switch", actor=COMMAND, now=make._now + timedelta(days=2)
    )
    row = sent_to(make, newsletter, "Third time lucky", hours=1)
    copy(row, ben, State.SENT, code=250, reply="Ok", attempts=3)
    db.session.commit()

    page = looker.get(f"/customers/{ben.id}").text

    assert "Joined the list 27 November." in page
    assert "No bounce since. Took 3 tries. “250 Ok”" in page


def test_only_the_last_letters_are_shown_at_first(
    looker: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    for number in range(7):
        copy(sent_to(make, newsletter, f"Letter {number}", hours=number), ben, State.SENT)

    few, many = looker.get(f"/customers/{ben.id}").text, looker.get(f"/customers/{ben.id}?all=yes").text

    few = few[few.index("<main") :]  # what is being sent just now has a strip above
    assert ("Letter 6" in few, "Letter 2" in few, "Letter 1" in few) == (True, True, False)
    assert "Show earlier letters" in few
    assert "Letter 0" in many
    assert "Show earlier letters" not in many


def test_each_place_says_who_made_it_so(looker: FlaskClient, newsletter: MailingList, ben: Customer) -> None:
    address = f"/customers/{ben.id}/lists/{newsletter.id}"
    before = looker.get(f"/customers/{ben.id}").text

    answer = looker.post(address, data={"row": "yes"}, headers=PARTIAL)

    assert "Included by the list’s default" in before
    assert "Excluded by Pat" in answer.text
    assert 'aria-label="ben@bluegum.example in Newsletter"' in before


def test_without_script_a_switch_is_a_form_that_comes_back_here(
    looker: FlaskClient, newsletter: MailingList, ben: Customer
) -> None:
    answer = looker.post(f"/customers/{ben.id}/lists/{newsletter.id}", data={"row": "yes"})

    assert (answer.status_code, answer.location) == (303, f"/customers/{ben.id}")
    assert places.place_of(ben.id, newsletter.id) is Place.EXCLUDED


def test_taking_back_who_left_needs_a_reason_that_is_kept(
    looker: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    places.unsubscribe(ben.id, newsletter.id, how="one-click", now=make._now)
    db.session.commit()
    address = f"/customers/{ben.id}/lists/{newsletter.id}/back"

    asked = looker.get(f"/customers/{ben.id}?ask=back&list={newsletter.id}").text
    without = looker.post(address, data={"reason": "  "})
    assert places.place_of(ben.id, newsletter.id) is Place.UNSUBSCRIBED
    looker.post(address, data={"reason": "Rang on Monday and asked for it"})

    assert "Why are they to get Newsletter again?" in asked
    assert without.status_code == 422
    assert "Say why" in without.text
    assert places.place_of(ben.id, newsletter.id) is Place.INCLUDED
    last = db.session.scalars(select(PlaceChange).order_by(PlaceChange.id.desc())).first()
    assert last is not None
    assert last.reason == "Rang on Monday and asked for it"


def test_anybody_may_stop_mail_to_somebody_and_says_why(looker: FlaskClient, ben: Customer) -> None:
    without = looker.post(f"/customers/{ben.id}/suppress", data={"reason": ""})
    looker.post(f"/customers/{ben.id}/suppress", data={"reason": "Moved to Perth"})

    row = customers.find(ben.id)
    assert without.status_code == 422
    assert (row.suppressed_for, row.suppressed_why) == (Suppressed.BY_HAND, "Moved to Perth")
    page = looker.get(f"/customers/{ben.id}").text
    assert "Moved to Perth" in page
    assert "An Administrator can allow mail to them again." in page


def test_only_an_administrator_allows_it_again(sender: FlaskClient, make: Make, ben: Customer) -> None:
    suppression.suppress(ben.id, Suppressed.BOUNCED, "no such user", actor=COMMAND, now=make._now)
    db.session.commit()

    answer = sender.post(f"/customers/{ben.id}/unsuppress", data={"reason": "It works again"})
    asked = sender.get(f"/customers/{ben.id}?ask=start").text

    assert answer.status_code == 403
    assert "Why may mail go to them again?" not in asked
    assert customers.find(ben.id).suppressed_for == Suppressed.BOUNCED


def test_an_administrator_allows_mail_again_with_a_reason(
    administrator: FlaskClient, make: Make, ben: Customer
) -> None:
    suppression.suppress(ben.id, Suppressed.BOUNCED, "no such user", actor=COMMAND, now=make._now)
    db.session.commit()

    asked = administrator.get(f"/customers/{ben.id}?ask=start").text
    without = administrator.post(f"/customers/{ben.id}/unsuppress")
    administrator.post(f"/customers/{ben.id}/unsuppress", data={"reason": "It works again"})

    assert "Why may mail go to them again?" in asked
    assert without.status_code == 422
    assert customers.find(ben.id).suppressed_for is None


def test_adding_a_customer_leads_to_their_page(looker: FlaskClient, newsletter: MailingList) -> None:
    answer = looker.post("/customers/new", data={"email": " Ann@Bluegum.example ", "first_name": "Ann"})

    added = customers.by_email("ann@bluegum.example")
    assert answer.location == f"/customers/{added.id}"
    assert (added.email, added.first_name) == ("Ann@Bluegum.example", "Ann")
    assert places.place_of(added.id, newsletter.id) is Place.INCLUDED


@pytest.mark.parametrize(
    "email",
    ["", "ring first", "a@b", "jo.smith@bluegum,example", "a@b.example\r\nBcc: x@y.example", "x" * 900 + "@b.example"],
)
def test_a_wrong_address_is_said_beside_its_field(looker: FlaskClient, email: str) -> None:
    answer = looker.post("/customers/new", data={"email": email, "last_name": "Smith"})

    assert answer.status_code == 422
    assert 'id="field-email-error"' in answer.text
    assert 'value="Smith"' in answer.text
    assert db.session.scalars(select(Customer)).all() == []


def test_an_address_can_be_one_customers_only(looker: FlaskClient, ben: Customer) -> None:
    answer = looker.post("/customers/new", data={"email": "BEN@bluegum.example"})

    assert answer.status_code == 422
    assert "is a customer already" in answer.text


def test_extra_fields_of_a_form_change_nothing(looker: FlaskClient, ben: Customer) -> None:
    form = {"email": "ben@bluegum.example", "first_name": "Benjamin", "suppressed_for": "by-hand", "id": "77"}

    looker.post(f"/customers/{ben.id}/edit", data=form)

    row = customers.find(ben.id)
    assert (row.first_name, row.last_name, row.suppressed_for) == ("Benjamin", "", None)


def test_editing_a_customer_keeps_their_places(looker: FlaskClient, newsletter: MailingList, ben: Customer) -> None:
    assert 'value="Fitzgerald"' in looker.get(f"/customers/{ben.id}/edit").text

    looker.post(f"/customers/{ben.id}/edit", data={"email": "b.f@bluegum.example", "last_name": "Fitz"})
    wrong = looker.post(f"/customers/{ben.id}/edit", data={"email": "nothing"})

    assert customers.find(ben.id).email == "b.f@bluegum.example"
    assert wrong.status_code == 422
    assert places.place_of(ben.id, newsletter.id) is Place.INCLUDED


def test_whoever_came_with_an_import_says_so(looker: FlaskClient, make: Make) -> None:
    by = {"actor": COMMAND, "now": make._now}
    done = importing.plan("email\nann@bluegum.example\n", "Spring <b>fair</b>.csv", **by)
    importing.apply(done.id, **by)

    page = looker.get(f"/customers/{customers.by_email('ann@bluegum.example').id}").text

    assert f"Came with an import by {COMMAND.name}" in page
    assert "Spring &lt;b&gt;fair&lt;/b&gt;.csv" in page


def test_whoever_was_there_before_a_list_is_not_said_to_start_in_it(looker: FlaskClient, make: Make) -> None:
    ann = make.customer("ann@bluegum.example")
    made = make.list("Offers")

    page = looker.get(f"/customers/{ann.id}").text

    assert places.place_of(ann.id, made.id) is Place.EXCLUDED
    assert "Never chosen; only newer customers start out included" in page


def test_two_who_edit_at_once_keep_what_the_other_changed(looker: FlaskClient, ben: Customer) -> None:
    db.session.execute(update(Customer).where(Customer.id == ben.id).values(fields={"Dog": "Rex", "Phone": "1"}))
    db.session.commit()
    path = f"/customers/{ben.id}/edit"
    names = re.findall(r'name="own_name" value="([^"]*)"', looker.get(path).text)
    seen = re.findall(r'name="seen" value="([^"]*)"', looker.get(path).text)
    typed = {"email": seen[0], "first_name": seen[1], "last_name": seen[2], "own_name": names, "seen": seen}

    looker.post(path, data=typed | {"last_name": "Fitz", "own": ["Rex", "2"]})
    looker.post(path, data=typed | {"email": "b.f@bluegum.example", "own": ["Max", "1"]})

    db.session.rollback()
    ben = customers.find(ben.id)
    assert (ben.email, ben.first_name, ben.last_name) == ("b.f@bluegum.example", "Ben", "Fitz")
    assert ben.fields == {"Dog": "Max", "Phone": "2"}


def test_deleting_asks_first_and_leaves_no_customer(sender: FlaskClient, ben: Customer) -> None:
    asked = sender.get(f"/customers/{ben.id}?ask=delete").text
    answer = sender.post(f"/customers/{ben.id}/delete")

    assert "Delete Ben Fitzgerald for good?" in asked
    assert answer.location == "/customers"
    assert sender.get(f"/customers/{ben.id}").status_code == 404


def test_deleting_needs_send_mailout(looker: FlaskClient, ben: Customer) -> None:
    page = looker.get(f"/customers/{ben.id}?ask=delete").text
    answer = looker.post(f"/customers/{ben.id}/delete")

    assert "for good?" not in page
    assert "Delete Ben" not in page
    assert answer.status_code == 403
    assert customers.find(ben.id).email == ben.email


def test_own_fields_are_shown_and_stay_text(looker: FlaskClient, ben: Customer) -> None:
    db.session.get_one(Customer, ben.id).fields = {"Dog": "<b>Biscuit</b>", "javascript:": "x"}
    db.session.commit()

    page = looker.get(f"/customers/{ben.id}").text

    assert "&lt;b&gt;Biscuit&lt;/b&gt;" in page
    assert "<b>Biscuit" not in page


@pytest.mark.parametrize("path", ["", "/edit", "?ask=delete", "?ask=nonsense&list=x&all"])
def test_a_customer_who_is_not_there_is_404(looker: FlaskClient, path: str) -> None:
    answer = looker.get(f"/customers/99{path}")

    assert answer.status_code == 404
    assert "There is no customer 99." in answer.text


def test_nonsense_in_the_address_asks_nothing(looker: FlaskClient, ben: Customer) -> None:
    assert looker.get(f"/customers/{ben.id}?ask=nonsense&list=x&all").status_code == 200


def test_the_page_tells_all_that_was_done_to_them_and_why(
    administrator: FlaskClient, make: Make, newsletter: MailingList, ben: Customer
) -> None:
    page = f"/customers/{ben.id}"
    administrator.post(f"{page}/lists/{newsletter.id}", data={})
    places.unsubscribe(ben.id, newsletter.id, how="one-click", now=make._now)
    administrator.post(f"{page}/lists/{newsletter.id}/back", data={"reason": "Rang on <Monday>"})
    administrator.post(f"{page}/edit", data={"email": ben.email, "first_name": "Benno", "last_name": "Fitzgerald"})
    administrator.post(f"{page}/suppress", data={"reason": "Moved away"})
    administrator.post(f"{page}/unsuppress", data={"reason": "Came back"})
    note(Actor(None, "somebody"), "customer.suppress", f"customer {ben.id}0", "by-hand: another", make._now)
    db.session.commit()

    shown = administrator.get(f"{page}?all=yes").text.split('id="history"')[1].split("</section>")[0]

    for words in (
        "Newsletter: excluded by Jo",
        "Newsletter: unsubscribed with one click in their mail program",
        "Newsletter: included again by Jo",
        "Rang on &lt;Monday&gt;",
        "Edited by Jo",
        "first name",
        "All mail stopped by Jo",
        "Moved away",
        "Mail allowed again by Jo",
        "Came back",
    ):
        assert words in shown
    assert "another" not in shown
    assert "by-hand" not in shown
    assert "default" not in shown
    assert "Show what was before" in administrator.get(page).text


def test_a_reason_that_is_too_short_is_kept_in_its_field(administrator: FlaskClient, ben: Customer) -> None:
    answer = administrator.post(f"/customers/{ben.id}/suppress", data={"reason": "no"})

    assert answer.status_code == 422
    assert 'value="no"' in answer.text


def test_own_fields_are_edited_and_emptied_and_none_is_added(
    looker: FlaskClient, newsletter: MailingList, ben: Customer
) -> None:
    db.session.execute(
        update(Customer).where(Customer.id == ben.id).values(fields={"Dog": "Rex", "<b>": "x", "Cat": "y"})
    )
    db.session.commit()
    page = f"/customers/{ben.id}/edit"
    assert re.search(r'<label for="own-1">Dog</label>\s*<input[^>]*value="Rex"', looker.get(page).text)
    typed = {"email": ben.email, "first_name": "Ben", "last_name": "Fitzgerald"}

    own = {"own_name": ["Dog", "<b>", "Horse"], "own": [" Rex  the second ", "", "no"]}
    wrong = looker.post(page, data={**typed, **own, "email": "no address"})
    right = looker.post(page, data={**typed, **own})

    assert wrong.status_code == 422
    assert 'value=" Rex  the second "' in wrong.text
    assert right.status_code == 303
    db.session.rollback()
    assert customers.find(ben.id).fields == {"Dog": "Rex the second", "Cat": "y"}
