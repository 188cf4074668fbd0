"""smtp_line -- the octets of one connection: gathered writes that listen, reads that know when to give up.

Owns     the socket once it is open
Never    knows a command or a reply; joins or copies a body on a plain line
Fails    Broken when a write ends early, with how much went out for certain; OSError (TimeoutError among them) on a read

A write never waits blindly: a relay that answers in mid-message (too large, closing down) is heard at once, and two
sides that both write can't lock each other (RFC 2920 3.1).
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO

SLICE = 65_536
GATHERED = 64
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)

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


Waiting = AbstractContextManager[object]
NOTHING: Waiting = nullcontext()

Piece = bytes | memoryview | FilePart


class Broken(Exception):
    """The line broke, or the other side spoke, after `written` octets had gone out for certain."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


class Line:
    """A plain line. `early` holds octets that came while a message was on its way; `waiting` surrounds every wait."""

    def __init__(self, sock: socket.socket, waiting: Waiting) -> None:
        self._sock = sock
        self._waiting = waiting
        self._seconds = 0.0
        self.early = b""
        sock.settimeout(None)

    def write(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write all of `pieces`, with one system call where the kernel takes it all. Raises Broken."""
        plain = [piece for piece in pieces if not isinstance(piece, FilePart)]
        if len(plain) < len(pieces):
            self._write_with_files(pieces, seconds)
            return
        try:
            taken = self._sock.sendmsg(plain, (), _AT_ONCE)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise Broken(0) from error
        if taken < sum(map(len, plain)):
            self._write_rest(_after([memoryview(piece) for piece in plain], taken), taken, seconds)

    def _write_with_files(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write pieces of which some lie in files: the kernel takes those from there."""
        written = 0
        self._sock.setblocking(False)
        try:
            for piece in pieces:
                if isinstance(piece, FilePart):
                    self._write_file(piece, written, seconds)
                else:
                    self._write_rest([memoryview(piece)], written, seconds)
                written += len(piece)
        finally:
            self._sock.setblocking(True)

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
                taken = self._sock.sendmsg(views[:GATHERED], (), _AT_ONCE)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Broken(written) from error
            written += taken
            views = _after(views, taken)

    def _wait_for_room(self, seconds: float) -> None:
        """Wait until the kernel takes more; raises OSError when it does not in time, or the other side speaks."""
        watched = select.poll()
        watched.register(self._sock, select.POLLIN | select.POLLOUT)
        with self._waiting:
            ready = watched.poll(seconds * 1000)
        if not ready or ready[0][1] & ~select.POLLOUT:
            raise OSError("answered in mid-message" if ready else "no room in time")

    def read(self, seconds: float) -> bytes:
        """Whatever comes next, waiting at most so long. Raises OSError; ConnectionError when the other side closed."""
        if self.early:
            octets, self.early = self.early, b""
            return octets
        try:
            with self._waiting:
                octets = self._receive(seconds)
        except BlockingIOError as error:
            raise TimeoutError("no answer in time") from error
        if not octets:
            raise ConnectionError("the relay closed the connection")
        return octets

    def _receive(self, seconds: float) -> bytes:
        """One read, with the kernel's own clock: a read then costs one system call and not two."""
        if seconds != self._seconds:
            self._seconds = seconds
            whole = int(seconds)
            length = struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, length)
        return self._sock.recv(SLICE)


class SecuredLine(Line):
    """A line under TLS, which can't gather: small pieces are joined, large ones go in slices."""

    _sock: ssl.SSLSocket

    def write(self, pieces: Sequence[Piece], seconds: float) -> None:
        """Write all of `pieces`. Raises Broken."""
        written = 0
        for block in _blocks(pieces):
            try:
                if written and self._answered():
                    raise OSError("answered in mid-message")
                self._sock.settimeout(seconds)
                with self._waiting:
                    self._sock.sendall(block)
            except OSError as error:
                raise Broken(written) from error
            written += len(block)

    def _answered(self) -> bool:
        """Whether the relay said something; what TLS says to itself (a new ticket) is not that."""
        if not self._sock.pending() and not select.select([self._sock], [], [], 0)[0]:
            return False
        self._sock.settimeout(0)
        try:
            self.early += self._sock.recv(SLICE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def _receive(self, seconds: float) -> bytes:
        self._sock.settimeout(seconds)
        return self._sock.recv(SLICE)


def line_of(sock: socket.socket, waiting: Waiting = NOTHING) -> Line:
    """The line over `sock`, plain or secured; `waiting` is entered before every wait and left after it."""
    return SecuredLine(sock, waiting) if isinstance(sock, ssl.SSLSocket) else Line(sock, waiting)


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
