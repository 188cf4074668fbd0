"""gate -- the leak gate: a finished letter is searched for what no customer may see.

Owns     where the key, or the address made of it, could hide: in any case, decoded, in enclosed letters, in names
Never    lets a letter pass because it could not be read: what is searched is octets
Fails    Refused(KEY_IN_TEXT), with the place in words

Everything is compared by its ASCII letters and digits alone, so that no encoding of blanks, folds, soft hyphens,
UTF-16 or punctuation hides a key; a key is 130 bits and stands nowhere by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..problem import Problem
from ..reading.charset import unescaped
from ..reading.encoded import readable
from ..reading.head import Field, canonical, cut
from ..reading.mailbox import mailboxes
from ..reading.mime import Part, Unreadable, decoded, text, tree, walk
from ..reading.naming import called
from ..reading.parameters import parameterised
from ..reading.transfer import pieces, windows
from .refused import Refused

_KEPT = b"abcdefghijklmnopqrstuvwxyz0123456789"
_LOWER = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))
_DROPPED = bytes(octet for octet in range(256) if octet not in _KEPT + _KEPT.upper())
_OVERLAP = 4096
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_TAG = re.compile(rb"<[^<>]{0,2000}>")
_ADDRESS = re.compile(rb"[^\s<>,;:\"()\[\]@]+@[^\s<>,;:\"()\[\]@]+")
_DEPTH = 4
_FOR_PEOPLE = {"subject": "the subject", "from": "the name in From", "reply-to": "Reply-To"}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must not be seen: words (keys and key addresses), by their letters and digits; others' addresses."""

    words: tuple[bytes, ...]
    addresses: frozenset[bytes]

    def in_octets(self, octets: bytes, *, markup: bool = False) -> bool:
        """Whether a secret word stands in `octets`, as it is or percent-encoded; in `markup` also between tags."""
        return any(word in letters for letters in _readings(octets, markup) for word in self.words)


def secrets(words: tuple[str, ...], addresses: tuple[str, ...]) -> Secrets:
    """What is searched for; a word without letters or digits is none."""
    letters = (_letters(word.encode()) for word in words)
    return Secrets(tuple(word for word in letters if word), frozenset(a.lower().encode() for a in addresses))


def _letters(octets: bytes) -> bytes:
    """The ASCII letters, in lower case, and digits in `octets`."""
    return octets.translate(_LOWER, _DROPPED)


def _readings(octets: bytes, markup: bool) -> Iterator[bytes]:
    """`octets` by their letters, read in each way in which a program might."""
    yield _letters(octets)
    if b"%" in octets:
        yield _letters(_PERCENT.sub(lambda found: bytes((int(found[1], 16),)), octets))
    if markup and b"&" in octets:
        yield _letters(unescaped(octets.decode("latin-1")).encode("utf-8", "replace"))
    if markup and b"<" in octets:
        yield _letters(_TAG.sub(b"", octets))


def check_head(fields: tuple[Field, ...], secret: Secrets) -> None:
    """Raise Refused when a secret stands in a header field that goes out, or another person's address does."""
    for field in fields:
        where = _FOR_PEOPLE.get(field.name, f"the header {field.name}")
        if secret.in_octets(field.raw) or secret.in_octets(readable(field.value).encode()):
            raise _found(where)
        if secret.addresses and secret.addresses.intersection(_addresses(field)):
            raise Refused(Problem.KEY_IN_TEXT, f"Another customer's address stands in {where}.")


def _addresses(field: Field) -> Iterator[bytes]:
    """The addresses that stand in a field, in lower case."""
    yield from (found.lower() for found in _ADDRESS.findall(field.raw))
    yield from (box.address.lower().encode() for box in mailboxes(field.value))


def check_body(root: Part, body: bytes, secret: Secrets) -> None:
    """Raise Refused when a secret stands in a part, in its head, or between the parts."""
    for part in walk(root):
        _check_part(part, root, body, secret, _DEPTH)
    for window in windows(pieces(memoryview(body), ""), _OVERLAP):
        if secret.in_octets(window):
            raise _found("the letter, outside of its text and its files")


def _check_part(part: Part, root: Part, body: bytes, secret: Secrets, depth: int) -> None:
    """The same for one part: what its head reads as, and its decoded content."""
    where = _where(part)
    if part is not root and any(_in_field(field, secret) for field in part.fields):
        raise _found(where)
    if part.children:
        return
    for window in windows(pieces(memoryview(body)[part.start : part.end], part.encoding), _OVERLAP):
        if secret.in_octets(window, markup=part.type.startswith("text/")):
            raise _found(where)
    if part.charset.replace("_", "-").endswith("utf-7") and secret.in_octets(text(part, body).encode()):
        raise _found(where)
    if part.is_enclosed and depth:
        _check_enclosed(part, body, secret, depth - 1)


def _in_field(field: Field, secret: Secrets) -> bool:
    """Whether a secret stands in a part's field, in any of the ways in which fields hold text."""
    values = (value for _, value in parameterised(field.value).parameters)
    return any(secret.in_octets(said.encode()) for said in (readable(field.value), *values))


def _check_enclosed(part: Part, body: bytes, secret: Secrets, depth: int) -> None:
    """The same for an enclosed letter that is encoded, which nobody may do and some programs open."""
    fields, inner = cut(canonical(decoded(part, body)))
    try:
        root = tree(fields, inner)
    except Unreadable as error:
        raise Refused(Problem.UNREADABLE, f"In an enclosed letter: {error}") from error
    for one in walk(root):
        if any(_in_field(field, secret) for field in one.fields):
            raise _found("an enclosed letter")
        _check_part(one, root, inner, secret, depth)


def _where(part: Part) -> str:
    """What a part is called when a secret stands in it."""
    if part.is_multipart or part.is_enclosed:
        return "an enclosed letter" if part.is_enclosed else "the letter"
    return called(part)


def _found(where: str) -> Refused:
    return Refused(Problem.KEY_IN_TEXT, f"The key stands in {where}, where every customer could read it.")
