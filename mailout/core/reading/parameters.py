"""parameters -- the value of Content-Type and Content-Disposition: a word and its parameters.

Owns     how parameters are read: quoted, continued and in a charset (RFC 2231), in encoded words, or raw 8-bit
Never    raises on what a letter says; reads a value twice, however many parameters it has
Fails    never: what is no parameter is passed over
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import charset as charsets
from .encoded import readable

_COMMENT = re.compile(rb"\([^()]*\)")
_PARAMETER = re.compile(
    rb";\s*([^\s=;\"()<>]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)(?:\"|\Z)|([^;]*))|;",
    re.DOTALL,
)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_CONTINUED = re.compile(r"([^*]+)\*(?:([0-9]{1,3}))?(\*)?")
_MOST = 2000
_TOKEN = re.compile(r"[^\x00-\x20\x7f-\uffff()<>@,;:\\\"/\[\]?=*%']+")
_VALUE_MOST = 60
_PIECE_MOST = 50


@dataclass(frozen=True, slots=True)
class Parameterised:
    """The word before the first semicolon, in lower case, and the parameters by name, in lower case."""

    word: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first parameter called `name`; "" when there is none."""
        return next((value for known, value in self.parameters if known == name), "")


def parameterised(value: bytes, charset: str = "") -> Parameterised:
    """A field's value as its word and parameters; `charset` reads raw 8-bit that is no UTF-8.

    Values keep their spaces; what a parameter is called only once counts first, as most programs read.
    """
    word, semicolon, rest = value.partition(b";")
    if b"(" in word:
        word = _COMMENT.sub(b"", word)
    plain: dict[str, bytes] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, found in _raw_parameters(semicolon + rest):
        continued = _CONTINUED.fullmatch(name)
        if continued is None:
            plain.setdefault(name, found)
        else:
            number = int(continued[2] or 0)
            percent = bool(continued[3]) or continued[2] is None
            pieces.setdefault(continued[1], {}).setdefault(number, (found, percent))
    values = {name: _read(name, found, charset) for name, found in plain.items()}
    values.update({name: _joined(numbered) for name, numbered in pieces.items()})
    return Parameterised(charsets.tidy(word.decode("latin-1")).strip().lower(), tuple(values.items()))


def _read(name: str, value: bytes, charset: str) -> str:
    """A value as text. A boundary stays what it is; only a file's name may hold blanks without quotes."""
    if name == "boundary":
        return value.decode("latin-1")
    return readable(value, charset)


def _raw_parameters(rest: bytes) -> list[tuple[str, bytes]]:
    """The parameters as they stand, quotes and backslashes taken off."""
    found = []
    for match in _PARAMETER.finditer(rest):
        if match[1] is None:
            continue
        name = match[1].decode("latin-1").lower()
        if match[3] is None:
            value = re.sub(rb"\\(.)", rb"\1", match[2], flags=re.DOTALL)
        else:
            value = match[3].strip() if name.startswith(("name", "filename")) else b"".join(match[3].split(None, 1)[:1])
        found.append((name, value))
        if len(found) >= _MOST:
            break
    return found


def _joined(numbered: dict[int, tuple[bytes, bool]]) -> str:
    """A continued value: its pieces in order; the first one names the charset (RFC 2231 4.1)."""
    octets, charset = b"", ""
    for place, number in enumerate(sorted(numbered)):
        value, percent = numbered[number]
        if place == 0 and percent and value.count(b"'") >= 2:
            named, _, value = value.split(b"'", 2)
            charset = named.decode("latin-1")
        octets += _PERCENT.sub(lambda found: bytes((int(found[1], 16),)), value) if percent else value
    return charsets.tidy(charsets.read(octets, charset))


def sound_type(word: str) -> str:
    """A media type as it is read: "" for what is none, multipart/mixed for a multipart of no known name.

    RFC 2045 5.2, RFC 2046 5.1.7. What follows it without a semicolon is passed over.
    """
    kind, slash, rest = "".join(word.split(None, 1)[:1]).partition("/")
    if _TOKEN.fullmatch(kind) and _TOKEN.fullmatch(rest):
        return f"{kind}/{rest}"
    return "multipart/mixed" if kind == "multipart" and slash and rest else ""


def parameters_field(name: bytes, said: Parameterised) -> bytes:
    """A whole field with the same word and parameters in ASCII, one a line; what is not ASCII by RFC 2231."""
    if name.lower() == b"content-type":
        word = sound_type(said.word) or "text/plain"
    else:
        word = said.word if _TOKEN.fullmatch(said.word) else "attachment"
    parts = [f"{name.decode()}: {word}"]
    for parameter, value in said.parameters:
        if _TOKEN.fullmatch(parameter):
            parts += _written(parameter, value)
    return (";\r\n ".join(parts) + "\r\n").encode("latin-1")


def _written(name: str, value: str) -> list[str]:
    """A parameter, in as many pieces as it needs."""
    if name == "boundary" or (value.isascii() and len(value) <= _VALUE_MOST):
        quoted = re.sub(r'(["\\])', r"\\\1", value)
        return [f'{name}="{quoted}"']
    octets = value.encode()
    escaped = [chr(octet) if chr(octet).isalnum() and octet < 128 else f"%{octet:02X}" for octet in octets]
    pieces, piece = [], "utf-8''"
    for character in escaped:
        if len(piece) + len(character) > _PIECE_MOST:
            pieces.append(piece)
            piece = ""
        piece += character
    pieces.append(piece)
    if len(pieces) == 1:
        return [f"{name}*={pieces[0]}"]
    return [f"{name}*{number}*={piece}" for number, piece in enumerate(pieces)]
