"""pop3 -- one session with the mailbox: list, fetch, delete (RFC 1939).

Owns     what a POP3 server's answers mean, and the words in which a person hears of its faults
Never    knows what is in a letter, deletes without being told to, needs a capability (no CAPA, UIDL or TOP is fine)
Fails    MailboxUnavailable, after which the session is over and nothing was removed; LetterRefused for one letter

Deletions hold when `close` says so. A session that is left in any other way is dropped without QUIT, and the server
then removes nothing (RFC 1939 6).
"""

from __future__ import annotations

import contextlib
import poplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from .pop3_line import Garbled, Line, Unsecured
from .tls import Server

LISTING_MOST = 32_000_000
HEAD_MOST = 1_048_576
#: A letter may take this much longer than the session, an octet: nobody's line is slower for long.
SECONDS_PER_OCTET = 1 / 30_000

_NUMBERS = re.compile(rb"(\d{1,9}) +(\d{1,18})(?: .*)?")
_UNIQUE = re.compile(rb"(\d{1,9}) +([\x21-\x7e]{1,200}) *")
_LOCKED = re.compile(rb"(maildrop|mailbox).*lock|lock.*(maildrop|mailbox)|already (in use|open)", re.IGNORECASE)


class Trouble(StrEnum):
    """What keeps the mailbox from being read."""

    UNREACHABLE = "unreachable"
    NOT_SECURE = "not-secure"
    LOGIN = "login"
    IN_USE = "in-use"
    TOO_SOON = "too-soon"
    LATER = "later"
    GARBLED = "garbled"


class Step(StrEnum):
    """How far a session has come: the same answer means something else at each."""

    OPEN = "open"
    LOGIN = "login"
    SESSION = "session"


class MailboxUnavailable(Exception):
    """The mailbox can't be read now; `words` are for a person."""

    def __init__(self, words: str, kind: Trouble) -> None:
        super().__init__(words)
        self.words = words
        self.kind = kind


class LetterRefused(Exception):
    """The server does not hand over this one letter (or its head); the session goes on. `words` are what it said."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class LetterDoubtful(LetterRefused):
    """The server sent much less than it had announced, `raw`: perhaps half a letter. The session goes on."""

    def __init__(self, words: str, raw: bytes) -> None:
        super().__init__(words)
        self.raw = raw


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter in the mailbox: its number in this session, its unique id ("" where there is none), its octets."""

    number: int
    uidl: str
    size: int


class Pop3Mailbox:
    """An open session. One thread uses it."""

    def __init__(self, server: Server, line: Line) -> None:
        self._server = server
        self._line = line
        self._sizes: dict[int, int] = {}

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, server: Server, deadline_seconds: float, beat: Callable[[], None] = lambda: None
    ) -> Iterator[Pop3Mailbox]:
        """A session with the mailbox at `server`, over after `deadline_seconds` and the time that large letters take.

        `beat` is called every few seconds while something is waited for; what it raises ends the session.
        Raises MailboxUnavailable.
        """
        line: Line | None = None
        try:
            with _said(server, Step.OPEN):
                line = Line(server, deadline_seconds, beat)
            with _said(server, Step.LOGIN):
                line.log_in()
            yield cls(server, line)
        finally:
            if line is not None:
                line.close()

    def listing(self) -> list[Waiting]:
        """Every letter that waits, oldest first. Raises MailboxUnavailable."""
        with self._session():
            sizes = [_NUMBERS.fullmatch(row) for row in _rows(self._line.long("LIST", LISTING_MOST))]
            if not all(sizes):
                raise Garbled("a list of letters that is none")
            self._sizes = {int(found[1]): int(found[2]) for found in sizes if found}
            names = self._unique_ids() if self._sizes else {}
        return [Waiting(number, names.get(number, ""), size) for number, size in sorted(self._sizes.items())]

    def fetch(self, number: int) -> bytes:
        """The letter, octet by octet as the server has it. Its size must be known from `listing`.

        Raises LetterRefused, LetterDoubtful, MailboxUnavailable.
        """
        listed = self._sizes[number]
        self._line.allow(listed * SECONDS_PER_OCTET)
        with self._session():
            raw = self._one(f"RETR {number}", listed * 2 + 65_536)
            lacking = listed - len(raw)
            # line ends that were counted as one octet, and servers that guess sizes, make no half letters
            if lacking <= max(raw.count(b"\n"), listed // 10):
                return raw
            self._line.settle()
        raise LetterDoubtful(f"{self._server.host} sent {len(raw)} octets of a letter that it says has {listed}.", raw)

    def top(self, number: int) -> bytes:
        """The head of a letter alone (TOP is optional). Raises LetterRefused, MailboxUnavailable."""
        with self._session():
            return self._one(f"TOP {number} 0", HEAD_MOST)

    def delete(self, number: int) -> bool:
        """Mark a letter for removal; whether the server agrees. Raises MailboxUnavailable."""
        with self._session():
            try:
                self._line.dele(number)
            except poplib.error_proto:
                return False
        return True

    def close(self) -> bool:
        """Say QUIT; whether what was deleted is removed. An answer that says no, or none, is no."""
        try:
            self._line.quit()
        except (poplib.error_proto, Garbled, OSError):
            return False
        finally:
            self._line.close()
        return True

    def _session(self) -> contextlib.AbstractContextManager[None]:
        """What goes wrong inside ends the session."""
        return _said(self._server, Step.SESSION, self._line)

    def _one(self, command: str, most: int) -> bytes:
        """The response to a command about one letter."""
        try:
            return self._line.long(command, most)
        except poplib.error_proto as refused:
            raise LetterRefused(_text(refused)) from refused

    def _unique_ids(self) -> dict[int, str]:
        """The unique ids by number; empty where the server has none (RFC 1939 7: UIDL is optional)."""
        try:
            rows = _rows(self._line.long("UIDL", LISTING_MOST))
        except poplib.error_proto:
            return {}
        return {int(found[1]): found[2].decode() for row in rows if (found := _UNIQUE.fullmatch(row))}


@contextlib.contextmanager
def _said(server: Server, step: Step, line: Line | None = None) -> Iterator[None]:
    """Turn what goes wrong on the line into MailboxUnavailable, and close it: it is never used again."""
    try:
        yield
    except (poplib.error_proto, Garbled, Unsecured, OSError) as error:
        if line is not None:
            line.close()
        raise _meaning(error, server, step) from error


def _meaning(error: Exception, server: Server, step: Step) -> MailboxUnavailable:
    """What an error on the line means."""
    if isinstance(error, poplib.error_proto):
        return _refused(error, server, step)
    if isinstance(error, Garbled):
        words = f"{server.host} answers what no mailbox answers: {_printable(str(error))}."
        return MailboxUnavailable(words, Trouble.GARBLED)
    if isinstance(error, Unsecured):
        words = f"{server.host} offers no secured line (STLS), so no password was given to it."
        return MailboxUnavailable(words, Trouble.NOT_SECURE)
    insecure = step is Step.OPEN and isinstance(error, ssl.SSLError) and not isinstance(error, TimeoutError)
    kind = Trouble.NOT_SECURE if insecure else Trouble.UNREACHABLE
    return MailboxUnavailable(_silent(error, server, insecure), kind)


def _rows(block: bytes) -> list[bytes]:
    """The lines of a response."""
    return block.split(b"\r\n")[:-1]


def _refused(error: poplib.error_proto, server: Server, step: Step) -> MailboxUnavailable:
    """What a -ERR means that is about no single letter (RFC 2449 8, RFC 3206)."""
    answer = bytes(error.args[0])
    code = re.match(rb"-ERR *\[([A-Z/-]+)\]", answer, re.IGNORECASE)
    word = code[1].upper() if code else b""
    if word == b"IN-USE" or (not word and _LOCKED.search(answer)):
        return MailboxUnavailable(f"Another program is reading the mailbox at {server.host} now.", Trouble.IN_USE)
    if word == b"LOGIN-DELAY":
        words = f"{server.host} wants more time between two readings of the mailbox."
        return MailboxUnavailable(words, Trouble.TOO_SOON)
    if word.startswith(b"SYS/") or step is not Step.LOGIN:
        words = f"{server.host} can't give access to the mailbox now. It says: {_text(error)}"
        return MailboxUnavailable(words, Trouble.LATER)
    words = f"{server.host} does not accept the user name and password of the mailbox. It says: {_text(error)}"
    return MailboxUnavailable(words, Trouble.LOGIN)


def _silent(error: Exception, server: Server, insecure: bool) -> str:
    """Why nothing comes from the server, or nothing that can be trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{server.host} shows a certificate that can't be trusted, so no password was given to it."
    if insecure:
        return f"The secured line to {server.host} could not be made."
    if isinstance(error, socket.gaierror):
        return f"The name {server.host} is not known."
    if isinstance(error, TimeoutError):
        return f"{server.host} does not answer in time on port {server.port}."
    if isinstance(error, ConnectionRefusedError):
        return f"{server.host} does not answer on port {server.port}."
    return f"The line to {server.host} broke."


def _text(error: poplib.error_proto) -> str:
    """What the server said, for a person."""
    return _printable(bytes(error.args[0])[4:].decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """`text` on one line, not too long."""
    return "".join(character if character.isprintable() else " " for character in text).strip()[:300]
