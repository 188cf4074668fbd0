"""The quiet pages in a real browser: both themes, three widths, without script, by keyboard alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from mailout import pulse
from mailout.book import links, users
from mailout.journal import COMMAND, Actor, note
from mailout.models import Letter, LetterBytes, SupportRequest, User, db
from mailout.web.help import support
from tests.makers import PASSWORD, Make
from tests.web.conftest import Watch, axe, sideways

Open = Callable[..., Any]

DOORS = ("/login", "/forgot", "/reset/{link}", "/reset/nonsense")
PAGES = (
    "/users",
    "/users/invite",
    "/system",
    "/inbox",
    "/inbox/1",
    "/audit",
    "/audit?q=nothing-like-that",
    "/support",
    "/support/requests",
    "/support/1",
    "/profile",
    "/profile/password",
    "/help",
    "/help/error",
    "/help?q=key",
    "/nothing-here",
)


@pytest.fixture
def jo(make: Make) -> User:
    """An Administrator, in an installation where something has happened."""
    now = datetime.now(UTC)
    jo = make.user("jo@mail.test", administrator=True)
    make.user("a-rather-long-local-part.of-an-address@a-rather-long-domain-name.mail.test", sends=False)
    users.create("sasha@mail.test", "Sasha", administrator=False, may_send=True, actor=COMMAND, now=now)
    row = Letter(digest="x", received_at=now, size=5, subject="A" * 200, author="b" * 60 + "@c.test", verdict="other")
    db.session.add(row)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=row.id, raw=b"Subject: x\r\n\r\n" + b"word" * 200))
    db.session.add(SupportRequest(user_id=jo.id, subject="Help", message="x" * 300, state_then="y", created_at=now))
    note(Actor(jo.id, jo.name), "mailout.pause", "mail-out 1", "z" * 200, now)
    db.session.commit()
    pulse.well(pulse.WORKER, now)
    pulse.ill(pulse.MAILBOX, "The mailbox refused our password.", now)
    return jo


#: Each theme at the width where it has the most to show; 768 is for what would scroll sideways.
THEMES = {1280: "light", 390: "dark"}


def looked_at(page: Any) -> list[str]:
    """What is wrong with the page, in both themes and at each width."""
    found = []
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{width}: scrolls sideways by {sideways(page)}"] if sideways(page) else []
        if width in THEMES:
            page.emulate_media(color_scheme=THEMES[width])
            found += [f"{width} {THEMES[width]}: {one}" for one in axe(page)]
    return found


@pytest.mark.parametrize("path", DOORS)
def test_the_doors_are_for_everybody(open_page: Open, jo: User, path: str) -> None:
    link = links.make(links.RESET, jo.id, None, datetime.now(UTC))
    db.session.commit()

    page = open_page(None, path.format(link=link))

    assert looked_at(page) == []
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_are_for_everybody(open_page: Open, jo: User, path: str) -> None:
    page = open_page(jo, path)

    assert looked_at(page) == []
    assert page.locator("h1").count() == 1


def test_the_first_run_is_for_everybody(open_page: Open) -> None:
    page = open_page(None, "/")

    assert page.url.endswith("/first-run")
    assert looked_at(page) == []


def test_a_menu_opens_closes_and_is_for_everybody(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/help")

    page.locator("summary", has_text="Administration").click()
    page.get_by_role("link", name="Audit log").wait_for()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Audit log").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.innerText.trim()") == "Administration"

    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("summary", has_text="Menu").click()
    page.get_by_role("link", name="Audit log").wait_for()
    assert axe(page) == []
    assert sideways(page) == 0


def test_signing_in_by_keyboard_alone(open_page: Open, jo: User) -> None:
    page = open_page(None, "/help/error")
    assert "/login?next=" in page.url

    page.wait_for_function("document.activeElement.name == 'email'")
    page.keyboard.type("jo@mail.test")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    page.get_by_role("heading", level=1, name="It says").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_wrong_sign_in_says_so_and_keeps_the_address(open_page: Open, jo: User) -> None:
    page = open_page(None, "/login", width=390)

    page.get_by_label("Email").fill("jo@mail.test")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Email").input_value() == "jo@mail.test"
    assert looked_at(page) == []


def test_a_switch_changes_at_a_click_and_keeps_the_focus(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/users")
    switch = page.get_by_role("switch", name="Send Mailout for A-Rather")
    page.get_by_role("button", name="Save").first.wait_for(state="hidden")

    switch.focus()
    page.keyboard.press("Space")

    page.get_by_text("has Send Mailout now").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Send Mailout for A-Rather")
    db.session.expire_all()
    assert db.session.scalar(select(User.may_send).where(User.email_same.startswith("a-rather")))
    assert axe(page) == []


def test_a_switch_that_can_not_be_changed_goes_back_and_says_why(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/users")
    switch = page.get_by_role("switch", name="Administrator for Jo")

    switch.click()

    page.get_by_text("This is the last active Administrator").wait_for()
    assert page.get_by_role("switch", name="Administrator for Jo").is_checked()


def test_the_try_answers_in_place(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/system")

    page.get_by_role("button", name="Try the relay").focus()
    page.keyboard.press("Enter")

    page.get_by_text(re.compile("127.0.0.1 does not answer on port 9")).wait_for()
    assert page.evaluate("document.activeElement.innerText.trim()") == "Try the relay", "the focus stays"
    assert axe(page) == []


def test_without_script_everything_works(open_page: Open, jo: User) -> None:
    page = open_page(None, "/login", script=False)
    page.get_by_label("Email").fill("jo@mail.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/users")

    row = page.get_by_role("row", name=re.compile("A-Rather"))
    row.get_by_role("switch", name="Send Mailout").check()
    row.get_by_role("button", name="Save").nth(1).click()
    page.get_by_text("has Send Mailout now").wait_for()

    page.goto("/system")
    page.get_by_role("button", name="Try the mailbox").click()
    page.get_by_text(re.compile("127.0.0.1 (does not answer|can't be reached)")).first.wait_for()

    page.locator("summary", has_text="Jo").click()
    page.get_by_role("button", name="Sign out").first.click()
    page.get_by_text("You are signed out.").wait_for()


def test_the_theme_of_the_profile_wins_over_the_systems(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/profile", dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 21, 22)"

    page.get_by_label("How the pages look").select_option("Light")
    page.get_by_role("button", name="Save").click()

    page.get_by_text("Saved.").wait_for()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 245, 242)"


def test_what_is_not_right_yet_has_the_focus_and_is_said_on_top_too(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/profile", width=390)

    other = next(one.email for one in users.everyone() if one.id != jo.id)
    page.get_by_label("Another address").fill(other)
    page.get_by_role("button", name="Add").click()

    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.activeElement.id") == "field-address"
    page.get_by_label("Another address").wait_for()
    assert page.get_by_role("alert").get_by_role("link").get_attribute("href") == "#field-address"
    assert axe(page) == []


def test_what_a_proxy_says_while_we_start_anew_replaces_nothing(open_page: Open, jo: User, watch: Watch) -> None:
    page = open_page(jo, "/users")
    switch = page.get_by_role("switch", name="Send Mailout for Sasha")
    gateway = {"status": 502, "content_type": "text/html", "body": "<h1>502 Bad Gateway</h1>"}
    page.route("**/flags", lambda route: route.fulfill(**gateway))

    switch.click()

    page.get_by_text("This page has lost its connection to Mailout.").wait_for()
    assert page.get_by_text("Bad Gateway").count() == 0
    assert switch.is_checked()

    page.unroute("**/flags")
    switch.click()
    page.get_by_text("Sasha has neither permission now.").wait_for()
    assert page.get_by_text("This page has lost its connection").count() == 0
    assert not switch.is_checked()
    watch.wrong.remove(f"502: {page.url}/{users.by_email('sasha@mail.test').id}/flags")


def test_a_switch_whose_line_breaks_goes_back(open_page: Open, jo: User, watch: Watch) -> None:
    page = open_page(jo, "/users")
    page.route("**/flags", lambda route: route.abort())

    page.get_by_role("switch", name="Send Mailout for Sasha").click()

    page.get_by_text("This page has lost its connection to Mailout.").wait_for()
    assert page.get_by_role("switch", name="Send Mailout for Sasha").is_checked()
    assert [one for one in watch.wrong if "Failed to fetch" not in one] == []
    watch.wrong.clear()


@pytest.mark.parametrize("path", ["/users", "/mailouts"])
def test_no_page_jumps_when_its_script_comes(open_page: Open, jo: User, path: str) -> None:
    page = open_page(jo, "/help")
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver(list => window.shifts.push(...list.getEntries()))"
        ".observe({type: 'layout-shift', buffered: true})"
    )

    page.goto(path)

    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts.length") == 0


def test_a_button_of_a_row_says_whose_it_is(open_page: Open, jo: User) -> None:
    other = next(one for one in users.everyone() if one.id != jo.id)

    page = open_page(jo, "/users")

    assert page.get_by_role("button", name=f"Deactivate {other.name}", exact=True).inner_text().startswith("Deactivate")


def test_a_double_click_asks_support_once(open_page: Open, jo: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(user: User) -> str:
        time.sleep(0.5)
        return "as they stand"

    page = open_page(jo, "/support")
    monkeypatch.setattr(support, "state_of", slowly)
    page.get_by_label("What is it about?").fill("Twice")
    page.get_by_label("What happened?").fill("I pressed as one presses an icon.")

    send = page.get_by_role("button", name="Send", exact=True).bounding_box()
    for _ in range(2):
        page.mouse.click(send["x"] + 20, send["y"] + 10)
        time.sleep(0.15)

    page.get_by_text("Your request is on its way").wait_for()
    asked = select(func.count()).select_from(SupportRequest).where(SupportRequest.subject == "Twice")
    assert db.session.scalar(asked) == 1


def test_with_forced_colours_one_sees_what_is_on_and_where_one_is(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/users")
    page.emulate_media(forced_colors="active", color_scheme="dark")
    knob = "element => getComputedStyle(element, '::before').backgroundColor"
    off, on = page.locator(".switch:not(:checked)").first, page.locator(".switch:checked").first
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert off.evaluate(knob) not in (ground, "rgba(0, 0, 0, 0)")
    assert on.evaluate(knob) != on.evaluate("element => getComputedStyle(element).backgroundColor")
    line = "element => getComputedStyle(element).borderBottomColor"
    assert page.locator(".menu.here > summary").first.evaluate(line) != ground
    assert page.locator(".bar-item").first.evaluate(line) == ground


def test_what_was_done_is_announced(open_page: Open, jo: User) -> None:
    page = open_page(jo, "/profile")
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver(list => window.shifts.push(...list.getEntries()))"
        ".observe({type: 'layout-shift', buffered: true})"
    )

    page.get_by_label("Name").fill("Jo Hartley")
    page.get_by_role("button", name="Save").click()

    page.get_by_role("status").get_by_text("Saved.").wait_for()
    page.wait_for_timeout(200)
    assert page.evaluate("window.shifts.length") == 0, "and nothing jumps"
