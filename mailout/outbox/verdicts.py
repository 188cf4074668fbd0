"""verdicts -- what the relay's answers mean for more than the copy that they answer.

Owns     whose fault a row of refusals is: the letter's (its mail-out is paused and nobody stays marked), the
         session's, the relay's; which mail-outs moved lately; what the relay said last
Never    writes a row, sends, waits
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ..core.delivery import Outcome, Reply, Scope, Stage, State, judge, next_try
from .feed import Feed, Job
from .shelf import Shelf
from .standing import Standing

#: So many of a mail-out refused one after another for what the letter says are the letter's fault, not theirs.
LETTERS_FAULT = 3

log = logging.getLogger(__name__)


class Verdicts:
    """What the connections of one pump learn from outcomes. Threads share it."""

    def __init__(
        self,
        feed: Feed,
        standing: Standing,
        shelf: Shelf,
        schedule: Sequence[timedelta],
        now: Callable[[], datetime],
    ) -> None:
        self._feed = feed
        self._standing = standing
        self._shelf = shelf
        self._schedule = schedule
        self._now = now
        self._lock = threading.Lock()
        self._refused: dict[int, list[int]] = {}
        self._letters: set[int] = set()
        self._session_faults = 0
        self._moved: set[int] = set()
        self._heard = False

    def judge(self, job: Job, reply: Reply, tries: int) -> Outcome:
        """What the reply means for this copy."""
        if reply.stage is Stage.DOT and reply.accepted:
            return Outcome(State.SENT, None, reply)
        now, claimed = self._now(), job.claimed
        outcome = judge(reply, tries, now, self._schedule, salt=claimed.id)
        if outcome.state is State.UNCERTAIN and claimed.notice_id is not None:
            return self._notice_in_doubt(outcome, tries, now, claimed.id)
        if outcome.scope is Scope.LETTER and claimed.mailout_id in self._letters:
            return Outcome(State.QUEUED, Scope.LETTER, reply)
        return outcome

    def _notice_in_doubt(self, outcome: Outcome, tries: int, now: datetime, salt: int) -> Outcome:
        """A notice in doubt is sent again, with the same Message-ID, but not for ever and not at once."""
        due_at = next_try(tries, now, self._schedule, salt)
        return Outcome(State.DEFERRED, outcome.scope, outcome.reply, due_at) if due_at else outcome

    def happened(self, job: Job, outcome: Outcome, *, rotation: bool) -> None:
        """Learn from what became of a copy. `rotation`: the relay closed between two messages, as it may."""
        scope, mailout_id = outcome.scope, job.claimed.mailout_id
        if scope is None or scope is Scope.RECIPIENT:
            self._moved.add(mailout_id or 0)
            self._session_faults, self._heard = 0, True
            if self._standing.in_trouble:
                self._standing.well(self._now())
            if scope is None and mailout_id in self._refused:
                self._forget(mailout_id)
        elif not rotation:
            self._trouble(job, outcome)

    def _trouble(self, job: Job, outcome: Outcome) -> None:
        """What is nobody's fault whom we write to."""
        now, reply = self._now(), outcome.reply
        if outcome.scope is Scope.QUOTA:
            self._standing.quota(reply, now)
        elif outcome.scope is Scope.LETTER:
            self._count_refusal(job, reply)
        elif outcome.scope is Scope.SESSION:
            self._session_faults += 1
            if self._session_faults >= LETTERS_FAULT:
                self._standing.trouble(relay_words(reply), now)
        elif _null_sender_refused(job, reply):
            self._shelf.without_null_sender()
        else:
            if reply.temporary:
                self._standing.pushed_back(now)
            self._standing.trouble(relay_words(reply), now)

    # -- a letter that the relay refuses ---------------------------------------------------------------------------

    def _count_refusal(self, job: Job, reply: Reply) -> None:
        """A letter refused to one after another is the letter's fault: its mail-out stops before more are marked."""
        mailout_id = job.claimed.mailout_id
        if mailout_id is None:
            return
        with self._lock:
            refused = self._refused.setdefault(mailout_id, [])
            refused.append(job.claimed.id)
            too_large = reply.code == 552 or reply.enhanced.endswith(".3.4")
            known = mailout_id in self._letters  # marked before the third was, and noted after
            if not (known or too_large) and len(refused) < LETTERS_FAULT:
                return
            self._letters.add(mailout_id)
        self._feed.unfit.setdefault(mailout_id, f"Your mail provider refuses this letter: {reply.code} {reply.text}")
        self._feed.shut(mailout_id)

    def take_refused(self, mailout_id: int) -> list[int]:
        """The copies that were marked for a refusal of the letter, to be unmarked."""
        with self._lock:
            return self._refused.pop(mailout_id, [])

    def _forget(self, mailout_id: int) -> None:
        with self._lock:
            self._refused.pop(mailout_id, None)

    def opened(self, mailout_ids: Sequence[int]) -> None:
        """These may send: a refused letter among them was tried anew by a person."""
        self._letters.difference_update(set(mailout_ids) - self._feed.unfit.keys())

    def take_heard(self) -> bool:
        """Whether the relay answered as it should since this was last asked."""
        heard, self._heard = self._heard, False
        return heard

    def take_moved(self) -> set[int]:
        """The mail-outs of which a copy was settled since this was last asked."""
        moved, self._moved = self._moved, set()
        return moved - {0}


def _null_sender_refused(job: Job, reply: Reply) -> bool:
    """Whether the relay does not take a notice because of its null return path (RFC 5321 4.5.5 asks it to)."""
    return job.copy.return_path == "" and reply.stage is Stage.MAIL and 500 <= reply.code < 600


def relay_words(reply: Reply) -> str:
    """What to say of a relay that broke off or refused to serve us."""
    if reply.code == 0:
        return "Your mail provider broke off the connection."
    return f"Your mail provider takes nothing at the moment. It said: {reply.code} {reply.text}"
