"""carry -- what SMTP can't carry, encoded anew, once.

Owns     which octets a relay can't be given (RFC 5321 4.5.3.1.6, 4.5.2; RFC 6152), and what is written in their place
Never    changes what a part decodes to, or touches a part that can go as it is
Fails    Refused(UNREADABLE) where nothing can be encoded: a boundary, a part's head, an enclosed letter

A part with a NUL, a line over 998 octets, 8-bit for a relay without 8BITMIME, or the encoding "binary" is written in
quoted-printable or base64, and its Content-Transfer-Encoding says so. What stands before the first part and after the
last one is shown to nobody and is made harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from ..problem import Problem
from ..reading.head import Field
from ..reading.mime import Part, decoded
from ..reading.naming import called, sentence
from ..reading.transfer import LINE, base64_pieces, joined, quoted_printable_pieces
from .refused import Refused
from .relabel import part_head, relabelled

LINE_MOST = 998
_UNENCODABLE = ("multipart/", "message/")
_ESCAPED_MOST = 6
_SAFE_IN_QP = bytes(octet for octet in range(32, 127) if octet != 61) + b"\r\n\t"
_STRETCH = LINE * 8192
_STARRED = bytes(octet if 0 < octet < 127 else 42 for octet in range(256))


@dataclass(frozen=True, slots=True)
class Edit:
    """What goes out in the place of `body[start:end]`: pieces that are made when they are written."""

    start: int
    end: int
    pieces: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Carried:
    """A letter that can be carried: its fields and body, and for each part that was written anew why (by number)."""

    fields: tuple[Field, ...]
    body: bytes
    why: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """Why, in sentences."""
        return tuple(why for _, why in self.why)


class _Writer:
    """Collects what must be written anew."""

    def __init__(self, root: Part, body: bytes, eight_bit: bool) -> None:
        self.root, self.body, self.eight_bit = root, body, eight_bit
        self.edits: list[Edit] = []
        self.root_fields: tuple[Field, ...] | None = None
        self.why: list[tuple[str, str]] = []

    def fault(self, start: int, end: int) -> str:
        """Why `body[start:end]` can't be carried; "" when it can."""
        if has_long_line(self.body, start, end):
            return "a line in it is longer than mail can carry"
        if self.body.find(b"\0", start, end) >= 0:
            return "it holds a character that mail can't carry"
        if not self.eight_bit and not _is_ascii(self.body, start, end):
            return "your mail provider takes no 8-bit text"
        return ""

    def write(self, part: Part, why: str, content: Iterable[bytes], **named: str) -> None:
        """Write `part` with other content, and other values in its head where `named` gives them."""
        fields = relabelled(part, named)
        if part is self.root:
            self.root_fields = fields
            self.edits.append(Edit(part.start, part.end, content))
        else:
            self.edits.append(Edit(part.head_start, part.end, chain((part_head(fields),), content)))
        self.why.append((part.number, why))

    def relabel(self, part: Part, encoding: str) -> None:
        """Give a container another name for its encoding, without touching what is in it."""
        fields = relabelled(part, {"content-transfer-encoding": encoding})
        if part is self.root:
            self.root_fields = fields
        else:
            self.edits.append(Edit(part.head_start, part.start, (part_head(fields),)))


def carried(fields: tuple[Field, ...], root: Part, body: bytes, *, eight_bit: bool) -> Carried:
    """The letter as a relay can be given it; the same `body` object when it can go as it is.

    `eight_bit` says whether the relay offers 8BITMIME.
    """
    writer = _Writer(root, body, eight_bit)
    _look(root, writer)
    return _applied(fields, writer)


def rewritten(
    fields: tuple[Field, ...], root: Part, body: bytes, wanted: tuple[tuple[Part, bytes, str], ...]
) -> Carried:
    """The letter with other octets as the content of some text parts: each part, its octets, their charset or "".

    Without a charset it stays what it was, and the octets are written in clean base64.
    """
    writer = _Writer(root, body, True)
    for part, octets, charset in wanted:
        told = f"{sentence(called(part))} was {'written in UTF-8' if charset else 'encoded anew'}"
        told += ", so that it can carry the unsubscribe line. It reads the same."
        if charset:
            named = {"content-transfer-encoding": "quoted-printable", "charset": charset}
            writer.write(part, told, quoted_printable_pieces(octets), **named)
        else:
            named = {"content-transfer-encoding": "base64"}
            writer.write(part, told, _unended(base64_pieces(octets), part, root), **named)
    return _applied(fields, writer)


def _applied(fields: tuple[Field, ...], writer: _Writer) -> Carried:
    """The letter with the collected edits."""
    if not writer.edits and writer.root_fields is None:
        return Carried(fields, writer.body)
    body = joined(_edited(writer))
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    return Carried(writer.root_fields or fields, body, tuple(writer.why))


def _edited(writer: _Writer) -> Iterator[bytes | memoryview]:
    """The body with the edits in it, piece by piece."""
    view, at = memoryview(writer.body), 0
    for edit in sorted(writer.edits, key=lambda edit: edit.start):
        yield view[at : edit.start]
        yield from edit.pieces
        at = edit.end
    yield view[at:]


def _look(part: Part, writer: _Writer) -> None:
    """Write what is in `part` anew where it must be."""
    if part is not writer.root and (why := writer.fault(part.head_start, part.start)):
        raise Refused(Problem.UNREADABLE, f"In the head of {called(part)} {_told(why)}.")
    if part.is_enclosed:
        _look_at_enclosed(part, writer)
    elif part.is_multipart:
        _look_at_container(part, writer)
    else:
        _look_at_leaf(part, writer)


def _look_at_enclosed(part: Part, writer: _Writer) -> None:
    """An enclosed letter can be encoded by nobody (RFC 2046 5.2.1); only the name of its encoding can be put right."""
    if why := writer.fault(part.start, part.end):
        raise Refused(Problem.UNREADABLE, f"In the enclosed letter {_told(why)}.")
    if part.encoding == "binary":
        writer.relabel(part, "8bit" if writer.eight_bit else "7bit")


def _look_at_container(part: Part, writer: _Writer) -> None:
    """The parts, and what stands between, before and after them."""
    if part.encoding == "binary" or (part.encoding == "8bit" and not writer.eight_bit):
        writer.relabel(part, "8bit" if writer.eight_bit else "7bit")
    at = part.start
    for child in (*part.children, None):
        stop = child.head_start if child else part.end
        if writer.fault(at, stop):
            writer.edits.append(Edit(at, stop, (_harmless(part, writer, at, stop),)))
        if child:
            _look(child, writer)
            at = child.end


def _look_at_leaf(part: Part, writer: _Writer) -> None:
    """A part with content of its own."""
    why = writer.fault(part.start, part.end)
    if not why and part.encoding == "binary":
        why = 'it says "binary", which mail can\'t carry'
    if not why:
        return
    if part.type.startswith(_UNENCODABLE):
        raise Refused(Problem.UNREADABLE, f"In {called(part)} {_told(why)}.")
    told = f"{sentence(called(part))} was encoded anew, because {why}. It decodes to the same bytes."
    content, encoding = encoded_anew(part, writer.body)
    if encoding == "base64":
        content = _unended(content, part, writer.root)
    writer.write(part, told, content, **{"content-transfer-encoding": encoding})


def encoded_anew(part: Part, body: bytes) -> tuple[Iterable[bytes], str]:
    """The content of a leaf in an encoding that can be carried, in pieces, and that encoding's name.

    Base64 keeps its letters, and what is none among them stays none: only its lines are cut anew.
    """
    if part.encoding == "base64":
        return _base64_cut(body, part.start, part.end), "base64"
    octets = decoded(part, body)
    if part.type.startswith("text/"):
        escaped = len(octets.translate(None, _SAFE_IN_QP))
        if part.encoding == "quoted-printable" or escaped * _ESCAPED_MOST <= len(octets) + 200:
            return quoted_printable_pieces(octets), "quoted-printable"
    return base64_pieces(octets), "base64"


def _base64_cut(body: bytes, at: int, end: int) -> Iterator[bytes]:
    """Base64 as it is, with its long lines cut."""
    while at < end:
        line = body.find(b"\r\n", at, end)
        stop = line if line >= 0 else end
        long = stop - at > LINE_MOST
        for start in range(at, stop, _STRETCH):
            stretch = body[start : min(start + _STRETCH, stop)].translate(_STARRED)
            yield b"\r\n".join(_cut(stretch, LINE)) if long else stretch
            yield b"\r\n" if start + _STRETCH < stop else b""
        yield body[stop : stop + 2] if line >= 0 else b""
        at = stop + 2


def _unended(content: Iterable[bytes], part: Part, root: Part) -> Iterator[bytes]:
    """Encoded content without the CRLF at its end, which in a part belongs to the delimiter."""
    last = b""
    for piece in content:
        if piece:
            yield last
            last = piece
    yield last if part is root else last.removesuffix(b"\r\n")


def _cut(line: bytes, most: int) -> list[bytes]:
    """`line` in pieces of at most `most` octets."""
    return [line[at : at + most] for at in range(0, len(line), most)]


def _harmless(part: Part, writer: _Writer, start: int, end: int) -> bytes:
    """What stands between parts, so that it can be carried; a delimiter that can't be is refused."""
    mark = b"--" + part.content.get("boundary").rstrip().encode("latin-1")
    lines = []
    for line in writer.body[start:end].split(b"\r\n"):
        fault = len(line) > LINE_MOST or b"\0" in line or not (writer.eight_bit or line.isascii())
        if fault and line.startswith(mark):
            raise Refused(Problem.UNREADABLE, "The line between two of the letter's parts can't be carried by mail.")
        if fault:
            plain = line.replace(b"\0", b"?").decode("ascii", "replace").encode("ascii", "replace")
            line = b"\r\n ".join(_cut(plain, LINE))
        lines.append(line)
    return b"\r\n".join(lines)


def has_long_line(octets: bytes, start: int, end: int) -> bool:
    """Whether a line in `octets[start:end]`, which begins one, has over 998 octets without its CRLF."""
    at = start
    while end - at > LINE_MOST:
        line_end = octets.rfind(b"\n", at, min(end, at + LINE_MOST + 2))
        if line_end < 0:
            return True
        at = line_end + 1
    return False


def _is_ascii(octets: bytes, start: int, end: int) -> bool:
    """Whether there is no 8-bit in `octets[start:end]`, a megabyte at a time."""
    step = 1 << 20
    return all(octets[at : min(at + step, end)].isascii() for at in range(start, end, step))


def _told(why: str) -> str:
    """The reason in the middle of a sentence that names the place."""
    return why.replace("in it ", "").replace("it holds", "there is")
