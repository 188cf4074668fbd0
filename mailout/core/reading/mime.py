"""mime -- the parts of a letter, by where they stand in its body.

Owns     the tree of parts with their offsets, and what a part's octets and text are
Never    copies a part to find it, writes one, looks into an archive
Fails    Unreadable when a letter has more parts, depth or header than any letter needs (they are bombs)

A part is delimited as RFC 2046 5.1.1 says: the CRLF before a delimiter line belongs to the delimiter, an outer
delimiter ends an inner part that was never closed. An enclosed letter is a leaf with a child: its own root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import charset as charsets
from .head import HEAD_MOST, Field, first, split
from .parameters import Parameterised, parameterised, sound_type
from .transfer import decode

DEPTH_MOST = 30
PARTS_MOST = 200

_REST_OF_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")
_ENCLOSED = ("message/rfc822", "message/global", "message/news")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class Unreadable(Exception):
    """The letter's parts can't be read; the text says why, in the reader's words."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a letter. Its own head is `body[head_start:start]`, its encoded content `body[start:end]`.

    The root has no head in the body: there `head_start` equals `start`. `gap` is what must be written between head and
    content when the part is empty and its empty line belongs to the delimiter. `number` counts from "1" for the root
    by "1.2" for its second child. An enclosed letter's root is the one child of its message/rfc822.
    """

    number: str
    type: str
    charset: str
    encoding: str
    disposition: str
    filename: str
    content_id: str
    head_start: int
    start: int
    end: int
    fields: tuple[Field, ...]
    content: Parameterised
    children: tuple[Part, ...] = ()
    gap: bytes = b""

    @property
    def is_multipart(self) -> bool:
        """Whether this is a multipart that was found to have parts."""
        return self.type.startswith("multipart/") and bool(self.children)

    @property
    def is_enclosed(self) -> bool:
        """Whether this is an enclosed letter."""
        return self.type in _ENCLOSED


@dataclass(slots=True)
class _Budget:
    """What is left of the bounds."""

    parts: int = PARTS_MOST
    head: int = HEAD_MOST


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part is in the tree."""

    number: str
    depth: int
    default_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class _Region:
    """A part's octets, head included."""

    start: int
    end: int


def tree(fields: tuple[Field, ...], body: bytes) -> Part:
    """The parts of a letter with these fields and this body (line ends CRLF); raises Unreadable beyond the bounds."""
    budget = _Budget()
    root = _leaf(_Place("1", 0), fields, _Region(0, len(body)), 0, budget)
    return _with_children(root, body, _Place("1", 0), budget)


def _leaf(place: _Place, fields: tuple[Field, ...], region: _Region, start: int, budget: _Budget) -> Part:
    """A part out of its fields, without children yet."""
    budget.parts -= 1
    budget.head -= sum(len(one.raw) for one in fields)
    if budget.parts < 0:
        raise Unreadable(f"The letter has more than {PARTS_MOST} parts.")
    if budget.head < 0:
        raise Unreadable("The letter's headers are larger than 256 kB.")
    content = _parameterised(fields, "content-type")
    kind = sound_type(content.word) or ("text/plain" if content.word else place.default_type)
    placing = _parameterised(fields, "content-disposition")
    charset = content.get("charset").strip().lower()
    identity = first(fields, "content-id")
    return Part(
        number=place.number,
        type=kind,
        charset=charset,
        encoding=_encoding(fields),
        disposition=placing.word,
        filename=(placing.get("filename") or content.get("name")).strip(),
        content_id=identity.value.decode("latin-1").strip().strip("<>") if identity else "",
        head_start=region.start,
        start=start,
        end=region.end,
        fields=fields,
        content=content,
    )


def _parameterised(fields: tuple[Field, ...], name: str) -> Parameterised:
    found = first(fields, name)
    return parameterised(found.value) if found else Parameterised("")


def _encoding(fields: tuple[Field, ...]) -> str:
    """The transfer encoding as it is named, in lower case; "7bit" without one."""
    found = first(fields, "content-transfer-encoding")
    word = parameterised(found.value).word if found else ""
    return word.strip(' "') or "7bit"


def _with_children(part: Part, body: bytes, place: _Place, budget: _Budget) -> Part:
    """`part` with what is inside it."""
    enclosed = part.is_enclosed and part.encoding in _PLAIN_ENCODINGS
    boundary = part.content.get("boundary").rstrip() if part.type.startswith("multipart/") else ""
    if not (enclosed or boundary):
        return part
    if place.depth >= DEPTH_MOST:
        raise Unreadable(f"The letter's parts are nested more than {DEPTH_MOST} deep.")
    regions = [_Region(part.start, part.end)] if enclosed else _regions(part, body, boundary)
    default = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
    children = (
        _child(body, region, _Place(f"{place.number}.{count}", place.depth + 1, default), budget)
        for count, region in enumerate(regions, 1)
    )
    return replace(part, children=tuple(children))


def _child(body: bytes, region: _Region, place: _Place, budget: _Budget) -> Part:
    """The part whose head and content stand in `region`."""
    fields, start = split(body, region.start, region.end)
    part = _leaf(place, fields, region, start, budget)
    if start == region.end and not body.endswith(b"\r\n\r\n", region.start, start) and fields:
        part = replace(part, gap=b"\r\n" if body.endswith(b"\r\n", region.start, start) else b"\r\n\r\n")
    elif start == region.end == region.start:
        part = replace(part, gap=b"\r\n")
    return _with_children(part, body, place, budget)


def _regions(part: Part, body: bytes, boundary: str) -> list[_Region]:
    """What stands between the delimiter lines of a multipart, up to the closing one."""
    regions: list[_Region] = []
    begun: int | None = None
    for line, after, closing in _delimiters(body, part.start, part.end, boundary.encode("latin-1")):
        if begun is not None:
            regions.append(_Region(begun, max(begun, line)))
        begun = None if closing else after
        if closing:
            break
        if len(regions) > PARTS_MOST:
            raise Unreadable(f"The letter has more than {PARTS_MOST} parts.")
    if begun is not None:
        regions.append(_Region(begun, part.end))
    return regions


def _delimiters(body: bytes, start: int, end: int, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """Each delimiter line: where the CRLF before it begins, where the line ends, whether it is the closing one."""
    mark = b"--" + boundary
    at = start if body.startswith(mark, start, end) else body.find(b"\r\n" + mark, start, end)
    while at >= 0:
        line = at if at == start and body.startswith(mark, start, end) else at + 2
        rest = _REST_OF_DELIMITER.match(body, line + len(mark), end)
        if rest:
            yield at, rest.end(), rest[1] is not None
        resume = max(line, (rest.end() if rest else line + len(mark)) - 2)
        at = body.find(b"\r\n" + mark, resume, end)


def walk(part: Part) -> Iterator[Part]:
    """`part` and everything in it, enclosed letters included, in the order in which they stand."""
    yield part
    for child in part.children:
        yield from walk(child)


def leaves(part: Part) -> Iterator[Part]:
    """The parts with content of their own, in order; an enclosed letter is one."""
    if not part.is_multipart:
        yield part
        return
    for child in part.children:
        yield from leaves(child)


def decoded(part: Part, body: bytes) -> bytes:
    """The content of a leaf with its transfer encoding taken off, as well as that can be done."""
    return decode(body[part.start : part.end], part.encoding)


def text(part: Part, body: bytes) -> str:
    """The content of a text part as text, line ends as they are."""
    return charsets.read(decoded(part, body), part.charset)
