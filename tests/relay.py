"""A relay that does what a test tells it to, over real sockets, and keeps a log of what it accepted.

    with Relay() as relay:
        relay.rule("RCPT", say("550 5.1.1 no such user"), address="gone@customers.test")
        relay.rule("DOT", drop(), nth=3)

A rule is asked for at every command of its kind, the first that fits acts. What is accepted stands in the log before
the 250 is said: the log is the truth that a test compares our own tables with. The relay enforces the order of commands
(503 for a nested MAIL), answers in groups, and notes when a client pipelines without being allowed to.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailout.wires.tls import Server

EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


class Gone(Exception):
    """The connection ends here, by the client's doing or ours."""


@dataclass(frozen=True)
class Accepted:
    """One message that the relay took."""

    at: float
    connection: int
    return_path: str
    address: str
    message_id: str
    octets: bytes = field(repr=False)


Action = Callable[["Session"], bool]


def say(reply: str | bytes) -> Action:
    """Answer with this, and leave it at that."""
    octets = reply if isinstance(reply, bytes) else reply.encode()

    def act(session: Session) -> bool:
        session.say(octets)
        return True

    return act


def drop() -> Action:
    """Close without a word."""

    def act(session: Session) -> bool:
        session.flush()
        raise Gone

    return act


def say_and_drop(reply: str) -> Action:
    """Answer and close."""

    def act(session: Session) -> bool:
        session.say(reply.encode())
        session.flush()
        raise Gone

    return act


def wait(seconds: float) -> Action:
    """Let time pass, then go on as always."""

    def act(session: Session) -> bool:
        session.flush()
        session.relay.stopping.wait(seconds)
        return False

    return act


def drip(reply: str, seconds: float) -> Action:
    """Answer one octet at a time, over `seconds` in all."""

    def act(session: Session) -> bool:
        session.flush()
        session.rcpt_good = True
        octets = reply.encode() + b"\r\n"
        for octet in octets:
            session.sock.sendall(bytes([octet]))
            session.relay.stopping.wait(seconds / len(octets))
        return True

    return act


def accept_and_drop() -> Action:
    """Take the message, and close before the answer."""

    def act(session: Session) -> bool:
        session.accept()
        raise Gone

    return act


def accept_and_say(reply: str | bytes) -> Action:
    """Take the message, and answer with this."""

    def act(session: Session) -> bool:
        session.accept()
        session.say(reply if isinstance(reply, bytes) else reply.encode())
        return True

    return act


@dataclass
class Rule:
    """When what is done. `nth`: only the nth time, `every`: each kth time, `times`: so often at most."""

    command: str
    action: Action
    address: str = ""
    nth: int = 0
    every: int = 0
    times: int = 0
    fits_session: Callable[[Session], bool] | None = None
    seen: int = 0
    done: int = 0

    def fits(self, session: Session) -> bool:
        """Whether the rule acts now; counts the occasion."""
        if self.address and session.rcpt != self.address:
            return False
        if self.fits_session and not self.fits_session(session):
            return False
        self.seen += 1
        wanted = (not self.nth or self.seen == self.nth) and (not self.every or self.seen % self.every == 0)
        if not wanted or (self.times and self.done >= self.times):
            return False
        self.done += 1
        return True


class Relay:
    """The server; a context manager. `accepted` is its log, also written to `log_file` before each 250."""

    def __init__(
        self,
        *,
        extensions: Sequence[str] = EXTENSIONS,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        login: tuple[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN CRAM-MD5",
        log_file: Path | None = None,
        port: int = 0,
        dot_seconds: float = 0,
    ) -> None:
        self.extensions = tuple(extensions)
        self.tls, self.tls_at_once = tls, tls_at_once
        self.login, self.mechanisms = login, mechanisms
        self.dot_seconds = dot_seconds
        self.accepted: list[Accepted] = []
        self.commands: list[tuple[int, str]] = []
        self.violations: list[str] = []
        self.connections = 0
        self.open_now = 0
        self.most_open = 0
        self.stopping = threading.Event()
        self._log = log_file.open("ab", buffering=0) if log_file else None
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._port = port
        self._sessions: set[Session] = set()

    def rule(self, command: str, action: Action, **when: Any) -> Rule:
        """From now on, do `action` at this command ("CONNECT", "MAIL", "BODY", "DOT" ...) when it fits."""
        with self._lock:
            self._rules.append(Rule(command, action, **when))
            return self._rules[-1]

    def clear_rules(self) -> None:
        """Be an ordinary relay again."""
        with self._lock:
            self._rules.clear()

    def acting(self, session: Session, command: str) -> bool:
        """Do what a rule says; whether that was all there is to do."""
        with self._lock:
            rule = next((r for r in self._rules if r.command == command and r.fits(session)), None)
        return rule is not None and rule.action(session)

    def note(self, message: Accepted) -> None:
        """Write a message into the log."""
        with self._lock:
            if self._log:
                line = {"at": message.at, "to": message.address, "from": message.return_path, "id": message.message_id}
                line["sha256"] = hashlib.sha256(message.octets).hexdigest()
                self._log.write(json.dumps(line).encode() + b"\n")
            self.accepted.append(message)

    def copies(self) -> Counter[str]:
        """How many copies each address got."""
        with self._lock:
            return Counter(message.address for message in self.accepted)

    def server(self, **more: Any) -> Server:
        """Where it is, for a client."""
        username, password = self.login or ("", "")
        values = {"host": "127.0.0.1", "port": self.port, "username": username, "password": password}
        return Server(**values | {"security": "none"} | more)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.drop_all()
        if self._log:
            self._log.close()

    def drop_all(self) -> None:
        """Close every connection that is open."""
        with self._lock:
            for session in self._sessions:
                with suppress(OSError):
                    session.sock.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self.open_now += 1
                self.most_open = max(self.most_open, self.open_now)
                session = Session(self, sock, self.connections)
                self._sessions.add(session)
            threading.Thread(target=self._run, args=(session,), daemon=True).start()

    def _run(self, session: Session) -> None:
        try:
            with suppress(Gone, OSError):
                session.serve()
        finally:
            with self._lock:
                self.open_now -= 1
                self._sessions.discard(session)
            with suppress(OSError):
                session.sock.close()


class Session:
    """One conversation."""

    def __init__(self, relay: Relay, sock: socket.socket, number: int) -> None:
        self.relay = relay
        self.sock = sock
        self.number = number
        self.messages = 0
        self.mail: str | None = None
        self.rcpt = ""
        self.rcpt_good = False
        self.mail_words = ""
        self.octets = b""
        self.body_octets = 0
        self._buffer = b""
        self._secured = relay.tls_at_once
        self._logged_in = relay.login is None
        self._answers: list[bytes] = []

    def serve(self) -> None:
        """Talk until one side leaves."""
        if self.relay.tls_at_once:
            assert self.relay.tls is not None
            self.sock = self.relay.tls.wrap_socket(self.sock, server_side=True)
        if not self.relay.acting(self, "CONNECT"):
            self.say(b"220 relay.test ESMTP")
        while True:
            line = self._line()
            word = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
            self.relay.commands.append((self.number, line.decode("utf-8", "replace")))
            if self._buffer and "PIPELINING" not in self.relay.extensions and word != "DATA":
                self.relay.violations.append(f"pipelined behind {word}")
            self._obey(word, line)

    def _obey(self, word: str, line: bytes) -> None:
        obey = {
            "EHLO": self._ehlo,
            "HELO": self._ehlo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "QUIT": self._quit,
        }.get(word)
        if obey is None:
            self.say(b"502 5.5.1 what?")
            return
        if word == "RCPT":
            found = re.search(rb"<([^>]*)>", line)
            self.rcpt = found[1].decode("utf-8", "replace") if found else ""
        if not self.relay.acting(self, word):
            obey(line)

    def _ehlo(self, line: bytes) -> None:
        extensions = list(self.relay.extensions)
        if self.relay.tls and not self._secured:
            extensions.append("STARTTLS")
        if self.relay.login and (self._secured or not self.relay.tls):
            extensions.append(f"AUTH {self.relay.mechanisms}")
        lines = ["relay.test", *extensions]
        self.say("\r\n".join(f"250{'-' if n < len(lines) - 1 else ' '}{text}" for n, text in enumerate(lines)).encode())

    def _starttls(self, line: bytes) -> None:
        assert self.relay.tls is not None
        self.say(b"220 2.0.0 go ahead")
        self.flush()
        self._buffer = b""
        self.sock = self.relay.tls.wrap_socket(self.sock, server_side=True)
        self._secured = True

    def _auth(self, line: bytes) -> None:
        import base64
        import hmac

        assert self.relay.login is not None
        user, password = self.relay.login
        words = line.decode().split(" ")
        if words[1].upper() == "PLAIN":
            good = base64.b64decode(words[2]) == f"\0{user}\0{password}".encode()
        elif words[1].upper() == "LOGIN":
            told = []
            for question in (b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"):
                self.say(b"334 " + question)
                told.append(base64.b64decode(self._line()).decode())
            good = told == [user, password]
        else:
            challenge = b"<1896.697170952@relay.test>"
            self.say(b"334 " + base64.b64encode(challenge))
            answer = base64.b64decode(self._line()).decode()
            good = answer == f"{user} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}"
        self._logged_in = good
        self.say(b"235 2.7.0 ok" if good else b"535 5.7.8 wrong user name or password")

    def _mail(self, line: bytes) -> None:
        if not self._logged_in:
            self.say(b"530 5.7.0 log in first")
        elif self.mail is not None:
            self.say(b"503 5.5.1 nested MAIL command")
        else:
            found = re.search(rb"<([^>]*)>(.*)", line)
            assert found, line
            self.mail, self.mail_words = found[1].decode("utf-8", "replace"), found[2].decode()
            self.rcpt, self.rcpt_good = "", False
            self.say(b"250 2.1.0 ok")

    def _rcpt(self, line: bytes) -> None:
        if self.mail is None:
            self.say(b"503 5.5.1 need MAIL command")
            return
        self.rcpt_good = True
        self.say(b"250 2.1.5 ok")

    def _data(self, line: bytes) -> None:
        if not self.rcpt_good:
            self.say(b"554 5.5.1 no valid recipients")
            return
        self.say(b"354 go on")
        self.octets = self._message()
        if not self.relay.acting(self, "DOT"):
            self.relay.stopping.wait(self.relay.dot_seconds)
            self.accept()
            self.say(f"250 2.0.0 ok queued as {self.number}-{self.messages}".encode())
        self._forget()

    def accept(self) -> None:
        """Take the message: it is in the log from now on."""
        found = re.search(rb"^message-id:\s*(<[^>]*>)", self.octets, re.IGNORECASE | re.MULTILINE)
        self.messages += 1
        message_id = found[1].decode() if found else ""
        self.relay.note(Accepted(time.time(), self.number, self.mail or "", self.rcpt, message_id, self.octets))

    def _message(self) -> bytes:
        """The octets up to the dot, unstuffed."""
        self.flush()
        got, self._buffer = self._buffer, b""
        told = False
        while not _ended(got):
            self.body_octets = len(got)
            if got and not told:
                told = self.relay.acting(self, "BODY")
                self.flush()
            got += self._receive()
        end = (b"\r\n" + got).index(b"\r\n.\r\n")
        message, self._buffer = got[:end], got[end + 3 :]
        stuffed = b"\r\n" + message
        return stuffed.replace(b"\r\n..", b"\r\n.")[2:]

    def _rset(self, line: bytes) -> None:
        self._forget()
        self.say(b"250 2.0.0 ok")

    def _quit(self, line: bytes) -> None:
        self.say(b"221 2.0.0 bye")
        raise Gone

    def _forget(self) -> None:
        self.mail, self.rcpt, self.rcpt_good, self.octets = None, "", False, b""

    def say(self, reply: bytes) -> None:
        """Answer, together with other answers of the same group."""
        self._answers.append(reply + b"\r\n")
        if not self._buffer:
            self.flush()

    def flush(self) -> None:
        """Send what was answered so far."""
        octets, self._answers = b"".join(self._answers), []
        if octets:
            self.sock.sendall(octets)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self.flush()
            self._buffer += self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _receive(self) -> bytes:
        octets = self.sock.recv(262_144)
        if not octets:
            raise Gone
        return octets


def _ended(got: bytes) -> bool:
    """Whether the dot is there; a large message is looked at where it grew."""
    return got.startswith(b".\r\n") or b"\r\n.\r\n" in got
