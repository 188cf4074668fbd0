"""smtp_open -- coming to an open, secured, logged-in line to the relay.

Owns     connecting, EHLO, STARTTLS, AUTH: the standard library's client, made strict
Never    talks without TLS where TLS is asked for, shows a password to anybody, keeps what was said before TLS
Fails    RelayUnavailable, with words for a person and the relay's own
"""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass

from ..core.delivery import Reply, Stage
from .smtp_reply import reply_of
from .tls import Server, tls_context


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for each answer (RFC 5321 4.5.3.2); after the dot ten minutes, for haste there makes doubles."""

    connect: float = 30
    command: float = 300
    data: float = 120
    block: float = 180
    dot: float = 600


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the relay offered in the EHLO that counts: the last one, under TLS. 0: no limit said."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size_known: bool = False
    size: int = 0
    mailmax: int = 0


class RelayUnavailable(Exception):
    """The relay can't be used now; `words` are for a person, `reply` is what the relay said."""

    def __init__(self, words: str, reply: Reply) -> None:
        super().__init__(words)
        self.words = words
        self.reply = reply


class _Client(smtplib.SMTP):
    """The standard library's client, without Nagle's algorithm; `stage` is how far it came."""

    stage = Stage.CONNECT

    def __init__(self, server: Server, helo_name: str, seconds: float) -> None:
        self._server = server
        self._context = None if server.security == "none" else tls_context(server.ca_file)
        super().__init__(local_hostname=helo_name, timeout=seconds)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._secured(plain) if self._server.security == "tls" else plain

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        """The line under TLS, its certificate and name checked."""
        assert self._context is not None
        try:
            return self._context.wrap_socket(plain, server_hostname=self._server.host.strip("[]"))
        except BaseException:
            plain.close()
            raise

    def come_in(self) -> None:
        """Connect, say EHLO, secure the line, log in; raises what the standard library raises."""
        _expect(self.connect(self._server.host.strip("[]"), self._server.port))
        self.stage = Stage.EHLO
        self._greet()
        self.stage = Stage.TLS
        if self._server.security == "starttls":
            self._secure()
        self.stage = Stage.LOGIN
        if self._server.username:
            self._log_in()

    def _greet(self) -> None:
        """EHLO; HELO only to a relay that does not know EHLO and that we need nothing of (RFC 5321 3.2)."""
        answer = self.ehlo()
        if answer[0] in (500, 502) and self._server.security != "starttls":
            answer = self.helo()
        _expect(answer)

    def _secure(self) -> None:
        """STARTTLS, or nothing more is said. What came before it is forgotten (RFC 3207 4.2, CVE-2011-0411)."""
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS is not offered")
        code, text = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, text)
        assert self.sock is not None
        self.sock, self.file = self._secured(self.sock), None
        self.esmtp_features.clear()
        _expect(self.ehlo())

    def _log_in(self) -> None:
        """Log in by the first way of ours that the relay offers, or the next if it takes that one back (RFC 4954)."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        ways = {"PLAIN": self._plain, "LOGIN": self._login, "CRAM-MD5": self._cram_md5}
        mechanisms = [name for name in ways if name in offered]
        if not mechanisms:
            raise _NoWayToLogIn("no way to log in that we know is offered")
        answer = (0, b"")
        for name in mechanisms:
            answer = ways[name]()
            if answer[0] not in (500, 501, 502, 504, 534):
                break
        _expect(answer)

    def _plain(self) -> tuple[int, bytes]:
        """RFC 4616: user name and password in UTF-8."""
        return self.docmd("AUTH", "PLAIN " + _base64(f"\0{self._server.username}\0{self._server.password}".encode()))

    def _login(self) -> tuple[int, bytes]:
        """The older way, of which there is no RFC: one after the other."""
        answer = self.docmd("AUTH", "LOGIN")
        for word in (self._server.username, self._server.password):
            if answer[0] != 334:
                break
            answer = self.docmd(_base64(word.encode()))
        return answer

    def _cram_md5(self) -> tuple[int, bytes]:
        """RFC 2195: the password itself is not told."""
        answer = self.docmd("AUTH", "CRAM-MD5")
        if answer[0] != 334:
            return answer
        signed = hmac.new(self._server.password.encode(), base64.b64decode(answer[1]), "md5").hexdigest()
        return self.docmd(_base64(f"{self._server.username} {signed}".encode()))


class _NoWayToLogIn(smtplib.SMTPNotSupportedError):
    """The relay asks for a login and offers none that we know."""


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@dataclass(frozen=True, slots=True)
class Opened:
    """A line that is ready for MAIL."""

    client: smtplib.SMTP
    sock: socket.socket
    abilities: Abilities

    def drop(self) -> None:
        """Close the line without a word."""
        self.client.close()


def open_line(server: Server, helo_name: str, patience: Patience) -> Opened:
    """Connect to `server`, secure the line as it demands, log in. Raises RelayUnavailable."""
    try:
        client = _Client(server, helo_name, patience.connect)
    except OSError as error:
        words = f"The certificates in {server.ca_file} can't be read, so nothing is said to {server.host}."
        raise RelayUnavailable(words, Reply(0, "", str(error), Stage.CONNECT)) from error
    try:
        client.come_in()
    except (OSError, ValueError, smtplib.SMTPException) as error:
        client.close()
        raise RelayUnavailable(_words(error, client.stage, server), _reply(error, client.stage)) from error
    assert client.sock is not None
    return Opened(client, client.sock, _abilities(client.esmtp_features))


def _expect(answer: tuple[int, bytes]) -> None:
    """Raise SMTPResponseException unless the answer is a yes."""
    if not 200 <= answer[0] < 300:
        raise smtplib.SMTPResponseException(answer[0], answer[1])


def _abilities(features: dict[str, str]) -> Abilities:
    """The extensions of the last EHLO as values (RFC 1870 SIZE, RFC 9422 LIMITS)."""
    size, limits = features.get("size", ""), re.search(r"MAILMAX=(\d{1,9})", features.get("limits", "").upper())
    return Abilities(
        pipelining="pipelining" in features,
        eight_bit="8bitmime" in features,
        smtputf8="smtputf8" in features,
        dsn="dsn" in features,
        size_known="size" in features,
        size=int(size) if size.isdigit() else 0,
        mailmax=int(limits[1]) if limits else 0,
    )


def _reply(error: Exception, stage: Stage) -> Reply:
    """What the relay said, or code 0 and why it said nothing."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        return reply_of([b"%d " % max(error.smtp_code, 0) + text.replace(b"\n", b" ")], stage)
    return Reply(0, "", str(error)[:500], stage)


def _words(error: Exception, stage: Stage, server: Server) -> str:
    """What is wrong with the relay, for a person who has never heard of SMTP."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{server.host} shows a certificate that can't be trusted, so no password was given to it."
    if isinstance(error, ssl.SSLError):
        return f"The secured line to {server.host} could not be made."
    if isinstance(error, _NoWayToLogIn):
        return f"{server.host} offers no way to log in that Mailout knows."
    if stage is Stage.LOGIN and isinstance(error, smtplib.SMTPResponseException):
        return f"{server.host} does not accept the user name and password for sending mail."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{server.host} offers no secured line (STARTTLS), so no password was given to it."
    if isinstance(error, socket.gaierror):
        return f"The name {server.host} is not known."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{server.host} does not serve us at the moment."
    if stage is not Stage.CONNECT:
        return f"{server.host} broke off the conversation."
    return f"{server.host} does not answer on port {server.port}."
