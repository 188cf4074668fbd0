"""Sandbox mail: everybody's inbox, a letter written as oneself, and that none of it is there with real servers."""

from __future__ import annotations

import io
import shutil
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mailout import settings as mailout_settings
from mailout.book import lists, users
from mailout.intake import submission
from mailout.models import User, db
from mailout.sandbox import data, mail, process, servers
from mailout.settings import Settings
from mailout.web import create_app
from tests.makers import Make
from tests.web.mailing import now

ClientOf = Callable[[User | None], FlaskClient]
ADA = "ada@sandbox.test"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """An installation without real servers."""
    folder = tmp_path / "instance" / "sandbox"
    folder.mkdir(parents=True)
    shutil.copy(migrated, folder / "mailout.db")
    return mailout_settings.read({"INSTANCE_DIR": str(tmp_path / "instance"), "SECRET_KEY": "a secret for tests only"})


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application with the sandbox, which runs."""
    application = create_app(settings)
    application.config["TESTING"] = True
    with process.running(settings), application.app_context():
        data.plant(now())
        yield application
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def you(app: Flask) -> User:
    user = users.by_email(data.EMAIL)
    user.must_change_password = False
    db.session.commit()
    return user


@pytest.fixture
def client(client_of: ClientOf, you: User) -> FlaskClient:
    return client_of(you)


def write(client: FlaskClient, to: str = ADA, **more: object) -> TestResponse:
    form = {"from": data.EMAIL, "to": to, "subject": "Hello", "text": "One line.\nAnother."} | more
    return client.post("/sandbox/write", data=form, content_type="multipart/form-data")


def test_every_customer_has_an_inbox_and_one_does_not_exist(client: FlaskClient) -> None:
    page = client.get("/sandbox").text

    assert "Ada Marsh" in page
    assert "does not exist" in page
    assert f"{data.EMAIL}" in page
    assert "This address does not exist" in client.get("/sandbox?inbox=gone@sandbox.test").text


def test_a_letter_written_as_oneself_lies_in_the_inbox(client: FlaskClient) -> None:
    file = (io.BytesIO(b"%PDF-"), "Price list.pdf", "application/pdf")

    answer = write(client, files=file)
    page = client.get(f"/sandbox?inbox={ADA}").text
    letter = page.partition("/sandbox/letter?")[2].partition('"')[0].replace("&amp;", "&")
    frame, raw = client.get(f"/sandbox/letter?{letter}"), client.get(f"/sandbox/raw?{letter}")

    assert answer.status_code == 303
    assert "Hello" in page
    assert "Price list.pdf" in page
    assert "One line." in frame.text
    assert frame.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert raw.content_type.startswith("text/plain")
    assert b"Subject: Hello" in raw.data


def test_the_links_of_a_letter_to_our_pages_can_be_followed_and_no_others(
    client: FlaskClient, settings: Settings
) -> None:
    ours = f"{settings.base_url}/mailouts/7"
    write(client, text=f"Everything about it:\n{ours}.\n{settings.base_url}.evil.test/x https://elsewhere.test/y")

    page = client.get(f"/sandbox?inbox={ADA}").text

    assert f'<a href="{ours}">Follow its link<' in page
    assert page.count("Follow its link") == 1
    assert "evil.test" not in page


@pytest.mark.parametrize(
    ("more", "offered"), [("/u/token", True), (".evil.test/u/token", False), ("@evil.test/u", False)]
)
def test_the_way_out_of_a_list_is_offered_when_it_is_ours(
    client: FlaskClient, settings: Settings, more: str, offered: bool
) -> None:
    found = servers(settings)
    assert found
    letter = f"From: a@b.test\r\nList-Unsubscribe: <{settings.base_url}{more}>\r\n\r\nHello\r\n"
    with smtplib.SMTP("127.0.0.1", found[1].port) as smtp:
        smtp.sendmail("a@b.test", [ADA], letter)

    assert ("Unsubscribe as Ada Marsh" in client.get(f"/sandbox?inbox={ADA}").text) is offered


def test_what_is_not_taken_is_said_and_nothing_typed_is_lost(client: FlaskClient) -> None:
    answer = write(client, to="gone@sandbox.test", subject="My <b>subject</b>")

    assert answer.status_code == 422
    assert "The letter was not sent" in answer.text
    assert 'value="My &lt;b&gt;subject&lt;/b&gt;"' in answer.text
    assert "One line.\nAnother." in answer.text


def test_nobody_writes_as_somebody_whom_they_are_not(client: FlaskClient, settings: Settings) -> None:
    answer = write(client, **{"from": "chief@elsewhere.test"})

    assert answer.status_code == 422
    assert mail.letters(settings, ADA) == []


def test_a_waiting_mail_out_is_written_to_with_its_address_filled_in(client: FlaskClient, you: User) -> None:
    newsletter = lists.by_name("Newsletter")
    row = submission.open_mailout(newsletter.id, you, check_first=False, now=now())
    db.session.commit()

    waiting = client.get(f"/mailouts/{row.id}").text
    form = client.get(f"/sandbox/write?mailout={row.id}").text
    answer = write(client, to=submission.key_address(row), mailout=str(row.id))

    assert f'href="/sandbox/write?mailout={row.id}"' in waiting
    assert f'value="{submission.key_address(row)}"' in form
    assert answer.location == f"/mailouts/{row.id}"


def test_an_answer_is_written_as_the_customer(client: FlaskClient, settings: Settings) -> None:
    write(client)
    (letter,) = mail.letters(settings, ADA)

    form = client.get(f"/sandbox/write?inbox={ADA}&letter={letter.id}").text
    answer = write(client, to=data.EMAIL, subject="Re: Hello", answers="<x@sandbox.test>", **{"from": ADA})

    assert 'value="Re: Hello"' in form
    assert f'<option value="{ADA}" selected>' in form
    assert answer.status_code == 303
    (received,) = mail.letters(settings, data.EMAIL)
    assert received.subject == "Re: Hello"
    assert b"In-Reply-To: <x@sandbox.test>" in received.raw


def test_another_users_key_is_not_given_away(client_of: ClientOf, make: Make, you: User) -> None:
    newsletter = lists.by_name("Newsletter")
    row = submission.open_mailout(newsletter.id, you, check_first=False, now=now())
    other = client_of(make.user("priya@sandbox.test"))
    db.session.commit()

    assert other.get(f"/sandbox/write?mailout={row.id}").status_code == 403


def test_a_letter_that_there_is_not_is_not_found(client: FlaskClient) -> None:
    for path in (f"/sandbox?inbox={ADA}&letter=x", "/sandbox/letter", f"/sandbox/raw?inbox={ADA}&letter=../secret_key"):
        assert client.get(path).status_code == 404


def test_a_number_longer_than_any_is_no_fault_of_ours(client: FlaskClient) -> None:
    assert client.get(f"/sandbox/write?mailout={'9' * 30}").status_code == 200
