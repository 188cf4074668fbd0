"""Pages take turns: a few at a time, in order, and nobody keeps a turn who only sends or reads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest

from mailout.web.turns import AT_ONCE, BODY_MOST, Turns, takes_turns
from tests.workers import until


def environ(method: str = "GET", path: str = "/customers", body: bytes | None = None, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, **more}
    if body is not None:
        found |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
    return found


class Site:
    """An application that says how many compute at once, and in which order they came; each waits for its own gate."""

    def __init__(self) -> None:
        self.now, self.most, self.order = 0, 0, []  # type: ignore[var-annotated]
        self.gates: dict[int, threading.Event] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(environ.get("number"))
        if "number" in environ:
            assert self.gates[environ["number"]].wait(30)
        with self._lock:
            self.now -= 1
        if environ["PATH_INFO"] == "/wrong":
            raise ValueError("wrong")
        return [environ["wsgi.input"].read()] if "wsgi.input" in environ else [b"page"]


def ask(turns: Turns, site: Site, number: int) -> threading.Thread:
    """Ask for a page; return when it computes, or waits for its turn."""
    site.gates[number] = threading.Event()
    here = len(site.order) + turns.waiting
    thread = threading.Thread(target=turns, args=({**environ(), "number": number}, None))
    thread.start()
    until(lambda: len(site.order) + turns.waiting == here + 1)
    return thread


def test_so_many_at_once_and_the_others_in_the_order_in_which_they_came() -> None:
    site = Site()
    turns = Turns(site)  # type: ignore[arg-type]
    threads = [ask(turns, site, number) for number in range(12)]
    assert (site.order, turns.waiting) == (list(range(AT_ONCE)), 12 - AT_ONCE)
    for number, thread in enumerate(threads):
        site.gates[number].set()
        thread.join(30)
        begun = min(12, number + 1 + AT_ONCE)
        until(lambda begun=begun: len(site.order) == begun)  # type: ignore[misc]
    assert site.order == list(range(12)), "whoever came first is next"
    assert site.most == AT_ONCE


def test_a_page_that_fails_gives_its_turn_back() -> None:
    site = Site()
    turns = Turns(site)  # type: ignore[arg-type]
    for _ in range(AT_ONCE + 1):
        with pytest.raises(ValueError, match="wrong"):
            turns(environ(path="/wrong"), None)  # type: ignore[arg-type]
    assert turns(environ(), None) == [b"page"]  # type: ignore[arg-type]


def test_what_a_switch_sends_is_read_before_it_has_its_turn() -> None:
    site = Site()
    turns = Turns(site)  # type: ignore[arg-type]
    assert turns(environ("POST", body=b"in=1.2", HTTP_HX_REQUEST="true"), None) == [b"in=1.2"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asking", "takes"),
    [
        (environ(), True),
        (environ("HEAD"), True),
        (environ(path="/static/css/mailout.css"), False),
        (environ("POST", "/login", b"password=x"), False),
        (environ("POST", body=b"in=1.2", HTTP_HX_REQUEST="true"), True),
        (environ("POST", body=b"x" * (BODY_MOST + 1), HTTP_HX_REQUEST="true"), False),
        (environ("POST", HTTP_HX_REQUEST="true"), False),
        (environ("POST", "/system/mailbox", b"csrf_token=x", HTTP_HX_REQUEST="true"), False),
        (environ("GET", "/system"), True),
    ],
    ids=[
        "a page",
        "its head",
        "a stylesheet",
        "a password",
        "a switch",
        "an upload",
        "a body of unknown length",
        "a try that waits for another server",
        "the page with its button",
    ],
)
def test_who_takes_turns(asking: dict[str, Any], takes: bool) -> None:
    assert takes_turns(asking) == takes
