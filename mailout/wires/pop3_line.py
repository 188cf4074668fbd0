"""pop3_line -- a line to a POP3 server: opened, secured, read to the octet.

Owns     where a response ends (CRLF "." CRLF and nothing else, RFC 1939 3), the dots taken out of it, every deadline
Never    shows a password to a server that was not checked; reads on after something that POP3 does not know
Fails    error_proto for a -ERR, after which the line is sane; Unsecured, Garbled or OSError, after which it is not

The standard library's reader takes a bare LF for a line's end, drops a CR before it, and gives up at 2,048 octets: a
body that holds LF "." CRLF ends early, and what follows it is read as the answer to the next command. This one looks
for the five octets alone.
"""

from __future__ import annotations

import base64
import contextlib
import poplib
import re
import socket
import ssl
import time
from collections.abc import Callable

from .tls import Server, tls_context

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 30.0
#: How long the line is silent before `beat` is called, and the deadline looked at.
BEAT_SECONDS = 4.0
SETTLE_SECONDS = 0.5
ANSWER_MOST = 8_192

_CRLF = b"\r\n"
_END = b"\r\n.\r\n"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Garbled(Exception):
    """The server said what no POP3 server says; nothing more of this line can be believed."""


class Unsecured(Exception):
    """The server offers no way to secure the line (STLS)."""


class Line(poplib.POP3):
    """The standard library's client over a reader of our own. Open and secured once it is made."""

    def __init__(self, server: Server, seconds: float, beat: Callable[[], None]) -> None:
        self._server = server
        self._context = None if server.security == "none" else tls_context(server.ca_file)
        self._ends = time.monotonic() + seconds
        self._beat = beat
        self._buffer = bytearray()
        self._wire: socket.socket | None = None
        try:
            super().__init__(server.host, server.port, timeout=CONNECT_SECONDS)
            if server.security == "starttls":
                self._secure()
        except BaseException:
            self.close()
            raise

    def log_in(self) -> None:
        """USER and PASS; AUTH PLAIN where USER itself is refused (RFC 1939 7, RFC 5034)."""
        name, word = self._server.username, self._server.password
        try:
            self.user(name)
        except poplib.error_proto as refused:
            if b"[" in refused.args[0]:
                raise
            self.ask("AUTH PLAIN " + _plain(name, word))
            return
        self.pass_(word)

    def ask(self, command: str) -> bytes:
        """The status line that answers `command`."""
        self._putline(command.encode())
        return self._getresp()

    def long(self, command: str, most: int) -> bytes:
        """The multi-line response to `command`, lines ended by CRLF, dots taken out; Garbled beyond `most` octets."""
        self.ask(command)
        self._buffer[:0] = _CRLF  # the end of the status line: an empty response ends with it
        searched = 0
        while (end := self._buffer.find(_END, searched)) < 0:
            searched = max(0, len(self._buffer) - len(_END) + 1)
            if len(self._buffer) > most:
                raise Garbled("a response without end")
            self._receive()
        with memoryview(self._buffer) as view:
            whole = bytes(view[: end + len(_CRLF)])
        del self._buffer[: end + len(_END)]
        return whole.replace(b"\r\n..", b"\r\n.")[len(_CRLF) :]

    def allow(self, seconds: float) -> None:
        """Put the end of the session off by `seconds`: a large letter takes its time."""
        self._ends += seconds

    def settle(self) -> None:
        """Wait a moment for what should not come any more: the rest of a letter that seemed to have ended."""
        sock = self._quiet()
        sock.settimeout(self._patience(SETTLE_SECONDS))
        with contextlib.suppress(TimeoutError):
            if sock.recv(4_096):
                raise Garbled("a letter that goes on after its end")
            raise ConnectionError("the server closed the line")

    def close(self) -> None:
        """Close the line without a word."""
        sock, self._wire = self._wire, None
        if hasattr(self, "file"):
            self.file.close()  # poplib's own reader, unused, which would hold the socket open
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                sock.close()
        self._buffer.clear()

    def _create_socket(self, timeout: float) -> socket.socket:
        plain = socket.create_connection((self._server.host, self._server.port), self._patience(timeout))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire = self._wrapped(plain) if self._server.security == "tls" else plain
        return self._wire

    def _secure(self) -> None:
        """STLS, or nothing more is said (RFC 2595 4). Octets that came before the handshake end it."""
        try:
            self.ask("STLS")
        except poplib.error_proto as refused:
            raise Unsecured from refused
        self._wire = self._wrapped(self._quiet())

    def _wrapped(self, plain: socket.socket) -> ssl.SSLSocket:
        """The socket, secured; certificate and host name are checked. Closes it when they are wrong."""
        assert self._context is not None
        try:
            plain.settimeout(self._patience(CONNECT_SECONDS))
            return self._context.wrap_socket(plain, server_hostname=self._server.host)
        except BaseException:
            plain.close()
            raise

    def _putline(self, line: bytes) -> None:
        assert not _CONTROL.search(line), "a control character in a command"
        sock = self._quiet()
        sock.settimeout(self._patience(ANSWER_SECONDS))
        sock.sendall(line + _CRLF)

    def _quiet(self) -> socket.socket:
        """The socket, on which nothing may have come that was not asked for."""
        sock = self._wire
        if sock is None:
            raise ConnectionError("the line is closed")
        sock.settimeout(0)
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            octets = sock.recv(4_096)
            if not octets:
                raise ConnectionError("the server closed the line")
            self._buffer += octets
        if self._buffer:
            raise Garbled("an answer that nobody asked for")
        return sock

    def _getresp(self) -> bytes:
        """The status line of a response: +OK, or error_proto for -ERR, or Garbled."""
        while (end := self._buffer.find(_CRLF)) < 0:
            if len(self._buffer) > ANSWER_MOST:
                raise Garbled("an answer without end")
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + len(_CRLF)]
        if line[:4].upper() == b"-ERR":
            raise poplib.error_proto(line)
        if line[:3].upper() != b"+OK":
            raise Garbled(line[:80].decode("latin-1"))
        return line

    def _receive(self) -> None:
        """Take what comes next into the buffer; raises TimeoutError, and ConnectionError at the end of the line."""
        silent_until = time.monotonic() + ANSWER_SECONDS
        while (sock := self._wire) is not None:
            left = min(silent_until, self._ends) - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer in time")
            sock.settimeout(min(left, BEAT_SECONDS))
            self._beat()
            try:
                octets = sock.recv(262_144)
            except TimeoutError:
                continue
            if not octets:
                raise ConnectionError("the server closed the line")
            self._buffer += octets
            return
        raise ConnectionError("the line is closed")

    def _patience(self, most: float) -> float:
        """How long may be waited now: at most `most` seconds, and never beyond the session's end."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the session took too long")
        return min(most, left)


def _plain(name: str, word: str) -> str:
    """The initial response of SASL PLAIN (RFC 4616 2)."""
    return base64.b64encode(f"\0{name}\0{word}".encode()).decode()
