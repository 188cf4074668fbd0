"""acceptance -- whether a letter with a key is sent, held, refused or dropped as a second delivery.

Owns     the order of the questions, and when a letter counts as received
Never    looks anything up: every fact is given, so each rule is a line of a table in the tests

A refusal leaves the key unused; only sending uses it up. What can't be undone is not done in doubt: two keys send
nothing, and a letter that is a reply, or from somebody we don't know, waits for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .phase import Phase
from .problem import Problem

#: A stamp of our own server is believed for at most this long before we saw the letter.
GRACE = timedelta(hours=6)
VERY_LARGE = 2_000_000_000


class Answer(StrEnum):
    """What is done with the letter."""

    ACCEPT = "accept"
    HOLD = "hold"
    REFUSE = "refuse"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, with the problem behind it when it is not acceptance; `detail` is more words where there are some."""

    answer: Answer
    problem: Problem | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the mail-out and its user when a letter with its key comes."""

    phase: Phase
    same_letter: bool
    user_may_send: bool
    list_archived: bool
    recipients: int
    size: int
    most_bytes: int
    check_first: bool
    author_is_user: bool
    has_author: bool
    is_reply: bool
    key_alone: bool


def received_at(first_seen: datetime, made: datetime, stamp: datetime | None) -> datetime:
    """When a letter counts as received: when we saw it first, or by the stamp of a server that is believed.

    `stamp` is None unless the top Received line is by RECEIVING_HOST. It can only help, and only within GRACE
    (RFC 5321 4.4); the letter's own Date is never asked.
    """
    if stamp is None or not made <= stamp <= first_seen or first_seen - stamp > GRACE:
        return first_seen
    return stamp


def before_reading(about: Circumstances) -> Decision | None:
    """The refusals that need no look at the letter's body; None when it is to be read."""
    if about.same_letter:
        return Decision(Answer.DUPLICATE)
    used = {
        Phase.CANCELLED: Problem.CANCELLED,
        Phase.EXPIRED: Problem.KEY_EXPIRED,
    }.get(about.phase, None if about.phase is Phase.WAITING else Problem.KEY_USED)
    questions = (
        (used is not None, used),
        (not about.user_may_send, Problem.NOT_PERMITTED),
        (about.list_archived, Problem.LIST_ARCHIVED),
        (about.size > about.most_bytes, Problem.TOO_LARGE),
        (about.recipients == 0, Problem.LIST_EMPTY),
    )
    problem = next((problem for wrong, problem in questions if wrong), None)
    return Decision(Answer.REFUSE, problem) if problem else None


def after_reading(about: Circumstances, found: tuple[Problem, ...]) -> Decision:
    """Whether a letter that can be sent is sent at once. `found` is what reading it brought up that holds it."""
    stranger = not about.has_author or (not about.author_is_user and not about.key_alone)
    questions = (
        (stranger, Problem.UNKNOWN_SENDER),
        (about.is_reply and not about.key_alone, Problem.REPLY),
        *((True, problem) for problem in found),
        (about.size * about.recipients > VERY_LARGE, Problem.VERY_LARGE),
        (about.check_first, Problem.CHECK_FIRST),
    )
    problem = next((problem for wrong, problem in questions if wrong), None)
    return Decision(Answer.HOLD, problem) if problem else Decision(Answer.ACCEPT)
