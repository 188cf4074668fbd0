"""smtp -- one connection to the relay.

Owns     the conversation of RFC 5321, with DATA pipelined where the relay offers it (RFC 2920) and lock-step where not
Never    decides what a reply means, knows a mail-out, sends a final dot without its body, lets TLS go unverified
Fails    RelayUnavailable while it opens; afterwards a broken line is a Reply with code 0, and `alive` is False

Connecting, EHLO, STARTTLS and AUTH are the standard library's (`smtp_open`). A copy then costs one write and one
round trip:

    offer(a)  answer()  finish(a, following=b)  answer()  finish(b, following=c)  answer()  finish(c)

`finish` writes a message and, behind its dot, MAIL, RCPT and DATA of the next. Message content may be the first thing
in a group and DATA the last (RFC 2920 3.1), so at most one message on a connection is ever in doubt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from ..core.delivery import Reply, Stage
from .smtp_line import Broken, Piece, Wait, line_of, wait_alone
from .smtp_open import Abilities, Opened, Patience
from .smtp_reply import Reader

#: Up to this size head, body and dot go out in one write; a larger body is uploaded before its dot is due.
WHOLE = 65_536
DOT = b".\r\n"
RESET = Stage.EHLO  # the reply to RSET says no more than that the session is sane


class Copy(NamedTuple):
    """What goes over the wire for one recipient.

    `pieces` are the message, dot-stuffed (RFC 5321 4.5.2), the last ending in CRLF; `size` counts their octets.
    """

    return_path: str
    address: str
    pieces: Sequence[Piece]
    size: int
    eight_bit: bool = False
    smtputf8: bool = False
    notice: bool = False


class Connection:
    """An open connection to the relay. One thread uses it; `alive` is False when it can't be used any more."""

    def __init__(self, opened: Opened, patience: Patience, wait: Wait = wait_alone) -> None:
        """`wait` is how it waits for the other side."""
        self.abilities: Abilities = opened.abilities
        self.alive = True
        self._opened = opened
        self._line = line_of(opened.sock, wait)
        self._reader = Reader(self._line)
        self._patience = patience
        self._envelope: list[tuple[Stage, bytes]] = []
        self._foretold: Reply | None = None
        self._reset_due = False

    def offer(self, copy: Copy) -> None:
        """Say MAIL, RCPT and DATA for `copy`; what came of it is `answer`'s to tell."""
        group = self._placed(copy)
        if group and self.abilities.pipelining:
            self._write([group], self._patience.command)

    def answer(self) -> Reply | None:
        """The refusal of the copy that was offered; None when the relay waits for its body.

        All replies of a group are read even after a refusal, and a DATA that was granted all the same gets the lone
        dot that ends it without a message (RFC 2920 3.1).
        """
        refused, sent = self._foretold, self._envelope
        self._foretold, self._envelope = None, []
        for stage, line in sent:
            if not self.alive or (refused and not self.abilities.pipelining):
                break
            if not self.abilities.pipelining:
                self._write([line], self._patience.command)
            reply = self._read(stage, self._patience.data if stage is Stage.DATA else self._patience.command)
            if refused and stage is Stage.DATA and reply.accepted:
                self._end_without_message()
            refused = refused or (None if reply.accepted else reply)
        self._reset_due = self._reset_due or bool(refused and sent)
        if not (refused or self.alive):
            return Reply(0, "", "the connection broke", Stage.DATA)
        return refused

    def upload(self, copy: Copy) -> Reply | None:
        """Write a large message without its dot; a Reply when the relay broke off, and nothing was handed over."""
        self._write(copy.pieces, self._patience.block)
        return None if self.alive else self._broken_off(Stage.DATA)

    def finish(self, copy: Copy, following: Copy | None = None, *, uploaded: bool = False) -> Reply:
        """Write what is left of `copy` and its dot, then the envelope of `following`; the reply to the dot.

        `following` must be wanted already: with this write its DATA is out. A reply of code 0 and stage DATA means
        that the dot was never written.
        """
        assert following is None or self.abilities.pipelining, "an envelope ahead needs PIPELINING"
        ahead = self._placed(following) if following else b""
        pieces = [DOT + ahead] if uploaded else [*copy.pieces, DOT + ahead]
        written = self._write(pieces, self._patience.block)
        if not self.alive:
            dot_ends = len(DOT) + (0 if uploaded else sum(map(len, copy.pieces)))
            return self._broken_off(Stage.DOT if written >= dot_ends else Stage.DATA)
        reply = self._read(Stage.DOT, self._patience.dot)
        self._reset_due = self._reset_due or not (reply.accepted or ahead)
        return reply

    def abandon(self) -> None:
        """Drop the connection at once, so that no lone dot goes for a copy that was offered and is not wanted."""
        self.alive = False
        self._opened.drop()

    def close(self) -> None:
        """Say QUIT and close; a relay that does not answer is hardly waited for."""
        if self.alive:
            with contextlib.suppress(OSError, Broken):
                self._line.write([b"QUIT\r\n"], 1)
                self._line.read(1)
        self.abandon()

    def _placed(self, copy: Copy) -> bytes:
        """Note the envelope of `copy` as the one that is answered next, and return it as one group."""
        self._foretold = impossible(copy, self.abilities)
        self._envelope = [] if self._foretold else envelope(copy, self.abilities)
        if self._reset_due and self._envelope:
            self._envelope.insert(0, (RESET, b"RSET\r\n"))
            self._reset_due = False
        return b"".join([line for _, line in self._envelope])

    def _end_without_message(self) -> None:
        """Answer a 354 that nobody wants with the lone dot; the relay refuses it, having no recipient."""
        self._write([DOT], self._patience.command)
        self._read(Stage.DOT, self._patience.dot)

    def _read(self, stage: Stage, seconds: float) -> Reply:
        """The next reply; a line that breaks or stays silent ends the connection."""
        if not self.alive:
            return Reply(0, "", "the connection broke", stage)
        try:
            reply = self._reader.read(stage, seconds)
        except (OSError, ValueError) as error:
            self.abandon()
            return Reply(0, "", _no_answer(error), stage)
        if reply.code in (0, 421):
            self.abandon()
        return reply

    def _write(self, pieces: Sequence[Piece], seconds: float) -> int:
        """Write all pieces, gathered; a line that breaks ends the connection. How many octets went out for certain."""
        if not self.alive:
            return 0
        try:
            self._line.write(pieces, seconds)
        except Broken as broken:
            self.alive = False
            return broken.written
        return sum(map(len, pieces))

    def _broken_off(self, stage: Stage) -> Reply:
        """What the relay said before the line broke in mid-message, if anything can still be read."""
        with contextlib.suppress(OSError, ValueError):
            early = self._reader.read(stage, 2)
            self.abandon()
            said = early.code >= 400 or (stage is Stage.DOT and early.accepted)
            return early if said else Reply(0, "", early.text, stage)
        self.abandon()
        return Reply(0, "", "the connection broke in the middle of the message", stage)


def envelope(copy: Copy, offered: Abilities) -> list[tuple[Stage, bytes]]:
    """MAIL, RCPT and DATA for `copy`, with the parameters that the relay offered (RFC 1870, 3461, 6152, 6531)."""
    mail, rcpt = f"MAIL FROM:<{copy.return_path}>", f"RCPT TO:<{copy.address}>"
    if offered.size_known:
        mail += f" SIZE={copy.size}"
    if copy.eight_bit and offered.eight_bit:
        mail += " BODY=8BITMIME"
    if copy.smtputf8:
        mail += " SMTPUTF8"
    if offered.dsn:
        mail += " RET=HDRS"
        rcpt += " NOTIFY=NEVER" if copy.notice else " NOTIFY=FAILURE"
    return [
        (Stage.MAIL, mail.encode() + b"\r\n"),
        (Stage.RCPT, rcpt.encode() + b"\r\n"),
        (Stage.DATA, b"DATA\r\n"),
    ]


def impossible(copy: Copy, offered: Abilities) -> Reply | None:
    """The refusal that we can foretell: what the relay would say, or an address that no command can hold."""
    if offered.size and copy.size > offered.size:
        return Reply(552, "5.3.4", f"the relay takes at most {offered.size} octets", Stage.MAIL)
    if copy.smtputf8 and not offered.smtputf8:
        return Reply(553, "5.6.7", "the relay takes no address with letters outside ASCII", Stage.RCPT)
    if not copy.address.isprintable() or " " in copy.address or "<" in copy.address or ">" in copy.address:
        return Reply(553, "5.1.3", "the address can't be written in SMTP", Stage.RCPT)
    return None


def _no_answer(error: Exception) -> str:
    """Why no reply came, for the row and the page."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or "the connection broke"
