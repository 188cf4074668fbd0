"""The page Users: inviting, the two switches, letting somebody go; and the first run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from mailout.book import links, users
from mailout.journal import COMMAND
from mailout.models import JournalEntry, Link, Notice, User, db
from tests.conftest import NOW
from tests.makers import Make

Clients = Callable[[User | None], FlaskClient]
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def jo(make: Make) -> User:
    """The only Administrator."""
    return make.user("jo@mail.test", administrator=True)


def fresh(user: User) -> User:
    db.session.expire_all()
    return users.find(user.id)


def notice() -> str:
    raw = db.session.scalar(select(Notice.raw).order_by(Notice.id.desc()))
    assert raw
    return raw.decode().replace("=\r\n", "").replace("=3D", "=")


def test_an_invitation_is_mailed_and_its_link_lets_them_choose_a_password(client_of: Clients, jo: User) -> None:
    form = {"name": "Sasha Lindqvist", "email": "sasha@mail.test", "may_send": "yes"}

    answer = client_of(jo).post("/users/invite", data=form, follow_redirects=True)

    assert "An invitation is on its way to sasha@mail.test" in answer.text
    sasha = users.by_email("sasha@mail.test")
    assert (sasha.may_send, sasha.is_administrator, sasha.password_hash) == (True, False, None)
    link = re.search(r"http://127\.0\.0\.1:5000(/reset/[\w-]+)", notice())
    assert link
    client = client_of(None)
    assert "Welcome, Sasha Lindqvist" in client.get(link[1]).text
    assert client.post(link[1], data={"password": "a fresh horse battery"}).status_code == 303
    signed_in = client.post("/login", data={"email": "sasha@mail.test", "password": "a fresh horse battery"})
    assert signed_in.status_code == 303


@pytest.mark.parametrize(
    ("name", "email", "words"),
    [
        ("", "sasha@mail.test", "A user needs a name"),
        ("Sasha", "not an address", "is not one address alone"),
        ("Sasha", "jo@mail.test", "is a user&#39;s address already"),
        ("Sasha", "mailout+abc@mail.test", "is an address of Mailout itself"),
    ],
)
def test_what_is_wrong_with_an_invitation_is_said_beside_its_field(
    client_of: Clients, jo: User, name: str, email: str, words: str
) -> None:
    answer = client_of(jo).post("/users/invite", data={"name": name, "email": email})

    assert answer.status_code == 422
    assert words in answer.text
    assert 'role="alert"' in answer.text
    assert re.search(r'aria-invalid="true"', answer.text)
    assert db.session.scalar(select(func.count()).select_from(User)) == 1
    assert db.session.scalar(select(func.count()).select_from(Notice)) == 0


def test_nothing_but_the_two_permissions_is_taken_from_the_form(client_of: Clients, jo: User) -> None:
    form = {"name": "S", "email": "s@mail.test", "is_active": "", "password_hash": "x", "id": "99", "created_at": "x"}

    client_of(jo).post("/users/invite", data=form)

    made = users.by_email("s@mail.test")
    assert (made.is_active, made.password_hash, made.is_administrator, made.may_send) == (True, None, False, False)


def test_a_switch_changes_one_permission(client_of: Clients, jo: User, make: Make) -> None:
    tom, client = make.user("tom@mail.test", sends=False), client_of(jo)

    on = client.post(f"/users/{tom.id}/flags", data={"flag": "may_send", "on": "yes"}, headers=HTMX)
    assert fresh(tom).may_send
    assert not fresh(tom).is_administrator
    assert "Tom has Send Mailout now" in on.text
    assert '<div id="people">' in on.text

    off = client.post(f"/users/{tom.id}/flags", data={"flag": "may_send"}, follow_redirects=True)
    assert not fresh(tom).may_send
    assert "Tom has neither permission now" in off.text
    assert [entry for entry in db.session.scalars(select(JournalEntry.action)) if entry == "user.flags"] == [
        "user.flags",
        "user.flags",
    ]


def test_another_flag_is_refused(client_of: Clients, jo: User, make: Make) -> None:
    tom = make.user("tom@mail.test", sends=False)

    answer = client_of(jo).post(f"/users/{tom.id}/flags", data={"flag": "is_active"})

    assert answer.status_code == 422
    assert fresh(tom).is_active


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_last_administrator_stays_one(client_of: Clients, jo: User, headers: dict[str, str]) -> None:
    client = client_of(jo)

    demoted = client.post(f"/users/{jo.id}/flags", data={"flag": "administrator"}, headers=headers)
    deactivated = client.post(f"/users/{jo.id}/deactivate", headers=headers)

    assert fresh(jo).is_administrator
    assert fresh(jo).is_active
    page = demoted.text + deactivated.text + client.get("/users").text
    assert "This is the last active Administrator" in page


def test_deactivating_signs_out_and_activating_lets_in_again(client_of: Clients, jo: User, make: Make) -> None:
    tom = make.user("tom@mail.test")
    client, his = client_of(jo), client_of(tom)
    assert his.get("/profile").status_code == 200

    answer = client.post(f"/users/{tom.id}/deactivate", headers=HTMX)
    assert "Tom is deactivated: signed out" in answer.text
    assert his.get("/profile").status_code == 303

    client.post(f"/users/{tom.id}/activate", headers=HTMX)
    assert fresh(tom).is_active
    assert his.get("/profile").status_code == 303, "the old session stays ended"


def test_losing_a_permission_ends_the_sessions(client_of: Clients, jo: User, make: Make) -> None:
    tom = make.user("tom@mail.test", sends=True)
    his = client_of(tom)

    client_of(jo).post(f"/users/{tom.id}/flags", data={"flag": "may_send"})

    assert his.get("/profile").status_code == 303


def test_the_invitation_can_be_sent_again_but_not_to_who_has_a_password(
    client_of: Clients, jo: User, make: Make
) -> None:
    now = datetime.now(UTC)
    sasha = users.create("sasha@mail.test", "Sasha", administrator=False, may_send=True, actor=COMMAND, now=now)
    old = links.make(links.INVITE, sasha.id, None, now)
    db.session.commit()
    client = client_of(jo)
    assert "link good for" in client.get("/users").text

    client.post(f"/users/{sasha.id}/link")

    assert client.get(f"/reset/{old}").status_code == 410
    assert "User: invite" in client.get("/audit?q=sasha").text
    assert client.post(f"/users/{make.user('tom@mail.test').id}/link").status_code == 422


def test_the_page_asks_as_often_for_fifty_people_as_for_one(
    app: Flask, client_of: Clients, jo: User, make: Make, queries: Callable[[], int]
) -> None:
    client = client_of(jo)

    def asked() -> int:
        db.session.remove()
        before = queries()
        client.get("/users")
        return queries() - before

    asked()
    alone = asked()
    for number in range(20):
        users.create(f"u{number}@mail.test", "U", administrator=False, may_send=False, actor=COMMAND, now=NOW)
    db.session.commit()

    assert asked() == alone


class TestFirstRun:
    """The first Administrator, made once with the code that the server printed."""

    form = {"name": "Jo Hartley", "email": "jo@mail.test", "password": "correct horse battery"}  # noqa: RUF012

    def code(self, age: timedelta = timedelta(0)) -> str:
        made = links.make(links.FIRST_RUN, None, None, datetime.now(UTC) - age)
        db.session.commit()
        return made

    def test_the_start_leads_to_it_while_there_is_no_user(self, client_of: Clients) -> None:
        client = client_of(None)

        assert client.get("/").headers["Location"] == "/first-run"
        assert client.get("/login").headers["Location"] == "/first-run"
        assert re.search(r"<h1[^>]*>Set up Mailout</h1>", client.get("/first-run").text)

    def test_the_code_makes_one_administrator_who_is_signed_in(self, client_of: Clients) -> None:
        client, code = client_of(None), self.code()

        answer = client.post("/first-run", data=self.form | {"code": f" {code.upper().replace('-', ' ')} "})

        assert answer.headers["Location"] == "/"
        jo = users.by_email("jo@mail.test")
        assert (jo.is_administrator, jo.sends) == (True, True)
        assert client.get("/users").status_code == 200
        assert client.get("/first-run").status_code == 404
        assert client_of(None).post("/first-run", data=self.form | {"code": code}).status_code == 404

    def test_a_wrong_code_counts_and_five_end_it(self, client_of: Clients) -> None:
        client, code = client_of(None), self.code()

        words = [client.post("/first-run", data=self.form | {"code": "aaaa-bbbb-cccc"}).text for _ in range(5)]
        late = client.post("/first-run", data=self.form | {"code": code})

        assert "4 more tries" in words[0]
        assert "works no more" in words[4]
        assert late.status_code == 422
        assert users.is_first()

    def test_a_right_code_with_a_weak_password_can_be_tried_again(self, client_of: Clients) -> None:
        client, code = client_of(None), self.code()

        weak = client.post("/first-run", data=self.form | {"code": code, "password": "password123"})
        bad = client.post("/first-run", data=self.form | {"code": code, "email": "password@nonsense"})
        good = client.post("/first-run", data=self.form | {"code": code})

        assert (weak.status_code, bad.status_code, good.status_code) == (422, 422, 303)
        assert 'id="field-password-error"' in weak.text
        assert 'id="field-email-error"' in bad.text

    def test_the_code_is_over_after_an_hour(self, client_of: Clients) -> None:
        code = self.code(timedelta(hours=1, seconds=1))

        assert client_of(None).post("/first-run", data=self.form | {"code": code}).status_code == 422
        assert users.is_first()

    def test_it_is_closed_once_there_is_a_user_even_a_deactivated_one(self, client_of: Clients, make: Make) -> None:
        code = self.code()
        make.user("old@mail.test")
        db.session.execute(update(User).values(is_active=False))
        db.session.commit()

        assert client_of(None).post("/first-run", data=self.form | {"code": code}).status_code == 404
        assert db.session.scalar(select(func.count()).select_from(Link).where(Link.used_at.is_not(None))) == 0
