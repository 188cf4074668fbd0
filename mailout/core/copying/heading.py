"""heading -- the new header block of a letter's copies: an allow-list, each value as it was unless that is illegal.

Owns     which fields go out, and how a value that must not be sent is made legal without changing what is read
Never    lets a field through because it is unknown; writes 8-bit, a NUL, a bare CR or LF, or a line over 998 octets
Fails    Refused(UNREADABLE) when a value can't be made legal: a boundary must stay what it is

`Received`, `Bcc`, `DKIM-Signature`, `Disposition-Notification-To` and all the others are dropped by not being named.
An 8-bit value is read as UTF-8, else in the text part's charset, else as windows-1252, and written in encoded words; in
an address field only the names are, in a parameter RFC 2231 is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from ..own import Own
from ..problem import Problem
from ..reading.encoded import encoded_words, readable
from ..reading.head import Field, every, first
from ..reading.mailbox import Mailbox, is_legal, mailbox_field, mailboxes, phrase_name
from ..reading.parameters import parameterised, parameters_field
from .refused import Refused

LINE_MOST = 998
NAME_MOST = 76
DATE_MOST = timedelta(days=7)
KEEP, REWRITE, ALIGNED = "keep", "rewrite", "aligned"

_WORDS = ("subject", "importance", "x-priority", "priority", "organization", "content-language")
_PARAMETERS = ("content-type", "content-disposition")
#: They would say something of a body that is not the one that goes out.
_OF_THE_BODY = ("content-length", "content-md5", "content-digest")

_LAWFUL = re.compile(rb"[\x21-\x39\x3b-\x7e]+:[\t\x20-\x7e]*(?:\r\n[ \t][\t\x20-\x7e]*)*\r\n")
_BLANK_FOLD = re.compile(rb"\r\n(?=[ \t]+\r\n)")
_DATE = re.compile(
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    rb" \d{2}:\d{2}(?::\d{2})? [+-]\d{4}(?: \([A-Za-z0-9 +:-]*\))?"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """What decides From and Reply-To: the policy, our address, and whether the author is a user whose mail we may sign.

    `domains` are those that our relay signs for, in lower case.
    """

    own: Own
    policy: str
    domains: tuple[str, ...]
    author_is_user: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """The shared fields, each with its CRLF, and what they say; `changes` are words for the page."""

    octets: bytes
    subject: str
    author: Mailbox
    changes: tuple[str, ...]


def heading(
    fields: tuple[Field, ...], author: Mailbox | None, sender: Sender, received_at: datetime, charset: str
) -> Heading:
    """The header block that all copies share: all but To, Message-ID and what is about the list.

    `charset` is that of the letter's text, for 8-bit values. One each of From, Date and MIME-Version, a Subject if the
    letter has one, its own Reply-To; of repeated fields the first counts.
    """
    said, chosen = _author(fields, author, charset), _chosen(author, sender)
    lines = [_from(fields, said, chosen, charset)]
    lines += _reply_to(fields, said, chosen, charset)
    lines.append(_date(fields, received_at))
    lines.append(_version(fields))
    seen: set[str] = set()
    for field in fields:
        kept = field.name in _WORDS or (field.name.startswith("content-") and len(field.name) <= NAME_MOST)
        if kept and field.name not in seen and field.name not in _OF_THE_BODY:
            lines.append(_kept(field, charset))
            seen.add(field.name)
    subject = first(fields, "subject")
    return Heading(
        octets=b"".join(lines),
        subject=readable(subject.value, charset) if subject else "",
        author=Mailbox(said.name, chosen),
        changes=_changes(fields, said, chosen),
    )


def _author(fields: tuple[Field, ...], author: Mailbox | None, charset: str) -> Mailbox:
    """Who wrote, with the name as the letter's charset reads it; without an address "" where there is none."""
    named = next((field for field in fields if field.name == "from"), None)
    if author is None:
        return Mailbox(phrase_name(named.value, charset) if named else "", "")
    boxes = mailboxes(named.value, charset) if named else ()
    return next((box for box in boxes if box.address == author.address), author)


def _chosen(author: Mailbox | None, sender: Sender) -> str:
    """The address in From, by FROM_POLICY."""
    if author is None or sender.policy == REWRITE or not is_legal(author.address):
        return sender.own.sender
    if sender.policy == KEEP:
        return author.address
    ours = sender.author_is_user and author.address.rpartition("@")[2].lower() in sender.domains
    return author.address if ours else sender.own.sender


def _from(fields: tuple[Field, ...], said: Mailbox, chosen: str, charset: str) -> bytes:
    """From: as it was written if that is legal and names one person whose address is kept."""
    written = every(fields, "from")
    alone = len(written) == 1 and chosen == said.address and lawful(written[0].raw)
    if alone and mailboxes(written[0].value, charset) == (said,) and written[0].raw.count(b"@") == 1:
        return written[0].raw
    return mailbox_field("From", Mailbox(said.name, chosen))


def _reply_to(fields: tuple[Field, ...], said: Mailbox, chosen: str, charset: str) -> list[bytes]:
    """The composer's own Reply-To; else, where From is not theirs, one that leads to them."""
    own = first(fields, "reply-to")
    if own:
        if lawful(own.raw):
            return [own.raw]
        boxes = [box for box in mailboxes(own.value, charset) if is_legal(box.address)]
        if boxes:
            return [_mailbox_list("Reply-To", boxes)]
    if said.address and chosen != said.address and is_legal(said.address):
        return [mailbox_field("Reply-To", said)]
    return []


def _mailbox_list(name: str, boxes: list[Mailbox]) -> bytes:
    """One field with several mailboxes, one a line."""
    written = [mailbox_field(name, box).removesuffix(b"\r\n") for box in boxes]
    start = len(name) + 2
    return b",\r\n ".join([written[0], *(one[start:] for one in written[1:])]) + b"\r\n"


def _date(fields: tuple[Field, ...], received_at: datetime) -> bytes:
    """Date as it was when it lies in the week before receipt, else the time of receipt (RFC 5322 3.6.1)."""
    field = first(fields, "date")
    said = _instant(field.value) if field else None
    if field is None or said is None or not timedelta(0) <= received_at - said <= DATE_MOST:
        return b"Date: " + format_datetime(received_at.astimezone(UTC)).encode() + b"\r\n"
    if lawful(field.raw) and _DATE.fullmatch(field.value):
        return field.raw
    return b"Date: " + format_datetime(said).encode() + b"\r\n"


def _instant(value: bytes) -> datetime | None:
    """The instant that a Date names; None when it names none. Without a zone it is taken for UTC."""
    try:
        said = parsedate_to_datetime(value.decode("ascii"))
        aware = said if said.tzinfo else said.replace(tzinfo=UTC)
        return aware if aware.astimezone(UTC).year > 1 else None
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def _version(fields: tuple[Field, ...]) -> bytes:
    """MIME-Version as it was, if it says 1.0."""
    field = first(fields, "mime-version")
    same = field is not None and re.match(rb"1\.0\b", field.value) and lawful(field.raw)
    return field.raw if field and same else b"MIME-Version: 1.0\r\n"


def _kept(field: Field, charset: str) -> bytes:
    """A field of the allow-list, as it was or made legal."""
    raw = field.raw
    if lawful(raw):
        return raw
    name, _, value = raw.partition(b":")
    name = re.sub(rb"\s", b"", name)
    if not name.isascii():
        return b""
    refolded = _BLANK_FOLD.sub(b"", name + b":" + value)
    if lawful(refolded):
        return refolded
    if field.name in _PARAMETERS:
        return _legal_parameters(name, field, charset)
    folded = _folded(refolded)
    if lawful(folded):
        return folded
    if field.name in ("content-transfer-encoding", "content-id"):
        return b""
    said = readable(field.value, charset)
    return name + b": " + encoded_words(said, after=len(name) + 2, always=len(said) > LINE_MOST // 2) + b"\r\n"


def _legal_parameters(name: bytes, field: Field, charset: str) -> bytes:
    """Content-Type or Content-Disposition, written anew from what is read."""
    said = parameterised(field.value, charset)
    written = parameters_field(name, said)
    if not lawful(written):
        raise Refused(Problem.UNREADABLE, f"The letter's {name.decode()} can't be carried by mail.")
    return written


def _folded(raw: bytes) -> bytes:
    """A field whose long lines are folded where they have a blank."""
    lines = []
    for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
        while len(line) > LINE_MOST:
            folds = [found.start() for found in re.finditer(rb"(?<=[^ \t])[ \t](?=[^ \t])", line[:LINE_MOST])]
            if not folds:
                break
            lines.append(line[: folds[-1]])
            line = line[folds[-1] :]
        lines.append(line)
    return b"\r\n".join(lines) + b"\r\n"


def lawful(raw: bytes) -> bool:
    """Whether a whole field may be sent as it is: ASCII, folds with something in them, no line over 998 octets."""
    if not _LAWFUL.fullmatch(raw) or _BLANK_FOLD.search(raw):
        return False
    return all(len(line) <= LINE_MOST for line in raw.split(b"\r\n"))


def _changes(fields: tuple[Field, ...], said: Mailbox, chosen: str) -> tuple[str, ...]:
    """What a reader of the page should know of the new head."""
    changes = []
    if said.address and chosen != said.address:
        answers = "" if first(fields, "reply-to") or not is_legal(said.address) else f" Answers go to {said.address}."
        changes.append(f"The copies come from {chosen}.{answers}")
    if len(every(fields, "subject")) > 1:
        changes.append("The letter has several subjects. The first one is used.")
    return tuple(changes)
