"""Customers, lists, import and the customers' own page in Chromium: by mouse, by keys, without script, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from mailout.book import customers, lists, places, suppression
from mailout.core import own
from mailout.current import secret
from mailout.journal import COMMAND
from mailout.models import MailingList, Place, Suppressed, User, db
from tests.makers import Make
from tests.web.conftest import Watch, axe, sideways

expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect
Open = Callable[..., Any]

PEOPLE = ("Margaret Doyle", "Aroha Ngata", "Ben Fitzgerald", "Chloe Papadakis", "Ivan Kovačević")
FILE = "E-mail;Given;Dog;Offers\nnew@bluegum.example;New;Rex;yes\nring first;;;\nben@bluegum.example;Ben;;\n"


@pytest.fixture
def jo(make: Make) -> User:
    return make.user("jo@mail.test", administrator=True)


@pytest.fixture
def book(make: Make, jo: User) -> MailingList:
    """Two lists and five people: one has left Offers, one bounced. Returns Newsletter."""
    newsletter, offers = make.list("Newsletter"), make.list("Offers")
    for name in PEOPLE:
        first, _, last = name.partition(" ")
        make.customer(f"{first.lower()}@bluegum.example", first, last)
    places.unsubscribe(customers.by_email("chloe@bluegum.example").id, offers.id, how="one-click", now=make._now)
    ivan = customers.by_email("ivan@bluegum.example")
    suppression.suppress(ivan.id, Suppressed.BOUNCED, "no such user", actor=COMMAND, now=make._now)
    lists.change(offers.id, customers_may_see=True, description="Now and then.", actor=COMMAND, now=make._now)
    db.session.commit()
    return newsletter


def stands(email: str, of: str) -> Place:
    db.session.rollback()
    return places.place_of(customers.by_email(email).id, lists.by_name(of).id)


def link_of(email: str, of: MailingList) -> str:
    return f"/u/{own.unsubscribe_token(secret(), of.id, customers.by_email(email).id)}"


def test_one_click_on_a_switch_is_kept_and_can_be_undone(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, "/customers")
    switch = page.get_by_role("switch", name="ben@bluegum.example in Newsletter", exact=True)

    switch.click()
    expect(page.locator("#said")).to_contain_text("Ben Fitzgerald is excluded from Newsletter.")
    assert stands("ben@bluegum.example", "Newsletter") is Place.EXCLUDED
    expect(switch).to_be_focused()

    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#said")).to_contain_text("Ben Fitzgerald is included in Newsletter.")
    expect(switch).to_be_checked()
    assert stands("ben@bluegum.example", "Newsletter") is Place.INCLUDED


def test_a_switch_works_by_keyboard_and_a_stray_enter_does_nothing(
    open_page: Open, jo: User, book: MailingList
) -> None:
    page = open_page(jo, "/customers")
    switch = page.get_by_role("switch", name="ben@bluegum.example in Newsletter", exact=True)

    switch.focus()
    page.keyboard.press("Space")
    expect(page.locator("#said")).to_contain_text("is excluded from Newsletter")
    page.keyboard.press("Enter")

    expect(switch).to_be_focused()
    assert page.url.endswith("/customers")
    assert stands("ben@bluegum.example", "Newsletter") is Place.EXCLUDED


def test_a_switch_that_can_t_be_saved_goes_back(open_page: Open, jo: User, book: MailingList, watch: Watch) -> None:
    page = open_page(jo, "/customers")
    switch = page.get_by_role("switch", name="ben@bluegum.example in Newsletter", exact=True)
    page.route("**/lists/*", lambda route: route.abort())

    switch.click()

    expect(switch).to_be_checked()
    expect(page.locator("#notes")).to_contain_text("lost its connection")
    # htmx itself reports the lost line in the console; that is no fault of the page
    watch.wrong[:] = [wrong for wrong in watch.wrong if "Failed to fetch" not in wrong]


def test_who_left_meanwhile_is_shown_as_such(open_page: Open, jo: User, book: MailingList, make: Make) -> None:
    page = open_page(jo, "/customers")
    ben = customers.by_email("ben@bluegum.example")
    switch = page.get_by_role("switch", name="ben@bluegum.example in Newsletter", exact=True)
    switch.click()
    expect(page.locator("#said")).to_contain_text("is excluded")
    places.unsubscribe(ben.id, book.id, how="one-click", now=make._now)
    db.session.commit()

    switch.click()

    expect(page.locator("#said")).to_contain_text("They left this list themselves.")
    expect(page.get_by_role("link", name="Unsubscribed from Newsletter: ben@bluegum.example")).to_be_visible()


def test_search_as_you_type_keeps_focus_and_the_address(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, "/customers")
    field = page.get_by_label("Search", exact=True)

    field.press_sequentially("kovac")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(field).to_be_focused()
    expect(page).to_have_url("/customers?q=kovac")
    expect(page.locator("#matching")).to_have_text("1 customer matches.")

    field.fill("")
    expect(page.locator("tbody tr")).to_have_count(len(PEOPLE))
    expect(page).to_have_url("/customers")


def test_a_toggled_row_does_not_lend_its_switch_to_another(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, "/customers")
    page.get_by_role("switch", name="margaret@bluegum.example in Newsletter", exact=True).click()
    expect(page.locator("#said")).to_contain_text("is excluded")

    page.get_by_label("Search", exact=True).fill("ngata")
    expect(page.locator("tbody tr")).to_have_count(1)

    expect(page.get_by_role("switch", name="aroha@bluegum.example in Newsletter", exact=True)).to_be_checked()


def test_filters_narrow_and_bulk_asks_with_the_number(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, "/customers")

    page.get_by_label("List", exact=True).select_option(label="Newsletter")
    expect(page.get_by_label("Their place in it")).to_be_enabled()
    expect(page.locator("#bulk")).to_contain_text("5 customers match.")
    page.get_by_label("What to do with all that match").select_option(label="Exclude them from")
    page.get_by_label("The list to do it in").select_option(label="Offers")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.locator("#bulk")).to_contain_text(
        "4 would be taken out of Offers, 1 unsubscribed from it and stays so."
    )
    page.get_by_role("button", name="Exclude 5 customers from Offers").click()
    expect(page.locator("#notes")).to_contain_text("4 customers newly excluded from Offers.")
    assert stands("ben@bluegum.example", "Offers") is Place.EXCLUDED

    page.get_by_role("button", name="Undo that change").click()
    expect(page.locator("#notes")).to_contain_text("Undone")
    assert stands("ben@bluegum.example", "Offers") is Place.INCLUDED
    assert stands("chloe@bluegum.example", "Offers") is Place.UNSUBSCRIBED


def test_taking_somebody_back_by_keyboard(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, "/customers")
    page.get_by_role("link", name="Unsubscribed from Offers: chloe@bluegum.example").press("Enter")
    page.get_by_role("link", name="Take back into Offers").press("Enter")
    page.get_by_label("Why are they to get Offers again?").fill("Rang on Monday")

    page.keyboard.press("Enter")

    expect(page.get_by_role("switch", name="chloe@bluegum.example in Offers", exact=True)).to_be_checked()
    expect(page.locator("#lists")).to_contain_text("Rang on Monday")


def test_a_file_is_imported_with_its_columns_and_undone(
    open_page: Open, jo: User, book: MailingList, tmp_path: Path
) -> None:
    (tmp_path / "november.csv").write_text(FILE)
    page = open_page(jo, "/customers/import")

    page.get_by_label("File", exact=True).set_input_files(str(tmp_path / "november.csv"))
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_label("E-mail becomes")).to_have_value("email")
    expect(page.locator("#outcome")).to_contain_text("New customers")
    with page.expect_response("**/match"):
        page.get_by_label("Dog becomes").select_option(label="Leave out")
    page.get_by_role("button", name="Import 1 new").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("november.csv")
    assert customers.by_email("new@bluegum.example").fields == {}

    page.get_by_role("link", name="Undo the import").click()
    page.get_by_role("button", name="Undo the import").click()
    expect(page.locator("#notes")).to_contain_text("Undone")


def test_without_script_switches_search_and_import_work(
    open_page: Open, jo: User, book: MailingList, tmp_path: Path
) -> None:
    (tmp_path / "november.csv").write_text(FILE)
    page = open_page(jo, "/customers", script=False)

    page.get_by_label("Search", exact=True).fill("ben")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("switch", name="ben@bluegum.example in Newsletter", exact=True).uncheck()
    page.get_by_role("button", name="Save the switches").click()
    expect(page.locator("#notes")).to_contain_text("1 place changed.")
    assert stands("ben@bluegum.example", "Newsletter") is Place.EXCLUDED

    page.goto("/customers/import")
    page.get_by_label("File", exact=True).set_input_files(str(tmp_path / "november.csv"))
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Import 1 new").click()
    page.goto("/customers?q=new")
    expect(page.get_by_role("switch", name="new@bluegum.example in Offers", exact=True)).to_be_checked()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_customer_leaves_changes_their_mind_and_stops_everything(
    open_page: Open, jo: User, book: MailingList, script: bool
) -> None:
    page = open_page(None, link_of("ben@bluegum.example", book), width=390, script=script)

    page.get_by_role("button", name="Stop Newsletter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have left Newsletter")
    page.get_by_role("button", name="Get Newsletter again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What would you like to get?")
    page.get_by_role("switch", name="Offers").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("switch", name="Offers")).not_to_be_checked()
    assert stands("ben@bluegum.example", "Offers") is Place.UNSUBSCRIBED
    page.get_by_role("button", name="Stop all mail to me").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You get nothing more from us")
    page.get_by_role("button", name="Take it back").click()

    assert stands("ben@bluegum.example", "Newsletter") is Place.INCLUDED
    assert [(one["httpOnly"], one["sameSite"]) for one in page.context.cookies()] == [(True, "Lax")]


def test_the_line_under_letters_is_shown_while_it_is_worded(open_page: Open, jo: User, book: MailingList) -> None:
    page = open_page(jo, f"/lists/{book.id}")

    page.get_by_label("Its wording").press_sequentially("No more from {organisation}")
    expect(page.locator("#line")).to_contain_text("No more from Happy Paws")
    page.get_by_label("An unsubscribe line stands under each letter").uncheck()

    expect(page.locator("#line")).to_contain_text("Nothing.")


PAGES = (
    "/customers",
    "/customers?q=bluegum",
    "/customers?q=bluegum&do=include&to=2",
    "/customers?q=nobody",
    "/customers/1",
    "/customers/4?ask=back&list=2",
    "/customers/5",
    "/customers/1?ask=delete",
    "/customers/1?ask=stop",
    "/customers/new",
    "/customers/1/edit",
    "/customers/import",
    "/lists",
    "/lists/new",
    "/lists/1",
    "/lists/1?ask=archive",
)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide and light", "phone and dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    open_page: Open, jo: User, book: MailingList, width: int, dark: bool
) -> None:
    found = {}
    page = open_page(jo, "/customers", width=width, dark=dark)

    for path in PAGES:
        page.goto(path)
        found[path] = [*axe(page), *(["sideways"] if sideways(page) else [])]

    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)], ids=["wide and dark", "phone and light"])
def test_the_customers_own_page_is_clean(open_page: Open, jo: User, book: MailingList, width: int, dark: bool) -> None:
    offers = lists.by_name("Offers")
    links = [link_of("ben@bluegum.example", book), link_of("chloe@bluegum.example", offers), "/u/nothing"]
    links += [link_of("ivan@bluegum.example", book)]
    page = open_page(None, links[0], width=width, dark=dark)

    for link in links:
        page.goto(link)
        assert axe(page) == []
        assert sideways(page) == 0


def test_ten_lists_with_long_names_stay_inside_the_page(open_page: Open, jo: User, make: Make, app: Flask) -> None:
    for number in range(10):
        make.list(f"A list with quite a long name, number {number}")
    make.customer(
        "a.customer.with.a.very.long.address.indeed@a-domain-that-is-long.bluegum.example", "X" * 60, "Y" * 60
    )

    for width in (390, 768, 1280):
        page = open_page(jo, "/customers", width=width)
        assert sideways(page) == 0
