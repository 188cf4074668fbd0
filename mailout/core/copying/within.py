"""within -- a line in HTML, where its displayed content ends.

Owns     the place in the decoded octets, and the place in the encoded ones that stands for it
Never    changes a tag that is there: what was open is closed before the line, and stays closed
Fails    never

The line of the body that the place is in is split there; a line end in HTML is a blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..reading import charset as charsets
from ..reading.mime import Part, decoded
from .below import to_ascii
from .markup import content_end, open_tables
from .splice import CRLF, SOFT, Kind, Personal, Splice, Target, into_base64, soft

# An escape, a soft break, the "==" of some programs, and blanks that end a line (they stand for nothing)
_UNITS = re.compile(rb"=[0-9A-Fa-f]{2}|=[ \t]*+(?:\r\n|\Z)|==|(?<![ \t])[ \t]++(?:\r\n|\Z)")


def in_markup(target: Target, before: str, after: str) -> Splice:
    """The piece that puts markup with the link in it where the displayed content of HTML ends."""
    octets = decoded(target.part, target.body)
    place, tables = _content_end(octets, target.codec)
    lead = to_ascii(octets[:place], target.codec)
    if lead:
        place, lead = len(octets), to_ascii(octets, target.codec)
    written = lead + ("</td></tr></table>" * tables + before).encode(target.codec)
    closing = after.encode(target.codec)
    if target.part.encoding == "base64":
        return into_base64(target, place, written, closing, markup=True)
    return _within_lines(target, _encoded_place(target, place), written, closing)


def _content_end(octets: bytes, codec: str) -> tuple[int, int]:
    """The offset in the decoded octets at which the content ends, and how many tables are open there."""
    if charsets.holds_ascii(codec):
        place = content_end(octets)
        return place, open_tables(octets, place)
    characters = octets.decode(codec, "replace")
    letters = characters.encode("latin-1", "replace")
    place = content_end(letters)
    upto = characters[:place].encode(codec, "replace")
    return (len(upto) if octets.startswith(upto) else len(octets)), open_tables(letters, place)


def _within_lines(target: Target, at: int, written: bytes, closing: bytes) -> Splice:
    """The piece for an offset in a body of plain or quoted-printable octets: it splits the line that it is in."""
    body, part = target.body, target.part
    begin = max(part.start, body.rfind(b"\n", part.start, at) + 1)
    stop = body.find(CRLF, at, part.end)
    stop = stop if stop >= 0 else part.end
    end = stop + 2 if body.startswith(CRLF, stop) else stop
    upto, rest = body[begin:at], body[at:stop]
    upto += CRLF if upto else b""
    rest += CRLF if rest else b""
    kind, before, after = Kind.PLAIN, part.gap + upto + written, closing + CRLF + rest
    if part.encoding == "quoted-printable":
        kind = Kind.QUOTED_PRINTABLE
        before, after = part.gap + _held(upto) + _quoted(written) + SOFT, SOFT + _quoted(closing) + CRLF + rest
    piece = Personal(kind, before, after, target.codec, markup=True, number=part.number)
    return Splice(begin, end, piece)


def _held(upto: bytes) -> bytes:
    """A line's beginning that now ends there: a stray "=" would be a soft break, and a blank would be lost."""
    last = upto[-3:-2]
    return upto[:-3] + b"=%02X" % last[0] + CRLF if last in (b"=", b" ", b"\t") else upto


def _quoted(octets: bytes) -> bytes:
    """Octets with line ends in them, in quoted-printable with room for a soft break."""
    return CRLF.join(soft(line) for line in octets.split(CRLF))


def _encoded_place(target: Target, place: int) -> int:
    """The offset in the body of the offset `place` in the decoded octets."""
    part = target.part
    if part.encoding != "quoted-printable":
        return part.start + place
    at, ahead = part.start, place
    for start, end, stands_for in _units(target.body, part):
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
