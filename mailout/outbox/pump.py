"""pump -- the one long task that sends: a connection a thread, one pump for the whole relay, until nothing is left.

Owns     the lease "pump", the threads, and what is said about the relay; when a letter is refused so often that its
         mail-out is paused
Never    marks anybody for the fault of the relay, the letter or a quota; sends what could not be written down
Fails    nobody: trouble is a word on the page and a wait, and what a crash leaves the next pump puts right

Nothing here is a fact. Killed at any moment, the tables say who has what: the next pump takes over what this one had
in hand, and goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from secrets import token_hex

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from .. import lease, pulse
from ..core.delivery import Outcome, Reply, Scope, State, judge
from ..current import settings
from ..models import db
from ..wires.smtp import Connection
from ..wires.smtp_open import Patience, RelayUnavailable, open_line
from . import closing, sending
from .feed import Feed, Job
from .ledger import Ledger
from .limiter import Limiter
from .sender import Sender
from .shelf import Shelf
from .standing import Standing

LEASE = "pump"
LEASE_LENGTH = timedelta(seconds=30)
RENEW_AFTER = timedelta(seconds=8)
TICK_SECONDS = 0.2
STOP_SECONDS = 20
LETTERS_FAULT = 3

log = logging.getLogger(__name__)


class Pump:
    """One run of the sending task. `stopping` says that the process is asked to end."""

    def __init__(self, app: Flask, now: Callable[[], datetime], stopping: Callable[[], bool]) -> None:
        self._app = app
        self.now = now
        self._stopping = stopping
        self._me = token_hex(16)
        self._over = False
        self._bell = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._refusals: dict[int, list[int]] = {}
        self._letters_refused: dict[int, Reply] = {}
        self._session_faults = 0
        self._renewed_at: datetime | None = None
        self._reported = ""
        self.standing = Standing()
        self.shelf = Shelf()

    def run(self) -> None:
        """Send until nothing is left to do, unless another pump is at it."""
        with self._app.app_context():
            if not lease.take(LEASE, self._me, self.now(), LEASE_LENGTH):
                return
            self._settings = settings()
            try:
                with Ledger(db.engine, self._me) as self.ledger:
                    self._send()
            finally:
                lease.give_back(LEASE, self._me)

    def _send(self) -> None:
        """Put right what a pump before left behind, then look around until there is nothing to do."""
        now = self.now()
        queued, uncertain = self.ledger.take_over(now)
        if queued or uncertain:
            log.warning("took over queued=%s uncertain=%s", queued, uncertain)
        longest = max((rate.seconds for rate in self._settings.rates), default=0)
        gone = sending.went_since(now - timedelta(seconds=longest)) if longest else []
        self.feed = Feed(self.ledger, self.shelf.copy_for, Limiter(self._settings.rates, gone))
        try:
            while not self._stopping() and self._look_around():
                with self._bell:
                    self._bell.wait(TICK_SECONDS)
        finally:
            self._end()

    def _look_around(self) -> bool:
        """What the main thread does between two rests; False when the pump is not needed any more."""
        now = self.now()
        if not self._renew(now):
            return False
        self._pause_refused(now)
        mailouts = sending.open_now(now)
        sending.begin(mailouts, now)
        self.shelf.keep_only(mailouts)
        self.feed.open(mailouts)
        closing.close_finished(now)
        self._say_how_it_stands(now)
        self._man(mailouts)
        with self._bell:
            self._bell.notify_all()
        work = sending.work_before(now + sending.HORIZON)
        db.session.remove()
        return work

    def _renew(self, now: datetime) -> bool:
        """Keep the lease; False when it has passed to another, who has put right what we had in hand."""
        if self._renewed_at and now - self._renewed_at < RENEW_AFTER:
            return True
        self._renewed_at = now
        return lease.take(LEASE, self._me, now, LEASE_LENGTH)

    def _man(self, mailouts: list[int]) -> None:
        """Start as many connections as the work deserves, SMTP_CONNECTIONS at most."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        most = self._settings.smtp_connections
        wanted = min(most, sending.queued_up_to(most, mailouts))
        while len(self._threads) < wanted:
            sender = Sender(self, self._settings.messages_per_connection)
            thread = threading.Thread(target=sender.run, name=f"sender-{len(self._threads) + 1}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _end(self) -> None:
        """Let the copies on the wire finish, then queue again what is left in hand."""
        self._over = True
        with self._bell:
            self._bell.notify_all()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self.feed.close()
        self.shelf.keep_only([])
        closing.close_finished(self.now())
        self._say_how_it_stands(self.now())

    # -- what the senders ask and tell -----------------------------------------------------------------------------

    def may_go_on(self) -> bool:
        """Whether a sender should look for another copy at all."""
        return not (self._over or self._stopping())

    def next_job(self) -> Job | None:
        """The copy whose turn it is, unless the relay wants to be left alone."""
        now = self.now()
        if not self.may_go_on() or self.standing.wait(now):
            return None
        return self.feed.take(now)

    def rest(self) -> None:
        """Wait until something may have changed."""
        with self._bell:
            self._bell.wait(min(TICK_SECONDS, self.feed.wait.total_seconds() or TICK_SECONDS))

    def connect(self) -> Connection:
        """A new connection to the relay; raises RelayUnavailable."""
        server = self._settings.smtp
        assert server is not None, "the worker starts with a relay or not at all"
        opened = open_line(server, self._settings.helo_name, Patience())
        self.shelf.learn(opened.abilities)
        self.standing.well(self.now())
        return Connection(opened, Patience())

    def judge(self, job: Job, reply: Reply, tries: int) -> Outcome:
        """What the reply means for this copy; a notice in doubt is sent again, with the same Message-ID."""
        outcome = judge(reply, tries, self.now(), self._settings.retry_schedule, salt=job.claimed.id)
        if outcome.state is State.UNCERTAIN and job.claimed.notice_id is not None:
            return Outcome(State.QUEUED, outcome.scope, reply)
        return outcome

    def happened(self, job: Job, outcome: Outcome) -> None:
        """Learn from what became of a copy."""
        now, reply = self.now(), outcome.reply
        if outcome.scope in (None, Scope.RECIPIENT):
            self._session_faults = 0
            self.standing.well(now)
        if outcome.scope is None:
            self._refusals.pop(job.claimed.mailout_id or 0, None)
        elif outcome.scope is Scope.QUOTA:
            self.standing.quota(reply, now)
        elif outcome.scope is Scope.LETTER:
            self._count_refusal(job, reply)
        elif outcome.scope is Scope.SESSION:
            self._session_faults += 1
        if outcome.scope is Scope.RELAY or self._session_faults >= LETTERS_FAULT:
            self.standing.trouble(_relay_words(reply), now)

    def relay_trouble(self, error: RelayUnavailable) -> None:
        """No connection could be made."""
        log.warning("relay stage=%s code=%s %s", error.reply.stage, error.reply.code, error.words)
        self.standing.trouble(error.words, self.now())

    def ledger_trouble(self, error: SQLAlchemyError) -> None:
        """The database can't be written: nobody sends until it can."""
        log.error("not written down: %s", type(error).__name__)
        self.standing.trouble("What is sent could not be written down, so nothing is sent.", self.now())

    # -- a letter that the relay refuses ---------------------------------------------------------------------------

    def _count_refusal(self, job: Job, reply: Reply) -> None:
        """A letter refused to one after another is the letter's fault: its mail-out stops before more are marked."""
        mailout_id = job.claimed.mailout_id
        if mailout_id is None:
            return
        refused = self._refusals.setdefault(mailout_id, [])
        refused.append(job.claimed.id)
        too_large = reply.code == 552 or reply.enhanced.endswith(".3.4")
        if too_large or len(refused) >= LETTERS_FAULT:
            self.feed.shut(mailout_id)
            self._letters_refused[mailout_id] = reply

    def _pause_refused(self, now: datetime) -> None:
        """Pause the mail-outs whose letter the relay does not take, and unmark whom it was refused to."""
        for mailout_id, reply in list(self._letters_refused.items()):
            self.ledger.unmark(self._refusals.pop(mailout_id, []))
            closing.pause(mailout_id, f"Your mail provider refuses this letter: {reply.code} {reply.text}", now)
            del self._letters_refused[mailout_id]

    def _say_how_it_stands(self, now: datetime) -> None:
        """Write the relay's pulse when there is something new to say."""
        report = self.standing.report()
        news = f"{report.words}|{report.again_at}|{report.heard_at and int(report.heard_at.timestamp() / 10)}"
        if news == self._reported:
            return
        self._reported = news
        if report.words:
            pulse.ill(pulse.RELAY, report.words, now, report.again_at)
        elif report.heard_at:
            pulse.well(pulse.RELAY, report.heard_at)


def _relay_words(reply: Reply) -> str:
    """What to say of a relay that broke off or refused to serve us."""
    if reply.code == 0:
        return "Your mail provider broke off the connection."
    return f"Your mail provider takes nothing at the moment. It said: {reply.code} {reply.text}"
