"""sender -- one connection: takes copies from the feed, hands them to the relay, writes down what became of them.

Owns     one connection to the relay at a time, and the one outcome that is not committed yet
Never    lets an outcome wait while it waits itself; sends a dot that was not written down first
Fails    into the pump: trouble with the relay, a quota, a letter that is refused are told to it, not decided here

The order is what makes a `kill -9` harmless. The outcome of the copy before and `dot_pending` of this one are one
commit, made before the write that holds this one's final dot. Whatever is killed, at most this one copy is in doubt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from ..core.delivery import Outcome, Reply, Scope, State
from ..wires.smtp import WHOLE, Connection
from ..wires.smtp_open import RelayUnavailable
from .feed import Feed, Job
from .ledger import Ledger, Settled

log = logging.getLogger(__name__)


class Pump(Protocol):
    """What a sender needs of the pump that started it."""

    ledger: Ledger
    feed: Feed

    def now(self) -> datetime: ...
    def may_go_on(self) -> bool: ...
    def next_job(self) -> Job | None: ...
    def rest(self) -> None: ...
    def connect(self) -> Connection: ...
    def judge(self, job: Job, reply: Reply, tries: int) -> Outcome: ...
    def happened(self, job: Job, outcome: Outcome) -> None: ...
    def relay_trouble(self, error: RelayUnavailable) -> None: ...
    def ledger_trouble(self, error: SQLAlchemyError) -> None: ...


class Sender:
    """The loop of one connection."""

    def __init__(self, pump: Pump, most: int) -> None:
        """`most`: how many messages go over one connection before a new one is made."""
        self._pump = pump
        self._most = most
        self._connection: Connection | None = None
        self._began = 0
        self._held: tuple[Job, Outcome] | None = None

    def run(self) -> None:
        """Send until the pump says that it is over; then close the connection and leave nothing uncommitted."""
        while self._pump.may_go_on():
            self._guarded(self._turn)
        self._guarded(self._commit_held)
        self._hang_up()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do `step`; when the database can't be written, nothing more is sent and the outcome at hand is kept."""
        try:
            step()
        except SQLAlchemyError as error:
            if self._connection:
                self._connection.abandon()
            self._pump.ledger_trouble(error)

    def _turn(self) -> None:
        """One look into the feed, and whatever it has to send."""
        self._commit_held()
        job = self._pump.next_job()
        if job is None:
            self._pump.rest()
        elif self._ready(job):
            self._send_from(job)

    def _ready(self, job: Job) -> bool:
        """Whether there is a connection; if none can be had, the copy goes back and the pump is told."""
        if self._connection and self._connection.alive and self._began < self._limit(self._connection):
            return True
        self._hang_up()
        try:
            self._connection = self._pump.connect()
        except RelayUnavailable as error:
            self._pump.feed.put_back(job)
            self._pump.relay_trouble(error)
            return False
        self._began = 0
        return True

    def _limit(self, connection: Connection) -> int:
        """How many messages this connection may carry: ours, or what the relay announced (RFC 9422)."""
        return min(self._most, connection.abilities.mailmax or self._most)

    def _send_from(self, job: Job) -> None:
        """Send `job` and whatever follows it without a pause on this connection."""
        connection = self._connection
        assert connection is not None
        connection.offer(job.copy)
        current: Job | None = job
        while current is not None:
            self._began += 1
            refused = connection.answer()
            current = self._refused(current, refused) if refused else self._granted(connection, current)

    def _refused(self, job: Job, reply: Reply) -> Job | None:
        """Write down that the relay did not want this copy; the next one, already offered, or None."""
        outcome = self._pump.judge(job, reply, job.claimed.attempts + 1)
        self._commit_held()
        if outcome.state is State.QUEUED:
            self._pump.feed.put_back(job)
        else:
            self._pump.ledger.settle(Settled(job.claimed.id, State.CLAIMED, outcome), self._pump.now())
        self._tell(job, outcome)
        return self._offer_next()

    def _granted(self, connection: Connection, job: Job) -> Job | None:
        """Hand over the body that the relay waits for; the next copy, already offered, or None."""
        large = job.copy.size > WHOLE
        if large:
            self._commit_held()
            broken_off = connection.upload(job.copy)
            if broken_off:
                return self._refused(job, broken_off)
        if not self._to_dot(job):
            connection.abandon()
            return None
        following = self._ahead(connection)
        reply = connection.finish(job.copy, following.copy if following else None, uploaded=large)
        self._held = (job, self._pump.judge(job, reply, job.claimed.attempts + 1))
        if following and not connection.alive:
            self._pump.feed.put_back(following)
            following = None
        if following is None or not reply.accepted:
            self._commit_held()
        return following or self._offer_next()

    def _to_dot(self, job: Job) -> bool:
        """Write down that this copy's dot goes now, and what became of the one before, in one commit."""
        held = self._held
        settled = Settled(held[0].claimed.id, State.DOT_PENDING, held[1]) if held else None
        wanted = self._pump.ledger.to_dot(job.claimed.id, self._pump.now(), settled)
        self._held = None
        if held:
            self._tell(*held)
        return wanted

    def _ahead(self, connection: Connection) -> Job | None:
        """The copy whose envelope may go out with this body: only where everything allows it already."""
        if not connection.abilities.pipelining or self._began >= self._limit(connection):
            return None
        return self._pump.next_job()

    def _offer_next(self) -> Job | None:
        """Offer the next copy where one may go and the connection can carry it."""
        connection = self._connection
        if connection is None or not connection.alive or self._began >= self._limit(connection):
            return None
        job = self._pump.next_job()
        if job is None:
            self._commit_held()
            return None
        connection.offer(job.copy)
        return job

    def _commit_held(self) -> None:
        """Write down the outcome that is still in memory."""
        if self._held is None:
            return
        job, outcome = self._held
        self._pump.ledger.settle(Settled(job.claimed.id, State.DOT_PENDING, outcome), self._pump.now())
        self._held = None
        self._tell(job, outcome)

    def _tell(self, job: Job, outcome: Outcome) -> None:
        """Let the pump know, and log it in one line without a secret."""
        self._pump.happened(job, outcome)
        reply = outcome.reply
        log.log(
            logging.INFO if outcome.scope in (None, Scope.RECIPIENT) else logging.WARNING,
            "%s recipient=%s mailout=%s code=%s",
            outcome.state,
            job.claimed.id,
            job.claimed.mailout_id or "-",
            reply.code,
        )

    def _hang_up(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            self._connection.close()
        self._connection = None
