"""pump -- the one long task that sends: one pump for the whole relay, until nothing is left.

Owns     the lease "pump", and the order of things between two rests: who may send, who is paused, what is over
Never    marks anybody for the fault of the relay, the letter or a quota; sends what could not be written down
Fails    nobody: trouble is a word on the page and a wait, and what a crash leaves the next pump puts right

Nothing here is a fact. Killed at any moment, the tables say who has what: the next pump takes over what this one had
in hand, and goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from socket import socket

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from .. import lease, pulse
from ..core.delivery import Outcome, Reply
from ..current import settings
from ..models import db
from ..wires.smtp import Connection
from ..wires.smtp_line import Wait
from ..wires.smtp_open import Patience, RelayUnavailable, open_line
from . import closing, sending, shelf, sole, tending
from .crew import Crew, Stays
from .feed import Feed, Job
from .ledger import Ledger
from .limiter import Limiter
from .loop import Loop
from .sender import Sender
from .shelf import Shelf
from .standing import Standing
from .tending import Tending
from .verdicts import Verdicts

LEASE = "pump"
LEASE_LENGTH = timedelta(seconds=30)
RENEW_AFTER = timedelta(seconds=8)
TICK_SECONDS = 0.2
FULL_LOOK = 5
STOP_SECONDS = 20.0
PATIENCE = Patience()

log = logging.getLogger(__name__)


class Pump:
    """One run of the sending task. `stopping` says that the process is asked to end."""

    def __init__(
        self,
        app: Flask,
        now: Callable[[], datetime],
        stopping: Callable[[], bool],
        patience: Patience = PATIENCE,
    ) -> None:
        self._app = app
        self._patience = patience
        self.now = now
        self._stopping = stopping
        self._me = ""
        self._over = False
        self._renewed_at: datetime | None = None
        self._ticks = 0
        self._lost = False
        self._found: list[int] = []
        self._mailouts: list[int] = []
        self._open_connections = 0
        self._counting = threading.Lock()

    def run(self) -> None:
        """Send until nothing is left to do, unless another pump is at it."""
        with self._app.app_context(), sole.alone(settings().instance_dir) as alone:
            self._me = sole.name(settings().instance_dir)
            if not alone or not sole.take(LEASE, self._me, self.now(), LEASE_LENGTH):
                return
            try:
                with Loop() as self._loop, Ledger(db.engine, self._me, self._loop.together) as self.ledger:
                    self._make_ready()
                    self._send()
                    while self._more_came():
                        self._make_ready()
                        self._send()
            finally:
                lease.give_back(LEASE, self._me)

    def _more_came(self) -> bool:
        """Whether there is work again when all was sent: a mail-out's end is the beginning of its complete mail."""
        return not (self._lost or self._stopping()) and sending.work_before(self.now())

    def _make_ready(self) -> None:
        """Put right what a pump before left behind, and gather what the connections need."""
        self._settings, now = settings(), self.now()
        self._over, self._found, self._mailouts = False, [], []
        queued, uncertain = self.ledger.take_over(now)
        if queued or uncertain:
            log.warning("took over queued=%s uncertain=%s", queued, uncertain)
        longest = max((rate.seconds for rate in self._settings.rates), default=0)
        gone = sending.went_since(now - timedelta(seconds=longest)) if longest else []
        steady = time.monotonic()
        limiter = Limiter(self._settings.rates, [steady - max(0.0, (now - at).total_seconds()) for at in gone])
        self.shelf = Shelf(self._loop.apart)
        self.feed = Feed(self.ledger, self.shelf.copy_for, limiter, self.now)
        self.standing = Standing(self._settings.smtp_connections)
        self._verdicts = Verdicts(self.feed, self.standing, self.shelf, self._settings.retry_schedule, self.now)
        self._tending = Tending()
        self._crew = Crew(self._seat, self._loop)

    def _send(self) -> None:
        """Look around until there is nothing to do."""
        try:
            while not self._stopping() and self._look_guarded():
                time.sleep(TICK_SECONDS)
        finally:
            self._end()

    def _look_guarded(self) -> bool:
        """One look around; a database that can't be used for a while ends nothing."""
        try:
            return self._look_around()
        except SQLAlchemyError as error:
            self.ledger_trouble(error)
            return True
        finally:
            db.session.remove()

    def _look_around(self) -> bool:
        """What the main thread does between two rests; False when the pump is not needed any more."""
        now = self.now()
        if not self._renew(now):
            return False
        self._pause_unfit(now)
        found, more = sending.open_now(now), True
        if found != self._found or not self.feed.in_hand or self._ticks % FULL_LOOK == 0:
            self._found = found
            self._mailouts = tending.pause_after_outage(found, now)
            more = self._look_closely(now)
        self.feed.look_again()
        self._ticks += 1
        most = self._settings.smtp_connections
        wanted = most if self.feed.in_hand >= most else sending.waiting_up_to(most, self._mailouts, now)
        self._crew.man(wanted, self.standing.seats(now))
        self._loop.wake()
        return more

    def _look_closely(self, now: datetime) -> bool:
        """What is done when something changed, and once a second; whether there is work in sight."""
        sending.begin(self._mailouts, now)
        sending.leave_out_due(self._mailouts, now)
        self._verdicts.opened(self._mailouts)
        self.shelf.keep_only(self._mailouts)
        self.feed.open(self._mailouts)
        closing.close_finished(now)
        if self.standing.in_trouble and pulse.is_asked_for(pulse.RELAY):
            self.standing.at_once(now)
        self._tend(self._mailouts, now)
        return sending.work_before(now + sending.HORIZON)

    def _renew(self, now: datetime) -> bool:
        """Keep the lease; False when it has passed to another, who has put right what we had in hand."""
        if self._renewed_at and timedelta(0) <= now - self._renewed_at < RENEW_AFTER:
            return True
        self._renewed_at = now
        self._lost = not lease.take(LEASE, self._me, now, LEASE_LENGTH)
        return not self._lost

    def _pause_unfit(self, now: datetime) -> None:
        """Pause the mail-outs whose letter can't go, and unmark whom it was refused to."""
        for mailout_id, words in list(self.feed.unfit.items()):
            refused = self._verdicts.take_refused(mailout_id)
            self.ledger.unmark(refused)
            sending.leave_out_again(mailout_id, refused, now)
            closing.pause(mailout_id, words, now)
            del self.feed.unfit[mailout_id]

    def _tend(self, mailouts: list[int], now: datetime) -> None:
        """Say how the relay is, and see whether everything moves."""
        words, excused = self._say_how_it_is(now)
        if self._tending.due(now):
            self._tending.look(mailouts, self._verdicts.take_moved(), words, now, excused=excused)
            self.shelf.remember_abilities()

    def _say_how_it_is(self, now: datetime, *, last: bool = False) -> tuple[str, bool]:
        """Write the relay's pulse; why nothing moves, in words, and whether that is a reason and no trouble."""
        if self._verdicts.take_heard():
            self.standing.well(now)
        report, quota = self.standing.report(now), self.standing.waits_for_quota(now)
        limit = self.feed.limited_by()
        trouble, waits = ("", report.words) if quota else (report.words, "")
        self._tending.say(trouble, None if quota else report.again_at, report.heard_at, now, last=last)
        if limit and not waits:
            waits = f"Your own limit of {limit} is reached."
        self._tending.say_line(self._open_connections, waits, report.again_at if quota else None, now)
        return trouble or waits, quota or limit != ""

    def _end(self) -> None:
        """Let the copies on the wire finish, then queue again what is left in hand."""
        self._over = True
        self._crew.dismiss(STOP_SECONDS)
        self.feed.close()
        self.shelf.keep_only([])
        now = self.now()
        closing.close_finished(now)
        shelf.clear_away()
        self._say_how_it_is(now, last=True)
        pulse.line(pulse.RELAY, 0, "", None)
        db.session.remove()

    # -- what the senders ask --------------------------------------------------------------------------------------

    def _seat(self, stays: Stays) -> None:
        """The work of one connection."""
        Sender(self, self._settings.messages_per_connection, stays).run()

    def may_go_on(self) -> bool:
        """Whether another dot may be written at all; the main thread looks, five times a second, whether we stop."""
        return not self._over

    def next_job(self) -> Job | None:
        """The copy whose turn it is, unless the relay wants to be left alone."""
        if self._over or (self.standing.may_wait and self.standing.wait(self.now())):
            return None
        return self.feed.take()

    def rest(self) -> None:
        """Wait until something may have changed."""
        self._loop.rest(min(TICK_SECONDS, self.feed.wait or TICK_SECONDS))

    def wait(self, sock: socket, events: int, seconds: float) -> int:
        """Wait for one of `events` on `sock`; those that came, 0 when none did in time."""
        return self._loop.wait(sock, events, seconds)

    def connect(self, wait: Wait) -> Connection:
        """A new connection to the relay, which waits by `wait`; raises RelayUnavailable."""
        server = self._settings.smtp
        assert server is not None, "the worker starts with a relay or not at all"
        opened = self._loop.apart(partial(open_line, server, self._settings.helo_name, self._patience))
        self.shelf.learn(opened.abilities)
        with self._counting:
            self._open_connections += 1
        return Connection(opened, self._patience, wait)

    def hung_up(self) -> None:
        """A connection is closed."""
        with self._counting:
            self._open_connections -= 1

    def judge(self, job: Job, reply: Reply, tries: int) -> Outcome:
        """What the reply means for this copy."""
        return self._verdicts.judge(job, reply, tries)

    def happened(self, job: Job, outcome: Outcome, *, rotation: bool) -> None:
        """Learn from what became of a copy."""
        self._verdicts.happened(job, outcome, rotation=rotation)

    def relay_trouble(self, error: RelayUnavailable) -> None:
        """No connection could be made: too many, if others are open; else the relay is out."""
        log.warning("relay stage=%s code=%s %s", error.reply.stage, error.reply.code, error.words)
        now = self.now()
        if self._open_connections:
            self.standing.pushed_back(now, self._open_connections)
            self._crew.allow(self.standing.seats(now))
            self.rest()  # whoever keeps the last seat comes again when the others have hung up, not at once
            return
        said = f" It said: {error.reply.code} {error.reply.text}" if error.reply.code else ""
        self.standing.trouble(error.words + said, now)

    def ledger_trouble(self, error: SQLAlchemyError) -> None:
        """The database can't be written: nobody sends until it can."""
        log.error("not written down: %s", type(error).__name__)
        self.standing.trouble("What is sent could not be written down, so nothing is sent.", self.now())
