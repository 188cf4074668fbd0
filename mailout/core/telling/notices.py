"""notices -- the letters that we write ourselves: their words, and their bytes.

Owns     the form of a notice, and the words of the ordinary ones; `refusals` and `completion` have theirs
Never    decides to whom a notice goes (that is `outbox.notify`), quotes a letter's body, holds a key
Fails    never: what comes from outside (subjects, names, replies) is made one plain line first

A notice says what happened, what it means and what to do next, in that order. It is marked as automatic
(RFC 3834 3.1) and threads under the letter that it answers.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from ..phase import Counts
from .spoken import number, things

#: How many recipients are named in the text of a notice; all are in the attached file.
NAMED = 1000

#: Stands between the parts of a notice; our own texts hold no such line.
BOUNDARY = "=_mailout_notice_="
_CHUNK = 57  # octets in a line of base64 (RFC 2045 6.8)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a notice; its content comes in pieces, for it can be large, and is read once."""

    name: str
    kind: str
    content: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """A notice before it is addressed. `answers` is the Message-ID of the letter that it answers, or "".

    `reply_to`, a name and an address, is who gets the answer to it; nobody reads what comes to us.
    """

    subject: str
    text: str
    answers: str = ""
    references: str = ""
    attachments: tuple[Attachment, ...] = ()
    reply_to: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """The mail-out that a notice tells of, in words. `url` is its page."""

    list_name: str
    subject: str
    url: str
    answers: str = ""
    references: str = ""

    @property
    def letter(self) -> str:
        """The letter by its subject."""
        return f'"{line(self.subject)}"' if line(self.subject) else "your letter without a subject"


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient in a notice: who, and why when it was not simply accepted."""

    state: str
    who: str
    why: str = ""


def line(text: str, most: int = 300) -> str:
    """`text` as one line without control characters: nothing from outside can write a header or a second line."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text.strip()[:most]


def message(
    written: Written, *, sender: tuple[str, str], to: tuple[str, str], message_id: str, date: datetime, own_mail: str
) -> Iterator[bytes]:
    """A notice in pieces: from and to are (name, address) pairs; `own_mail` marks it as ours for our own intake."""
    mail = EmailMessage(policy=SMTP.clone(max_line_length=78))
    mail["From"] = _mailbox(*sender)
    mail["To"] = _mailbox(*to)
    if written.reply_to:
        mail["Reply-To"] = _mailbox(*written.reply_to)
    mail["Subject"] = line(written.subject)
    mail["Date"] = format_datetime(date)
    mail["Message-ID"] = message_id
    if written.answers:
        mail["In-Reply-To"] = line(written.answers, 900)
        mail["References"] = line(f"{written.references} {written.answers}".strip(), 900)
    mail["Auto-Submitted"] = "auto-replied" if written.answers else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Mailout-Notice"] = own_mail
    mail.set_content(written.text, charset="utf-8", cte="quoted-printable")
    if written.attachments:
        mail.make_mixed()
        mail.set_boundary(BOUNDARY)
    return _with_files(mail.as_bytes(), written.attachments)


def _with_files(whole: bytes, files: Sequence[Attachment]) -> Iterator[bytes]:
    """The octets of a letter with `files` after its text, and never all of a large one at once."""
    end = f"--{BOUNDARY}--\r\n".encode() if files else b""
    yield whole.removesuffix(end)
    for file in files:
        head = EmailMessage(policy=SMTP)
        head["Content-Type"] = file.kind
        head["Content-Disposition"] = "attachment"
        head.set_param("filename", file.name, "Content-Disposition")
        head["Content-Transfer-Encoding"] = "base64"
        yield f"--{BOUNDARY}\r\n".encode() + head.as_bytes()
        yield from _in_base64(file.content)
    yield end


def _in_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The octets of all pieces as lines of base64 (RFC 2045 6.8)."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % _CHUNK
        for start in range(0, whole, _CHUNK):
            yield b2a_base64(rest[start : start + _CHUNK], newline=False) + b"\r\n"
        rest = rest[whole:]
    yield b2a_base64(rest, newline=False) + b"\r\n" if rest else b""


def _mailbox(name: str, address: str) -> Address | str:
    """A mailbox for a header; one whose address the library does not take stands there bare."""
    try:
        return Address(line(name, 100), addr_spec=address)
    except (ValueError, IndexError):
        return line(address)


def paused(about: Occasion, words: str, counts: Counts) -> Written:
    """A mail-out paused by itself."""
    text = "\n\n".join(
        [
            f"{about.letter} to {line(about.list_name)} is paused.",
            line(words, 1000),
            f"{things(counts.sent, 'copy has', 'copies have')} gone, {number(counts.unsettled)} wait. "
            "Nobody is lost, and nobody is marked as failed for this.",
            f"Resume it, or cancel it, on its page:\n{about.url}",
        ]
    )
    return Written("Mail-out paused", text + "\n", about.answers, about.references)


def delayed(what: str, words: str, url: str) -> Written:
    """The mailbox or the provider is out, or a mail-out does not move."""
    text = f"{line(what)}\n\n{line(words, 1000)}\n\nNothing is lost: it goes on by itself as soon as it can.\n\n{url}\n"
    return Written("Mail-out delayed", text)


def discarded(about: Occasion) -> Written:
    """A held letter that nobody released in 7 days."""
    text = (
        f"{about.letter} for {line(about.list_name)} was held for 7 days and nobody released it, "
        "so it is discarded.\n\n"
        f"Nothing was sent to any customer.\n\n{about.url}\n"
    )
    return Written("Mail-out discarded", text, about.answers, about.references)


def returns(about: Occasion, came_back: Sequence[Row], answers: int, left: int) -> Written:
    """Two days after: what came back."""
    parts = [f"Two days after {about.letter} went to {line(about.list_name)}, this came back:"]
    lines = [
        things(len(came_back), "copy", "copies") + " could not be delivered" if came_back else "",
        things(answers, "answer") + " from customers, passed on to you" if answers else "",
        things(left, "customer") + " left the list" if left else "",
    ]
    parts.append("\n".join(f"  {words}" for words in lines if words))
    if came_back:
        parts.append("\n".join(f"  {row.who}\n      {row.why}" for row in came_back[:NAMED]))
    parts.append(f"Everything about it:\n{about.url}")
    return Written("Mail-out: what came back", "\n\n".join(parts) + "\n", about.answers, about.references)


# -- users and customers -----------------------------------------------------------------------------------------------


def invite(name: str, by: str, url: str) -> Written:
    """An invitation: choose a password."""
    text = (
        f"{line(name)}, {line(by)} has invited you to Mailout, which sends letters from your own mail program to "
        f"the customers on your lists.\n\nChoose your password within an hour:\n{url}\n\n"
        "Too late? Ask for a new link on the sign-in page, under Forgot your password.\n"
    )
    return Written("Your invitation to Mailout", text)


def reset(name: str, url: str) -> Written:
    """A forgotten password."""
    text = (
        f"{line(name)}, somebody asked for a new password for you at Mailout.\n\n"
        f"If it was you, choose one within an hour:\n{url}\n\n"
        "If it was not you, nothing needs to be done: your password stays as it is.\n"
    )
    return Written("A new password for Mailout", text)


def confirm_address(name: str, address: str, url: str) -> Written:
    """An address that a user wants to write from."""
    text = (
        f"{line(name)} wants to send mail-outs from {line(address)}.\n\n"
        f"If that is you, confirm it within an hour:\n{url}\n\nIf not, nothing needs to be done.\n"
    )
    return Written("Confirm your address for Mailout", text)


def support(by: tuple[str, str], subject: str, message: str, state: str, url: str) -> Written:
    """A support request of somebody (name and address), whom an answer to it reaches; with their latest mail-outs."""
    who = line(f"{by[0]} <{by[1]}>")
    text = f"{who} asks:\n\n{message.strip()}\n\n--\nTheir latest mail-outs at that moment:\n{state}\n\n{url}\n"
    return Written(f"Support: {line(subject, 200)}", text, reply_to=by)


def unsubscribed(organisation: str, what: str, url: str) -> Written:
    """What a customer gets after leaving: what was done, and how to undo it."""
    text = (
        f"{line(organisation)} does not write to this address any more: {line(what)}.\n\n"
        f"If it wasn't you, or you changed your mind, take it back here:\n{url}\n"
    )
    return Written(f"You have left: {line(organisation)}", text)


def passed_on(about: Occasion, author: str, raw: bytes) -> Written:
    """A customer's answer to a copy, as an attachment."""
    text = (
        f"{line(author)} has answered {about.letter}, which you sent to {line(about.list_name)}.\n\n"
        f"Their letter is attached. Answer them directly: Mailout is not in between.\n\n{about.url}\n"
    )
    attached = Attachment("answer.eml", "application/octet-stream", (raw,))
    return Written(f"Answer to {about.letter}", text, attachments=(attached,))
