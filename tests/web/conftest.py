"""What the tests of the pages share: a client or a browser's page of whoever is signed in, axe, and the counters.

A page that a test gets from `open_page` is watched: an error in its console, a violation of the Content-Security-Policy
or an answer of 500 fails the test when it ends. Without Chromium or Playwright these tests are skipped, and named.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.serving import make_server

from mailout.book import sessions
from mailout.models import User, db

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Clock:
    """The time that it is for pages: `at`, or the machine's."""

    at: datetime | None = None


@pytest.fixture
def clock() -> Clock:
    """The pages' clock, to be set: what a page says of "today" must not hang on the day on which the tests run."""
    return Clock()


def cookie(app: Flask, user: User, at: datetime | None = None) -> str:
    """The value of the session cookie of a browser in which `user` has just signed in (or did, `at` that time)."""
    secret = sessions.start(user.id, "a test's browser", "127.0.0.1", at or datetime.now(UTC))
    db.session.commit()
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return str(serializer.dumps({"_user_id": secret, "_fresh": True}))


@pytest.fixture
def client_of(app: Flask, clock: Clock) -> Callable[[User | None], FlaskClient]:
    """Makes a client in which a user (or nobody) is signed in; its forms need no secret."""
    app.config["WTF_CSRF_ENABLED"] = False

    def make_client(user: User | None) -> FlaskClient:
        client = app.test_client()
        if user:
            client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie(app, user, clock.at))
        return client

    return make_client


@pytest.fixture(autouse=True)
def _requests_apart(app: Flask, clock: Clock) -> None:
    """Have each request begin with nothing: under a test's own context Flask's `g` would outlive it."""

    def forget() -> None:
        for name in list(g):
            g.pop(name)
        if clock.at:
            g.now = clock.at

    app.before_request_funcs.setdefault(None, []).insert(0, forget)


@pytest.fixture
def queries(app: Flask) -> Iterator[Callable[[], int]]:
    """Counts the statements that the database was asked."""
    asked = [0]

    def one_more(*_: object) -> None:
        asked[0] += 1

    event.listen(db.engine, "before_cursor_execute", one_more)
    yield lambda: asked[0]
    event.remove(db.engine, "before_cursor_execute", one_more)


@dataclass
class Site:
    """The application as it is served, and where."""

    app: Flask
    url: str


@pytest.fixture
def site(app: Flask) -> Iterator[Site]:
    """The application behind a real port, in threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(app, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join(5)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, once for all tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@dataclass
class Watch:
    """What went wrong in the pages of one test."""

    wrong: list[str] = field(default_factory=list)

    def over(self, page: Any) -> None:
        """Count what goes wrong in `page`."""
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("console", lambda message: self._console(message))
        page.on("response", lambda answer: self._answer(answer))

    def _console(self, message: Any) -> None:
        # the browser itself reports answers of 4xx that a test asks for; those are no faults of a page
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def _answer(self, answer: Any) -> None:
        if answer.status >= 500:
            self.wrong.append(f"{answer.status}: {answer.url}")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """The counters of this test; none may have counted when it ends."""
    counters = Watch()
    yield counters
    assert not counters.wrong, counters.wrong


@pytest.fixture
def open_page(site: Site, browser: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Opens a watched page: `open_page(user, path, width=1280, dark=False, script=True)`. user=None: nobody."""
    contexts: list[Any] = []

    def open_one(
        user: User | None = None, path: str = "/", *, width: int = 1280, dark: bool = False, script: bool = True
    ) -> Any:
        context = browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        if user:
            name = site.app.config["SESSION_COOKIE_NAME"]
            context.add_cookies([{"name": name, "value": cookie(site.app, user), "url": site.url}])
        page = context.new_page()
        page.set_default_timeout(10_000)
        watch.over(page)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()


def axe(page: Any) -> list[str]:
    """What axe-core finds on the page: WCAG 2.2 AA and its best practice. Needs a page with script."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    return [
        f"{violation['id']}: {node['html'][:200]} ({node['failureSummary'][:200]})"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def sideways(page: Any) -> int:
    """By how many pixels the page scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
