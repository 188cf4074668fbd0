"""mail -- the sandbox's inboxes, and a letter written there as oneself.

Owns     the mail program that a newcomer does not have
Never    puts a letter anywhere by itself: it goes over SMTP, as from any mail program
Fails    Fault in words when the sandbox does not run or does not take the letter; LookupError for an unknown letter
"""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, make_msgid, parseaddr

from ..core.fault import Fault
from ..core.reading import head
from ..settings import Settings
from ..wires.tls import Server
from . import DOMAIN, MAILBOX, maildirs, servers
from .maildirs import Kept, Maildirs

MOST = 50
SECONDS = 10.0
#: The code of a server that will not take so much.
TOO_LARGE = 552


@dataclass(frozen=True, slots=True)
class Inbox:
    """An address that has mail in the sandbox, and how many letters."""

    address: str
    count: int


@dataclass(frozen=True, slots=True)
class SandboxLetter:
    """A letter in an inbox. `id` is its name in the Maildir, `raw` its octets."""

    id: str
    subject: str
    author: str
    at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to be sent along; `kind` is its media type, such as "image/png"."""

    name: str
    kind: str
    content: bytes


def inboxes(settings: Settings) -> list[Inbox]:
    """Every inbox but Mailout's own, by address."""
    kept = maildirs.of(settings)
    return [Inbox(address, len(kept.letters(address))) for address in kept.addresses() if address != MAILBOX]


def letters(settings: Settings, address: str, most: int = MOST) -> list[SandboxLetter]:
    """The latest letters in an inbox, newest first; none for an address that never had one."""
    kept, box = maildirs.of(settings), address.lower()
    return [_letter(kept, box, one) for one in reversed(kept.letters(box)[-most:])]


def letter(settings: Settings, address: str, letter_id: str) -> SandboxLetter:
    """One letter of an inbox. Raises LookupError."""
    kept, box = maildirs.of(settings), address.lower()
    for one in kept.letters(box):
        if one.name == letter_id:
            return _letter(kept, box, one)
    raise LookupError("There is no such letter in the sandbox.")


def write(
    settings: Settings,
    author: str,
    to: str,
    subject: str,
    text: str,
    attachments: Sequence[Attachment] = (),
    *,
    now: datetime,
    in_reply_to: str = "",
) -> str:
    """Send a letter from `author` to the addresses in `to`, both as in a header; its Message-ID.

    Raises Fault when it can't be sent.
    """
    found = servers(settings)
    if found is None:
        raise Fault("The sandbox is not running, so nothing can be sent. Start it with python3 app.py.")
    sender = parseaddr(author)[1]
    addresses = [address for _, address in getaddresses([to]) if address]
    if not sender or not addresses:
        raise Fault("A letter needs an address that it comes from, and one that it goes to.")
    if wrong := next((address for address in addresses if "@" not in address), ""):
        raise Fault(f"“{wrong}” is no address: it needs an @ and what stands behind it.")
    message = _composed(author, to, subject, text, attachments, now, in_reply_to)
    _send(found[1], sender, addresses, message.as_bytes())
    return str(message["Message-ID"])


def _composed(
    author: str, to: str, subject: str, text: str, attachments: Sequence[Attachment], now: datetime, in_reply_to: str
) -> EmailMessage:
    """The letter as a mail program would write it."""
    message = EmailMessage(policy=SMTP)
    headers = {"From": author, "To": to, "Subject": subject, "In-Reply-To": in_reply_to, "References": in_reply_to}
    try:
        for name, value in headers.items():
            if value:
                message[name] = value
        message["Date"] = format_datetime(now)
        message["Message-ID"] = make_msgid(domain=DOMAIN)
        message.set_content(text if text.endswith("\n") else text + "\n")
        for attachment in attachments:
            main, _, sub = attachment.kind.partition("/")
            main, sub = (main, sub) if main not in ("", "multipart", "message") else ("application", "octet-stream")
            message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)
    except ValueError as error:
        raise Fault("The addresses, the subject and the names of files must be one line each.") from error
    return message


def _send(server: Server, sender: str, addresses: list[str], raw: bytes) -> None:
    """Hand the letter to the sandbox's SMTP."""
    try:
        with smtplib.SMTP(server.host, server.port, timeout=SECONDS) as smtp:
            refused = smtp.sendmail(sender, addresses, raw)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        if error.smtp_code == TOO_LARGE:
            raise Fault("The letter is too large for the sandbox. Make what is attached to it smaller.") from error
        raise Fault(f"The sandbox did not take the letter: {_words(error.smtp_error)}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Fault(f"The sandbox did not take the letter: {error}") from error
    if refused:
        address, (_, words) = next(iter(refused.items()))
        others = " The others have it." if len(refused) < len(set(addresses)) else ""
        raise Fault(f"The sandbox did not take the letter for {address}: {_words(words)}.{others}")


def _words(said: bytes | str) -> str:
    """What the server said, as text."""
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).rstrip(".")


def _letter(kept: Maildirs, address: str, one: Kept) -> SandboxLetter:
    """A letter with what a list of letters shows of it."""
    raw = kept.raw(address, one.name)
    fields, _ = head.cut(head.canonical(raw))
    subject, author = head.first(fields, "subject"), head.first(fields, "from")
    shown = [head.readable(field.value) if field else "" for field in (subject, author)]
    return SandboxLetter(one.name, shown[0], shown[1], one.at, raw)
