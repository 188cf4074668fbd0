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
from functools import partial
from socket import socket
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from ..core.delivery import Outcome, Reply, Scope, Stage, State
from ..wires.smtp import WHOLE, Connection
from ..wires.smtp_line import Wait
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
    def connect(self, wait: Wait) -> Connection: ...
    def wait(self, sock: socket, events: int, seconds: float) -> int: ...
    def hung_up(self) -> None: ...
    def judge(self, job: Job, reply: Reply, tries: int) -> Outcome: ...
    def happened(self, job: Job, outcome: Outcome, *, rotation: bool) -> None: ...
    def relay_trouble(self, error: RelayUnavailable) -> None: ...
    def ledger_trouble(self, error: SQLAlchemyError) -> None: ...


class Sender:
    """The loop of one connection. `stays` says whether the pump still wants it."""

    def __init__(self, pump: Pump, most: int, stays: Callable[[], bool]) -> None:
        """`most`: how many messages go over one connection before a new one is made."""
        self._pump = pump
        self._most = most
        self._stays = stays
        self._connection: Connection | None = None
        self._began = 0
        self._current: Job | None = None
        self._held: tuple[Job, Outcome] | None = None
        self._stranded: list[Job] = []

    def run(self) -> None:
        """Send until the pump says that it is over; then close the connection and leave nothing uncommitted."""
        while self._stays():
            self._guarded(self._turn)
        self._guarded(self._tidy)
        self._hang_up()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do `step`. When the database can't be written, nothing more is sent and the outcome at hand is kept."""
        try:
            step()
        except SQLAlchemyError as error:
            self._strand()
            self._pump.ledger_trouble(error)
            self._pump.rest()
        except Exception as error:
            job, self._current = self._current, None
            log.exception("not sent recipient=%s", job.claimed.id if job else "-")
            self._hang_up(abruptly=True)
            if job is not None:
                self._guarded(partial(self._pump.feed.fail, job, error))
            self._pump.rest()  # what goes wrong each time must not keep the others from their turns

    def _strand(self) -> None:
        """Keep the copy whose note failed before its dot was written, until it can be queued again."""
        self._hang_up(abruptly=True)
        if self._current is not None:
            self._pump.feed.given_up()
            self._stranded.append(self._current)
            self._current = None

    def _turn(self) -> None:
        """One look into the feed, and whatever it has to send."""
        self._tidy()
        self._current = self._pump.next_job()
        if self._current is None:
            self._pump.rest()
        elif self._ready(self._current):
            self._send()

    def _tidy(self) -> None:
        """Write down what an earlier turn could not."""
        self._commit_held()
        while self._stranded:
            self._pump.ledger.take_back_dot(self._stranded[-1].claimed.id)
            self._stranded.pop()

    def _ready(self, job: Job) -> bool:
        """Whether there is a connection; if none can be had, the copy goes back and the pump is told."""
        if self._connection and self._connection.alive and self._began < self._limit(self._connection):
            return True
        self._hang_up()
        try:
            self._connection = self._pump.connect(self._wait)
        except RelayUnavailable as error:
            self._put_back(job)
            self._pump.relay_trouble(error)
            return False
        self._began = 0
        return True

    def _limit(self, connection: Connection) -> int:
        """How many messages this connection may carry: ours, or what the relay announced (RFC 9422)."""
        return min(self._most, connection.abilities.mailmax or self._most)

    # -- copy after copy -------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """Send the current copy and whatever follows it without a pause on this connection."""
        connection = self._connection
        assert connection is not None
        self._offer(connection)
        while (job := self._current) is not None:
            self._began += 1
            refused = connection.answer()
            if refused:
                self._refused(job, refused)
            else:
                self._granted(connection, job)
            if self._current is None:
                self._offer_next()

    def _fits(self, connection: Connection, job: Job | None) -> Job | None:
        """The copy as this connection can carry it: made once more where it has no 8BITMIME. None when it can't be."""
        if job and job.copy.eight_bit and not connection.abilities.eight_bit:
            return self._pump.feed.again(job)
        return job

    def _offer(self, connection: Connection) -> None:
        """Offer the current copy."""
        self._current = self._fits(connection, self._current)
        if self._current is not None:
            connection.offer(self._current.copy)

    def _refused(self, job: Job, reply: Reply) -> None:
        """Write down that the relay did not want this copy."""
        outcome = self._pump.judge(job, reply, job.claimed.attempts + 1)
        self._commit_held()
        if outcome.state is State.QUEUED:
            self._put_back(job)
        else:
            self._pump.ledger.settle(Settled(job.claimed.id, State.CLAIMED, outcome), self._pump.now())
            self._current = None
            self._pump.feed.given_up()
        self._tell(job, outcome)

    def _granted(self, connection: Connection, job: Job) -> None:
        """Hand over the body that the relay waits for, and with it the envelope of the next where one may go."""
        large = job.copy.size > WHOLE
        if large:
            broken_off = connection.upload(job.copy)
            if broken_off:
                self._refused(job, broken_off)
                return
        if not self._to_dot(job):
            connection.abandon()
            self._current = None
            self._pump.feed.let_go(job)
            return
        following = self._ahead(connection)
        self._pump.feed.went()
        reply = connection.finish(job.copy, following.copy if following else None, uploaded=large)
        self._held = (job, self._pump.judge(job, reply, job.claimed.attempts + 1))
        self._current = following
        if following and not connection.alive:
            self._put_back(following)
        if self._current is None or not reply.accepted:
            self._commit_held()

    def _to_dot(self, job: Job) -> bool:
        """Write down that this copy's dot goes now, and what became of the one before, in one commit."""
        held = self._held
        settled = Settled(held[0].claimed.id, State.DOT_PENDING, held[1]) if held else None
        wanted = self._pump.may_go_on()
        if wanted:
            wanted = self._pump.ledger.to_dot(job.claimed.id, self._pump.now(), settled)
        elif settled:
            self._pump.ledger.settle(settled, self._pump.now())
        self._held = None
        if held:
            self._tell(*held)
        return wanted

    def _ahead(self, connection: Connection) -> Job | None:
        """The copy whose envelope may go out with this body: only where everything allows it already."""
        if not connection.abilities.pipelining or self._began >= self._limit(connection) or not self._stays():
            return None
        return self._fits(connection, self._pump.next_job())

    def _offer_next(self) -> None:
        """Offer the next copy where one may go and the connection can carry it."""
        connection = self._connection
        if connection is None or not connection.alive or self._began >= self._limit(connection) or not self._stays():
            return
        self._current = self._pump.next_job()
        self._offer(connection)

    def _put_back(self, job: Job) -> None:
        """Return a copy of which nothing was handed over."""
        self._current = None
        self._pump.feed.put_back(job)

    # -- what became of them ---------------------------------------------------------------------------------------

    def _wait(self, sock: socket, events: int, seconds: float) -> int:
        """Wait for the relay, which can take long: no outcome waits in memory meanwhile."""
        self._commit_held()
        return self._pump.wait(sock, events, seconds)

    def _commit_held(self) -> None:
        """Write down the outcome that is still in memory."""
        if self._held is None:
            return
        job, outcome = self._held
        self._pump.ledger.settle(Settled(job.claimed.id, State.DOT_PENDING, outcome), self._pump.now())
        self._held = None
        self._tell(job, outcome)

    def _tell(self, job: Job, outcome: Outcome) -> None:
        """Let the pump know, and log what was not simply accepted, in one line without a secret."""
        if outcome.scope is None:
            self._pump.happened(job, outcome, rotation=False)
            return
        reply = outcome.reply
        broke = outcome.scope is Scope.RELAY and reply.code in (0, 421)
        at_boundary = reply.stage in (Stage.MAIL, Stage.EHLO) and self._began > 1
        self._pump.happened(job, outcome, rotation=broke and at_boundary)
        log.log(
            logging.INFO if outcome.scope is Scope.RECIPIENT else logging.WARNING,
            "%s recipient=%s mailout=%s stage=%s code=%s",
            outcome.state,
            job.claimed.id,
            job.claimed.mailout_id or "-",
            reply.stage,
            reply.code,
        )

    def _hang_up(self, *, abruptly: bool = False) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            if abruptly:
                self._connection.abandon()
            self._connection.close()
            self._pump.hung_up()
        self._connection = None
