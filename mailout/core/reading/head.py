"""head -- a letter's header fields: cut by the RFC's grammar, read for people, written anew.

Owns     what a field is, where the head ends, and the form in which we write our own
Never    hands a letter to a parser that stops at what it does not understand, and so lets the rest through unseen
Fails    never: whatever the bytes, there is a head (it may be empty) and a body

Line ends are made CRLF once, here, before anything else looks (RFC 5321 2.3.8). A fold of white space only belongs to
its field, a name may have white space before its colon (RFC 5322 4.2, 4.5), and the first line that is neither field
nor fold begins the body.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .encoded import encoded_words, readable
from .mailbox import Mailbox, mailbox_field, mailboxes

__all__ = [
    "HEAD_MOST",
    "Field",
    "Mailbox",
    "canonical",
    "cut",
    "encoded_words",
    "every",
    "first",
    "mailbox_field",
    "mailboxes",
    "parted",
    "readable",
    "split",
]

#: Octets of header fields that are read; what has more is refused by `mime.tree`.
HEAD_MOST = 262_144

_GROUP = re.compile(rb"[^\r\n]*(?:\r\n|\Z)(?:[ \t][^\r\n]*(?:\r\n|\Z))*")
_NAME = re.compile(rb"([^\x00-\x20\x7f:]*)(?:[ \t]|\r\n[ \t])*:")
_EMPTY_LINE = re.compile(rb"(?:\A|\r\n|\r(?!\n)|(?<!\r)\n)(?:\r\n|\r|\n)")
_PIECE = 1 << 20
_MBOX_LINE = re.compile(rb">?From [ \t]*[^ \t\r\n:][^\r\n]*(?:\r\n|\n|\r|\Z)")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: its name in lower case, all its bytes with the final CRLF, its value unfolded and stripped."""

    name: str
    raw: bytes
    value: bytes


def canonical(raw: bytes) -> bytes:
    """`raw` with every CRLF, bare CR and bare LF as CRLF, and one at its end; the same object when that is so already.

    The "From " line that an mbox puts before a letter is dropped.
    """
    line = _MBOX_LINE.match(raw)
    if line:
        raw = raw[line.end() :]
    pairs = raw.count(b"\r\n")
    if raw.count(b"\r") != pairs or raw.count(b"\n") != pairs:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def cut(canonical_raw: bytes) -> tuple[tuple[Field, ...], bytes]:
    """The header fields and the body of a letter whose line ends are CRLF (RFC 5322 2.1)."""
    fields, start = split(canonical_raw, 0, len(canonical_raw))
    return fields, canonical_raw[start:]


def parted(raw: bytes) -> tuple[tuple[Field, ...], bytes]:
    """What `cut` makes of what `canonical` makes of `raw`, without a second copy of a large body on the way."""
    empty = _EMPTY_LINE.search(raw)
    if empty is None or raw.count(b"\r\n", empty.end()) == raw.count(b"\n", empty.end()) == raw.count(
        b"\r", empty.end()
    ):
        return cut(canonical(raw))
    head = canonical(raw[: empty.end()])
    fields, start = split(head, 0, len(head))
    body = io.BytesIO()
    body.write(head[start:])
    for piece in _pieces(raw, empty.end()):
        body.write(piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n"))
    if raw[-1:] not in (b"\r", b"\n"):
        body.write(b"\r\n")
    return fields, body.getvalue()


def _pieces(raw: bytes, at: int) -> Iterator[bytes]:
    """`raw` from `at` on, about a megabyte at a time, no CRLF cut in two."""
    while at < len(raw):
        stop = at + _PIECE
        stop += raw.startswith(b"\n", stop) and raw.startswith(b"\r", stop - 1)
        yield raw[at:stop]
        at = stop


def split(data: bytes, start: int, end: int) -> tuple[tuple[Field, ...], int]:
    """The fields that stand in `data` from `start` on, and where the body after them begins (at most `end`).

    Of a head of more than HEAD_MOST octets the rest is not read.
    """
    fields: list[Field] = []
    for begin, stop, found in _groups(data, start, end):
        if found is None or begin - start > HEAD_MOST:
            return tuple(fields), _body_start(data, begin, end, over=found is not None)
        if found[1]:
            fields.append(_field(found[1], data[begin : min(stop, begin + HEAD_MOST + 1)], found.end() - begin))
    return tuple(fields), end


def _groups(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, re.Match[bytes] | None]]:
    """Each line with its folds; None for the match where the head ends. A fold before any field is passed over."""
    at = start
    while at < end:
        group = _GROUP.match(data, at, end)
        assert group is not None, "a line is whatever stands up to CRLF"
        empty = data.startswith(b"\r\n", at)
        name = None if empty else _NAME.match(data, at, group.end())
        leading_fold = at == start and data[at : at + 1] in (b" ", b"\t")
        if not leading_fold or name:
            yield at, group.end(), name
        at = group.end()


def _body_start(data: bytes, at: int, end: int, *, over: bool) -> int:
    """Where the body begins when the head ends at `at`: after the empty line; `over`: fields follow, unread."""
    if over:
        empty = data.find(b"\r\n\r\n", at, end)
        return empty + 4 if empty >= 0 else end
    return at + 2 if data.startswith(b"\r\n", at) else at


def _field(name: bytes, raw: bytes, colon: int) -> Field:
    """A field out of its bytes; `colon` is where its value begins."""
    value = raw[colon:].replace(b"\r\n", b"").strip(b" \t")
    return Field(name.decode("latin-1").lower(), raw, value)


def first(fields: tuple[Field, ...], name: str) -> Field | None:
    """The first field called `name` (lower case); None when there is none."""
    return next((field for field in fields if field.name == name), None)


def every(fields: tuple[Field, ...], name: str) -> tuple[Field, ...]:
    """All fields called `name` (lower case), in order."""
    return tuple(field for field in fields if field.name == name)
