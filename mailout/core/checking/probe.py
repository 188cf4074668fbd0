"""probe -- the doctor's letter to ourselves: how it is made, and how it is known again whatever happened to it.

Owns     its token (an HMAC with the database's secret, so that nobody else can write one), its head and its body
Never    reads a clock or a random number; is a letter for a mail-out, though its address has the form of a key's

It is known by a header of its own or by its Message-ID: some relays give a letter another Message-ID, some drop what
they don't know. Its return path carries the token of recipient 0, whom no table has: a bounce of it marks nobody.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import IntEnum

from ..own import ALPHABET, CODE_LENGTH, Own, bounce_token, code, key_of, read_token
from ..reading.head import Field, Mailbox, mailbox_field

HEADER = "x-mailout-probe"
NOBODY = 0

_KIND = b"probe"
_TOKEN = re.compile(rf"[0-9]{{1,18}}-[0-9]-[{ALPHABET}]{{{CODE_LENGTH}}}")

#: What programs on the way like to change: a dot and a "From " that begin a line, blanks at an end, a long line.
BODY = (
    "This is a letter of Mailout to itself. `flask doctor --round-trip` sent it, to see whether letters to its\r\n"
    "addresses reach its mailbox, and whether they arrive as they were sent. Nobody has to do anything.\r\n"
    "\r\n"
    "From here on come lines that programs on the way like to change.\r\n"
    ".\r\n"
    "..two dots, and two blanks at the end  \r\n"
    "\ta tab, an equals sign =3D, and a long line: " + "letters of every kind " * 20 + "\r\n"
    "\r\n"
    "-- \r\n"
    "Mailout\r\n"
).encode()


class Way(IntEnum):
    """Which of our addresses a probe is written to."""

    KEY = 1
    BOUNCE = 2
    PLAIN = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One letter of the doctor, as it is handed to the relay."""

    way: Way
    token: str
    to: str
    return_path: str
    sender: str
    message_id: str
    raw: bytes


def make(own: Own, secret: bytes, number: int, way: Way, name: str, date: datetime) -> Probe:
    """The letter of this number (a random one) to the address of this kind; `name` stands in its From."""
    token = _token(secret, number, way)
    return_path = own.return_path(bounce_token(secret, NOBODY))
    key = key_of(code(secret, _KIND, b"key", str(number).encode()))
    to = {Way.KEY: own.key_address(key), Way.BOUNCE: return_path, Way.PLAIN: own.plain}[way]
    message_id = f"<{token}@{own.domain}>"
    head = b"".join(
        (
            mailbox_field("From", Mailbox(name, own.sender)),
            mailbox_field("To", Mailbox("", to)),
            f"Subject: Mailout tries the way, letter {int(way)} of {number}\r\n".encode(),
            f"Date: {format_datetime(date)}\r\nMessage-ID: {message_id}\r\n".encode(),
            f"X-Mailout-Probe: {token}\r\n".encode(),
            b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n",
            b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
        )
    )
    return Probe(way, token, to, return_path, own.sender, message_id, head + BODY)


def _token(secret: bytes, number: int, way: Way) -> str:
    body = f"{number}-{int(way)}"
    return f"{body}-{code(secret, _KIND, body.encode())}"


def read(secret: bytes, fields: tuple[Field, ...], message_id: str) -> tuple[int, Way] | None:
    """The number and the way of the probe that a letter with this head is; None when we did not write it."""
    said = [field.value.decode("latin-1") for field in fields if field.name == HEADER][:5]
    for text in (*said, message_id):
        found = _TOKEN.search(text.lower())
        numbers = read_token(secret, _KIND, found[0]) if found else None
        if numbers and len(numbers) == 2 and numbers[1] in tuple(Way):
            return numbers[0], Way(numbers[1])
    return None


def is_in(token: str, raw: bytes) -> bool:
    """Whether a letter returns the probe with this token, or its head."""
    pieces = _TOKEN.findall(raw.decode("latin-1").lower())
    return any(hmac.compare_digest(piece, token) for piece in pieces)
