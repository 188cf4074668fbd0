"""splice -- an insertion into one encoded part, with everything around it left octet for octet.

Owns     the arithmetic: from a place in the decoded text to a place in quoted-printable, base64 or plain octets
Never    decides what is inserted, or whether it can be; decodes and encodes again what stands before it
Fails    never

Decoded, a text that was spliced begins with the text that was there. Base64 is encoded anew from the last line that
begins a group of three octets; quoted-printable is cut between two of its units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from . import charset as charsets
from .markup import content_end, open_tables
from .mime import Part
from .transfer import escaped, soft_lines

CRLF = b"\r\n"
SOFT = b"=\r\n"

# An escape, a soft break, the "==" of some programs, and blanks that end a line (they stand for nothing)
_UNITS = re.compile(rb"=[0-9A-Fa-f]{2}|=[ \t]*+(?:\r\n|\Z)|==|(?<![ \t])[ \t]++(?:\r\n|\Z)")
_NOT_BASE64 = b" \t\r\n="
_SHIFTS = re.compile(rb"\x1b(?:\(.|\$[@A-Z]|\$\(.)")
_ASCII_STATES = (b"\x1b(B", b"\x1b(J")


class Kind(StrEnum):
    """How a link is written into its piece."""

    PLAIN = "plain"
    QUOTED_PRINTABLE = "quoted-printable"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class Personal:
    """A piece of the body that differs by recipient: `before`, the link, `after`, as they go out.

    In base64 `prefix` and `suffix` are the octets that are encoded together with the link. `number` is the part's.
    """

    kind: Kind
    before: bytes
    after: bytes
    codec: str = "ascii"
    markup: bool = False
    prefix: bytes = b""
    suffix: bytes = b""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Splice:
    """A piece, and the octets `body[start:end]` that it stands for."""

    start: int
    end: int
    piece: Personal


@dataclass(frozen=True, slots=True)
class Text:
    """A text part to insert into: its decoded octets, and the codec in which the insertion is written."""

    part: Part
    body: bytes
    octets: bytes
    codec: str

    @property
    def resume(self) -> int:
        """Where the rest of the body begins: after the CRLF that ends the part's last line."""
        closed = self.body.startswith(CRLF, self.part.end)
        return self.part.end + 2 if closed else self.part.end

    @property
    def last_line(self) -> int:
        """Where the part's last line begins."""
        return max(self.part.start, self.body.rfind(b"\n", self.part.start, self.part.end) + 1)


def after_text(text: Text, words: str) -> Splice:
    """The piece that puts a blank line, `words` and the link after a text."""
    flowed = text.part.content.get("format").lower() == "flowed"
    lead = _to_ascii(text.octets, text.codec)
    breaks = _breaks(text, flowed)
    if flowed and words.startswith((" ", ">", "From ")):
        words = f" {words}"
    written = lead + breaks + words.encode(text.codec)
    if text.part.encoding == "base64":
        return _base64(text, len(text.octets), written, b"", markup=False)
    return _at_the_end(text, written)


def _at_the_end(text: Text, written: bytes) -> Splice:
    """The piece that is put after the last line of plain or quoted-printable octets."""
    begin = text.last_line
    last = text.body[begin : text.part.end]
    if text.part.encoding != "quoted-printable":
        before = text.part.gap + last + written
        return Splice(begin, text.resume, Personal(Kind.PLAIN, before, CRLF, text.codec, number=text.part.number))
    dangling = CRLF if last.rstrip(b" \t").endswith(b"=") else b""
    *lines, words = written.split(CRLF)
    before = text.part.gap + last + dangling + b"".join(_soft(line) + CRLF for line in lines) + _soft(words) + SOFT
    piece = Personal(Kind.QUOTED_PRINTABLE, before, CRLF, text.codec, number=text.part.number)
    return Splice(begin, text.resume, piece)


def _soft(octets: bytes) -> bytes:
    """`octets` in quoted-printable on lines that leave room for the "=" of a soft break."""
    return SOFT.join(soft_lines(escaped(octets)))


def _breaks(text: Text, flowed: bool) -> bytes:
    """The line ends that leave one blank line between a text and what follows; none after nothing.

    After a flowed line one more, for the next line end only completes its paragraph (RFC 3676 4.1).
    """
    if not text.octets or text.octets.isspace():
        return b""
    tail = text.octets[-256:].decode(text.codec, "replace")
    bare = b"\n" in text.octets and CRLF not in text.octets
    line_end = "\n" if bare else "\r\n"
    stripped = tail.rstrip("\r\n")
    ended = tail[len(stripped) :].count("\n")
    last = stripped.rpartition("\n")[2]
    more = 1 if flowed and last.endswith(" ") and last != "-- " else 0
    return (line_end * max(0, 2 + more - ended)).encode(text.codec)


def _to_ascii(octets: bytes, codec: str) -> bytes:
    """What brings a charset with shifts back to ASCII, where a text ends in another state (ISO-2022, HZ)."""
    if codec.startswith("iso2022"):
        shifts = _SHIFTS.findall(octets)
        shifted_out = octets.rfind(b"\x0e") > octets.rfind(b"\x0f")
        lead = b"\x1b(B" if shifts and shifts[-1] not in _ASCII_STATES else b""
        return (b"\x0f" if shifted_out else b"") + lead
    return b"~}" if codec == "hz" and octets.rfind(b"~{") > octets.rfind(b"~}") else b""


# -- into HTML ---------------------------------------------------------------------------------------------------------


def in_markup(text: Text, before: str, after: str) -> Splice:
    """The piece that puts markup with the link in it where the displayed content of HTML ends."""
    place, tables = _content_end(text)
    lead = _to_ascii(text.octets[:place], text.codec)
    if lead and place < len(text.octets):
        place, lead = len(text.octets), _to_ascii(text.octets, text.codec)
    written = lead + ("</td></tr></table>" * tables + before).encode(text.codec)
    closing = after.encode(text.codec)
    if text.part.encoding == "base64":
        return _base64(text, place, written, closing, markup=True)
    return _within_lines(text, _encoded_place(text, place), written, closing)


def _content_end(text: Text) -> tuple[int, int]:
    """The offset in the decoded octets at which the content ends, and how many tables are open there."""
    if charsets.holds_ascii(text.codec):
        place = content_end(text.octets)
        return place, open_tables(text.octets, place)
    characters = text.octets.decode(text.codec, "replace")
    letters = characters.encode("latin-1", "replace")
    place = content_end(letters)
    octets = characters[:place].encode(text.codec, "replace")
    return (len(octets) if text.octets.startswith(octets) else len(text.octets)), open_tables(letters, place)


def _within_lines(text: Text, at: int, written: bytes, closing: bytes) -> Splice:
    """The piece for an offset in a body of plain or quoted-printable octets: it splits the line that it is in."""
    body, part = text.body, text.part
    begin = max(part.start, body.rfind(b"\n", part.start, at) + 1)
    stop = body.find(CRLF, at, part.end)
    stop = stop if stop >= 0 else part.end
    end = stop + 2 if body.startswith(CRLF, stop) else stop
    upto, rest = body[begin:at], body[at:stop]
    upto += CRLF if upto else b""
    rest += CRLF if rest else b""
    if part.encoding != "quoted-printable":
        piece = Personal(Kind.PLAIN, part.gap + upto + written, closing + CRLF + rest, text.codec, markup=True)
    else:
        before = part.gap + upto + _quoted(written) + SOFT
        after = SOFT + _quoted(closing) + CRLF + rest
        piece = Personal(Kind.QUOTED_PRINTABLE, before, after, text.codec, markup=True)
    return Splice(begin, end, _numbered(piece, part.number))


def _quoted(octets: bytes) -> bytes:
    """Octets with line ends in them, in quoted-printable with room for a soft break."""
    return CRLF.join(_soft(line) for line in octets.split(CRLF))


def _numbered(piece: Personal, number: str) -> Personal:
    return Personal(piece.kind, piece.before, piece.after, piece.codec, piece.markup, number=number)


def _encoded_place(text: Text, place: int) -> int:
    """The offset in the body of the offset `place` in the decoded octets."""
    part = text.part
    if part.encoding != "quoted-printable":
        return part.start + place
    at, ahead = part.start, place
    for start, end, stands_for in _units(text.body, part):
        if ahead <= start - at:
            break
        ahead -= start - at
        if ahead < stands_for:
            return start
        ahead -= stands_for
        at = end
    return min(at + ahead, part.end)


def _units(body: bytes, part: Part) -> Iterator[tuple[int, int, int]]:
    """What in quoted-printable does not stand for itself: from where to where, and for how many octets."""
    for found in _UNITS.finditer(body, part.start, part.end):
        octets = found[0]
        if octets[:1] == b"=":
            yield found.start(), found.end(), 0 if octets[1:].isspace() or octets == b"=" else 1
        else:
            yield found.start(), found.end(), 2 if octets.endswith(CRLF) else 0


# -- into base64 -------------------------------------------------------------------------------------------------------


def _base64(text: Text, place: int, written: bytes, closing: bytes, *, markup: bool) -> Splice:
    """The piece for an offset in the decoded octets: everything from the line before it is encoded anew."""
    begin, known = _group_line(text, place)
    piece = Personal(
        Kind.BASE64,
        text.part.gap,
        b"",
        text.codec,
        markup,
        prefix=text.octets[known:place] + written,
        suffix=closing + text.octets[place:],
        number=text.part.number,
    )
    return Splice(begin, text.resume, piece)


def _group_line(text: Text, place: int) -> tuple[int, int]:
    """The last line at or before `place` that begins a group of three octets, and the offset that it stands for."""
    body, part = text.body, text.part
    letters = len(body[part.start : part.end].translate(None, _NOT_BASE64))
    begin = part.end
    while begin > part.start:
        line = max(part.start, body.rfind(b"\n", part.start, begin - 1) + 1)
        letters -= len(body[line:begin].translate(None, _NOT_BASE64))
        begin = line
        if letters % 4 == 0 and letters // 4 * 3 <= place:
            return begin, letters // 4 * 3
    return part.start, 0
