"""feed -- whose turn it is: notices first, then the mail-outs one copy each in turn.

Owns     the claimed copies that wait in this process for a connection
Never    gives out a copy that the limiter, a pause or the relay does not allow at this moment
Fails    as the ledger does; a single copy that can't be composed is marked and does not stop the next

A page of recipients is claimed at a time and never the whole list, so memory does not grow with it and a pause or a
stop has little to hand back.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.delivery import Outcome, Reply, Scope, Stage, State
from ..wires.smtp import Copy
from .ledger import NOTICES, Claimed, Ledger, Settled
from .limiter import Limiter

PAGE = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed recipient and the copy made for it."""

    claimed: Claimed
    copy: Copy


class Feed:
    """The copies that may go now. All connections take from it; one thread tells it what is open."""

    def __init__(self, ledger: Ledger, compose: Callable[[Claimed], Copy], limiter: Limiter) -> None:
        self._ledger = ledger
        self._compose = compose
        self._limiter = limiter
        self._lock = threading.Lock()
        self._turns: deque[int | None] = deque()
        self._hands: dict[int | None, deque[Claimed]] = {}
        self._dry: set[int | None] = set()
        self.wait = timedelta(0)

    def take(self, now: datetime) -> Job | None:
        """The copy whose turn it is; None when nothing may go now."""
        with self._lock:
            self.wait = self._limiter.go(now) if self._turns else timedelta(0)
            if self.wait:
                return None
            while (claimed := self._next(now)) is not None:
                try:
                    return Job(claimed, self._compose(claimed))
                except Exception as error:
                    log.exception("not composed recipient=%s", claimed.id)
                    self._mark(claimed, error, now)
            self._limiter.give_back()
            return None

    def put_back(self, job: Job) -> None:
        """Return a copy that could not go: it stays claimed and is the next of its mail-out."""
        with self._lock:
            self._limiter.give_back()
            owner = job.claimed.mailout_id
            if owner in self._hands:
                self._hands[owner].appendleft(job.claimed)
                return
        self._ledger.hand_back([job.claimed.id])

    def open(self, mailout_ids: Iterable[int]) -> None:
        """Tell which mail-outs may send now; notices always may. What the others had in hand is queued again."""
        wanted: set[int | None] = {NOTICES, *mailout_ids}
        with self._lock:
            self._dry.clear()
            closed = [owner for owner in self._hands if owner not in wanted]
            back = [claimed.id for owner in closed for claimed in self._hands.pop(owner)]
            for owner in wanted - self._hands.keys():
                self._hands[owner] = deque()
            self._turns = deque(owner for owner in self._turns if owner in wanted)
            self._turns.extend(sorted((wanted - {NOTICES}) - set(self._turns), key=str))
            if NOTICES not in self._turns:
                self._turns.appendleft(NOTICES)
        if back:
            self._ledger.hand_back(back)

    def shut(self, mailout_id: int) -> None:
        """Give out nothing more of this mail-out until `open` is told again."""
        with self._lock:
            hand = self._hands.pop(mailout_id, None)
        if hand:
            self._ledger.hand_back([claimed.id for claimed in hand])

    def close(self) -> None:
        """Queue everything again that is still in hand: this process stops."""
        with self._lock:
            self._hands.clear()
            self._turns.clear()
        self._ledger.hand_back_all()

    @property
    def in_hand(self) -> int:
        """How many claimed copies wait here."""
        return sum(len(hand) for hand in self._hands.values())

    def _next(self, now: datetime) -> Claimed | None:
        """The recipient whose turn it is."""
        notice = self._from(NOTICES, now)
        if notice is not None:
            return notice
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            claimed = None if self._turns[-1] is NOTICES else self._from(self._turns[-1], now)
            if claimed is not None:
                return claimed
        return None

    def _from(self, owner: int | None, now: datetime) -> Claimed | None:
        """The next recipient of one mail-out, a new page being claimed when the hand is empty."""
        hand = self._hands.get(owner)
        if hand is None or (not hand and owner in self._dry):
            return None
        if not hand:
            hand.extend(self._ledger.claim(owner, PAGE, now))
        if hand:
            return hand.popleft()
        self._dry.add(owner)
        return None

    def _mark(self, claimed: Claimed, error: Exception, now: datetime) -> None:
        """Note that no copy could be made for this recipient; the others are not held up."""
        reply = Reply(0, "", f"the copy could not be made: {error}"[:500], Stage.RCPT)
        outcome = Outcome(State.FAILED, Scope.RECIPIENT, reply)
        self._ledger.settle(Settled(claimed.id, State.CLAIMED, outcome), now)
