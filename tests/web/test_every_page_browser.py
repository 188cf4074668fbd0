"""Every page, found by walking Flask's own map of addresses, with people and lists in it whose names try to break it.

A new page that takes something in its address fails here until there is an example of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from mailout.book import customers, importing, links, lists, places, suppression, uploads, users
from mailout.core import own
from mailout.current import secret
from mailout.journal import COMMAND, Actor, note
from mailout.models import Letter, MailingList, Place, SupportRequest, Suppressed, User, db
from mailout.web.access.permissions import POLLS
from tests.makers import Make
from tests.web.conftest import axe, sideways
from tests.web.mailing import Mailing
from tests.web.test_html import CHECKER, checked

Open = Callable[..., Any]

MARKUP = '"><img src=x onerror=alert(1)>{{7*7}}'
RIGHT_TO_LEFT = "قائمة الأخبار الشهرية للعملاء"
FORTY = "A list whose name is forty letters long!"
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3
ADDRESS = "a.customer.with.a.very.long.address.indeed.at@a-domain-that-is-rather-long.bluegum.example"
FILE = f'Email,First name,"{MARKUP}",{LONG}\nnew@bluegum.example,{LONG},{MARKUP},x\nno address\n{ADDRESS},x,y,z\n'

#: What is asked for with GET and is no page of its own: files, parts of pages, the letters' frames.
NO_PAGES = POLLS | {
    "static",
    "inbox.raw",
    "draft.eml",
    "draft.qr",
    "preview.frame",
    "late.frame",
    "imports.refused",
}


@dataclass
class World:
    """An installation in which a lot has happened, and where its things are."""

    jo: User
    examples: dict[str, list[str]]


@pytest.fixture
def world(app: Flask, make: Make) -> World:
    """People, lists, mail-outs, letters, an import and a request, most of them with awkward names."""
    now = datetime.now(UTC)
    jo = make.user("jo@mail.test", administrator=True)
    users.create("x" * 60 + "@mail.test", MARKUP, administrator=False, may_send=True, actor=COMMAND, now=now)
    users.create("nia@mail.test", LONG, administrator=False, may_send=False, actor=COMMAND, now=now)
    users.add_address(jo.id, ADDRESS, actor=COMMAND, now=now)
    people = [
        make.customer(ADDRESS, LONG, "Y" * 60),
        make.customer("evil@bluegum.example", MARKUP, '=HYPERLINK("http://x")'),
        make.customer("zoë@bücher.example", "נועה", RIGHT_TO_LEFT),
        make.customer("nameless@bluegum.example"),
    ]
    newsletter = make.list("Newsletter", [one.email for one in people])
    for name in (FORTY, RIGHT_TO_LEFT, MARKUP, "W" * 60):
        row = make.list(name, [one.email for one in people])
        lists.change(row.id, description=f"{LONG} {MARKUP}", customers_may_see=True, actor=COMMAND, now=now)
    places.unsubscribe(people[0].id, newsletter.id, how="one-click", now=now)
    places.set_place(
        people[1].id, newsletter.id, Place.EXCLUDED, how="by a switch", reason=MARKUP, actor=COMMAND, now=now
    )
    suppression.suppress(people[2].id, Suppressed.BOUNCED, f"{LONG} {MARKUP}", actor=COMMAND, now=now)
    lists.archive(make.list("Old").id, actor=COMMAND, now=now)
    db.session.add(SupportRequest(user_id=jo.id, subject=MARKUP, message=LONG * 3, state_then=LONG, created_at=now))
    note(Actor(None, MARKUP), "mailout.pause", "mail-out 1", LONG * 3, now)
    db.session.commit()
    return World(jo, _examples(jo, newsletter, [one.id for one in people], now))


def _examples(jo: User, newsletter: MailingList, people: list[int], now: datetime) -> dict[str, list[str]]:
    """A path, or several, to each page that takes something in its address."""
    mailing = Mailing(jo, newsletter)
    subject = f"{MARKUP} {LONG}"
    over = mailing.complete(["sent", "bounced"], subject=subject)
    mailing.arrive(over, subject=f"again {subject}")
    letter = db.session.scalars(select(Letter.id).order_by(Letter.id.desc())).first()
    mailouts = [mailing.held(subject=subject).id, mailing.make().id, mailing.sending(["sent"], subject=subject).id]
    upload = uploads.keep(FILE.encode(), f"{LONG}.csv", jo.id, now)
    look = importing.look(FILE.encode(), "x.csv")
    upload = uploads.choose(upload, uploads.Choices(look.mapping)) if look.mapping else upload
    plan = importing.plan(FILE.encode(), f"{LONG}.csv", look.mapping, actor=COMMAND, now=now)
    importing.apply(plan.id, actor=COMMAND, now=now)
    reset = links.make(links.RESET, jo.id, None, now)
    address = next(one.id for one in users.addresses(jo.id) if one.confirmed_at is None)
    confirm = links.make(links.ADDRESS, jo.id, None, now, address_id=address)
    db.session.commit()
    ids = [over.id, *mailouts]
    return {
        "auth.reset": [f"/reset/{reset}", "/reset/x"],
        "profile.confirm_address": [f"/profile/addresses/confirm/{confirm}", "/profile/addresses/confirm/x"],
        "support.show": ["/support/1"],
        "help.show": ["/help/error"],
        "inbox.show": [f"/inbox/{letter}"],
        "mailouts.show": [f"/mailouts/{one}" for one in ids],
        "recipients.index": [f"/mailouts/{over.id}/recipients"],
        "late.show": [f"/mailouts/late/{letter}"],
        "preview.show": [f"/mailouts/{one}/preview" for one in (over.id, mailouts[0])],
        "customers.index": ["/customers", "/customers?q=bluegum", "/customers?q=e&do=exclude&to=2", "/customers?q=-"],
        "customer.show": [f"/customers/{one}" for one in people]
        + [f"/customers/{people[1]}?ask={ask}" for ask in ("delete", "stop")]
        + [f"/customers/{people[2]}?ask=start", f"/customers/{people[0]}?ask=back&list={newsletter.id}"],
        "customer.edit": [f"/customers/{people[0]}/edit"],
        "lists.show": [f"/lists/{newsletter.id + more}" for more in range(6)]
        + [f"/lists/{newsletter.id + 4}?ask=archive"],
        "importing.show": [f"/customers/import/{upload.name}"],
        "imports.show": [f"/customers/imports/{plan.id}", f"/customers/imports/{plan.id}?ask=undo"],
        "audit.index": ["/audit", "/audit?q=bluegum&what=customers"],
        "public.page": [
            *(f"/u/{own.unsubscribe_token(secret(), newsletter.id, one)}" for one in people),
            *(f"/u/{own.unsubscribe_token(secret(), newsletter.id + more, people[0])}" for more in range(1, 5)),
            "/u/x",
        ],
    }


def pages(app: Flask, examples: dict[str, list[str]]) -> list[str]:
    """The paths to all pages of the application."""
    found: list[str] = []
    for address in app.url_map.iter_rules():
        if "GET" in (address.methods or ()) and address.endpoint not in NO_PAGES:
            if "<" in address.rule:
                assert address.endpoint in examples, f"there is no example of the page {address.rule}"
            found += examples.get(address.endpoint, [address.rule])
    return sorted(set(found))


def is_page(client: FlaskClient, path: str) -> bool:
    """Whether it is a whole page, and not a file or the way to another page."""
    return client.get(path).text.lstrip().startswith("<!DOCTYPE")


@pytest.mark.slow
def test_every_page_is_for_everybody_whatever_is_in_it(
    open_page: Open, app: Flask, world: World, client_of: Callable[[User | None], FlaskClient]
) -> None:
    client, page, found, seen = client_of(world.jo), open_page(world.jo, "/help"), {}, 0

    for path in pages(app, world.examples):
        if not is_page(client, path):
            continue
        page.goto(path)
        faults = [] if page.locator("h1").count() == 1 else ["not one h1"]
        for width, theme in ((1280, "light"), (768, ""), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            faults += [f"{width}: scrolls sideways by {sideways(page)}"] if sideways(page) else []
            if theme:
                page.emulate_media(color_scheme=theme)
                faults += [f"{width} {theme}: {one}" for one in axe(page)]
        seen += 1
        if faults:
            found[path] = faults

    assert found == {}
    assert seen > 50


@pytest.mark.skipif(not CHECKER, reason="html-validate is not installed")
def test_every_page_is_valid_html_whatever_is_in_it(
    app: Flask, world: World, client_of: Callable[[User | None], FlaskClient], tmp_path: Path
) -> None:
    client = client_of(world.jo)
    for number, path in enumerate(pages(app, world.examples)):
        text = client.get(path).text
        assert "<img src=x" not in text, f"{path} takes a name for markup"
        if text.lstrip().startswith("<!DOCTYPE"):
            (tmp_path / f"{number} {re.sub('[^a-z0-9]+', '-', path)[:60]}.html").write_text(text)

    assert checked(tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/login", "/forgot"])
def test_the_doors_too(open_page: Open, world: World, path: str) -> None:
    for width, dark in ((1280, True), (390, False)):
        page = open_page(None, path, width=width, dark=dark)
        assert axe(page) == []
        assert sideways(page) == 0


def test_every_page_with_something_in_its_address_has_an_example(app: Flask, world: World) -> None:
    assert len(pages(app, world.examples)) > 50
    assert customers.find(1)
