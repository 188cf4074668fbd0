"""named -- every address that a letter is for, wherever servers and programs have put it (RFC 5321 7.2).

Owns     the places where an envelope address is found, and the forms that programs make of it
Never    takes an address from a person's name, a subject, a comment or a body; decides whose address it is
Fails    never: what can't be read names nobody

A blank or "%2B" may stand where a plus was, quotes or encoded words around the address, "mailto:" before it, a fold in
the middle. Each form in which it could be meant is a candidate; what is no address of ours says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .encoded import readable
from .head import Field
from .phrases import words

PLACES = words(
    """to cc bcc resent-to resent-cc resent-bcc delivered-to x-original-to envelope-to x-envelope-to x-delivered-to
    x-forwarded-to apparently-to x-apparently-to x-rcpt-to"""
)

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)|<[^<>]*>|[,;]|[^"(<,;]+|.', re.DOTALL)
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)", re.DOTALL)
_FOR = re.compile(r"\bfor\s+(<[^<>]*>|[^\s<>;]+)", re.IGNORECASE)
_TAG = re.compile(r"(?:prvs|btv1)=+[0-9a-z]+=+(?=.)", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")


def addresses(fields: tuple[Field, ...]) -> tuple[str, ...]:
    """All candidates, in order, each once."""
    found: dict[str, None] = {}
    for field in fields:
        if field.name in PLACES:
            found.update(dict.fromkeys(_of_list(field.value)))
        elif field.name == "received":
            found.update(dict.fromkeys(_of_stamp(field.value)))
    return tuple(found)


def _of_list(value: bytes) -> Iterator[str]:
    """The candidates of an address list."""
    entry: list[str] = []
    for token in [*_TOKEN.findall(value.decode("latin-1")), ","]:
        if token in (",", ";"):
            yield from _of_entry(entry)
            entry = []
        else:
            entry.append(token)


def _of_entry(tokens: list[str]) -> Iterator[str]:
    """The candidates of one entry: what stands in angle brackets; without any, the words themselves."""
    angles = [token[1:-1] for token in tokens if token.startswith("<") and len(token) > 1]
    if angles:
        for text in angles:
            yield from _forms(text)
        return
    plain = [token for token in tokens if not (token.startswith("(") and len(token) > 1)]
    quoted = {number for number, token in enumerate(plain) if token.startswith('"') and len(token) > 1}
    local = {number for number in quoted if number + 1 < len(plain) and plain[number + 1].startswith("@")}
    names = quoted - local
    bare = "".join(word for number, word in enumerate(plain) if number not in names)
    yield from _forms(bare if "@" in bare or "=40" in bare else "".join(plain))


def _of_stamp(value: bytes) -> Iterator[str]:
    """The candidates of a Received field: its "for" (RFC 5321 4.4)."""
    for found in _FOR.findall(_COMMENT.sub(" ", value.decode("latin-1"))):
        yield from _forms(found)


def _forms(text: str) -> Iterator[str]:
    """One address in each form in which it could be meant."""
    plain = readable(text.encode("latin-1")) if "=?" in text else text
    plain = re.sub(r"%40", "@", plain.replace("\\", ""))
    if "@" not in plain:
        return
    plain = plain.rstrip(": ").rpartition(":")[2].partition("?")[0].strip(" \t<>\"'").replace('"', "").rstrip(".")
    # a relay may tag the envelope sender that a bounce then comes back to (BATV)
    pieces = _BLANKS.split(_TAG.sub("", plain))
    whole = (" ".join(pieces), "".join(pieces)) if len(pieces) > 1 else ()
    yield from (form for form in (*whole, *pieces) if "@" in form)
