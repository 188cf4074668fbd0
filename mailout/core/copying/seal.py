"""seal -- the proof that the copies are what was written: each part's hash before and after.

Owns     what a part was ("text", "picture", "PDF"), its SHA-256 in the letter and in the copies, and why they differ
Never    believes what prepared the letter: both sides are decoded from the octets, apart from each other
Fails    never

A part's hash is of its decoded content; of the displayed text, "after" is with the line for a made-up link.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from ..reading.displayed import is_attachment
from ..reading.mime import Part, leaves
from ..reading.naming import TEXT, counted, nouns
from ..reading.transfer import pieces

WITH_LINE = "The unsubscribe line stands at its end."


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One part: what it is called (one, several), its file's name, its size in octets, and its hashes (hex).

    `lined`: the unsubscribe line was put into it. `why` says why they differ, "" when they are the same.
    """

    words: str
    plural: str
    name: str
    size: int
    before: str
    after: str
    displayed: bool = False
    lined: bool = False
    why: str = ""

    @property
    def identical(self) -> bool:
        """Whether the part is the same in the copies."""
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class Seal:
    """All parts of a letter, in order."""

    parts: tuple[SealedPart, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every part is the same in the copies."""
        return all(part.identical for part in self.parts)

    @property
    def untouched(self) -> bool:
        """Whether every part is the same but for the line at the end of the displayed text."""
        return all(part.identical or part.lined for part in self.parts)

    def words(self) -> str:
        """What the letter is made of: "text, 3 pictures, 1 PDF"."""
        counts: dict[tuple[str, str], int] = {}
        for part in self.parts:
            key = (TEXT, TEXT) if part.displayed else (part.words, part.plural)
            counts[key] = counts.get(key, 0) + 1
        said = [TEXT if key == (TEXT, TEXT) else counted(count, key) for key, count in counts.items()]
        return ", ".join(sorted(said, key=lambda word: word != TEXT)) or "nothing"

    def as_json(self) -> str:
        """The seal as it is kept; `from_json` reads it again."""
        return json.dumps([asdict(part) for part in self.parts], ensure_ascii=False, separators=(",", ":"))


def from_json(kept: str) -> Seal:
    """The seal that `as_json` wrote; an empty one from ""."""
    return Seal(tuple(SealedPart(**part) for part in json.loads(kept)) if kept else ())


def digest(octets: Iterable[bytes]) -> tuple[str, int]:
    """SHA-256 (hex) and length of octets that come in pieces."""
    hashed, size = hashlib.sha256(), 0
    for piece in octets:
        hashed.update(piece)
        size += len(piece)
    return hashed.hexdigest(), size


def content_digest(part: Part, body: bytes) -> tuple[str, int]:
    """SHA-256 (hex) and length of a part's decoded content, never decoded as a whole."""
    return digest(pieces(memoryview(body)[part.start : part.end], part.encoding))


def sealed(
    before: tuple[Part, bytes], after: tuple[Part, bytes], lined: dict[str, Iterator[bytes]], why: dict[str, str]
) -> Seal:
    """The seal of a letter: its root and body before and after.

    `lined` has the decoded content, in pieces, of what got the line, by the part's number; `why` what was written anew.
    """
    parts = []
    for was, becomes in zip(leaves(before[0]), leaves(after[0]), strict=True):
        old, size = content_digest(was, before[1])
        line = lined.get(becomes.number)
        new = digest(line)[0] if line is not None else content_digest(becomes, after[1])[0]
        displayed = was.type in ("text/plain", "text/html") and not is_attachment(was, before[0])
        one, several = nouns(was)
        reasons = (why.get(was.number, ""), WITH_LINE if line is not None else "")
        reason = " ".join(filter(None, reasons)) if old != new else ""
        sealed_part = SealedPart(one, several, was.filename, size, old, new, displayed, line is not None, reason)
        parts.append(sealed_part)
    return Seal(tuple(parts))
