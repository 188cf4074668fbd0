"""ledger -- what the pump writes down about each copy, before and after it goes over the wire.

Owns     the moves of a recipient that is in a pump's hand: claimed, dot_pending, and what came of it
Never    sends, decides what a reply means, keeps a transaction open while anybody waits for the network
Commits  every call, at once; `to_dot` commits the outcome of the copy before in the same transaction
Fails    OperationalError when the database can't be written: then nothing may be sent, for it could not be recorded

Every statement names the pump that holds the row, so one whose lease has passed to another changes nothing.

All connections of a pump share one database connection and one lock. What they bring at the same moment is one commit:
it costs half of what each its own does, and where a commit waits for a disk they wait for it together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, func, null, select, update
from sqlalchemy.exc import OperationalError

from ..core.delivery import Outcome, Scope, State, check_move
from ..models import Recipient
from ..models.quick import Quick
from .ledger_lines import NOTICES, Lines, Pages, of, unfinished
from .loop import at_once

Together = Callable[[Callable[[], None]], None]


class Claimed(NamedTuple):
    """A recipient in the pump's hand."""

    id: int
    mailout_id: int | None
    notice_id: int | None
    customer_id: int | None
    address: str
    name: str
    attempts: int


class Settled(NamedTuple):
    """What became of a claimed copy, to be written down. `was` is the state that its row has now."""

    id: int
    was: State
    outcome: Outcome


@dataclass(slots=True, eq=False)
class _Entry:
    """What one connection brings to be written down, and what came of it."""

    now: datetime
    settled: Settled | None
    dot_of: int | None
    wanted: bool = False
    error: Exception | None = None


class Ledger:
    """The book of one pump, known by `owner`; use it as a context manager."""

    def __init__(self, engine: Engine, owner: str, together: Together = at_once) -> None:
        """`together` runs what it is given once for all who ask at the same moment, before it returns to any."""
        self._engine = engine
        self._me = owner
        self._lock = threading.Lock()
        self._brought: deque[_Entry] = deque()
        self._together = together

    def __enter__(self) -> Self:
        self._connection: Connection = self._engine.connect()
        self._quick = Quick(self._connection)
        self._lines = Lines(self._engine.dialect)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._quick.close()
            self._connection.close()

    # -- the two moves of every copy -------------------------------------------------------------------------------

    def to_dot(self, recipient_id: int, now: datetime, held: Settled | None = None) -> bool:
        """Note that the final dot of this copy goes now; False when the copy is not wanted, or not now.

        It is not wanted once it was skipped or cancelled, and not now while its mail-out is paused. `held` is what
        became of the copy before on the same connection: both are one commit.
        """
        return self._written(_Entry(now, held, recipient_id)).wanted

    def settle(self, held: Settled, now: datetime) -> None:
        """Write down what became of a copy."""
        self._written(_Entry(now, held, None))

    def _written(self, entry: _Entry) -> _Entry:
        """Bring `entry`, and return once it is in the database."""
        self._brought.append(entry)
        self._together(self._write_brought)
        if entry.error is not None:
            raise entry.error
        return entry

    def _write_brought(self) -> None:
        """Write what everybody brought."""
        with self._lock:
            self._write_all([self._brought.popleft() for _ in range(len(self._brought))])

    def _write_all(self, entries: list[_Entry]) -> None:
        """Write these entries in one transaction; if that fails, each in its own.

        Where it is the database that can't be written, each of them would wait for it anew: it is said to all at once.
        """
        try:
            self._run(entries)
            self._quick.commit()
        except OperationalError as error:
            self._quick.rollback()
            for entry in entries:
                entry.error = error
        except Exception:
            self._quick.rollback()
            self._one_by_one(entries)

    def _one_by_one(self, entries: list[_Entry]) -> None:
        """Write each entry in a transaction of its own: one that can't be written spoils no other."""
        for entry in entries:
            try:
                self._run([entry])
                self._quick.commit()
            except Exception as error:
                self._quick.rollback()
                entry.error = error

    def _run(self, entries: list[_Entry]) -> None:
        """The statements of these entries."""
        for entry in entries:
            now = self._lines.time(entry.now)
            if entry.settled is not None:
                self._settle(entry.settled, now)
            if entry.dot_of is not None:
                values = {"b_id": entry.dot_of, "b_me": self._me, "b_now": now}
                entry.wanted = self._quick.run(self._lines.to_dot, values) == 1

    def _settle(self, held: Settled, now: Any) -> None:
        """The statements of `settle`: the row itself, and the reply's words unless it was a plain yes."""
        outcome, reply = held.outcome, held.outcome.reply
        state = outcome.state
        check_move(held.was, state)
        values: dict[str, Any] = {"b_id": held.id, "b_me": self._me, "b_now": now}
        values |= {"b_code": reply.code, "b_enhanced": reply.enhanced, "b_text": reply.text}
        if state is State.SENT:
            self._quick.run(self._lines.sent, values)
            return
        over = state not in (State.QUEUED, State.DEFERRED)
        values |= {
            "b_was": held.was.value,
            "b_state": state.value,
            "b_tries": _tries(held),
            "b_due": outcome.due_at,
            "b_settled": now if over else None,
        }
        if self._quick.run(self._lines.settle, values):
            self._quick.run(self._lines.reply, values | {"b_stage": reply.stage.value})

    # -- taking copies in hand and giving them back ----------------------------------------------------------------

    def claim(self, mailout_id: int | None, most: int, now: datetime) -> list[Claimed]:
        """Take up to `most` copies of the mail-out (None: notices): those that are due again, then the queued ones."""
        values = {"b_mailout": mailout_id, "b_me": self._me, "b_now": self._lines.time(now)}
        with self._lock:
            due = self._take(self._lines.due, mailout_id, values, most)
            queued = self._take(self._lines.queued, mailout_id, values, most - len(due)) if len(due) < most else []
        return due + queued

    def _take(self, pages: Pages, mailout_id: int | None, values: dict[str, Any], most: int) -> list[Claimed]:
        """Take up to `most` copies that are ready; nobody waits for the database's lock to find none."""
        anybody, claim = pages.notices if mailout_id is NOTICES else pages.of_one
        if not self._quick.rows(anybody, values):
            return []
        try:
            rows = self._quick.rows(claim, values | {"b_most": most})
            self._quick.commit()
        except BaseException:
            self._quick.rollback()
            raise
        return sorted(map(Claimed._make, rows))

    def still_claimed(self, mailout_id: int | None) -> set[int]:
        """The copies of the mail-out that are claimed and were not skipped or cancelled since; index alone."""
        claimed = select(Recipient.id).where(of(mailout_id), Recipient.state == State.CLAIMED)
        with self._lock, self._connection.begin():
            return set(self._connection.scalars(claimed))

    def hand_back(self, recipient_ids: Iterable[int]) -> int:
        """Queue these claimed copies again: nothing of them was handed over. How many were still claimed."""
        mine = Recipient.id.in_(list(recipient_ids)) & (Recipient.claimed_by == self._me)
        claimed = update(Recipient).where(mine, Recipient.state == State.CLAIMED)
        return self._write(claimed, state=State.QUEUED, claimed_by=None)

    def take_back_dot(self, recipient_id: int) -> None:
        """Queue a copy again whose dot may have been noted and was not written: the note itself had failed."""
        mine = (Recipient.id == recipient_id) & (Recipient.claimed_by == self._me)
        noted = update(Recipient).where(mine, Recipient.state == State.DOT_PENDING)
        self._write(noted, state=State.QUEUED, claimed_by=None, attempts=Recipient.attempts - 1)
        self.hand_back([recipient_id])

    def hand_back_all(self) -> None:
        """Queue every copy again that this pump has claimed and not sent: it stops, or lost sight of some."""
        mine = (Recipient.claimed_by == self._me) & (Recipient.state == State.CLAIMED) & unfinished()
        self._write(update(Recipient).where(mine), state=State.QUEUED, claimed_by=None)

    def take_over(self, now: datetime) -> tuple[int, int]:
        """Put right what a pump that is gone had in hand: (copies queued again, copies that are uncertain).

        Before the dot the relay threw away what it had. After it the relay may have the copy: uncertain, and nobody
        gets it twice unless a person asks; but a notice in doubt is sent again, with the same Message-ID.
        """
        gone = func.coalesce(Recipient.claimed_by, self._me) != self._me
        in_hand = gone & unfinished()
        claimed = update(Recipient).where(in_hand, Recipient.state == State.CLAIMED)
        doubtful = update(Recipient).where(in_hand, Recipient.state == State.DOT_PENDING)
        notice = Recipient.mailout_id.is_(None)
        queued = self._write(claimed, state=State.QUEUED, claimed_by=None)
        queued += self._write(doubtful.where(notice), state=State.QUEUED, claimed_by=None)
        lost = "the program stopped before the relay's answer was noted"
        return queued, self._write(
            doubtful.where(~notice), state=State.UNCERTAIN, claimed_by=None, settled_at=now, reply=lost
        )

    def unmark(self, recipient_ids: Iterable[int]) -> int:
        """Queue copies again that were marked failed for what turned out to be the letter's fault, not theirs."""
        marked = Recipient.id.in_(list(recipient_ids)) & (Recipient.state == State.FAILED)
        values = {"state": State.QUEUED, "settled_at": null(), "attempts": Recipient.attempts - 1}
        return self._write(update(Recipient).where(marked), **values)

    def _write(self, statement: Any, **values: object) -> int:
        """Run one UPDATE in a transaction of its own; how many rows it changed."""
        with self._lock, self._connection.begin():
            return int(self._connection.execute(statement.values(**values)).rowcount)


def _tries(held: Settled) -> int:
    """By how much a settled copy's tries change: the dot counted one, and what is not the customer's fault is none."""
    if held.outcome.state is State.QUEUED or held.outcome.scope is Scope.QUOTA:
        return -1 if held.was is State.DOT_PENDING else 0
    return 1 if held.was is State.CLAIMED else 0
