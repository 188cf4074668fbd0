"""smtp_reply -- reading what a relay answers, whatever it is.

Owns     the octets between two replies; a reply's code, enhanced code and text (RFC 5321 4.2, RFC 2034)
Never    raises on a strange reply: what can't be read as an answer has code 0
Fails    OSError when the line breaks or nobody answers in time

The standard library's reader makes "500 line too long" out of a 250 of nine kilobytes: that would be a lie about a
letter that was accepted. This one reads up to MOST octets and believes the code.
"""

from __future__ import annotations

import re
import socket
import time

from ..core.delivery import Reply, Stage

MOST = 262_144
KEPT = 2_000

_LINE = re.compile(rb"([2-5][0-9]{2})([ -]|$)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")


class Reader:
    """The incoming half of one connection. Replies are read one by one; what came too early waits its turn."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def read(self, stage: Stage, seconds: float) -> Reply:
        """The next reply, within `seconds` in all. Raises OSError (TimeoutError among them) when none comes."""
        deadline = time.monotonic() + seconds
        lines: list[bytes] = []
        while True:
            line = self._line(deadline, MOST - sum(map(len, lines)))
            lines.append(line)
            found = _LINE.match(line)
            if found is None or found[2] != b"-":
                return reply_of(lines, stage)

    @property
    def pending(self) -> bool:
        """Whether octets that nobody asked for are there already."""
        return bool(self._buffer)

    def _line(self, deadline: float, most: int) -> bytes:
        """One line without its end."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > most:
                raise OSError("a reply without end")
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            octets = self._sock.recv(65_536)
            if not octets:
                raise ConnectionError("the relay closed the connection")
            self._buffer += octets
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r")


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
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _joined(texts: list[str]) -> str:
    """The lines of a reply as one text that a row can hold."""
    return " ".join(text for text in texts if text)[:KEPT]
