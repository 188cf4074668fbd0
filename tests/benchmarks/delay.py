"""A TCP proxy that lets every octet wait: a relay at a distance, on this machine.

    python -m tests.benchmarks.delay TO_PORT MILLISECONDS       prints the port that it listens on

Half of the round trip is waited in each direction. There is no loss, no slow start of its own and no limit to what is
on the way, so what a client loses here it loses by waiting for answers.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import deque
from contextlib import suppress

CHUNK = 1 << 18


class Way:
    """One direction of one connection: what is on the way, and when it is there."""

    def __init__(self, source: socket.socket, target: socket.socket, seconds: float) -> None:
        self.source, self.target, self._seconds = source, target, seconds
        self._on_the_way: deque[tuple[float, memoryview]] = deque()
        self.ended = False

    def take(self) -> None:
        """Read what the source sends."""
        try:
            octets = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        self.ended = self.ended or not octets
        self._on_the_way.append((time.monotonic() + self._seconds, memoryview(octets)))

    def due(self) -> float | None:
        """When the next octets are there."""
        return self._on_the_way[0][0] if self._on_the_way else None

    def deliver(self, now: float) -> bool:
        """Write what is there; False when the target can take no more at the moment."""
        while self._on_the_way and self._on_the_way[0][0] <= now:
            at, octets = self._on_the_way.popleft()
            try:
                if not octets:
                    self.target.shutdown(socket.SHUT_WR)
                    continue
                sent = self.target.send(octets)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.ended = True
                continue
            if sent < len(octets):
                self._on_the_way.appendleft((at, octets[sent:]))
                return False
        return True


class Proxy:
    """All connections, in one thread."""

    def __init__(self, to_port: int, seconds: float) -> None:
        self._to_port, self._seconds = to_port, seconds
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ways: dict[socket.socket, Way] = {}
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until killed."""
        while True:
            due = min((at for way in self._ways.values() if (at := way.due()) is not None), default=None)
            wait = None if due is None else max(0.0, due - time.monotonic())
            for key, _ in self._selector.select(wait):
                if key.fileobj is self._listener:
                    self._connect()
                else:
                    self._take(self._ways[key.fileobj])  # type: ignore[index]
            now = time.monotonic()
            full = [way for way in self._ways.values() if not way.deliver(now)]
            if full:
                time.sleep(0.0005)
            self._forget()

    def _connect(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(("127.0.0.1", self._to_port))
        for one in (near, far):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ)
        self._ways[near] = Way(near, far, self._seconds)
        self._ways[far] = Way(far, near, self._seconds)

    def _take(self, way: Way) -> None:
        way.take()
        if way.ended:
            self._selector.unregister(way.source)

    def _forget(self) -> None:
        """Close what both sides have ended."""
        for sock, way in list(self._ways.items()):
            other = self._ways.get(way.target)
            if other and way.ended and other.ended and way.due() is None and other.due() is None:
                for one in (sock, way.target):
                    del self._ways[one]
                    with suppress(KeyError, ValueError):
                        self._selector.unregister(one)
                    one.close()


if __name__ == "__main__":
    proxy = Proxy(int(sys.argv[1]), float(sys.argv[2]) / 2000)
    print(proxy.port, flush=True)
    proxy.run()
