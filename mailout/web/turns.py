"""turns -- pages are made in the order in which they were asked for, and only a few at a time.

Owns     how many requests compute at once, and whose turn is next
Never    keeps a place for a browser that sends or reads slowly; makes a form that checks a password or asks another
         server wait for pages, or the pages for it
Fails    never: a turn is given back whatever the page does

Eight threads share one interpreter. Each row of a query hands it on, and whoever wants it back waits for the others:
eight pages at once took twice as long as the same pages one after another, and some of them five times.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ONCE = 2

#: A press of a switch is no longer than this; longer bodies are uploads, which take as long as their line does.
BODY_MOST = 65_536
#: What is pressed here waits for another server, up to 15 seconds: nobody else shall.
ELSEWHERE = "/system/"


class Turns:
    """What stands before the application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._free = AT_ONCE
        self._waiting: deque[threading.Lock] = deque()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer when it is this request's turn."""
        if not takes_turns(environ):
            return self._application(environ, start_response)
        if environ["REQUEST_METHOD"] == "POST":
            environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self._take()
        try:
            return self._application(environ, start_response)
        finally:
            self._give()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    def _take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # it is released by whoever hands their turn on to us

    def _give(self) -> None:
        """Hand the turn on to whoever waits longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def takes_turns(environ: WSGIEnvironment) -> bool:
    """Whether a request takes turns: what is looked at, and what is pressed in a page (htmx)."""
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return not environ.get("PATH_INFO", "").startswith("/static/")
    length = environ.get("CONTENT_LENGTH") or ""
    small = length.isdigit() and int(length) <= BODY_MOST
    ours = "HTTP_HX_REQUEST" in environ and not environ.get("PATH_INFO", "").startswith(ELSEWHERE)
    return environ["REQUEST_METHOD"] == "POST" and ours and small
