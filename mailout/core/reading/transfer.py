"""transfer -- the transfer encodings: quoted-printable and base64, read leniently and written strictly.

Owns     what octets an encoded content stands for, whole or piece by piece, and how we encode
Never    raises on what a letter holds; keeps more than a piece in memory where pieces are asked for
Fails    never: what is no base64 is passed over, what is no escape stands for itself (RFC 2045 6.7, 6.8)
"""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Iterable, Iterator

ENCODED = ("quoted-printable", "base64")
PIECE = 1 << 20
LINE = 76

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")
_TO_QUOTE = re.compile(rb"[^\t\x20-\x3c\x3e-\x7e]")
_BLANK_ENDS = re.compile(rb"(?<![ \t])[ \t]++(?=\r\n|\Z)")


def decode(content: bytes, encoding: str) -> bytes:
    """The octets that `content` stands for; an encoding that we don't know is none (so programs show it)."""
    if encoding not in ENCODED:
        return content
    return joined(pieces(memoryview(content), encoding))


def joined(octets: Iterable[bytes | memoryview]) -> bytes:
    """Pieces as one; it is never in memory twice."""
    whole = io.BytesIO()
    for piece in octets:
        whole.write(piece)
    return whole.getvalue()


def pieces(content: memoryview, encoding: str) -> Iterator[bytes]:
    """The same in pieces of about a megabyte, so that a large part is never decoded as a whole."""
    if encoding == "base64":
        yield from _base64(content)
        return
    at = 0
    while at < len(content):
        stop = min(at + PIECE, len(content))
        piece = bytes(content[at:stop])
        if encoding == "quoted-printable" and stop < len(content):
            cut = piece.rfind(b"\n") + 1
            piece = piece[:cut] if cut else piece
        yield quoted_printable_decoded(piece) if encoding == "quoted-printable" else piece
        at += len(piece)


def windows(octets: Iterable[bytes], overlap: int) -> Iterator[bytes]:
    """Each piece with the end of the one before it, so that nothing that is looked for hides where they meet."""
    tail = b""
    for piece in octets:
        window = tail + piece
        yield window
        tail = window[-overlap:]


def _base64(content: memoryview) -> Iterator[bytes]:
    """Base64 in pieces. Padding in the middle ends a group, and what follows is read on."""
    left = b""
    for at in range(0, len(content), PIECE):
        *whole, left = (left + bytes(content[at : at + PIECE]).translate(None, _NOT_BASE64)).split(b"=")
        for group in whole:
            yield _group(group)
        ready = len(left) - len(left) % 4
        yield binascii.a2b_base64(left[:ready])
        left = left[ready:]
    yield _group(left)


def _group(letters: bytes) -> bytes:
    """The octets of base64 letters without their padding; a lone last letter stands for none."""
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def quoted_printable_decoded(content: bytes) -> bytes:
    """The octets of quoted-printable content; blanks at line ends were put there by the way (RFC 2045 6.7 (3))."""
    if b" \r\n" in content or b"\t\r\n" in content or content[-1:] in (b" ", b"\t"):
        content = _BLANK_ENDS.sub(b"", content)
    return binascii.a2b_qp(content)


def base64_lines(octets: bytes) -> bytes:
    """`octets` in base64, in lines of 76, each with its CRLF."""
    letters = binascii.b2a_base64(octets, newline=False)
    if len(letters) <= LINE:
        return letters + b"\r\n" if letters else b""
    return b"\r\n".join(letters[at : at + LINE] for at in range(0, len(letters), LINE)) + b"\r\n"


def base64_pieces(octets: bytes) -> Iterator[bytes]:
    """The same, a stretch at a time."""
    step = LINE // 4 * 3 * 4096
    for at in range(0, len(octets), step):
        yield base64_lines(octets[at : at + step])


def quoted_printable(octets: bytes) -> bytes:
    """`octets` in quoted-printable, CRLF as line ends and every other control character escaped; no line over 76.

    It decodes to the same octets, in whichever reader: a blank before a line end is escaped.
    """
    return b"\r\n".join(map(_quoted_line, octets.split(b"\r\n")))


def quoted_printable_pieces(octets: bytes) -> Iterator[bytes]:
    """The same, a stretch at a time."""
    at = 0
    while at < len(octets):
        cut = octets.find(b"\r\n", at + PIECE)
        stop = cut + 2 if cut >= 0 else len(octets)
        yield quoted_printable(octets[at:stop])
        at = stop


def _quoted_line(line: bytes) -> bytes:
    """One line in quoted-printable, with soft breaks."""
    quoted = escaped(line)
    if quoted[-1:] in (b" ", b"\t"):
        quoted = quoted[:-1] + b"=%02X" % quoted[-1]
    return quoted if len(quoted) <= LINE else b"=\r\n".join(soft_lines(quoted))


def escaped(octets: bytes) -> bytes:
    """`octets` with an escape for everything but printable ASCII, blanks and TABs; line ends too."""
    return _TO_QUOTE.sub(lambda found: b"=%02X" % found[0][0], octets)


def soft_lines(quoted: bytes) -> list[bytes]:
    """Escaped content cut into pieces of at most 75, none in the middle of an escape."""
    lines, at = [], 0
    while at < len(quoted):
        stop = at + LINE - 1
        if stop < len(quoted):
            equals = quoted.rfind(b"=", stop - 2, stop)
            stop = equals if equals >= 0 else stop
        lines.append(quoted[at:stop])
        at = stop
    return lines
