"""loop -- one thread drives all connections: whoever waits makes room for whoever has an answer.

Owns     the thread that sends, its fibres (one a connection), and whose turn it is among them
Never    knows what is sent; holds up the others for one that connects, makes a letter ready or waits for its relay
Fails    never: a fibre that raises is logged and gone, and the others go on

A fibre reads as if it were alone: it waits for its socket, and the loop runs the others in the meantime (greenlet, the
library on which SQLAlchemy's asyncio stands). Nothing else can run in between, so there is nothing to lock. A thread
for each connection cost six switches and half as much processor time again for every copy, for Python runs one thread
at a time whatever we do; and here those who are ready at the same moment are written down in one commit.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from greenlet import getcurrent, greenlet

#: How long the thread sleeps at most when nobody waits for anything.
LONGEST = 60.0

log = logging.getLogger(__name__)


class Loop:
    """Fibres, started from any thread. Use it as a context manager."""

    def __init__(self) -> None:
        self._home: Any = None
        self._watched = select.poll()
        self._waiting: dict[int, tuple[Any, float]] = {}
        self._resting: dict[Any, float] = {}
        self._ready: deque[tuple[Any, Any]] = deque()
        self._gathered: list[Any] = []
        self._work: Callable[[], None] = _nothing
        self._fibres: set[Any] = set()
        self._from_outside: deque[Callable[[], None]] = deque()
        self._over = False
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._watched.register(self._ear, select.POLLIN)

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="senders", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The thread ends when the last fibre has."""
        self._over = True
        self.wake()

    # -- from any thread -------------------------------------------------------------------------------------------

    def start(self, work: Callable[[], None]) -> None:
        """Have `work` run in a fibre of its own."""
        self._call(lambda: self._begin(work))

    def wake(self) -> None:
        """Nobody rests any longer: something may have changed."""
        self._call(self._rouse)

    def _call(self, act: Callable[[], None]) -> None:
        """Have `act` run in the loop's thread."""
        self._from_outside.append(act)
        with contextlib.suppress(OSError):  # full: it was rung often enough; closed: nobody is left to hear it
            self._bell.send(b"!")

    # -- from a fibre ----------------------------------------------------------------------------------------------

    def wait(self, sock: socket.socket, events: int, seconds: float) -> int:
        """Wait for one of `events` (as of poll(2)) on `sock`; those that came, 0 when none did within `seconds`."""
        number = sock.fileno()
        self._watched.register(number, events)
        self._waiting[number] = getcurrent(), time.monotonic() + seconds
        return int(self._home.switch())

    def rest(self, seconds: float) -> None:
        """Wait for `wake`, `seconds` at most."""
        self._resting[getcurrent()] = time.monotonic() + seconds
        self._home.switch()

    def apart(self, work: Callable[[], Any]) -> Any:
        """What `work` returns or raises. It blocks, so it runs in a thread of its own; outside a fibre, at once."""
        if getcurrent() not in self._fibres:
            return work()
        me, done = getcurrent(), Future[Any]()

        def do() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)
            self._call(lambda: self._ready.append((me, 0)))

        threading.Thread(target=do, name="apart", daemon=True).start()
        self._home.switch()
        return done.result()

    def together(self, work: Callable[[], None]) -> None:
        """Return once `work` has run: once for all fibres that are ready now and ask for it; outside one, at once.

        What it raises, it raises for all of them.
        """
        if getcurrent() not in self._fibres:
            work()
            return
        self._work = work
        self._gathered.append(getcurrent())
        error = self._home.switch()
        if error is not None:
            raise error

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Give the turn to whoever is ready, until it is over and nobody is left."""
        self._home = getcurrent()
        while self._fibres or not self._over:
            if self._ready:
                fibre, what_came = self._ready.popleft()
                fibre.switch(what_came)
            elif self._gathered:
                self._work_for_all()
            else:
                self._listen()
        self._bell.close()
        self._ear.close()

    def _work_for_all(self) -> None:
        """Do the work for which fibres gathered, and let them go on."""
        gathered, self._gathered = self._gathered, []
        failed = None
        try:
            self._work()
        except Exception as error:
            failed = error
        self._ready.extend((fibre, failed) for fibre in gathered)

    def _listen(self) -> None:
        """Sleep until something comes, or somebody's time is up."""
        now = time.monotonic()
        until = min((at for _, at in self._waiting.values()), default=now + LONGEST)
        if self._resting:
            until = min(until, *self._resting.values())
        for number, events in self._watched.poll(max(0.0, until - now) * 1000):
            if number in self._waiting:
                self._heard(number, events)
            else:
                self._hear_outside()
        if time.monotonic() >= until:
            self._time_is_up()

    def _heard(self, number: int, events: int) -> None:
        """Something came for the fibre that waits on this descriptor; 0 events: nothing did."""
        self._watched.unregister(number)
        self._ready.append((self._waiting.pop(number)[0], events))

    def _hear_outside(self) -> None:
        """Do what other threads asked for."""
        self._ear.recv(4096)
        while self._from_outside:
            self._from_outside.popleft()()

    def _time_is_up(self) -> None:
        """Let those go on who have waited long enough."""
        now = time.monotonic()
        for number in [number for number, (_, at) in self._waiting.items() if at <= now]:
            self._heard(number, 0)
        for fibre in [fibre for fibre, at in self._resting.items() if at <= now]:
            del self._resting[fibre]
            self._ready.append((fibre, 0))

    def _rouse(self) -> None:
        self._ready.extend((fibre, 0) for fibre in self._resting)
        self._resting.clear()

    def _begin(self, work: Callable[[], None]) -> None:
        """A new fibre, ready to run."""

        def live(_: int) -> None:
            try:
                work()
            except Exception:
                log.exception("a sender is gone")
            finally:
                self._fibres.discard(getcurrent())

        fibre = greenlet(live, self._home)
        self._fibres.add(fibre)
        self._ready.append((fibre, 0))


def at_once(work: Callable[[], Any]) -> Any:
    """What `work` returns or raises, where there is no loop: what `apart` and `together` are for who is alone."""
    return work()


def _nothing() -> None:
    """No work."""
