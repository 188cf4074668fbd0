"""server -- SMTP in and POP3 out over the sandbox's Maildirs.

Owns     the two protocols' handlers, on aiosmtpd and twisted.mail.pop3
Never    sends anything on; asks a newcomer for a password they don't have (any is taken by SMTP)
Fails    550 for an address that does not exist, so that a failure can be seen too
"""

from __future__ import annotations

import io
import re
from email.utils import formatdate
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from twisted.cred import checkers, credentials, error, portal
from twisted.internet import defer, protocol
from twisted.mail import pop3
from zope.interface import implementer

from . import DOMAIN, PASSWORD
from .maildirs import Maildirs

GONE_LOCAL = "gone"
SILENT_SECONDS = 60


class Incoming:
    """What SMTP does with a letter: aiosmtpd calls these by name."""

    def __init__(self, maildirs: Maildirs) -> None:
        self._maildirs = maildirs

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take every address but gone@ and what no folder can be named after."""
        if address.lower().partition("@")[0] == GONE_LOCAL:
            return f"550 5.1.1 <{address}>: The address does not exist"
        try:
            self._maildirs.check(address)
        except ValueError:
            return f"550 5.1.3 <{address[:80]}>: The sandbox can't keep mail for this address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the letter once for each recipient, with the head that a mail server puts before it."""
        content = envelope.content
        assert isinstance(content, bytes)
        for address in envelope.rcpt_tos:
            self._maildirs.deliver(address, _trace(envelope.mail_from or "", address, session) + content)
        return "250 2.0.0 OK: kept by the sandbox"


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    """Take any login: there is nothing to guard on the loopback address."""
    return AuthResult(success=True)


def _trace(sender: str, address: str, session: Session) -> bytes:
    """Return-Path, Delivered-To and Received, as Dovecot's LMTP writes them."""
    greeted = re.sub(r"[^\w.\-\[\]:]", "", str(session.host_name or "unknown"))
    return (
        f"Return-Path: <{sender}>\r\n"
        f"Delivered-To: {address}\r\n"
        f"Received: from {greeted} ([127.0.0.1])\r\n\tby {DOMAIN} with ESMTP\r\n"
        f"\t(envelope-from <{sender}>)\r\n\tfor <{address}>; {formatdate()}\r\n"
    ).encode()


@implementer(checkers.ICredentialsChecker)
class OnePassword:
    """The sandbox's mailboxes have one password."""

    credentialInterfaces = (credentials.IUsernamePassword,)

    def requestAvatarId(self, given: Any) -> defer.Deferred[str]:
        """The address that logs in."""
        if given.checkPassword(PASSWORD.encode()):
            return defer.succeed(given.username.decode())
        return defer.fail(error.UnauthorizedLogin())


class Box(pop3.Mailbox):
    """One mailbox as POP3 sees it, as it was at login; `sync` removes what was deleted."""

    def __init__(self, maildirs: Maildirs, address: str) -> None:
        self._maildirs = maildirs
        self._address = address
        self._letters = maildirs.letters(address)
        self._gone: set[int] = set()

    def listMessages(self, i: int | None = None) -> Any:
        """Sizes: of all, or of one; 0 for one that was deleted."""
        if i is None:
            return [self.listMessages(number) for number in range(len(self._letters))]
        if i >= len(self._letters):
            raise ValueError("no such letter")
        return 0 if i in self._gone else self._letters[i].size

    def getMessage(self, i: int) -> Any:
        """The letter as a file."""
        return io.BytesIO(self._maildirs.raw(self._address, self._letters[i].name))

    def getUidl(self, i: int) -> bytes:
        """The letter's unique id: its name in the Maildir."""
        return self._letters[i].name.partition(":")[0].encode()[:70]

    def deleteMessage(self, i: int) -> None:
        """Mark for removal."""
        if i >= len(self._letters):
            raise ValueError("no such letter")
        self._gone.add(i)

    def undeleteMessages(self) -> None:
        """Unmark all."""
        self._gone.clear()

    def sync(self) -> None:
        """Remove what is marked."""
        for i in self._gone:
            self._maildirs.remove(self._address, self._letters[i].name)


@implementer(portal.IRealm)
class Realm:
    """Gives each address its mailbox."""

    def __init__(self, maildirs: Maildirs) -> None:
        self._maildirs = maildirs

    def requestAvatar(self, address: str, mind: object, *interfaces: object) -> tuple[Any, Box, Any]:
        """The mailbox of whoever logged in."""
        return pop3.IMailbox, Box(self._maildirs, address.lower()), lambda: None


class Conversation(pop3.POP3):
    """twisted's POP3, made to hand over octets: it would turn LF into CRLF and miss a dot at a chunk's edge."""

    timeOut = SILENT_SECONDS
    _edge = b"\r\n"

    def do_RETR(self, i: bytes) -> Any:
        """One letter."""
        self._edge = b"\r\n"
        return super().do_RETR(i)  # type: ignore[no-untyped-call]

    def do_TOP(self, i: bytes, size: bytes) -> Any:
        """One letter's head."""
        self._edge = b"\r\n"
        return super().do_TOP(i, size)  # type: ignore[no-untyped-call]

    def transformChunk(self, chunk: bytes) -> bytes:
        """Stuff dots after CRLF, also where the CRLF stood in the chunk before."""
        stuffed = (self._edge + chunk).replace(b"\r\n.", b"\r\n..")[len(self._edge) :]
        self._edge = (self._edge + chunk)[-2:]
        return stuffed


class Outgoing(protocol.ServerFactory):
    """Makes a Conversation for each connection."""

    noisy = False

    def __init__(self, maildirs: Maildirs) -> None:
        realm: Any = Realm(maildirs)
        password: Any = OnePassword()
        self._portal = portal.Portal(realm, [password])

    def buildProtocol(self, addr: object) -> Any:
        """A conversation that knows how to log in."""
        made: Any = Conversation()
        made.factory, made.portal = self, self._portal
        return made
