"""What every answer carries, and what a request must bear before it changes anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from mailout import database
from mailout import settings as mailout_settings
from mailout.core.fault import Fault
from mailout.models import JournalEntry, Setting, User, db
from mailout.outbox.steering import NotNow
from mailout.web import ROOT, asking, create_app
from mailout.web.access.security import MOST_BYTES, MOST_UPLOADED
from mailout.web.asking import Refused
from tests.conftest import environment
from tests.makers import PASSWORD, Make
from tests.web.test_permissions import addresses, path_of

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.fixture
def https(tmp_path: Path) -> Flask:
    """An installation that browsers reach by https, behind one proxy."""
    settings = mailout_settings.read(
        environment(tmp_path / "https", BASE_URL="https://mail.example.org", TRUST_PROXY="1")
    )
    app = create_app(settings)
    database.migrate(app, settings)
    return app


def token(client: FlaskClient, path: str = "/login") -> str:
    """The secret that the page's forms carry."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get(path).text)
    assert found, "the page has no secret"
    return found[1]


def test_every_answer_has_the_policy_and_is_not_kept(app: Flask, client: FlaskClient, make: Make) -> None:
    make.user(administrator=True)
    for path in ("/login", "/forgot", "/reset/x", "/nothing", "/healthz", "/users"):
        answer = client.get(path)

        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Cookie", "HX-Request", "HX-Request-Type"} <= set(answer.vary)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers


def test_with_https_the_cookie_is_for_this_host_alone(https: Flask) -> None:
    answer = https.test_client().get("/first-run", base_url="https://mail.example.org")

    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-mailout=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_another_host_is_not_believed(app: Flask, client: FlaskClient, make: Make) -> None:
    make.user()

    assert client.get("/login", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/login", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/login", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200


def test_whoever_calls_us_by_another_name_is_told_ours_and_the_log_stays_quiet(
    https: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = https.test_client().get("/login", headers={"Host": "<b>203.0.113.7"})

    assert answer.status_code == 400
    assert answer.text == "Mailout does not answer to this name. It is at https://mail.example.org/\n"
    assert answer.content_type.startswith("text/plain")
    assert not caplog.records, "a scanner fills no log"


def test_a_proxy_is_believed_only_as_far_as_it_was_named(https: Flask) -> None:
    client, seen = https.test_client(), []
    https.before_request(lambda: seen.append(asking.request.remote_addr))

    client.get("/first-run", headers={"Host": "mail.example.org", "X-Forwarded-For": "9.9.9.9, 7.7.7.7"})

    assert seen == ["7.7.7.7"]


@pytest.mark.parametrize("secret", [None, "", "x", "ImFiYyI.aaaa.bbbb"])
def test_a_form_without_its_secret_changes_nothing(
    app: Flask, client: FlaskClient, make: Make, secret: str | None
) -> None:
    make.user()
    client.get("/login")
    form = {"email": "jane@mail.test", "password": PASSWORD} | ({} if secret is None else {"csrf_token": secret})

    answer = client.post("/login", data=form)

    assert answer.status_code == 400
    assert "Nothing was changed" in answer.text or "nothing was changed" in answer.text
    assert not signed_in(client)


def signed_in(client: FlaskClient) -> bool:
    return client.get("/profile").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost.evil.example"},
    ],
)
def test_a_form_from_another_site_is_refused_whatever_secret_it_has(
    app: Flask, client: FlaskClient, make: Make, headers: dict[str, str]
) -> None:
    make.user()
    form = {"email": "jane@mail.test", "password": PASSWORD, "csrf_token": token(client)}

    assert client.post("/login", data=form, headers=headers).status_code == 400
    assert not signed_in(client)


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "null"}, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}]
)
def test_a_form_of_ours_is_taken(app: Flask, client: FlaskClient, make: Make, headers: dict[str, str]) -> None:
    make.user()
    form = {"email": "jane@mail.test", "password": PASSWORD, "csrf_token": token(client)}

    assert client.post("/login", data=form, headers=headers).status_code == 303
    assert signed_in(client)


def test_the_secret_may_come_in_htmx_own_header(app: Flask, client: FlaskClient, make: Make) -> None:
    make.user()
    secret = token(client)

    answer = client.post(
        "/login",
        data={"email": "jane@mail.test", "password": PASSWORD},
        headers={"X-CSRFToken": secret},
    )

    assert answer.status_code == 303


def test_every_unsafe_method_of_every_address_needs_the_secret(app: Flask, make: Make) -> None:
    make.user(administrator=True)
    client = app.test_client()

    open_ones = {
        (endpoint, method)
        for path, endpoints in addresses(app).items()
        for method, endpoint in endpoints.items()
        if method not in ("GET", "HEAD") and client.open(path, method=method).status_code != 400
    }

    assert open_ones == {("public.one_click", "POST")}


def test_no_safe_method_changes_anything(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    make.customer("ada@mail.test")
    make.list("Newsletter", ["ada@mail.test"])
    client = client_of(make.user(administrator=True))
    before = db.session.scalar(select(func.count()).select_from(JournalEntry))

    nobody = app.test_client()
    for address in app.url_map.iter_rules():
        if "GET" in (address.methods or ()):
            path = path_of(address).replace("999999", "1")
            for one, method in product((client, nobody), ("GET", "HEAD", "OPTIONS")):
                status = one.open(path, method=method).status_code
                assert status < 500 or path == "/healthz", path

    assert db.session.scalar(select(func.count()).select_from(JournalEntry)) == before


def test_a_number_that_no_database_holds_is_an_address_without_a_page(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    client = client_of(make.user(administrator=True))

    answers = {
        (address.rule, method): client.open(path_of(address).replace("999999", "9" * 30), method=method).status_code
        for address in app.url_map.iter_rules()
        if "<int:" in address.rule
        for method in (address.methods or set()) - {"OPTIONS"}
    }

    assert len(answers) > 30
    assert set(answers.values()) == {404}


def posted(client: FlaskClient, path: str, octets: int) -> int:
    """The status of the answer to a form that says it has so many bytes."""
    kind = "application/x-www-form-urlencoded"
    return client.post(
        path, data=b"x", content_type=kind, environ_overrides={"CONTENT_LENGTH": str(octets)}
    ).status_code


def test_a_body_that_is_too_large_is_refused(app: Flask, client: FlaskClient, make: Make) -> None:
    make.user()

    assert posted(client, "/login", MOST_BYTES + 1) == 413
    assert posted(client, "/customers/import", MOST_BYTES + 1) == 413, "files are for who is signed in"


def test_a_file_may_be_larger_from_somebody_signed_in(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    client = client_of(make.user())

    assert posted(client, "/customers/import", MOST_BYTES + 1) != 413
    assert posted(client, "/customers/import", MOST_UPLOADED + 1) == 413
    assert posted(client, "/lists/new", MOST_BYTES + 1) == 413


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Fault("The list is archived."), 422, "The list is archived."),
        (NotNow("It is complete."), 409, "It is complete."),
        (LookupError("There is no list 7."), 404, "There is no list 7."),
        (Refused("Send Mailout"), 403, "Send Mailout"),
    ],
)
def test_what_can_not_be_done_is_said_on_a_page_or_in_a_note(
    app: Flask,
    make: Make,
    client_of: Callable[[User | None], FlaskClient],
    error: Exception,
    status: int,
    words: str,
) -> None:
    def refuse() -> str:
        raise error

    app.view_functions["audit.index"] = refuse
    client = client_of(make.user(administrator=True))

    page = client.get("/audit")
    note = client.get("/audit", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert page.status_code == note.status_code == status
    assert words in page.text
    assert "<h1" in page.text
    assert note.headers["HX-Retarget"] == "#notes"
    assert words in note.text
    assert "<h1" not in note.text


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "///evil.example",
        "/\t/evil.example",
        "/%0d%0aX: y\r\nX: y",
        "https:evil.example",
        "https://evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        " /users",
        "/users\n",
        "/\u2028users",
        "/a\\..\\b",
    ],
)
def test_nobody_is_sent_to_another_site_after_signing_in(
    app: Flask, client: FlaskClient, make: Make, wanted: str
) -> None:
    make.user()
    form = {"email": "jane@mail.test", "password": PASSWORD, "csrf_token": token(client), "next": wanted}

    assert client.post("/login", data=form).headers["Location"] == "/"


@pytest.mark.parametrize("wanted", ["/users", "/customers?q=a%20b&page=2", "/mailouts/7#now", "/%2Fevil.example"])
def test_a_path_of_ours_is_gone_on_to(app: Flask, client: FlaskClient, make: Make, wanted: str) -> None:
    make.user()
    form = {"email": "jane@mail.test", "password": PASSWORD, "csrf_token": token(client), "next": wanted}

    assert client.post("/login", data=form).headers["Location"] == wanted


def test_a_broken_page_says_so_with_a_number_and_nothing_else(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise KeyError("a secret in a traceback")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.view_functions["audit.index"] = broken

    answer = client_of(make.user(administrator=True)).get("/audit")

    assert answer.status_code == 500
    assert "a secret in a traceback" not in answer.text
    number = re.search(r"this number: ([0-9a-f]{8})", answer.text)
    assert number
    assert f"error id={number[1]} path=/audit" in caplog.text


@pytest.mark.parametrize(
    ("path", "endpoint", "rule"),
    [("/reset/a-secret", "auth.reset", "/reset/<token>"), ("/u/a-secret", "public.page", "/u/<token>")],
)
def test_a_secret_in_an_address_stands_in_no_log(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str, endpoint: str, rule: str
) -> None:
    def broken(token: str) -> str:
        raise ValueError("no")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.view_functions[endpoint] = broken

    assert client.get(path).status_code == 500
    assert f"path={rule}" in caplog.text
    assert "a-secret" not in caplog.text


def test_templates_have_no_inline_script_style_or_unescaped_text() -> None:
    wrong = []
    for path in TEMPLATES:
        # what names the place of a part of an htmx answer is never in a page
        text = re.sub(r"<hx-partial[^>]*>", "", path.read_text())
        # a letter's own frame has a policy of its own, and its text was made safe before
        if path.name == "letter_frame.html":
            continue
        for mark in (
            r"<script(?![^>]*\bsrc=)",
            r"<style",
            r"\sstyle=",
            r"\son\w+=",
            r"\|\s*safe",
            r"hx-on",
            r"js:",
            "autoescape",
        ):
            wrong += [(path.name, mark)] if re.search(mark, text) else []
        wrong += [(path.name, "hx- without data-")] if re.search(r"[\s{](?<!data-)hx-\w+=", text) else []
        wrong += [(path.name, "trigger filter")] if re.search(r'data-hx-trigger="[^"]*\[', text) else []

    assert wrong == []


def test_every_form_that_changes_something_carries_its_secret() -> None:
    wrong = [
        path.name
        for path in TEMPLATES
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL)
        if "csrf()" not in form and "parts.csrf" not in form and "one_click" not in form and "caller" not in form
    ]

    assert wrong == []


def test_what_a_statement_was_given_stands_in_no_error_of_the_database(app: Flask) -> None:
    kept = insert(Setting).values(name="one", value="correct horse")
    db.session.execute(kept)

    with pytest.raises(IntegrityError, match="UNIQUE") as caught:
        db.session.execute(kept)
    db.session.rollback()

    assert "correct horse" not in str(caught.value)
