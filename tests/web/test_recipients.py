"""The recipients of a mail-out: whoever is looked for is found, whichever way is the shorter one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from mailout.core.delivery import State
from mailout.models import Mailout, Recipient, User, db
from mailout.web.mailouts import recipients, roster
from tests.makers import Make
from tests.web.mailing import Mailing

ClientOf = Callable[[User | None], FlaskClient]
PEOPLE = {
    "zoe@one.test": ("Zoë", "Núñez"),
    "ben@two.test": ("Ben", "Fitz"),
    "gone@three.test": ("Ada", "Lund"),
    "cy@four.test": ("", ""),
    "di@five.test": ("Di", "Zoe-Marie"),
}


@pytest.fixture
def sent(make: Make, app: Flask) -> Mailout:
    """A mail-out of five, one of whom was refused."""
    for email, (first, last) in PEOPLE.items():
        make.customer(email, first, last)
    mailing = Mailing(make.user("jo@mail.test"), make.list("Newsletter", list(PEOPLE)))
    row = mailing.complete(["sent"] * len(PEOPLE))
    said = {State.SENT: (250, "2.0.0 Ok: queued as 4F2AB"), State.FAILED: (550, "5.1.1 no such person here")}
    for recipient in _all(row):
        state = State.FAILED if recipient.address == "gone@three.test" else State.SENT
        values = {"state": state, "code": said[state][0], "reply": said[state][1]}
        db.session.execute(update(Recipient).where(Recipient.id == recipient.id).values(values))
    db.session.commit()
    return row


@pytest.fixture
def found(client_of: ClientOf, sent: Mailout) -> Callable[..., list[str]]:
    """The addresses on the page of a search."""
    client = client_of(db.session.get_one(User, 1))

    def ask(**wanted: str) -> list[str]:
        page = client.get(f"/mailouts/{sent.id}/recipients", query_string=wanted).text
        return [email for email in re.findall(r"[a-z]+@[a-z]+\.test", page.partition("<main")[2]) if email in PEOPLE]

    return ask


def _all(row: Mailout) -> list[Recipient]:
    return list(db.session.scalars(select(Recipient).where(Recipient.mailout_id == row.id).order_by(Recipient.id)))


@pytest.mark.parametrize("in_a_row", [True, False])
def test_whoever_is_looked_for_is_found(
    found: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, in_a_row: bool
) -> None:
    if not in_a_row:
        monkeypatch.setattr(recipients, "_first_of_all", lambda mailout_id, total: None)

    assert set(found(q="BEN")) == {"ben@two.test"}
    assert set(found(q="four.test")) == {"cy@four.test"}
    assert set(found(q="no such person")) == {"gone@three.test"}
    assert set(found(q="4f2ab")) == set(PEOPLE) - {"gone@three.test"}
    assert set(found(q="fitz", state="sent")) == {"ben@two.test"}
    assert found(q="fitz", state="failed") == []
    assert found(q="nobody") == []
    assert set(found(state="failed")) == {"gone@three.test"}
    assert set(found(state="sent")) == set(PEOPLE) - {"gone@three.test"}
    assert set(found()) == set(PEOPLE)


def test_accents_and_capitals_do_not_matter(found: Callable[..., list[str]]) -> None:
    assert set(found(q="zoe")) == {"zoe@one.test", "di@five.test"}
    assert set(found(q="núñez")) == set(found(q="NUNEZ")) == {"zoe@one.test"}


def test_a_search_never_joins_two_people(found: Callable[..., list[str]]) -> None:
    assert found(q="two.test gone") == []
    assert found(q="one.test\nben") == []


def test_a_roster_tells_each_once(sent: Mailout) -> None:
    first = _all(sent)[0].id
    held = roster.of(sent.id, first, len(PEOPLE))

    assert list(held.find("e")) == [row.id for row in _all(sent) if "e" in f"{row.name} {row.address}".lower()]
    assert list(held.find("")) == list(held.find(" ")) == []


@pytest.mark.parametrize("crowded", [1, 10_000])
def test_pages_of_a_state_are_whole_and_in_order(sent: Mailout, monkeypatch: pytest.MonkeyPatch, crowded: int) -> None:
    monkeypatch.setattr(recipients, "CROWDED", crowded)
    accepted = [row.id for row in _all(sent) if row.state == State.SENT]
    mine = recipients.Recipients(sent.id, len(PEOPLE), _all(sent)[0].id)

    paged = [mine.part("sent", skipped, min(3, 4 - skipped), 4) for skipped in (0, 3)]

    assert [sorted(part) for part in paged] == [accepted[:3], accepted[3:]]
