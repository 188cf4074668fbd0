"""fake_pop3 -- a POP3 server that does what a test tells it, rightly or wrongly.

Owns     its letters, and a transcript of every line that it was sent
Never    removes a letter before its QUIT was answered with +OK, as RFC 1939 6 has it

    with FakePop3([letter]) as fake:
        fake.answers["RETR 1"] = [b"-ERR [SYS/TEMP] not now\\r\\n"]     # once; then as a server should
        fake.answers["CAPA"] = ALWAYS(b"-ERR what\\r\\n")

An answer is the octets to send, or a function that is given the Session (`words` are the command's arguments).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any

import trustme

from mailout.wires.tls import Server

Answer = bytes | Callable[["Session"], None]


class ALWAYS(list[Any]):
    """One answer that is given every time."""

    def __init__(self, answer: Answer) -> None:
        super().__init__([answer])

    def pop(self, index: Any = 0) -> Any:
        """The same answer again."""
        return self[0]


def close(session: Session) -> None:
    """Close the line instead of an answer."""
    session.end()


def silence(session: Session) -> None:
    """Say nothing until the other side goes away."""
    session.wait(60)
    session.end()


def drip(octets: bytes, seconds: float) -> Callable[[Session], None]:
    """Send `octets` one by one, `seconds` apart."""

    def answer(session: Session) -> None:
        for octet in octets:
            session.send(bytes([octet]))
            if session.wait(seconds):
                break
        session.end()

    return answer


def cut(octets: bytes) -> Callable[[Session], None]:
    """Send `octets` and close the line."""

    def answer(session: Session) -> None:
        session.send(octets)
        session.end()

    return answer


def stuffed(letter: bytes) -> bytes:
    """A letter as the multi-line response to RETR, dots stuffed after CRLF and nowhere else."""
    body = letter if letter.endswith(b"\r\n") or not letter else letter + b"\r\n"
    return b"+OK\r\n" + (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class FakePop3:
    """The server. `letters` may be changed between sessions; `uidls` None means that UIDL is not known."""

    def __init__(
        self, letters: Iterable[bytes] = (), *, tls: str = "none", certificate: trustme.LeafCert | None = None
    ) -> None:
        self.letters = list(letters)
        self.uidls: list[str] | None = None
        self.sizes: dict[int, int] = {}
        self.greeting: Answer = b"+OK fake\r\n"
        self.password = "pop secret"
        self.answers: dict[str, list[Answer]] = {}
        self.transcript: list[str] = []
        self.logins = 0
        self.most_at_once = 0
        self.unexpected: list[BaseException] = []
        self._tls = tls
        self._certificate = certificate
        self._now = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._stop = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def server(self, *, security: str | None = None, host: str = "127.0.0.1", ca_file: str = "") -> Server:
        """How Mailout would be told of it."""
        return Server(host, self.port, "mailout@mail.test", "pop secret", security or self._tls, ca_file)

    def said(self, verb: str) -> list[str]:
        """The lines of the transcript that begin with `verb`."""
        return [line for line in self.transcript if line.split(" ")[0] == verb]

    def __enter__(self) -> FakePop3:
        self._thread(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        if error is None and self.unexpected:
            raise self.unexpected[0]

    def context(self) -> ssl.SSLContext:
        """What it secures a line with."""
        assert self._certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        return context

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count a session that is logged in."""
        with self._lock:
            self.logins += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def _thread(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._thread(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        session: Session | None = None
        try:
            if self._tls == "tls":
                sock = self.context().wrap_socket(sock, server_side=True)
            session = Session(self, sock)
            session.run()
        except (OSError, ssl.SSLError):
            pass
        except BaseException as error:
            self.unexpected.append(error)
        finally:
            (session.end if session else sock.close)()


class Session:
    """One session: as RFC 1939 says, but for what `FakePop3.answers` has."""

    def __init__(self, fake: FakePop3, sock: socket.socket) -> None:
        self.fake = fake
        self.sock = sock
        self.buffer = b""
        self.words: list[str] = []
        self.letters = list(fake.letters)
        self.gone: set[int] = set()
        self.open = True

    def run(self) -> None:
        """Greet, then answer until the line closes."""
        self.give(self.fake.greeting)
        with contextlib.ExitStack() as stack:
            while self.open and (line := self.line()) is not None:
                self.fake.transcript.append(line)
                verb = line.split(" ")[0]
                if verb in ("PASS", "AUTH") and not self.fake.answers.get(verb):
                    stack.enter_context(self.fake.counted())
                self.answer(line, verb)

    def answer(self, line: str, verb: str) -> None:
        """Answer as the test says, else as a server should."""
        self.words = line.split(" ")[1:]
        for name in (line, verb):
            if self.fake.answers.get(name):
                self.give(self.fake.answers[name].pop(0))
                return
        getattr(self, f"do_{verb.lower()}", self.unknown)(*self.words)

    def give(self, answer: Answer) -> None:
        """Send an answer."""
        if callable(answer):
            answer(self)
        else:
            self.send(answer)

    def line(self) -> str | None:
        """The next line, None at the end."""
        while b"\r\n" not in self.buffer:
            octets = self.sock.recv(65_536)
            if not octets:
                return None
            self.buffer += octets
        found, _, self.buffer = self.buffer.partition(b"\r\n")
        return found.decode()

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        if self.open:
            self.sock.sendall(octets)

    def wait(self, seconds: float) -> bool:
        """Wait, unless the other side goes away first."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.sock], [], [], min(0.05, seconds))
            if ready:
                return True
        return False

    def end(self) -> None:
        """Close the line."""
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def unknown(self, *words: str) -> None:
        """A command that this server does not have."""
        self.send(b"-ERR unknown command\r\n")

    def do_user(self, *words: str) -> None:
        self.send(b"+OK\r\n")

    def do_pass(self, *words: str) -> None:
        right = " ".join(words) == self.fake.password
        self.send(b"+OK\r\n" if right else b"-ERR [AUTH] wrong password\r\n")

    def do_stls(self) -> None:
        self.send(b"+OK begin\r\n")
        self.sock = self.fake.context().wrap_socket(self.sock, server_side=True)

    def do_list(self) -> None:
        rows = [f"{n} {self.fake.sizes.get(n, len(self.letters[n - 1]))}" for n in self.numbers()]
        self.rows(rows)

    def do_uidl(self) -> None:
        if self.fake.uidls is None:
            self.unknown()
        else:
            self.rows([f"{n} {self.fake.uidls[n - 1]}" for n in self.numbers()])

    def do_retr(self, number: str) -> None:
        self.send(stuffed(self.letters[int(number) - 1]))

    def do_top(self, number: str, lines: str) -> None:
        self.send(stuffed(self.letters[int(number) - 1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"))

    def do_dele(self, number: str) -> None:
        self.gone.add(int(number))
        self.send(b"+OK\r\n")

    def do_rset(self) -> None:
        self.gone.clear()
        self.send(b"+OK\r\n")

    def do_quit(self) -> None:
        self.remove()
        self.send(b"+OK\r\n")
        self.end()

    def remove(self) -> None:
        """Remove what was deleted in this session, with its unique ids."""
        doomed = [self.letters[n - 1] for n in self.gone]
        if self.fake.uidls is not None:
            self.fake.uidls = [name for n, name in enumerate(self.fake.uidls, 1) if n not in self.gone]
        for letter in doomed:
            self.fake.letters.remove(letter)

    def numbers(self) -> list[int]:
        """The numbers of the letters that are not deleted."""
        return [n for n in range(1, len(self.letters) + 1) if n not in self.gone]

    def rows(self, rows: list[str]) -> None:
        """A multi-line response."""
        self.send(("\r\n".join(["+OK", *rows, "."]) + "\r\n").encode())
