"""The door: signing in and out, too many tries, forgotten passwords, links that set one."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from mailout.book import links, sessions, users
from mailout.journal import COMMAND
from mailout.models import JournalEntry, Notice, SignIn, User, db
from mailout.web.access.auth import FORGOT_SECONDS
from mailout.web.access.throttle import FREE, Throttle
from tests.makers import PASSWORD, Make

Clients = Callable[[User | None], FlaskClient]
WRONG = "The email or the password is not the one we have."


def sign_in(client: FlaskClient, email: str = "jane@mail.test", password: str = PASSWORD, address: str = "1.1.1.1"):  # type: ignore[no-untyped-def]
    return client.post("/login", data={"email": email, "password": password}, environ_base={"REMOTE_ADDR": address})


def sessions_of(user: User) -> list[SignIn]:
    return list(db.session.scalars(select(SignIn).where(SignIn.user_id == user.id, SignIn.ended_at.is_(None))))


def actions() -> list[str]:
    return list(db.session.scalars(select(JournalEntry.action).order_by(JournalEntry.id)))


def test_the_page_has_the_words_of_the_contract(client_of: Clients, make: Make) -> None:
    make.user()

    page = client_of(None).get("/login").text

    assert re.search(r"<h1[^>]*>Sign in</h1>", page)
    assert re.search(r'<label for="field-email">Email</label>', page)
    assert re.search(r'<label for="field-password">Password</label>', page)
    assert re.search(r"<button[^>]*>Sign in</button>", page)


def test_signing_in_starts_a_session_with_nothing_from_before_it(app: Flask, client_of: Clients, make: Make) -> None:
    user, client = make.user(), client_of(None)
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"
        before["_user_id"] = "a secret that somebody else knows"

    answer = sign_in(client)

    assert answer.status_code == 303
    with client.session_transaction() as after:
        assert "planted" not in after
        assert after["_user_id"] != "a secret that somebody else knows"
    assert len(sessions_of(user)) == 1
    assert "sign-in" in actions()


def test_signing_out_ends_the_session_on_the_server(app: Flask, client_of: Clients, make: Make) -> None:
    user = make.user()
    client, thief = client_of(user), client_of(None)
    stolen = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert stolen
    thief.set_cookie(app.config["SESSION_COOKIE_NAME"], stolen.value)
    assert thief.get("/profile").status_code == 200

    assert client.post("/logout").headers["Location"] == "/login"

    assert client.get("/profile").status_code == 303
    assert thief.get("/profile").status_code == 303
    assert sessions_of(user) == []


def test_a_head_is_no_try_to_sign_in(client_of: Clients, make: Make) -> None:
    make.user()
    client = client_of(None)

    answer = client.head("/login", data={"email": "jane@mail.test", "password": "wrong"})
    signed = client.head("/login", data={"email": "jane@mail.test", "password": PASSWORD})

    assert (answer.status_code, signed.status_code) == (200, 200)
    assert "sign-in" not in " ".join(actions())


def test_a_get_signs_nobody_out(client_of: Clients, make: Make) -> None:
    client = client_of(make.user())

    assert client.get("/logout").status_code == 405
    assert client.get("/profile").status_code == 200


def test_whoever_is_deactivated_is_signed_out_at_once(client_of: Clients, make: Make) -> None:
    make.user("root@mail.test", administrator=True)
    user = make.user()
    client = client_of(user)
    assert client.get("/profile").status_code == 200

    users.deactivate(user.id, actor=COMMAND, now=datetime.now(UTC))
    db.session.commit()

    assert client.get("/profile").status_code == 303
    assert sign_in(client).status_code == 422


def test_a_session_is_over_after_twelve_hours_without_use(client_of: Clients, make: Make) -> None:
    user = make.user()
    client = client_of(user)
    db.session.execute(update(SignIn).values(seen_at=datetime.now(UTC) - timedelta(hours=12, seconds=1)))
    db.session.commit()

    assert client.get("/profile").status_code == 303


def test_a_page_keeps_the_session_alive_and_a_poll_does_not(client_of: Clients, make: Make) -> None:
    client, old = client_of(make.user()), datetime.now(UTC) - timedelta(hours=11)
    db.session.execute(update(SignIn).values(seen_at=old))
    db.session.commit()

    client.get("/mailouts/strip", headers={"HX-Request": "true"})
    client.get("/static/app.js")
    after_polls = db.session.scalar(select(SignIn.seen_at))
    client.get("/profile")

    assert after_polls == old
    assert db.session.scalar(select(SignIn.seen_at)) > old + timedelta(hours=10)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("jane@mail.test", "wrong horse battery"),
        ("nobody@mail.test", PASSWORD),
        ("gone@mail.test", PASSWORD),
        ("invited@mail.test", ""),
        ("", ""),
        ("jane@mail.test", "x" * 100_000),
        ("jane@mail.test' OR 1=1 --", "x"),
        ("\x00\ud800".encode("utf-8", "replace").decode(), "x"),
    ],
)
def test_every_wrong_sign_in_is_answered_alike(client_of: Clients, make: Make, email: str, password: str) -> None:
    make.user("root@mail.test", administrator=True)
    make.user()
    gone = make.user("gone@mail.test")
    users.deactivate(gone.id, actor=COMMAND, now=datetime.now(UTC))
    users.create("invited@mail.test", "I", administrator=False, may_send=True, actor=COMMAND, now=datetime.now(UTC))
    db.session.commit()

    answer = sign_in(client_of(None), email, password)

    assert answer.status_code == 422
    assert WRONG in answer.text
    assert "4 more tries" in answer.text
    assert 'role="alert"' in answer.text


def test_a_password_in_the_wrong_field_is_not_written_down(client_of: Clients, make: Make) -> None:
    jo = make.user("jo@mail.test", administrator=True)

    sign_in(client_of(None), "correct horse battery")
    sign_in(client_of(None), "nobody@mail.test")

    log = client_of(jo).get("/audit").text
    assert "correct horse battery" not in log
    assert "what is no address" in log
    assert "nobody@mail.test" in log


def test_the_time_does_not_tell_whether_an_account_exists(client_of: Clients, make: Make) -> None:
    make.user()
    client, took = client_of(None), {"jane@mail.test": [], "nobody@mail.test": []}  # type: dict[str, list[float]]
    sign_in(client, "first@mail.test", "x")

    for turn in range(4):
        for email, times in took.items():
            begun = time.thread_time()
            sign_in(client, email, "wrong horse battery", f"2.2.2.{turn}")
            times.append(time.thread_time() - begun)

    known, unknown = (statistics.median(times) for times in took.values())
    assert 0.4 < known / unknown < 2.5


def test_too_many_wrong_tries_wait_and_others_do_not(client_of: Clients, make: Make) -> None:
    make.user()
    make.user("priya@mail.test")
    client = client_of(None)
    for _ in range(FREE):
        assert sign_in(client, password="wrong").status_code == 422

    shut = sign_in(client)

    assert shut.status_code == 429
    assert 1 <= int(shut.headers["Retry-After"]) <= 30
    assert "The next try counts in" in shut.text
    assert sign_in(client, "JANE@mail.test ").status_code == 429, "the same account, however it is written"
    assert sign_in(client_of(None), "priya@mail.test").status_code == 303, "another account, the same address"
    assert sign_in(client_of(None), address="9.9.9.9").status_code == 303, "the right password, another address"


def test_a_forged_forwarded_header_is_no_other_address(client_of: Clients, make: Make) -> None:
    make.user()
    client = client_of(None)
    for number in range(FREE):
        client.post(
            "/login",
            data={"email": "jane@mail.test", "password": "wrong"},
            headers={"X-Forwarded-For": f"5.5.5.{number}"},
        )

    answer = client.post(
        "/login", data={"email": "jane@mail.test", "password": PASSWORD}, headers={"X-Forwarded-For": "6.6.6.6"}
    )

    assert answer.status_code == 429


class TestThrottle:
    """The counts themselves, with a clock that is moved."""

    now = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)

    def test_the_wait_doubles_up_to_a_quarter_of_an_hour(self) -> None:
        throttle, at, waits = Throttle(), self.now, []
        for _ in range(20):
            wait = throttle.enter("jane", "1.1.1.1", at)
            waits.append(wait.total_seconds())
            at += wait

        assert waits == [0, 0, 0, 0, 0, 30, 0, 60, 0, 120, 0, 240, 0, 480, 0, 900, 0, 900, 0, 900]

    def test_many_tries_at_once_are_no_more_than_one_after_another(self) -> None:
        throttle = Throttle()

        let_in = [not throttle.enter("jane", "1.1.1.1", self.now) for _ in range(40)]

        assert sum(let_in) == FREE

    def test_a_right_try_is_no_wrong_one_of_its_address(self) -> None:
        throttle = Throttle()
        for number in range(200):
            throttle.enter(f"user{number}", "1.1.1.1", self.now)
            throttle.right(f"user{number}", "1.1.1.1")

        assert not throttle.enter("another", "1.1.1.1", self.now)

    def test_a_right_password_clears_the_count(self) -> None:
        throttle = Throttle()
        for _ in range(FREE):
            throttle.enter("jane", "1.1.1.1", self.now)
        throttle.right("jane", "1.1.1.1")

        assert throttle.tries_left("jane", "1.1.1.1", self.now) == FREE
        assert not throttle.enter("jane", "1.1.1.1", self.now)

    def test_a_day_later_it_is_forgotten(self) -> None:
        throttle = Throttle()
        for _ in range(40):
            throttle.enter("jane", "1.1.1.1", self.now)

        assert not throttle.enter("jane", "1.1.1.1", self.now + timedelta(days=1))

    def test_one_address_that_tries_many_accounts_waits(self) -> None:
        throttle = Throttle()
        for number in range(60):
            throttle.enter(f"user{number}", "1.1.1.1", self.now)

        assert throttle.enter("another", "1.1.1.1", self.now)
        assert not throttle.enter("another", "2.2.2.2", self.now)

    def test_many_addresses_that_try_one_account_have_one_try_each_and_never_shut_it(self) -> None:
        throttle = Throttle()
        for number in range(200):
            throttle.enter("jane", f"1.1.{number // 100}.{number % 100}", self.now)

        assert not throttle.enter("jane", "9.9.9.9", self.now), "the owner's first try from elsewhere counts"
        assert throttle.enter("jane", "9.9.9.9", self.now)

    def test_it_does_not_grow_for_ever(self) -> None:
        throttle = Throttle()
        for number in range(20_000):
            throttle.enter(f"user{number}", f"host{number}", self.now)

        assert len(throttle._wrong) <= 50_000


def link_in(notice: Notice) -> str:
    found = re.search(r"/reset/([\w-]+)", notice.raw.decode().replace("=\r\n", ""))
    assert found
    return found[1]


def notices() -> list[Notice]:
    return list(db.session.scalars(select(Notice).order_by(Notice.id)))


def test_forgot_mails_a_link_and_says_the_same_to_everybody(client_of: Clients, make: Make) -> None:
    make.user()
    client = client_of(None)

    known = client.post("/forgot", data={"email": "JANE@mail.test"}, follow_redirects=True)
    unknown = client.post("/forgot", data={"email": "nobody@mail.test"}, follow_redirects=True)

    secrets = r'(content|value)="[\w.-]{60,}"'
    assert re.sub(secrets, "", known.text) == re.sub(secrets, "", unknown.text)
    assert "If that address is a user" in known.text
    assert [notice.kind for notice in notices()] == ["reset"]
    assert "http://127.0.0.1:5000/reset/" in notices()[0].raw.decode().replace("=\r\n", "")


def test_the_time_does_not_tell_who_forgot_either(client_of: Clients, make: Make) -> None:
    make.user()
    client, took = client_of(None), []

    for email in ("jane@mail.test", "nobody@mail.test") * 2:
        begun = time.perf_counter()
        client.post("/forgot", data={"email": email})
        took.append(time.perf_counter() - begun)

    assert min(took) >= FORGOT_SECONDS
    assert max(took) < FORGOT_SECONDS * 1.5 + 0.2


def test_one_account_gets_only_a_few_links_an_hour(client_of: Clients, make: Make) -> None:
    make.user()
    client = client_of(None)

    for _ in range(8):
        assert client.post("/forgot", data={"email": "jane@mail.test"}).status_code == 303

    assert len(notices()) == 5


def test_whoever_asks_too_often_is_told_for_how_long(client_of: Clients, make: Make) -> None:
    client = client_of(make.user())

    for _ in range(30):
        client.post("/profile/password", data={"present": "wrong"})
    answer = client.post("/profile/password", data={"present": "wrong"})

    assert answer.status_code == 429
    assert 3500 < int(answer.headers["Retry-After"]) <= 3600
    assert "try again in about 1 h." in answer.text


def test_a_link_is_used_by_its_post_alone_and_once(client_of: Clients, make: Make) -> None:
    user, client = make.user(), client_of(None)
    elsewhere = client_of(user)
    client.post("/forgot", data={"email": "jane@mail.test"})
    link = link_in(notices()[0])
    assert link not in [row.digest for row in db.session.scalars(select(links.Link))]

    for _ in range(3):
        assert client.get(f"/reset/{link}").status_code == 200
    short = client.post(f"/reset/{link}", data={"password": "short"})
    set_now = client.post(f"/reset/{link}", data={"password": "a new horse battery"})
    again = client.post(f"/reset/{link}", data={"password": "another horse battery"})

    assert short.status_code == 422
    assert "8 characters or more" in short.text
    assert set_now.status_code == 303
    assert again.status_code == 410
    assert elsewhere.get("/profile").status_code == 303, "all sessions ended"
    assert sign_in(client, password="a new horse battery").status_code == 303
    assert sign_in(client_of(None), password=PASSWORD).status_code == 422


def test_whoever_set_a_new_password_need_not_wait_for_their_wrong_tries(client_of: Clients, make: Make) -> None:
    user, client = make.user(), client_of(None)
    for _ in range(FREE + 1):
        sign_in(client, password="wrong")
    assert sign_in(client).status_code == 429
    link = links.make(links.RESET, user.id, None, datetime.now(UTC))
    db.session.commit()

    here = {"REMOTE_ADDR": "1.1.1.1"}
    client.post(f"/reset/{link}", data={"password": "a new horse battery"}, environ_base=here)

    assert sign_in(client, password="a new horse battery").status_code == 303


def test_a_link_is_over_after_an_hour_and_by_a_newer_one(client_of: Clients, make: Make) -> None:
    user, client, now = make.user(), client_of(None), datetime.now(UTC)
    late = links.make(links.RESET, user.id, None, now - timedelta(hours=1, seconds=1))
    older = links.make(links.RESET, user.id, None, now)
    newer = links.make(links.RESET, user.id, None, now)
    db.session.commit()

    assert client.get(f"/reset/{late}").status_code == 410
    assert client.get(f"/reset/{older}").status_code == 410
    assert client.get(f"/reset/{newer}").status_code == 200
    assert client.get("/reset/nonsense").status_code == 410


def test_a_link_of_somebody_deactivated_sets_nothing(client_of: Clients, make: Make) -> None:
    make.user("root@mail.test", administrator=True)
    user, now = make.user(), datetime.now(UTC)
    link = links.make(links.RESET, user.id, None, now)
    users.deactivate(user.id, actor=COMMAND, now=now)
    db.session.commit()

    assert client_of(None).post(f"/reset/{link}", data={"password": "a new horse battery"}).status_code == 410


def test_who_is_signed_in_does_not_see_the_door(client_of: Clients, make: Make) -> None:
    client = client_of(make.user())

    assert client.get("/login").headers["Location"] == "/"
    assert client.get("/").headers["Location"] == "/mailouts"


def test_a_stolen_secret_of_the_database_opens_nothing(app: Flask, client_of: Clients, make: Make) -> None:
    user = make.user()
    sessions.start(user.id, "", "", datetime.now(UTC))
    db.session.commit()
    digest = db.session.scalar(select(SignIn.digest))
    client = client_of(None)
    with client.session_transaction() as planted:
        planted["_user_id"] = digest

    assert client.get("/profile").status_code == 303
