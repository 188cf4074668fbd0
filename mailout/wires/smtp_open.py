"""smtp_open -- coming to an open, secured, logged-in line to the relay.

Owns     connecting, EHLO, STARTTLS, AUTH: the standard library's client, made strict
Never    talks without TLS where TLS is asked for, shows a password to anybody, keeps what was said before TLS
Fails    RelayUnavailable, with words for a person and the relay's own
"""

from __future__ import annotations

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
    """What the relay offered in the EHLO that counts: the last one, after TLS and login. 0: no limit said."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
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
        if self._context is None or self._server.security != "tls":
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def come_in(self) -> None:
        """Connect, say EHLO, secure the line, log in; raises what the standard library raises."""
        _expect(self.connect(self._server.host, self._server.port))
        self.stage = Stage.EHLO
        _expect(self.ehlo())
        self.stage = Stage.TLS
        if self._server.security == "starttls":
            self._secure()
        self.stage = Stage.LOGIN
        if self._server.username:
            self._log_in()

    def _secure(self) -> None:
        """STARTTLS, or nothing more is said. What the relay offered before it is forgotten (RFC 3207 4.2)."""
        if not self.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("STARTTLS is not offered")
        _expect(self.starttls(context=self._context))
        _expect(self.ehlo())

    def _log_in(self) -> None:
        """Log in by the first mechanism of ours that the relay offers (RFC 4954)."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        steps = {"PLAIN": self.auth_plain, "LOGIN": self.auth_login, "CRAM-MD5": self.auth_cram_md5}
        mechanism = next((name for name in steps if name in offered), None)
        if mechanism is None:
            raise smtplib.SMTPNotSupportedError("no way to log in that we know is offered")
        self.user, self.password = self._server.username, self._server.password
        self.auth(mechanism, steps[mechanism])


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
    client = _Client(server, helo_name, patience.connect)
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
    if stage is Stage.LOGIN:
        return f"{server.host} does not accept the user name and password for sending mail."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{server.host} offers no secured line (STARTTLS), so no password was given to it."
    if isinstance(error, socket.gaierror):
        return f"The name {server.host} is not known."
    return f"{server.host} does not answer on port {server.port}."
