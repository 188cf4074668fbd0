"""relabel -- the head of a part that was encoded anew.

Owns     the fields in which a part says how it is encoded, and in which charset
Never    changes another field, or a byte of these that need not be changed
Fails    never
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..reading.head import Field, first
from ..reading.mime import Part
from ..reading.parameters import parameters_field


def relabelled(part: Part, named: dict[str, str]) -> tuple[Field, ...]:
    """A part's fields with another "content-transfer-encoding", and another "charset" where `named` has one."""
    fields = _said_soundly(part)
    encoding, charset = named["content-transfer-encoding"], named.get("charset", "")
    name = b"Content-Transfer-Encoding"
    new = Field(name.decode().lower(), name + b": " + encoding.encode() + b"\r\n", encoding.encode())
    kept = [new if field.name == new.name else field for field in fields]
    kept += [] if first(fields, new.name) else [new]
    if charset:
        kept = [_in_charset(field, charset) if field.name == "content-type" else field for field in kept]
        missing = first(fields, "content-type") is None
        kept += [_in_charset(_TEXT_PLAIN, charset)] if missing else []
    return tuple(kept)


def _said_soundly(part: Part) -> tuple[Field, ...]:
    """The fields of a part; where its type is none with the type that we read, for others might read another."""
    if not part.content.word or part.content.word == part.type:
        return part.fields
    name = b"Content-Type"
    raw = parameters_field(name, replace(part.content, word=part.type))
    sound = Field(name.decode().lower(), raw, raw.partition(b": ")[2].replace(b"\r\n", b""))
    return tuple(sound if field.name == sound.name else field for field in part.fields)


_TEXT_PLAIN = Field("content-type", b"Content-Type: text/plain\r\n", b"text/plain")
_CHARSET = re.compile(rb';\s*charset\*?\s*=\s*(?:"[^"]*")?[^;]*', re.IGNORECASE)


def _in_charset(field: Field, charset: str) -> Field:
    """A Content-Type field that names another charset; the rest of it stays as it is."""
    said = b"charset=" + charset.encode()
    raw = _CHARSET.sub(b"", field.raw).rstrip(b"; \t\r\n") + b";\r\n " + said + b"\r\n"
    return replace(field, raw=raw, value=_CHARSET.sub(b"", field.value).rstrip(b"; \t") + b"; " + said)


def part_head(fields: tuple[Field, ...]) -> bytes:
    """A part's head, with its empty line; a name that is none ends the head for some readers, so it is left out."""
    raws = (field.raw for field in fields if field.name.isascii())
    return b"".join(raw if raw.endswith(b"\r\n") else raw + b"\r\n" for raw in raws) + b"\r\n"
