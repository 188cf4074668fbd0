"""splice -- an insertion into one encoded part, with everything around it left octet for octet.

Owns     what a piece is that differs by recipient, and the arithmetic of base64
Never    decides what is inserted, or where: that is `below` for a text and `within` for HTML
Fails    never

Decoded, a part that was spliced is what it was, and the insertion. Base64 is encoded anew from the last line before it
that begins a group of three octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..reading.mime import Part
from ..reading.transfer import PIECE, decode, escaped, soft_lines

CRLF = b"\r\n"
SOFT = b"=\r\n"

_NOT_LETTERS = b" \t\r\n="


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
class Target:
    """A part to insert into, and the codec in which that is written."""

    part: Part
    body: bytes
    codec: str

    @property
    def resume(self) -> int:
        """Where the rest of the body begins: after the CRLF that ends the part's last line."""
        return self.part.end + 2 if self.body.startswith(CRLF, self.part.end) else self.part.end


def soft(octets: bytes) -> bytes:
    """`octets` in quoted-printable on lines that leave room for the "=" of a soft break."""
    return SOFT.join(soft_lines(escaped(octets)))


def into_base64(target: Target, place: int, written: bytes, closing: bytes, *, markup: bool) -> Splice:
    """The piece for the offset `place` in the decoded octets: `written`, the link, `closing`."""
    begin, known = _group_line(target, place)
    rest = decode(target.body[begin : target.part.end], "base64")
    piece = Personal(
        Kind.BASE64,
        before=target.part.gap,
        after=b"",
        codec=target.codec,
        markup=markup,
        prefix=rest[: place - known] + written,
        suffix=closing + rest[place - known :],
        number=target.part.number,
    )
    return Splice(begin, target.resume, piece)


def _group_line(target: Target, place: int) -> tuple[int, int]:
    """The last line at or before `place` that begins a group of three octets, and the offset that it stands for."""
    body, start, begin = target.body, target.part.start, target.part.end
    letters = _letters(body, start, begin)
    while begin > start:
        line = max(start, body.rfind(b"\n", start, begin - 1) + 1)
        letters -= _letters(body, line, begin)
        begin = line
        if letters % 4 == 0 and letters // 4 * 3 <= place:
            return begin, letters // 4 * 3
    return start, 0


def _letters(body: bytes, start: int, end: int) -> int:
    """How many letters of base64 stand in `body[start:end]`, which holds nothing else but line ends and padding."""
    stretches = (body[at : min(at + PIECE, end)] for at in range(start, end, PIECE))
    return sum(len(stretch.translate(None, _NOT_LETTERS)) for stretch in stretches)
