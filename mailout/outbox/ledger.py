"""ledger -- what the pump writes down about each copy, before and after it goes over the wire.

Owns     the moves of a recipient that is in a pump's hand: claimed, dot_pending, and what came of it
Never    sends, decides what a reply means, keeps a transaction open while anybody waits for the network
Commits  every call, at once; `to_dot` commits the outcome of the copy before in the same transaction
Fails    OperationalError when the database can't be written: then nothing may be sent, for it could not be recorded

Every statement names the pump that holds the row, so one whose lease has passed to another changes nothing. All
connections of a pump share one database connection and one lock: SQLite has one writer, and queueing for a lock in
our own process is cheaper than in its busy handler.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, bindparam, func, insert, null, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import Outcome, State, check_move
from ..models import Mailout, Recipient, Reply

#: The mail-out of notices, in the places where a number stands for one.
NOTICES = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A recipient in the pump's hand."""

    id: int
    mailout_id: int | None
    notice_id: int | None
    customer_id: int | None
    address: str
    name: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claimed copy, to be written down. `was` is the state that its row has now."""

    id: int
    was: State
    outcome: Outcome


_TO_DOT = (
    update(Recipient)
    .where(
        Recipient.id == bindparam("b_id"), Recipient.state == State.CLAIMED, Recipient.claimed_by == bindparam("b_me")
    )
    .values(
        state=State.DOT_PENDING,
        attempts=Recipient.attempts + 1,
        dot_at=bindparam("b_now"),
        first_tried_at=func.coalesce(Recipient.first_tried_at, bindparam("b_now", type_=Recipient.dot_at.type)),
    )
)
_SETTLE = (
    update(Recipient)
    .where(
        Recipient.id == bindparam("b_id"),
        Recipient.state == bindparam("b_was"),
        Recipient.claimed_by == bindparam("b_me"),
    )
    .values(
        state=bindparam("b_state"),
        claimed_by=None,
        attempts=Recipient.attempts + bindparam("b_tries"),
        first_tried_at=func.coalesce(Recipient.first_tried_at, bindparam("b_now", type_=Recipient.dot_at.type)),
        due_at=bindparam("b_due"),
        settled_at=bindparam("b_settled"),
        code=bindparam("b_code"),
        enhanced=bindparam("b_enhanced"),
        reply=bindparam("b_text"),
    )
)
_COLUMNS = (
    Recipient.id,
    Recipient.mailout_id,
    Recipient.notice_id,
    Recipient.customer_id,
    Recipient.address,
    Recipient.name,
    Recipient.attempts,
)


class Ledger:
    """The book of one pump, known by `owner`; use it as a context manager."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._me = owner
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._connection: Connection = self._engine.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def claim(self, mailout_id: int | None, most: int, now: datetime) -> list[Claimed]:
        """Take up to `most` copies of the mail-out (None: notices) that are queued or due, the oldest first."""
        ready = (Recipient.state == State.QUEUED) | ((Recipient.state == State.DEFERRED) & (Recipient.due_at <= now))
        page = select(Recipient.id).where(_of(mailout_id), ready).order_by(Recipient.id).limit(most)
        take = (
            update(Recipient)
            .where(Recipient.id.in_(page.scalar_subquery()), ready)
            .values(state=State.CLAIMED, claimed_by=self._me, due_at=None)
            .returning(*_COLUMNS)
        )
        with self._lock, self._connection.begin():
            rows = [Claimed(*row) for row in self._connection.execute(take)]
        return sorted(rows, key=lambda row: row.id)

    def to_dot(self, recipient_id: int, now: datetime, held: Settled | None = None) -> bool:
        """Note that the final dot of this copy goes now; False when the copy is not wanted any more.

        `held` is what became of the copy before on the same connection: both are one commit.
        """
        with self._lock, self._connection.begin():
            if held is not None:
                self._settle(held, now)
            values = {"b_id": recipient_id, "b_me": self._me, "b_now": now}
            return self._connection.execute(_TO_DOT, values).rowcount == 1

    def settle(self, held: Settled, now: datetime) -> None:
        """Write down what became of a copy."""
        with self._lock, self._connection.begin():
            self._settle(held, now)

    def _settle(self, held: Settled, now: datetime) -> None:
        """The statements of `settle`: the row itself, and the reply's words unless it was a plain yes."""
        outcome, reply = held.outcome, held.outcome.reply
        check_move(held.was, outcome.state)
        over = outcome.state not in (State.QUEUED, State.DEFERRED)
        values = {
            "b_id": held.id,
            "b_me": self._me,
            "b_was": held.was,
            "b_state": outcome.state,
            "b_tries": int(held.was is State.CLAIMED and outcome.state is not State.QUEUED),
            "b_now": now,
            "b_due": outcome.due_at,
            "b_settled": now if over else None,
            "b_code": reply.code,
            "b_enhanced": reply.enhanced,
            "b_text": reply.text,
        }
        if self._connection.execute(_SETTLE, values).rowcount and outcome.state is not State.SENT:
            words = {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text, "stage": reply.stage}
            self._connection.execute(insert(Reply).values(recipient_id=held.id, at=now, state=outcome.state, **words))

    def hand_back(self, recipient_ids: Iterable[int]) -> None:
        """Queue these claimed copies again: nothing of them was handed over."""
        mine = Recipient.id.in_(list(recipient_ids)) & (Recipient.claimed_by == self._me)
        self._write(
            update(Recipient).where(mine, Recipient.state == State.CLAIMED), state=State.QUEUED, claimed_by=None
        )

    def hand_back_all(self) -> None:
        """Queue every copy again that this pump has claimed and not sent: it stops, or lost sight of some."""
        mine = (Recipient.claimed_by == self._me) & (Recipient.state == State.CLAIMED) & _unfinished()
        self._write(update(Recipient).where(mine), state=State.QUEUED, claimed_by=None)

    def take_over(self, now: datetime) -> tuple[int, int]:
        """Put right what a pump that is gone had in hand: (copies queued again, copies that are uncertain).

        Before the dot the relay threw away what it had. After it the relay may have the copy: uncertain, and nobody
        gets it twice unless a person asks; but a notice in doubt is sent again, with the same Message-ID.
        """
        gone = func.coalesce(Recipient.claimed_by, self._me) != self._me
        in_hand = gone & _unfinished()
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

    def _write(self, statement: object, **values: object) -> int:
        """Run one UPDATE in a transaction of its own; how many rows it changed."""
        with self._lock, self._connection.begin():
            return self._connection.execute(statement.values(**values)).rowcount  # type: ignore[attr-defined]


def _of(mailout_id: int | None) -> ColumnElement[bool]:
    """The recipients of one mail-out, or of notices."""
    return Recipient.mailout_id.is_(None) if mailout_id is NOTICES else Recipient.mailout_id == mailout_id


def _unfinished() -> ColumnElement[bool]:
    """Notices, and the recipients of mail-outs that are not over: the only ones that can be in anybody's hand."""
    open_ones = select(Mailout.id).where(Mailout.accepted_at.is_not(None), Mailout.finished_at.is_(None))
    return Recipient.mailout_id.is_(None) | Recipient.mailout_id.in_(open_ones)
