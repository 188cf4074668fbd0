"""Filters in a real browser: a control that is changed shows what it asks for, at once, and the address says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailout.models import User
from tests.makers import Make
from tests.web.mailing import Mailing

Open = Callable[..., Any]
THREE = [f"c{number}@customers.test" for number in range(1, 4)]


@pytest.fixture
def jo(make: Make) -> User:
    return make.user("jo@mail.test", administrator=True)


def test_the_recipients_of_a_state_are_shown_when_it_is_chosen(open_page: Open, make: Make, jo: User) -> None:
    row = Mailing(jo, make.list("Newsletter", THREE)).complete(["sent", "failed", "sent"])
    page = open_page(jo, f"/mailouts/{row.id}/recipients")

    page.get_by_label("State").select_option("failed")
    page.wait_for_url("**state=failed*")

    assert page.locator("#recipients tbody tr").count() == 1


def test_the_letters_of_a_verdict_are_shown_when_it_is_chosen(open_page: Open, make: Make, jo: User) -> None:
    Mailing(jo, make.list("Newsletter", THREE)).held()
    page = open_page(jo, "/inbox")

    page.get_by_label("Taken for").select_option("bounce")
    page.wait_for_url("**verdict=bounce*")

    page.get_by_text("No letter like that").wait_for()


def test_a_search_among_recipients_stands_in_the_address(open_page: Open, make: Make, jo: User) -> None:
    row = Mailing(jo, make.list("Newsletter", THREE)).complete(["sent", "failed", "sent"])
    page = open_page(jo, f"/mailouts/{row.id}/recipients")

    page.get_by_label("Search").press_sequentially("c3@")
    page.get_by_text("1–1 of 1").wait_for()

    assert page.locator("#recipients tbody tr").count() == 1
    assert "q=c3%40" in page.evaluate("location.search")
