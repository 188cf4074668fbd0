"""One's own account: name, look, password, addresses to write from, sessions."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from mailout.book import users
from mailout.journal import COMMAND
from mailout.models import JournalEntry, Notice, User, UserAddress, db
from mailout.web.access.browsers import name as browser_name
from tests.makers import PASSWORD, Make

Clients = Callable[[User | None], FlaskClient]


def confirming_link() -> str:
    raw = db.session.scalar(select(Notice.raw).where(Notice.kind == "address").order_by(Notice.id.desc()))
    found = re.search(r"http://127\.0\.0\.1:5000(/profile/addresses/confirm/[\w-]+)", raw.decode().replace("=\r\n", ""))
    assert found
    return found[1]


def test_name_and_look_are_saved(client_of: Clients, make: Make) -> None:
    user = make.user()
    client = client_of(user)

    client.post("/profile", data={"name": " Jane  Doe ", "theme": "dark"})

    page = client.get("/profile").text
    assert 'data-bs-theme="dark"' in page
    assert "Jane Doe" in page
    client.post("/profile", data={"name": "Jane Doe", "theme": ""})
    assert "data-bs-theme" not in client.get("/profile").text


def test_only_ones_own_name_and_look_are_taken(client_of: Clients, make: Make) -> None:
    make.user("root@mail.test", administrator=True)
    user = make.user(sends=False)

    client_of(user).post("/profile", data={"name": "J", "theme": "", "is_administrator": "1", "may_send": "1"})

    db.session.expire_all()
    assert (user.is_administrator, user.may_send) == (False, False)


@pytest.mark.parametrize(("name", "theme"), [("", ""), ("Jane", "pink")])
def test_what_can_not_be_saved_is_said(client_of: Clients, make: Make, name: str, theme: str) -> None:
    assert client_of(make.user()).post("/profile", data={"name": name, "theme": theme}).status_code == 422


def test_the_password_is_changed_with_the_present_one_and_ends_other_sessions(client_of: Clients, make: Make) -> None:
    user = make.user()
    client, other = client_of(user), client_of(user)
    new = "a fresh horse battery"

    wrong = client.post("/profile/password", data={"present": "no", "password": new})
    same = client.post("/profile/password", data={"present": PASSWORD, "password": PASSWORD})
    weak = client.post("/profile/password", data={"present": PASSWORD, "password": "password1"})
    done = client.post("/profile/password", data={"present": PASSWORD, "password": new})

    assert [answer.status_code for answer in (wrong, same, weak, done)] == [422, 422, 422, 303]
    assert 'id="field-present-error"' in wrong.text
    assert client.get("/profile").status_code == 200, "this session stays"
    assert other.get("/profile").status_code == 303
    assert client_of(None).post("/login", data={"email": user.email, "password": new}).status_code == 303


def test_a_one_time_password_leads_to_its_change_and_then_on(client_of: Clients, make: Make) -> None:
    user = make.user(administrator=True)
    users.set_password(user.id, "one time horse battery", actor=COMMAND, now=user.created_at, must_change=True)
    db.session.commit()
    client = client_of(None)
    client.post("/login", data={"email": user.email, "password": "one time horse battery"})

    assert client.get("/users").headers["Location"] == "/profile/password"
    form = {"password": "a fresh horse battery"}
    assert client.post("/profile/password", data=form).headers["Location"] == "/"
    assert client.get("/users").status_code == 200


def test_an_address_is_mine_once_its_link_was_pressed(client_of: Clients, make: Make) -> None:
    user = make.user()
    client = client_of(user)

    client.post("/profile/addresses", data={"address": "jane@home.test"})
    link = confirming_link()
    before = users.user_of_address("jane@home.test")
    looked = client.get(link)
    still = users.user_of_address("jane@home.test")
    pressed = client.post(link)
    again = client.post(link)

    assert before is None
    assert "jane@home.test" in looked.text
    assert still is None, "looking changes nothing"
    assert pressed.status_code == 303
    assert users.user_of_address("jane@home.test") == user
    assert again.status_code == 410


def test_the_link_that_confirms_an_address_can_be_sent_again(client_of: Clients, make: Make) -> None:
    client = client_of(make.user())
    client.post("/profile/addresses", data={"address": "jane@home.test"})
    first = confirming_link()
    again = client.get("/profile").text.split("Send the link again")[0].rpartition("<form")[2]
    assert 'action="/profile/addresses"' in again
    assert 'name="address" value="jane@home.test"' in again

    client.post("/profile/addresses", data={"address": "jane@home.test"})

    assert client.get(first).status_code == 410
    assert client.post(confirming_link()).status_code == 303
    assert "Send the link again" not in client.get("/profile").text


def test_the_link_of_one_user_confirms_nothing_for_another(client_of: Clients, make: Make) -> None:
    client_of(make.user()).post("/profile/addresses", data={"address": "jane@home.test"})

    answer = client_of(make.user("tom@mail.test")).post(confirming_link())

    assert answer.status_code == 410
    assert users.user_of_address("jane@home.test") is None


@pytest.mark.parametrize("address", ["", "nonsense", "tom@mail.test", "mailout+abc@mail.test"])
def test_an_address_that_can_not_be_ones_own_is_refused_in_words(client_of: Clients, make: Make, address: str) -> None:
    make.user("tom@mail.test")

    answer = client_of(make.user()).post("/profile/addresses", data={"address": address})

    assert answer.status_code == 422
    assert 'id="field-address-error"' in answer.text


def test_an_address_is_taken_away_and_the_one_to_sign_in_with_stays(client_of: Clients, make: Make) -> None:
    user, other = make.user(), make.user("tom@mail.test")
    users.add_address(user.id, "jane@home.test", actor=COMMAND, now=user.created_at, confirmed=True)
    db.session.commit()
    first, second = users.addresses(user.id)

    assert client_of(other).post(f"/profile/addresses/{second.id}/remove").status_code == 404
    assert client_of(user).post(f"/profile/addresses/{first.id}/remove").status_code == 422
    assert client_of(user).post(f"/profile/addresses/{second.id}/remove").status_code == 303
    left = db.session.scalars(select(UserAddress.address).where(UserAddress.user_id == user.id)).all()
    assert left == ["jane@mail.test"]


def test_sessions_are_listed_and_end_one_by_one_or_all_but_this(client_of: Clients, make: Make) -> None:
    user = make.user()
    here, there, elsewhere = client_of(user), client_of(user), client_of(user)
    page = here.get("/profile").text
    assert page.count("/profile/sessions/") == 3, "two buttons that end one, and one that ends all"
    assert page.index("This one") < page.index("Last used"), "one's own browser comes first"
    one = re.search(r"/profile/sessions/(\d+)/end", page)
    assert one

    here.post(f"/profile/sessions/{one[1]}/end")
    ended = [client.get("/help").status_code for client in (there, elsewhere)]
    here.post("/profile/sessions/end")

    assert sorted(ended) == [200, 303]
    assert [client.get("/help").status_code for client in (here, there, elsewhere)] == [200, 303, 303]
    kept = select(JournalEntry.detail).where(JournalEntry.action == "sign-out").order_by(JournalEntry.id)
    assert db.session.scalars(kept).all() == ["another browser", "everywhere else"]


def test_nobody_ends_the_session_of_another(client_of: Clients, make: Make) -> None:
    user, tom = make.user(), make.user("tom@mail.test")
    client = client_of(user)
    client.get("/help")
    session_id = users.db.session.scalar(
        select(users.sessions.SignIn.id).where(users.sessions.SignIn.user_id == user.id)
    )

    client_of(tom).post(f"/profile/sessions/{session_id}/end")

    assert client.get("/help").status_code == 200


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18 Safari/605", "Safari on a Mac"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605 CriOS/140 Safari/604", "Chrome on an iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537 Chrome/140 Safari/537 Edg/140", "Edge on Linux"),
        ("curl/8", "A browser"),
        ("", "A browser"),
    ],
)
def test_browsers_are_named_as_their_owners_do(says: str, name: str) -> None:
    assert browser_name(says) == name
