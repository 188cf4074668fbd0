"""cached -- a prepared letter as a file that all connections send from.

Owns     the form of the files in INSTANCE_DIR/cache: the shared octets dot-stuffed once (RFC 5321 4.5.2), the head
         with gaps where each copy's own fields go, and what stands between the shared octets
Never    is missed: a file that is gone, cut short or of an older form is made again from the letter
Fails    Unreadable, when a file is none of ours any more; OSError when the disk is full

The file is mapped, not read: however many connections and customers there are, the body is in memory once; a large
one never is, the kernel sends it from the file.
"""

from __future__ import annotations

import base64
import json
import mmap
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..core.copying import compose
from ..core.copying.compose import Personal, Prepared
from ..core.copying.splice import Kind
from ..core.reading.mailbox import Mailbox, mailbox_field
from ..wires.smtp_line import FilePart, Piece

MAGIC = b"Mailout prepared letter 1\n"
BLOCK = 1 << 20

#: From this size on, shared octets are sent from the file.
LARGE = 1 << 20

#: What stands in the head of the copy that the gaps are found with; nobody has it.
_TO = Mailbox("", "gap-to@gap.invalid")
_MESSAGE_ID = "<1-gap0message0id0gap0message@gap.invalid>"
_URL, _ADDRESS = "https://gap.invalid/u/1-1-gap0link", "gap-leave@gap.invalid"

Gap = str
TO, MESSAGE_ID, URL, ADDRESS = "to", "message-id", "url", "address"


class Unreadable(Exception):
    """A file of the cache can't be used."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A prepared letter, ready to be sent from. `segments` are shared octets, or what each copy has of its own.

    `kept_whole`: nothing of the letter had to be encoded anew.
    """

    head: tuple[bytes | Gap, ...]
    segments: tuple[memoryview | FilePart | Personal, ...]
    eight_bit: bool
    smtputf8: bool
    kept_whole: bool


class Head:
    """The head of all copies, as one pattern: filling it is one step and not a dozen."""

    def __init__(self, parts: Sequence[bytes | Gap]) -> None:
        self._pattern = b"".join([b"%b" if isinstance(part, str) else part.replace(b"%", b"%%") for part in parts])
        self._gaps = [part for part in parts if isinstance(part, str)]

    def filled(self, gaps: Mapping[Gap, bytes]) -> bytes:
        """The head with what one copy has of its own."""
        return self._pattern % tuple([gaps[gap] for gap in self._gaps])


def write(path: Path, prepared: Prepared) -> None:
    """Write `prepared` to `path`, whole or not at all; its octets are stuffed block by block on the way."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"\0" * 16)
            segments = _write_segments(prepared, file.write)
            about = json.dumps(_about(prepared, segments)).encode()
            at = file.tell()
            file.write(MAGIC + about)
            file.seek(0)
            file.write(b"%016x" % at)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _write_segments(prepared: Prepared, out: Callable[[bytes], object]) -> list[Any]:
    """Write the shared octets; what stands where, as the file tells it."""
    found: list[Any] = []
    ended = True
    for segment in prepared.segments:
        if isinstance(segment, Personal):
            found.append(_packed(segment))
            ended = compose.personal(segment, _URL).endswith(b"\r\n")
            continue
        size = 0
        for block in _stuffed(prepared.body, segment.start, segment.end, ended):
            out(block)
            size += len(block)
        found.append(size)
        ended = prepared.body[max(segment.start, segment.end - 2) : segment.end] == b"\r\n" if size else ended
    if not ended:
        out(b"\r\n")
        found.append(2)
    return found


def _stuffed(body: bytes, start: int, end: int, ended: bool) -> Iterator[bytes]:
    """`body[start:end]`, a dot before each that begins a line; `ended`: the octets before it ended one."""
    view = memoryview(body)
    while start < end:
        stop = min(end, start + BLOCK)
        while stop < end and body[stop - 1] in b"\r\n":
            stop += 1
        block = bytes(view[start:stop])
        yield (b"." if ended and block.startswith(b".") else b"") + block.replace(b"\n.", b"\n..")
        ended, start = block.endswith(b"\n"), stop


def stuffed(octets: bytes, ended: bool) -> bytes:
    """Octets of one copy, a dot before each that begins a line."""
    if b"." not in octets:
        return octets
    return (b"." if ended and octets.startswith(b".") else b"") + octets.replace(b"\n.", b"\n..")


def spooled(octets: Iterable[bytes]) -> tuple[Piece, bool]:
    """A letter of our own, stuffed (RFC 5321 4.5.2), and whether it is ASCII; over LARGE octets it is in a file."""
    file = tempfile.SpooledTemporaryFile(max_size=LARGE)  # noqa: SIM115 -- it lives as long as its FilePart
    ended, plain = True, True
    for piece in octets:
        file.write(stuffed(piece, ended))
        ended, plain = piece.endswith(b"\n"), plain and piece.isascii()
    file.write(b"" if ended else b"\r\n")
    size = file.tell()
    if size > LARGE:
        file.flush()
        return FilePart(cast(BinaryIO, file), 0, size), plain
    file.seek(0)
    return file.read(), plain


def _about(prepared: Prepared, segments: list[Any]) -> dict[str, Any]:
    """What the file says of itself, behind the shared octets."""
    return {
        "head": [part if isinstance(part, str) else {"octets": _text(part)} for part in head_with_gaps(prepared)],
        "segments": segments,
        "eight_bit": prepared.eight_bit,
        "smtputf8": prepared.smtputf8,
        "kept_whole": prepared.kept_whole,
    }


def head_with_gaps(prepared: Prepared) -> list[bytes | Gap]:
    """The head of every copy, cut where each has a field of its own."""
    whole = compose.copy_head(
        prepared, to=_TO, message_id=_MESSAGE_ID, unsubscribe_url=_URL, unsubscribe_address=_ADDRESS
    )
    gaps = {
        mailbox_field("To", _TO): TO,
        _MESSAGE_ID.encode(): MESSAGE_ID,
        _URL.encode(): URL,
        _ADDRESS.encode(): ADDRESS,
    }
    parts = re.split(b"(" + b"|".join(map(re.escape, gaps)) + b")", whole)
    return [gaps.get(part, part) for part in parts]


def read(path: Path) -> Cached:
    """The prepared letter in the file at `path`. Raises Unreadable, FileNotFoundError among other OSErrors."""
    file = path.open("rb")
    try:
        octets = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        at = int(octets[:16], 16)
        if octets[at : at + len(MAGIC)] != MAGIC:
            raise ValueError("another form")
        about = json.loads(octets[at + len(MAGIC) :])
        return Cached(
            head=tuple(part if isinstance(part, str) else _octets(part["octets"]) for part in about["head"]),
            segments=tuple(_segments(about["segments"], memoryview(octets), file)),
            eight_bit=bool(about["eight_bit"]),
            smtputf8=bool(about["smtputf8"]),
            kept_whole=bool(about["kept_whole"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        file.close()
        raise Unreadable(str(error)) from error


def _segments(told: list[Any], octets: memoryview, file: BinaryIO) -> Iterator[memoryview | FilePart | Personal]:
    """The segments as `_write_segments` told them."""
    at = 16
    for segment in told:
        if isinstance(segment, int):
            yield FilePart(file, at, segment) if segment >= LARGE else octets[at : at + segment]
            at += segment
        else:
            yield _unpacked(segment)


def _packed(segment: Personal) -> dict[str, Any]:
    """A personal segment in the values that JSON has."""
    values = {field.name: getattr(segment, field.name) for field in fields(segment)}
    return {name: {"octets": _text(value)} if isinstance(value, bytes) else value for name, value in values.items()}


def _unpacked(told: dict[str, Any]) -> Personal:
    """The personal segment that was packed; TypeError when its form is not today's any more."""
    values: dict[str, Any] = {name: _octets(v["octets"]) if isinstance(v, dict) else v for name, v in told.items()}
    values["kind"] = Kind(values["kind"])
    return Personal(**values)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(text: str) -> bytes:
    return base64.b64decode(text)
