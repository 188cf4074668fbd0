"""encoded -- the words of header fields that are not ASCII (RFC 2047), read and made.

Owns     what a field's value reads as, and the encoded words that we write
Never    raises on what a letter says; writes an encoded word of over 75 octets, or splits a character between two
Fails    never
"""

from __future__ import annotations

import binascii
import re

from . import charset as charsets

WORD_MOST = 75

# Neither "?=" nor the beginning of another word stands inside a word; so no text is looked at twice.
_WORD = re.compile(r"=\?([^\s?]{1,60})\?([bBqQ])\?((?:(?!\?=|=\?[^=])[^\r\n])*)\?=")
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
_Q_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_BEGIN, _END = "=?utf-8?q?", "?="
_AFTER_MOST = 30


def readable(value: bytes, charset: str = "") -> str:
    """A field's value as a person reads it, on one line (RFC 2047 6).

    Raw 8-bit is read as UTF-8, else as `charset`, else as windows-1252. Words that share a charset are joined before
    they are decoded, for many programs cut a character in two.
    """
    text = value.decode("latin-1")
    if "=?" not in text:
        return charsets.tidy(_plain(text, charset))
    pieces: list[str] = []
    pending, pending_charset, at = b"", "", 0
    for found in _WORD.finditer(text):
        between = text[at : found.start()]
        at = found.end()
        name = found[1].partition("*")[0].lower()
        adjacent = bool(pending_charset) and not between.strip(" \t\r\n")
        if not (adjacent and name == pending_charset):
            pieces.append(charsets.read(pending, pending_charset))
            pieces.append("" if adjacent else _plain(between, charset))
            pending = b""
        pending, pending_charset = pending + _octets(found[2], found[3]), name
    pieces.append(charsets.read(pending, pending_charset))
    pieces.append(_plain(text[at:], charset))
    return charsets.tidy("".join(pieces))


def _plain(text: str, charset: str) -> str:
    """What stands between encoded words; `text` has an octet for each character."""
    return text if text.isascii() else charsets.guessed(text.encode("latin-1"), charset)


def _octets(encoding: str, payload: str) -> bytes:
    """The octets that an encoded word's payload stands for."""
    raw = payload.encode("latin-1")
    if encoding in "qQ":
        return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw.replace(b"_", b" "))
    letters = _NOT_BASE64.sub(b"", raw)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def encoded_words(text: str, *, after: int = 0, always: bool = False) -> bytes:
    """`text` as it may stand in an unstructured field or a phrase: ASCII as it is, else words on folded lines.

    Control characters are left out. ASCII that would be read as an encoded word is encoded too; with `always`, all is.
    `after` is how many octets stand before it on its first line, which is held to 76 as well (RFC 2047 2).
    """
    text = charsets.tidy(text)
    if not text or (text.isascii() and "=?" not in text and not always):
        return text.encode("ascii")
    return b"\r\n ".join(_words(text, min(after, _AFTER_MOST)))


def _words(text: str, after: int) -> list[bytes]:
    """`text` as encoded words of UTF-8, in whichever encoding is shorter."""
    q = [_q(character) for character in text]
    octets = len(text.encode())
    if sum(map(len, q)) <= octets * 4 // 3:
        return [f"{_BEGIN}{piece}{_END}".encode() for piece in _filled(q, WORD_MOST - 12, after)]
    # 45 octets are 60 characters of base64, which is what a word has room for
    encoded = [character.encode().decode("latin-1") for character in text]
    filled = (piece.encode("latin-1") for piece in _filled(encoded, 45, -(-after * 3 // 4)))
    return [b"=?utf-8?b?" + binascii.b2a_base64(piece, newline=False) + b"?=" for piece in filled]


def _q(character: str) -> str:
    """One character in the Q encoding, with nothing in it that a phrase can't hold (RFC 2047 5 (3))."""
    if character == " ":
        return "_"
    octets = character.encode()
    return "".join(chr(octet) if octet in _Q_PLAIN else f"={octet:02X}" for octet in octets)


def _filled(pieces: list[str], most: int, less: int) -> list[str]:
    """`pieces` joined into texts of at most `most` characters, the first one of `less` fewer; none is cut in two."""
    texts, text = [], ""
    room = most - less
    for piece in pieces:
        if len(text) + len(piece) > room:
            texts.append(text)
            text, room = "", most
        text += piece
    return [*texts, text]
