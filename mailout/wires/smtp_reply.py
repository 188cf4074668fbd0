"""smtp_reply -- reading what a relay answers, whatever it is.

Owns     the octets between two replies; a reply's code, enhanced code and text (RFC 5321 4.2, RFC 2034)
Never    raises on a strange reply: what can't be read as an answer has code 0
Fails    OSError when the line breaks or nobody answers in time

The standard library's reader makes "500 line too long" out of a 250 of nine kilobytes: that would be a lie about a
letter that was accepted. This one reads up to MOST octets and believes the code.
"""

from __future__ import annotations

import re
import time
from collections import deque
from functools import lru_cache

from ..core.delivery import Reply, Stage
from .smtp_line import Line

MOST = 262_144
KEPT = 2_000

_LINE = re.compile(rb"([2-5][0-9]{2})([ -]|\r*\Z)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")


class Reader:
    """The incoming half of one connection. Replies are read one by one; what came too early waits its turn."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._whole: deque[bytes] = deque()
        self._begun = b""

    def read(self, stage: Stage, seconds: float) -> Reply:
        """The next reply, within `seconds` in all. Raises OSError (TimeoutError among them) when none comes."""
        line = self._whole.popleft() if self._whole else self._next(seconds)
        if line[3:4] != b"-":
            return _single(line, stage)
        return self._longer(line, stage, time.monotonic() + seconds)

    @property
    def pending(self) -> bool:
        """Whether octets that nobody asked for are there already."""
        return bool(self._whole or self._begun or self._line.early)

    def _longer(self, line: bytes, stage: Stage, deadline: float) -> Reply:
        """A reply of several lines, of which `line` is the first."""
        lines, size = [line], len(line)
        while (found := _LINE.match(lines[-1])) and found[2] == b"-":
            lines.append(self._whole.popleft() if self._whole else self._next(deadline - time.monotonic()))
            size += len(lines[-1])
            if size > MOST:
                raise OSError("a reply without end")
        return reply_of(lines, stage)

    def _next(self, seconds: float) -> bytes:
        """One line without its end, however many pieces it comes in."""
        octets = self._line.read(max(0.001, seconds))
        deadline = time.monotonic() + seconds
        while b"\n" not in octets:
            self._begun += octets
            if len(self._begun) > MOST:
                raise OSError("a reply without end")
            octets = self._line.read(max(0.001, deadline - time.monotonic()))
        lines = (self._begun + octets).split(b"\n")
        self._begun = lines.pop()
        self._whole.extend(lines)
        return self._whole.popleft()


@lru_cache(maxsize=256)
def _single(line: bytes, stage: Stage) -> Reply:
    """The Reply that one line is; most lines of a relay are the same ones again and again."""
    return reply_of([line], stage)


def reply_of(lines: list[bytes], stage: Stage) -> Reply:
    """The Reply that these lines are; code 0 when the last of them is no line of a reply."""
    found = [_LINE.match(line) for line in lines]
    last = found[-1]
    texts = [_text(match[3] if match else line) for match, line in zip(found, lines, strict=True)]
    if last is None:
        return Reply(0, "", _joined(texts), stage)
    enhanced = _ENHANCED.match(texts[-1]) or _ENHANCED.match(texts[0])
    if enhanced:
        texts = [text.removeprefix(enhanced[0]) for text in texts]
    return Reply(int(last[1]), enhanced[1] if enhanced else "", _joined(texts), stage)


def _text(octets: bytes) -> str:
    """A line for people: UTF-8 where it is that, else Latin-1; without control characters."""
    try:
        text = octets.decode().strip()
    except UnicodeDecodeError:
        text = octets.decode("latin-1").strip()
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _joined(texts: list[str]) -> str:
    """The lines of a reply as one text that a row can hold."""
    return " ".join(text for text in texts if text)[:KEPT]
