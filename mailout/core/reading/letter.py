"""letter -- a letter that came, read as far as it can be.

Owns     what the rest of the program knows of a letter before it knows what it is
Never    raises, whatever the bytes; changes a body except that its line ends are made CRLF; trusts a header that a bare
         CR, VT or FF only pretends to begin
Fails    never: what can't be read is empty
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..returning.automatic import Marks, why
from . import head, named
from .head import Field, Mailbox
from .phrases import words


@dataclass(frozen=True, slots=True)
class Stamp:
    """The top Received field: which host wrote it (lower case), and when it says the letter came."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter. `body` has CRLF line ends; `digest` is of the bytes as they came.

    `content_digest` is the same for two deliveries of one letter. `return_path` None: no such header; "": the null
    sender. `automatic`: "" or why nobody answers it. `named`: every address that it may be for.
    """

    fields: tuple[Field, ...]
    body: bytes
    raw_size: int
    digest: str
    content_digest: str
    message_id: str
    author: Mailbox | None
    authors: int
    subject: str
    is_reply: bool
    references: str
    return_path: str | None
    automatic: str
    named: tuple[str, ...]
    stamp: Stamp | None

    @property
    def marks(self) -> Marks:
        """What of the letter shows whether a program wrote it."""
        author = self.author.address if self.author else ""
        return Marks(self.fields, author, self.return_path, self.subject, self.is_reply)


_BARE_CR = re.compile(rb"\r(?!\n)")
_DOUBLED = re.compile(rb"[^\r\n]*\r\r\n")
_CHARSET = re.compile(rb"^content-type:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*?charset\s*=\s*\"?([\w.:-]{1,40})", re.I | re.M)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
_BY = re.compile(r"\bby\s+([^\s;()]{1,255})", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_ADDRESS = re.compile(r"<([^<>]*)>")

#: Fields that a delivery adds or changes, beside all whose names begin with "x-" or "arc-".
_TRACE = words(
    """received delivered-to return-path envelope-to status lines content-length authentication-results received-spf
    dkim-signature dkim-filter domainkey-signature apparently-to old-return-path resent-to resent-from resent-date
    resent-message-id"""
)


def read(raw: bytes) -> Letter:
    """Read a letter as the mailbox gave it."""
    fields, body = _cut(raw)
    charset = _charset(fields, body)
    authors = [box for field in head.every(fields, "from") for box in head.mailboxes(field.value, charset)]
    author = authors[0] if authors else None
    subject, is_reply = head.readable(_value(fields, "subject"), charset).strip(), bool(_value(fields, "in-reply-to"))
    return_path = _return_path(fields)
    marks = Marks(fields, author.address if author else "", return_path, subject, is_reply)
    return Letter(
        fields=fields,
        body=body,
        raw_size=len(raw),
        digest=hashlib.sha256(raw).hexdigest(),
        content_digest=_content_digest(fields, body),
        message_id=_message_id(fields),
        author=author,
        authors=len(authors),
        subject=subject,
        is_reply=is_reply,
        references=_references(fields),
        return_path=return_path,
        automatic=why(marks),
        named=named.addresses(fields),
        stamp=_stamp(fields),
    )


def _cut(raw: bytes) -> tuple[tuple[Field, ...], bytes]:
    """The fields and the body. In the head a bare CR is a blank, which begins no field; in the body it ends a line.

    A letter that has no LF at all was written where CR ends a line, and is read so; one whose lines end in CR CR LF
    was converted once too often.
    """
    if _DOUBLED.match(raw):
        raw = raw.replace(b"\r\r\n", b"\r\n")
    if b"\n" not in raw or not _BARE_CR.search(raw):
        return head.parted(raw)
    fields, body = head.cut(head.canonical(raw.replace(b"\r\n", b"\n").replace(b"\r", b" ")))
    if not body:
        return fields, b""
    in_body = body.count(b"\n") - (not raw.endswith(b"\n"))
    start = 0
    for _ in range(raw.count(b"\n") - in_body):
        start = raw.index(b"\n", start) + 1
    true = raw[start:].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return fields, true if true.endswith(b"\r\n") else true + b"\r\n"


def _value(fields: tuple[Field, ...], name: str) -> bytes:
    """The value of the first field `name`; empty when there is none."""
    field = head.first(fields, name)
    return field.value if field else b""


def _charset(fields: tuple[Field, ...], body: bytes) -> str:
    """The charset that the letter's text names, which its raw 8-bit headers are then read in."""
    kind = head.first(fields, "content-type")
    found = _CHARSET.match(kind.raw[:4000]) if kind else None
    found = found or _CHARSET.search(body, 0, 65_536)
    return found[1].decode("ascii", "replace").lower() if found else ""


def _message_id(fields: tuple[Field, ...]) -> str:
    """The letter's Message-ID with its brackets; what stands there when it has none."""
    text = _value(fields, "message-id")[:998].decode("latin-1")
    found = _MESSAGE_ID.search(text)
    return found[0] if found else "".join(character for character in text if character.isprintable()).strip()


def _references(fields: tuple[Field, ...]) -> str:
    """The Message-IDs of the letters that this one answers, oldest first, each once (RFC 5322 3.6.4)."""
    text = b" ".join(_value(fields, name) for name in ("references", "in-reply-to")).decode("latin-1")
    return " ".join(dict.fromkeys(_MESSAGE_ID.findall(text)))


def _return_path(fields: tuple[Field, ...]) -> str | None:
    """The envelope sender as the last server wrote it down."""
    field = head.first(fields, "return-path")
    if field is None:
        return None
    text = field.value.decode("latin-1").strip()
    found = _ADDRESS.search(text)
    return (found[1] if found else text).strip().strip('"')[:320]


def _stamp(fields: tuple[Field, ...]) -> Stamp | None:
    """The top Received field, when its host and its date can be read (RFC 5321 4.4)."""
    text = _COMMENT.sub(" ", _value(fields, "received")[:4000].decode("latin-1"))
    trace, semicolon, date = text.rpartition(";")
    by = _BY.search(trace)
    if not (semicolon and by):
        return None
    try:
        at = parsedate_to_datetime(date.strip())
        return Stamp(by[1].lower().rstrip("."), (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return None


def _content_digest(fields: tuple[Field, ...], body: bytes) -> str:
    """The digest of what the author's program wrote, without what deliveries add."""
    content = hashlib.sha256()
    for field in fields:
        if field.name not in _TRACE and not field.name.startswith(("x-", "arc-")):
            content.update(f"{field.name}:".encode() + field.value + b"\r\n")
    content.update(b"\r\n")
    content.update(body)
    return content.hexdigest()
