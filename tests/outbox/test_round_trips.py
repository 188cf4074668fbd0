"""The gate: at a distance, a copy costs one round trip and little more. Round trips are counted, not seconds."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.benchmarks.delay import Proxy
from tests.makers import Make
from tests.outbox.conftest import NewApp
from tests.outbox.makers import letter, mailout, run_pump, states
from tests.relay import EXTENSIONS, Relay

MESSAGES = 40


class Turns:
    """A proxy between client and relay that counts how often the client had to wait for the relay's answer."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.turns = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._to_port))
        threading.Thread(target=self._up, args=(near, far), daemon=True).start()
        while octets := far.recv(1 << 18):
            time.sleep(0.003)
            more = self._rest(far)
            self.turns += 1
            near.sendall(octets + more)
        near.close()
        far.close()

    @staticmethod
    def _rest(far: socket.socket) -> bytes:
        """What has come by now: answers of one group count once."""
        far.setblocking(False)
        try:
            return far.recv(1 << 18)
        except BlockingIOError:
            return b""
        finally:
            far.setblocking(True)

    @staticmethod
    def _up(near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):  # the relay may be gone first
            while octets := near.recv(1 << 18):
                far.sendall(octets)
            far.shutdown(socket.SHUT_WR)


@pytest.fixture
def pipelining() -> Iterator[Relay]:
    with Relay() as relay:
        yield relay


@pytest.mark.parametrize("size", [3_000, 200_000])
def test_forty_messages_over_one_connection_take_hardly_more_than_forty_round_trips(
    new_app: NewApp, pipelining: Relay, now: datetime, size: int
) -> None:
    between = Turns(pipelining.port)
    app = new_app(pipelining, smtp=_at(pipelining, between.port), smtp_connections=1)
    make = Make(now)
    sent = mailout(make.user(), make.list(), letter(size), [f"c{n}@x.test" for n in range(MESSAGES)], datetime.now(UTC))

    run_pump(app, lambda: len(pipelining.accepted) >= MESSAGES)

    assert list(states(sent).values()).count("sent") == MESSAGES
    assert between.turns <= MESSAGES * 1.3


def test_without_pipelining_it_takes_four(new_app: NewApp, now: datetime) -> None:
    lockstep = tuple(word for word in EXTENSIONS if word != "PIPELINING")
    with Relay(extensions=lockstep) as relay:
        between = Turns(relay.port)
        app = new_app(relay, smtp=_at(relay, between.port), smtp_connections=1)
        make = Make(now)
        mailout(make.user(), make.list(), letter(), [f"c{n}@x.test" for n in range(10)], datetime.now(UTC))

        run_pump(app, lambda: len(relay.accepted) >= 10)

        assert between.turns <= 10 * 4 + 4


def test_at_twenty_milliseconds_forty_messages_take_what_their_round_trips_take(
    new_app: NewApp, pipelining: Relay, now: datetime
) -> None:
    proxy = Proxy(pipelining.port, 0.01)
    threading.Thread(target=proxy.run, daemon=True).start()
    app = new_app(pipelining, smtp=_at(pipelining, proxy.port), smtp_connections=1)
    make = Make(now)
    mailout(make.user(), make.list(), letter(), [f"c{n}@x.test" for n in range(MESSAGES)], datetime.now(UTC))

    run_pump(app, lambda: len(pipelining.accepted) >= MESSAGES)

    times = [message.at for message in pipelining.accepted]
    assert len(times) >= MESSAGES
    assert times[-1] - times[0] < MESSAGES * 0.020 * 3, "the machine may be busy; in lock-step it would be four times"


def _at(relay: Relay, port: int) -> object:
    """The relay's server, reached by another port."""
    return relay.server(port=port)
