"""signs -- what servers wrote into a letter's head about who vouches for it.

Owns     the grammar of Authentication-Results (RFC 8601 2.2) and of the tags of a DKIM-Signature (RFC 6376 3.5)
Never    checks a signature; believes more than the topmost Authentication-Results, which the receiving host wrote
Fails    never: what can't be read says nothing
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..reading.head import Field, every, first

_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_RESULT = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)(?:\s*/\s*\d+)?\s*=\s*([A-Za-z]+)")
_PROPERTY = re.compile(r"([A-Za-z][A-Za-z0-9-]*\.[A-Za-z][A-Za-z0-9.-]*)\s*=\s*([^\s;]+)")
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Result:
    """What one method gave: "dkim", "pass", and of whom, as pairs like ("header.d", "example.org")."""

    method: str
    value: str
    of: tuple[tuple[str, str], ...] = ()

    def get(self, *names: str) -> str:
        """The first of these properties that is said, in lower case; an address's domain alone."""
        found = next((value for name in names for key, value in self.of if key == name), "")
        return found.rpartition("@")[2].lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class Results:
    """What the receiving host checked; `host` is what it calls itself."""

    host: str
    results: tuple[Result, ...] = ()

    def best(self, method: str) -> Result | None:
        """The result of a method: one that passed if there is any, else the first."""
        mine = [result for result in self.results if result.method == method]
        return next((result for result in mine if result.value == "pass"), mine[0] if mine else None)


def results(fields: tuple[Field, ...]) -> Results | None:
    """The topmost Authentication-Results; None when there is none."""
    field = first(fields, "authentication-results")
    if field is None:
        return None
    text = _bare(field.value[:8000].decode("latin-1"))
    host, *parts = text.split(";")
    name = (host.split() or [""])[0].strip('"').lower().rstrip(".")
    return Results(name, tuple(filter(None, map(_result, parts))))


def _result(text: str) -> Result | None:
    """One method's result; None for "none" and for what is no result."""
    found = _RESULT.match(text)
    if found is None:
        return None
    about = tuple((key.lower(), value.strip('"')) for key, value in _PROPERTY.findall(text, found.end()))
    return Result(found[1].lower(), found[2].lower(), about)


def _bare(text: str) -> str:
    """A structured value without comments, and with nothing in quotes that could be taken for its grammar."""
    text = _QUOTED.sub(lambda found: '"' + re.sub(r"[;()\s]", "_", found[0][1:-1]) + '"', text)
    count = 1
    while count:
        text, count = _COMMENT.subn(" ", text)
    return text


@dataclass(frozen=True, slots=True)
class Signature:
    """Whose signature it is (d=), and which of their keys made it (s=)."""

    domain: str
    selector: str


def signatures(fields: tuple[Field, ...]) -> tuple[Signature, ...]:
    """The DKIM signatures of a letter, the last one first."""
    found = [_tags(field.value[:8000].decode("latin-1")) for field in every(fields, "dkim-signature")[:20]]
    return tuple(
        Signature(tags["d"].lower().rstrip("."), tags.get("s", "").lower().rstrip("."))
        for tags in found
        if tags.get("d")
    )


def has_key(record: str) -> bool:
    """Whether a TXT record holds a DKIM key; an empty one was taken back (RFC 6376 3.6.1)."""
    return bool(_tags(record).get("p"))


def _tags(text: str) -> dict[str, str]:
    """The tags of a signature or of a key; what stands twice counts once."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        found = _TAG.fullmatch(part)
        if found:
            tags.setdefault(found[1].lower(), re.sub(r"\s", "", found[2]))
    return tags
