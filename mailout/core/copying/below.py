"""below -- a line after a text, with one blank line between.

Owns     what stands between a text and what follows: line ends, the end of a flowed paragraph, the way back to ASCII
Never    holds a text as a whole: only its last octets are looked at
Fails    never

Decoded, the text begins with all that was there (its "-- " and what follows included), so nothing that is said about
its form changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..reading.transfer import pieces, windows
from .splice import CRLF, SOFT, Kind, Personal, Splice, Target, into_base64, soft

_SHIFTS = re.compile(rb"\x1b(?:\(.|\$[@A-Z]|\$\(.)")
_ASCII_SHIFTS = (b"\x1b(B", b"\x1b(J")
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How a text ends: its size decoded, its last octets, whether it is blank or has bare LF; what leads to ASCII."""

    size: int
    tail: bytes
    blank: bool
    bare: bool
    lead: bytes


def ending(target: Target) -> Ending:
    """How the text of a part ends."""
    part = target.part
    size, tail, lead, blank, bare, pairs = 0, b"", b"", True, False, False
    for window in windows(pieces(memoryview(target.body)[part.start : part.end], part.encoding), _TAIL):
        size += len(window) - len(tail)
        blank = blank and (not window or window.isspace())
        pairs = pairs or CRLF in window
        bare = bare or b"\n" in window
        lead = to_ascii(window, target.codec, lead)
        tail = window[-_TAIL:]
    return Ending(size, tail, blank, bare and not pairs, lead)


def to_ascii(octets: bytes, codec: str, before: bytes = b"") -> bytes:
    """What brings a charset with shifts back to ASCII after `octets` (ISO-2022, HZ); `before`: what did before them."""
    if codec.startswith("iso2022"):
        shifts = _SHIFTS.findall(octets)
        out = octets.rfind(b"\x0e"), octets.rfind(b"\x0f")
        shifted_out = out[0] > out[1] or (out == (-1, -1) and before.startswith(b"\x0f"))
        foreign = shifts[-1] not in _ASCII_SHIFTS if shifts else before.endswith(b"\x1b(B")
        return (b"\x0f" if shifted_out else b"") + (b"\x1b(B" if foreign else b"")
    if codec == "hz":
        begun, ended = octets.rfind(b"~{"), octets.rfind(b"~}")
        return b"~}" if begun > ended or (begun == ended and before) else b""
    return b""


def after_text(target: Target, words: str) -> Splice:
    """The piece that puts a blank line, `words` and the link after a text."""
    end = ending(target)
    flowed = target.part.content.get("format").lower() == "flowed"
    if flowed and words.startswith((" ", ">", "From ")):
        words = f" {words}"
    written = end.lead + _breaks(end, target.codec, flowed) + words.encode(target.codec)
    if target.part.encoding == "base64":
        return into_base64(target, end.size, written, b"", markup=False)
    return _at_the_end(target, written)


def _at_the_end(target: Target, written: bytes) -> Splice:
    """The piece that is put after the last line of plain or quoted-printable octets."""
    part, body = target.part, target.body
    begin = max(part.start, body.rfind(b"\n", part.start, part.end) + 1)
    last = body[begin : part.end]
    if part.encoding != "quoted-printable":
        piece = Personal(Kind.PLAIN, part.gap + last + written, CRLF, target.codec, number=part.number)
        return Splice(begin, target.resume, piece)
    dangling = CRLF if last.rstrip(b" \t").endswith(b"=") else b""
    *lines, words = written.split(CRLF)
    before = part.gap + last + dangling + b"".join(soft(line) + CRLF for line in lines) + soft(words) + SOFT
    piece = Personal(Kind.QUOTED_PRINTABLE, before, CRLF, target.codec, number=part.number)
    return Splice(begin, target.resume, piece)


def _breaks(end: Ending, codec: str, flowed: bool) -> bytes:
    """The line ends that leave one blank line between a text and what follows; none after nothing.

    After a flowed line one more, for the next line end only completes its paragraph (RFC 3676 4.1).
    """
    if end.blank:
        return b""
    tail = end.tail.decode(codec, "replace")
    stripped = tail.rstrip("\r\n")
    ended = tail[len(stripped) :].count("\n")
    last = stripped.rpartition("\n")[2]
    more = 1 if flowed and last.endswith(" ") and last != "-- " else 0
    return (("\n" if end.bare else "\r\n") * max(0, 2 + more - ended)).encode(codec)
