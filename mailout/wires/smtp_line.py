"""smtp_line -- the octets of one connection: gathered writes that listen, reads that know when to give up.

Owns     the socket once it is open
Never    knows a command or a reply; joins or copies a body on a plain line; blocks but in the `wait` it was given
Fails    Broken when a write ends early, with how much went out for certain; OSError (TimeoutError among them) on a read

A write never waits blindly: a relay that answers in mid-message (too large, closing down) is heard at once, and two
sides that both write can't lock each other (RFC 2920 3.1).
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

SLICE = 65_536
GATHERED = 64

#: So many octets are one record of TLS (RFC 8446 5.1): it is read whole or not at all.
RECORD = 16_384

#: So much of a file goes into one system call: the other side is heard at least as often.
FILE_SLICE = 1 << 18


@dataclass(frozen=True, slots=True)
class FilePart:
    """Octets that are sent from a file and never come into memory: a large body, however many send it at once."""

    file: BinaryIO
    start: int
    size: int

    def __len__(self) -> int:
        return self.size

    def blocks(self, size: int) -> Iterator[bytes]:
        """The same octets, block by block."""
        for at in range(self.start, self.start + self.size, size):
            yield os.pread(self.file.fileno(), min(size, self.start + self.size - at), at)


#: Waits for one of the events (as of poll(2)) on the socket, so many seconds at most; what came, 0 when nothing did.
Wait = Callable[[socket.socket, int, float], int]


def wait_alone(sock: socket.socket, events: int, seconds: float) -> int:
    """Wait when there is nobody else who could do something in the meantime."""
    watched = select.poll()
    watched.register(sock, events)
    came = watched.poll(seconds * 1000)
    return came[0][1] if came else 0


Piece = bytes | memoryview | FilePart


class Broken(Exception):
    """The line broke, or the other side spoke, after `written` octets had gone out for certain."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


class Line:
    """A plain line. `early` holds octets that came while a message was on its way."""

    def __init__(self, sock: socket.socket, wait: Wait) -> None:
        self._sock = sock
        self._wait = wait
        self.early = b""
        sock.setblocking(False)

    def write(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write all of `pieces`, with one system call where the kernel takes it all. Raises Broken."""
        plain = [piece for piece in pieces if not isinstance(piece, FilePart)]
        if len(plain) < len(pieces):
            self._write_with_files(pieces, seconds)
            return
        try:
            taken = self._sock.sendmsg(plain)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise Broken(0) from error
        if taken < sum(map(len, plain)):
            self._write_rest(_after([memoryview(piece) for piece in plain], taken), taken, seconds)

    def _write_with_files(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write pieces of which some lie in files: the kernel takes those from there."""
        written = 0
        for piece in pieces:
            if isinstance(piece, FilePart):
                self._write_file(piece, written, seconds)
            else:
                self._write_rest([memoryview(piece)], written, seconds)
            written += len(piece)

    def _write_file(self, part: FilePart, written: int, seconds: float) -> None:
        """Write a part of a file."""
        at, end = part.start, part.start + part.size
        while at < end:
            try:
                self._wait_for_room(seconds)
                at += os.sendfile(self._sock.fileno(), part.file.fileno(), at, min(FILE_SLICE, end - at))
            except BlockingIOError:
                continue
            except OSError as error:
                raise Broken(written + at - part.start) from error

    def _write_rest(self, views: list[memoryview], written: int, seconds: float) -> None:
        """Write what the kernel did not take at once, as it makes room."""
        while views:
            try:
                self._wait_for_room(seconds)
                taken = self._sock.sendmsg(views[:GATHERED])
            except BlockingIOError:
                continue
            except OSError as error:
                raise Broken(written) from error
            written += taken
            views = _after(views, taken)

    def _wait_for_room(self, seconds: float) -> None:
        """Wait until the kernel takes more; raises OSError when it does not in time, or the other side speaks."""
        came = self._wait(self._sock, select.POLLIN | select.POLLOUT, seconds)
        if came & ~select.POLLOUT:
            raise OSError("answered in mid-message")
        if not came:
            raise OSError("no room in time")

    def read(self, seconds: float) -> bytes:
        """Whatever comes next, waiting at most so long. Raises OSError; ConnectionError when the other side closed."""
        if self.early:
            octets, self.early = self.early, b""
            return octets
        octets = self._receive(seconds)
        if not octets:
            raise ConnectionError("the relay closed the connection")
        return octets

    def _receive(self, seconds: float) -> bytes:
        """What there is to read, once there is something."""
        while True:
            self._wait_until(select.POLLIN, seconds)
            try:
                return self._sock.recv(SLICE)
            except BlockingIOError:
                continue

    def _wait_until(self, event: int, seconds: float) -> None:
        """Wait for `event`; raises TimeoutError when it does not come in time."""
        if not self._wait(self._sock, event, seconds):
            raise TimeoutError("no answer in time")


class SecuredLine(Line):
    """A line under TLS, which can't gather: small pieces are joined, large ones go in slices."""

    _sock: ssl.SSLSocket

    def write(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write all of `pieces`. Raises Broken."""
        written = 0
        for block in _blocks(pieces):
            rest = memoryview(block)
            try:
                if written and self._answered():
                    raise OSError("answered in mid-message")
                while rest:
                    rest = rest[self._write_some(rest, seconds) :]
            except OSError as error:
                raise Broken(written + len(block) - len(rest)) from error
            written += len(block)

    def _write_some(self, octets: memoryview, seconds: float) -> int:
        """Write one record, or wait until it may go; how many octets went.

        TLS wants the same octets again when it could not take them; until then nobody can read them. Of more than one
        record it would not say how many are out.
        """
        try:
            return self._sock.send(octets[:RECORD])
        except ssl.SSLWantWriteError:
            self._wait_for_room(seconds)
        except ssl.SSLWantReadError:
            self._wait_until(select.POLLIN, seconds)
        return 0

    def _wait_for_room(self, seconds: float) -> None:
        """Wait until the kernel takes more; raises OSError when it does not in time, or the relay speaks."""
        came = self._wait(self._sock, select.POLLIN | select.POLLOUT, seconds)
        if not came:
            raise OSError("no room in time")
        if came & ~select.POLLOUT and self._answered():
            raise OSError("answered in mid-message")

    def _answered(self) -> bool:
        """Whether the relay said something; what TLS says to itself (a new ticket) is not that."""
        try:
            octets = self._sock.recv(SLICE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not octets:
            raise ConnectionError("the relay closed the connection")
        self.early += octets
        return True

    def _receive(self, seconds: float) -> bytes:
        """What there is to read, once there is something: under TLS that may be here already."""
        while True:
            try:
                return self._sock.recv(SLICE)
            except ssl.SSLWantReadError:
                self._wait_until(select.POLLIN, seconds)
            except ssl.SSLWantWriteError:
                self._wait_until(select.POLLOUT, seconds)


def line_of(sock: socket.socket, wait: Wait = wait_alone) -> Line:
    """The line over `sock`, plain or secured; `wait` is where it waits, and nowhere else."""
    return SecuredLine(sock, wait) if isinstance(sock, ssl.SSLSocket) else Line(sock, wait)


def _after(views: list[memoryview], taken: int) -> list[memoryview]:
    """What is left of `views` when the first `taken` octets are gone."""
    for index, view in enumerate(views):
        if taken < len(view):
            return [view[taken:], *views[index + 1 :]]
        taken -= len(view)
    return []


def _blocks(pieces: Sequence[Piece]) -> Iterator[bytes | memoryview]:
    """The pieces regrouped for TLS: neighbours joined up to a slice, larger ones cut into slices without a copy."""
    small: list[bytes | memoryview] = []
    room = SLICE
    for piece in pieces:
        if len(piece) <= room and not isinstance(piece, FilePart):
            small.append(piece)
            room -= len(piece)
            continue
        if small:
            yield b"".join(small)
        yield from piece.blocks(SLICE) if isinstance(piece, FilePart) else _sliced(piece)
        small, room = [], SLICE
    if small:
        yield b"".join(small)


def _sliced(piece: bytes | memoryview) -> Iterator[memoryview]:
    view = memoryview(piece)
    return (view[start : start + SLICE] for start in range(0, len(view), SLICE))
