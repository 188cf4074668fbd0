"""line -- the unsubscribe line: one line with the customer's own link, at the end of the displayed text and HTML.

Owns     which parts take the line as they are, which must be written anew for it, and the piece that is put into each
Never    touches an attachment, or an octet of a part that it need not: the line is spliced in
Fails    never: a part that can't take the line is left as it is, and named

A piece begins at the start of a line and ends at the end of one, so pieces and what is between them can be dot-stuffed
apart (RFC 5321 4.5.2). `personal` completes it with one customer's link.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from ..reading import charset as charsets
from ..reading.displayed import last_texts
from ..reading.mime import Part, decoded
from ..reading.transfer import base64_lines, decode, escaped, soft_lines
from .below import after_text
from .splice import Kind, Personal, Splice, Target
from .within import in_markup
from .wording import Wording, plain

__all__ = ["Kind", "Personal", "Splice", "Wanted", "personal", "spliced", "wanted"]

_IDENTITY_MOST = 500
_SAMPLE = 4096
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64")
_CLEAN_BASE64 = re.compile(rb"[A-Za-z0-9+/ \t\r\n]*+={0,2}[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part that must be written anew before it can take the line: other octets, in UTF-8 if `charset` says so."""

    part: Part
    octets: bytes
    charset: str


def wanted(root: Part, body: bytes, wording: Wording, *, eight_bit: bool) -> tuple[Wanted, ...]:
    """The displayed parts that can't take the line as they are, and how they would be written so that they can.

    A text whose charset or encoding can't carry the words becomes UTF-8; base64 with something else in it, clean.
    """
    found = (_wanted(part, body, wording, eight_bit) for part in last_texts(root))
    return tuple(one for one in found if one)


def _wanted(part: Part, body: bytes, wording: Wording, eight_bit: bool) -> Wanted | None:
    if part.type == "text/plain" and not _takes(part, _codec(part, body), wording.words, eight_bit):
        text = _strictly(decoded(part, body), part.charset) if part.encoding in _ENCODINGS else None
        if text is not None:
            return Wanted(part, text.encode(), "utf-8")
    if part.encoding == "base64" and not _CLEAN_BASE64.fullmatch(body, part.start, part.end):
        return Wanted(part, decoded(part, body), "")
    return None


def _strictly(octets: bytes, charset: str) -> str | None:
    """`octets` as text if everybody reads the same in them; None when that can't be known."""
    try:
        text = octets.decode(charsets.codec(charset) or "ascii")
        return text if text == charsets.read(octets, charset) else None
    except (UnicodeError, ValueError):
        return None


def spliced(
    root: Part, body: bytes, wording: Wording, *, eight_bit: bool
) -> tuple[tuple[Splice, ...], tuple[Part, ...]]:
    """The pieces that put the line into the letter, in the order of its body; and the displayed parts left without."""
    pieces, left = [], []
    for part in last_texts(root):
        piece = _splice(part, body, wording, eight_bit)
        if piece:
            pieces.append(piece)
        else:
            left.append(part)
    return tuple(pieces), tuple(left)


def _splice(part: Part, body: bytes, wording: Wording, eight_bit: bool) -> Splice | None:
    """The piece for one part; None when it can't take the line."""
    if part.start == part.end == part.head_start and part.number != "1":
        return None
    target = Target(part, body, _codec(part, body))
    if part.type == "text/html":
        fits = _takes(part, target.codec, wording.markup_before + wording.markup_after, eight_bit, lines=True)
        return in_markup(target, wording.markup_before, wording.markup_after) if fits else None
    words = next((said for said in _said(wording) if _takes(part, target.codec, said, eight_bit)), None)
    return after_text(target, words) if words is not None else None


def _said(wording: Wording) -> tuple[str, str]:
    """The words as they are, and in ASCII."""
    return wording.words, plain(wording.words)


def _takes(part: Part, name: str, words: str, eight_bit: bool, *, lines: bool = False) -> bool:
    """Whether `words` can be written with the codec and the part's encoding; `lines`: they are short lines already."""
    try:
        written = words.encode(name)
    except (UnicodeError, ValueError):
        return False
    if part.encoding == "base64":
        return True
    if part.encoding not in _ENCODINGS or not charsets.holds_ascii(name):
        return False
    short = lines or len(written) <= _IDENTITY_MOST
    seven_bit = written.isascii() or (eight_bit and part.encoding == "8bit")
    return part.encoding == "quoted-printable" or (short and seven_bit)


def _codec(part: Part, body: bytes) -> str:
    """The codec to write with: that of the part's charset, ASCII without one, the byte order as it is in the part."""
    name = charsets.codec(part.charset) or "ascii"
    if name not in ("utf-16", "utf-32"):
        return name
    octets = decode(body[part.start : min(part.end, part.start + _SAMPLE)], part.encoding)
    marks = {"utf-16": (b"\xff\xfe", b"\xfe\xff"), "utf-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff")}[name]
    if octets.startswith(marks[0]):
        return f"{name}-le"
    little = octets[1::2].count(0) > octets[::2].count(0)
    return f"{name}-le" if little and not octets.startswith(marks[1]) else f"{name}-be"


def personal(piece: Personal, link: str) -> bytes:
    """The octets of `piece` for the customer with this link (an ASCII URL)."""
    octets = (html.escape(link) if piece.markup else link).encode(piece.codec)
    if piece.kind is Kind.BASE64:
        return piece.before + base64_lines(piece.prefix + octets + piece.suffix) + piece.after
    if piece.kind is Kind.QUOTED_PRINTABLE:
        octets = b"=\r\n".join(soft_lines(escaped(octets)))
    return piece.before + octets + piece.after
