"""feed -- whose turn it is: notices first, then the mail-outs one copy each in turn.

Owns     the claimed copies that wait in this process for a connection
Never    gives out a copy that the limiter or a pause does not allow at this moment
Fails    as the ledger does; a single copy that can't be composed is marked and does not stop the next; a letter of
         which no copy can be made is `unfit`, and nothing more of its mail-out is given out

A page of recipients is claimed at a time and never the whole list, so memory does not grow with it and a pause or a
stop has little to hand back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from ..core.delivery import Outcome, Reply, Scope, Stage, State
from ..wires.smtp import Copy
from .ledger import Claimed, Ledger, Settled
from .ledger_lines import NOTICES
from .limiter import Limiter
from .shelf import Unfit

PAGE = 500
NOTHING = Copy("", "", (), 0)
log = logging.getLogger(__name__)


class Job(NamedTuple):
    """A claimed recipient and the copy made for it."""

    claimed: Claimed
    copy: Copy


class Feed:
    """The copies that may go now. All connections take from it; one thread tells it what is open.

    `steady` is the clock of the limiter, which no one sets.
    """

    def __init__(
        self,
        ledger: Ledger,
        compose: Callable[[Claimed], Copy],
        limiter: Limiter,
        now: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._compose = compose
        self._limiter = limiter
        self._now = now
        self._steady = steady
        self._lock = threading.Lock()
        self._turns: deque[int | None] = deque()
        self._hands: dict[int | None, deque[Claimed]] = {}
        self._dry: set[int | None] = set()
        self._owed: set[int] = set()
        self.unfit: dict[int, str] = {}
        self.wait = 0.0

    def take(self) -> Job | None:
        """The copy whose turn it is; None when nothing may go now, and `wait` says for how many seconds at least.

        Whoever takes one tells what became of it: `went` at its dot, `put_back` or `given_up` before.
        """
        while (claimed := self._allowed()) is not None:
            job = self._made(claimed)
            if job is not None:
                return job
        return None

    def _allowed(self) -> Claimed | None:
        """The recipient whose turn it is, its place in the limiter taken."""
        with self._lock:
            self.wait = self._limiter.take_place(self._steady())
            if self.wait:
                return None
            claimed = None
            try:
                claimed = self._next()
            finally:
                if claimed is None:
                    self._limiter.give_back()
            return claimed

    def _made(self, claimed: Claimed) -> Job | None:
        """The copy for `claimed`; None when none can be made, which is then written down."""
        try:
            return Job(claimed, self._compose(claimed))
        except Unfit as error:
            self._limiter.give_back()
            self._queue_again([claimed.id])
            if claimed.mailout_id is not None:
                self.unfit[claimed.mailout_id] = str(error)
                self.shut(claimed.mailout_id)
        except SQLAlchemyError:
            self.put_back(Job(claimed, NOTHING))
            raise
        except Exception as error:
            log.exception("not composed recipient=%s", claimed.id)
            self.fail(Job(claimed, NOTHING), error)
        return None

    def again(self, job: Job) -> Job | None:
        """The same copy made once more, for a connection that can carry less than was known before."""
        return self._made(job.claimed)

    def fail(self, job: Job, error: Exception) -> None:
        """Something that we did not foresee happened to this copy, and must not happen to it for ever."""
        self._limiter.give_back()
        try:
            self._mark(job.claimed, error)
        except SQLAlchemyError:
            self._owed.add(job.claimed.id)
            raise

    def went(self) -> None:
        """A copy's dot goes now: it counts for the rate limit."""
        self._limiter.went(self._steady())

    def given_up(self) -> None:
        """A copy was refused before its dot: it does not count for the rate limit."""
        self._limiter.give_back()

    def put_back(self, job: Job) -> None:
        """Return a copy that could not go: it stays claimed and is the next of its mail-out."""
        self._limiter.give_back()
        with self._lock:
            hand = self._hands.get(job.claimed.mailout_id)
            if hand is not None:
                hand.appendleft(job.claimed)
                return
        self._queue_again([job.claimed.id])

    def let_go(self, job: Job) -> None:
        """A copy was not wanted at its dot: skipped or cancelled since; or its mail-out is paused and gives no more."""
        self._limiter.give_back()
        if self._queue_again([job.claimed.id]) and job.claimed.mailout_id is not None:
            self.shut(job.claimed.mailout_id)

    def open(self, mailout_ids: Iterable[int]) -> None:
        """Tell which mail-outs may send now; notices always may. What the others had in hand is queued again."""
        wanted: set[int | None] = {NOTICES, *mailout_ids} - self.unfit.keys()
        with self._lock:
            self._dry.clear()
            closed = [owner for owner in self._hands if owner not in wanted]
            self._owed.update(claimed.id for owner in closed for claimed in self._hands.pop(owner))
            for owner in wanted - self._hands.keys():
                self._hands[owner] = deque()
            self._turns = deque(owner for owner in self._turns if owner in wanted)
            self._turns.extend(sorted((wanted - {NOTICES}) - set(self._turns), key=str))
            if NOTICES not in self._turns:
                self._turns.appendleft(NOTICES)
            self._drop_unwanted()
        self._queue_again([])

    def look_again(self) -> None:
        """Ask the tables anew for those of whom there was nobody: something may be due, or queued, by now."""
        with self._lock:
            self._dry.clear()

    def shut(self, mailout_id: int) -> None:
        """Give out nothing more of this mail-out until `open` is told again."""
        with self._lock:
            hand = self._hands.pop(mailout_id, None)
        if hand:
            self._queue_again([claimed.id for claimed in hand])

    def _queue_again(self, recipient_ids: Iterable[int]) -> int:
        """Queue these again, and those of whom that could not be written down before. How many were still claimed.

        Who is in nobody's hand and stays claimed would never be written to: what fails here is owed until `open`.
        """
        self._owed.update(recipient_ids)
        owed = list(self._owed)
        queued = self._ledger.hand_back(owed) if owed else 0
        self._owed.difference_update(owed)
        return queued

    def close(self) -> None:
        """Queue everything again that is still in hand: this process stops."""
        with self._lock:
            self._hands.clear()
            self._turns.clear()
        self._ledger.hand_back_all()

    def limited_by(self) -> str:
        """The rate limit that holds the next copy up, in words; "" when none does."""
        rate = self._limiter.full_for(self._steady())
        return f"{rate.count} in {_span(rate.seconds)}" if rate else ""

    @property
    def in_hand(self) -> int:
        """How many claimed copies wait here."""
        return sum(len(hand) for hand in list(self._hands.values()))  # another thread may shut one meanwhile

    def _next(self) -> Claimed | None:
        """The recipient whose turn it is."""
        notice = self._from(NOTICES)
        if notice is not None:
            return notice
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            claimed = None if self._turns[-1] is NOTICES else self._from(self._turns[-1])
            if claimed is not None:
                return claimed
        return None

    def _from(self, owner: int | None) -> Claimed | None:
        """The next recipient of one mail-out, a new page being claimed when the hand is empty."""
        hand = self._hands.get(owner)
        if hand is None or (not hand and owner in self._dry):
            return None
        if not hand:
            hand.extend(self._ledger.claim(owner, PAGE, self._now()))
        if hand:
            return hand.popleft()
        self._dry.add(owner)
        return None

    def _drop_unwanted(self) -> None:
        """Forget who was excluded or suppressed since their page was claimed: a dropped connection for each is dear."""
        for owner, hand in self._hands.items():
            if hand:
                wanted = self._ledger.still_claimed(owner)
                self._hands[owner] = deque(claimed for claimed in hand if claimed.id in wanted)

    def _mark(self, claimed: Claimed, error: Exception) -> None:
        """Note that no copy could be made for this recipient; the others are not held up. After its dot: in doubt."""
        reply = Reply(0, "", f"the copy could not be made: {error}"[:500], Stage.RCPT)
        for was, becomes in ((State.CLAIMED, State.FAILED), (State.DOT_PENDING, State.UNCERTAIN)):
            self._ledger.settle(Settled(claimed.id, was, Outcome(becomes, Scope.RECIPIENT, reply)), self._now())


def _span(seconds: int) -> str:
    """A length of time in words, as settings name it."""
    words = {1: "a second", 60: "a minute", 3600: "an hour", 86_400: "a day"}
    return words.get(seconds, f"{seconds} seconds")
