"""delivery -- what may become of a copy, and what a reply of the relay means for it.

Owns     the states of a recipient and the moves between them; whose fault a refusal is; when to try again
Never    talks to a relay, reads the clock (`now` is an argument), writes a row
Fails    AssertionError on a move that is not in the table

A refusal has one of five scopes, and only the first can mark a customer: the RECIPIENT, the LETTER, the SESSION (the
connection lost its place), the QUOTA, the RELAY.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a copy stands. The words on pages and in commands are those of `public`."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    DOT_PENDING = "dot_pending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNCERTAIN = "uncertain"
    BOUNCED = "bounced"
    CANCELLED = "cancelled"


#: The words of the contract, in the order in which they are shown.
PUBLIC = ("queued", "sending", "sent", "deferred", "failed", "skipped", "uncertain", "bounced", "cancelled")

#: A copy in one of these still has something before it.
UNSETTLED = (State.QUEUED, State.CLAIMED, State.DOT_PENDING, State.DEFERRED)

#: Not yet on the wire: whatever is here can be skipped, cancelled or paused.
WAITING = (State.QUEUED, State.CLAIMED, State.DEFERRED)

MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.CLAIMED, State.SKIPPED, State.CANCELLED}),
    State.CLAIMED: frozenset(
        {State.QUEUED, State.DOT_PENDING, State.DEFERRED, State.FAILED, State.SKIPPED, State.CANCELLED}
    ),
    # back to the queue: the dot could not be written, or a notice is in doubt
    State.DOT_PENDING: frozenset({State.SENT, State.DEFERRED, State.FAILED, State.UNCERTAIN, State.QUEUED}),
    State.DEFERRED: frozenset({State.CLAIMED, State.QUEUED, State.SKIPPED, State.CANCELLED, State.FAILED}),
    State.SENT: frozenset({State.BOUNCED}),
    State.UNCERTAIN: frozenset({State.QUEUED, State.BOUNCED}),
    State.FAILED: frozenset({State.QUEUED, State.SKIPPED}),
    State.SKIPPED: frozenset({State.QUEUED}),
    State.BOUNCED: frozenset(),
    State.CANCELLED: frozenset(),
}


def check_move(was: State, becomes: State) -> None:
    """Raise AssertionError unless a copy may go from `was` to `becomes`."""
    assert becomes in MOVES[was], f"{was} -> {becomes} is no move"


def public(state: State | str) -> str:
    """The word of the contract for `state`: what is claimed but not on the wire is still queued."""
    if state == State.CLAIMED:
        return "queued"
    return "sending" if state == State.DOT_PENDING else str(state)


def private(word: str) -> tuple[State, ...]:
    """The states that the contract's `word` stands for; raises ValueError on a word that is none."""
    if word not in PUBLIC:
        raise ValueError(word)
    return tuple(state for state in State if public(state) == word)


class Stage(StrEnum):
    """How far a conversation with the relay had come."""

    CONNECT = "connect"
    EHLO = "ehlo"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Scope(StrEnum):
    """Whose fault a refusal is: only RECIPIENT is the customer's."""

    RECIPIENT = "recipient"
    LETTER = "letter"
    SESSION = "session"
    QUOTA = "quota"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay answered. `code` 0: nothing that could be read as an answer (the connection broke or stalled)."""

    code: int
    enhanced: str
    text: str
    stage: Stage

    @property
    def accepted(self) -> bool:
        """Any 2yz is a yes (RFC 5321 4.2.1), and 354 is the yes to DATA."""
        return 200 <= self.code < 300 or (self.stage is Stage.DATA and self.code == 354)

    @property
    def temporary(self) -> bool:
        """A 4yz: the same may be taken later."""
        return 400 <= self.code < 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reply means for one copy: its next state, whose fault it was, when to try again."""

    state: State
    scope: Scope | None
    reply: Reply
    due_at: datetime | None = None


QUOTA_WAIT = timedelta(hours=1)

_QUOTA = re.compile(
    r"daily\b.{0,40}\b(?:quota|limit)|(?:quota|limit)\b.{0,60}\bexceed|exceed\w*\b.{0,60}\b(?:quota|limit|rate)"
    r"|too many (?:messages|emails|mails|connections)|throttl|rate.?limit|sending (?:limit|quota)"
    r"|limit (?:is )?reached",
    re.IGNORECASE,
)
_MAILBOX = re.compile(
    r"mailbox|inbox|user.{0,20}quota|recipient.{0,30}quota|storage|disk quota|over ?quota", re.IGNORECASE
)
_RELAYING = re.compile(
    r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not permitted|prohibited|not allowed)|unable to relay|cannot relay"
    r"|not (?:allowed|permitted) to relay|authentication (?:is )?required|must (?:be )?authenticate|not logged in",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"too (?:large|big)|size (?:limit|exceed)|exceeds? .{0,30}(?:size|maximum)", re.IGNORECASE)
_UNTIL = re.compile(r"(?:in|after|for) (\d{1,5}) ?(second|sec|minute|min|hour|h|day)s?\b", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def is_quota(reply: Reply) -> bool:
    """Whether `reply` says that we have sent too much for now; a customer's full mailbox is not that."""
    if reply.stage in (Stage.CONNECT, Stage.EHLO, Stage.TLS) or reply.code == 0 or reply.accepted:
        return False
    if reply.stage in (Stage.RCPT, Stage.DOT) and (reply.enhanced.endswith(".2.2") or _MAILBOX.search(reply.text)):
        return False
    return reply.enhanced in ("5.4.5", "4.7.28") or bool(_QUOTA.search(reply.text))


def quota_over_at(reply: Reply, now: datetime) -> datetime:
    """When the quota that `reply` names is over: as the relay says ("try again in 20 minutes"), else in an hour."""
    said = _UNTIL.search(reply.text)
    if not said:
        return now + QUOTA_WAIT
    wait = timedelta(seconds=int(said[1]) * _UNITS[said[2][0].lower()])
    return now + max(timedelta(seconds=1), min(wait, timedelta(days=2)))


def scope_of(reply: Reply) -> Scope:
    """Whose fault the refusal `reply` is. A refusal that we can't place before RCPT is never the customer's."""
    if is_quota(reply):
        return Scope.QUOTA
    if reply.code in (0, 421) or reply.stage in (Stage.CONNECT, Stage.EHLO, Stage.TLS, Stage.LOGIN):
        return Scope.RELAY
    if reply.code in (530, 534, 535, 538) or _RELAYING.search(reply.text):
        return Scope.RELAY
    if reply.stage is Stage.RCPT:
        return Scope.SESSION if reply.code in (500, 502, 503) else Scope.RECIPIENT
    return _scope_apart_from_recipient(reply)


def _scope_apart_from_recipient(reply: Reply) -> Scope:
    """The scope of a refusal of MAIL, of DATA, or of the whole copy after its dot."""
    too_large = reply.code == 552 or reply.enhanced[1:] in (".3.4", ".2.3") or _TOO_LARGE.search(reply.text)
    if too_large and not reply.temporary and not reply.enhanced.endswith(".2.2"):
        return Scope.LETTER
    if reply.stage in (Stage.MAIL, Stage.DATA):
        return Scope.SESSION if reply.code in (500, 501, 502, 503) else Scope.RELAY
    if reply.temporary or reply.enhanced[1:4] in (".1.", ".2."):
        return Scope.RECIPIENT
    return Scope.LETTER


def next_try(attempts: int, now: datetime, schedule: Sequence[timedelta], salt: int = 0) -> datetime | None:
    """When a copy is due again after `attempts` tries; None when the schedule is used up.

    `salt` (the recipient's id) spreads the tries of many copies over a tenth of the wait.
    """
    if attempts > len(schedule):
        return None
    wait = schedule[attempts - 1]
    return now + wait + wait * ((salt * 7919) % 101) / 1000


def judge(reply: Reply, attempts: int, now: datetime, schedule: Sequence[timedelta], salt: int = 0) -> Outcome:
    """What `reply` means for the copy it answers (RFC 5321 4.2.1, 4.2.5, 4.5.4.1).

    `attempts` counts this try. After the dot a reply that can't be read leaves the copy uncertain (RFC 1047); before it
    the relay has thrown away what it had, so the copy goes back to the queue and nobody is marked.
    """
    if reply.accepted and reply.stage is Stage.DOT:
        return Outcome(State.SENT, None, reply)
    after_dot = reply.stage is Stage.DOT
    if not 400 <= reply.code < 600:
        return Outcome(State.UNCERTAIN if after_dot else State.QUEUED, Scope.RELAY, reply)
    scope = scope_of(reply)
    if scope is Scope.QUOTA and after_dot:
        return Outcome(State.DEFERRED, scope, reply, quota_over_at(reply, now))
    if scope is Scope.RECIPIENT or after_dot:
        return _marked(reply, scope, attempts, now, schedule, salt)
    return Outcome(State.QUEUED, scope, reply)


def _marked(
    reply: Reply, scope: Scope, attempts: int, now: datetime, schedule: Sequence[timedelta], salt: int
) -> Outcome:
    """The outcome of a refusal that is kept in the copy's row: try later, or not again."""
    if reply.temporary or scope is Scope.RELAY:
        due_at = next_try(attempts, now, schedule, salt)
        if due_at is not None:
            return Outcome(State.DEFERRED, scope, reply, due_at)
    return Outcome(State.FAILED, scope, reply)
