"""ledger_lines -- the statements of the ledger that run for every copy.

Owns     their words: which columns a dot, an acceptance, a refusal change, and on what condition
Never    runs them (that is `ledger`)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, bindparam, exists, func, insert, null, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import State
from ..models import Mailout, Recipient, Reply
from ..models.quick import AsStored, Statement, storing

#: The mail-out of notices, in the places where a number stands for one.
NOTICES = None

SAME = timedelta(milliseconds=3)

#: The time, as it is stored: one that goes into several statements is made ready once, by `Lines.time`.
_NOW = bindparam("b_now", type_=AsStored())
_WORDS: dict[str, ColumnElement[Any]] = {"code": bindparam("b_code"), "enhanced": bindparam("b_enhanced")}


def _mine(state: object) -> tuple[ColumnElement[bool], ...]:
    """The one recipient, while it is in this pump's hand and in `state`."""
    return Recipient.id == bindparam("b_id"), Recipient.state == state, Recipient.claimed_by == bindparam("b_me")


_PAUSED = exists().where(Mailout.id == Recipient.mailout_id, Mailout.paused_at.is_not(None))

_TO_DOT = (
    update(Recipient)
    .where(*_mine(State.CLAIMED), ~_PAUSED)
    .values(
        state=State.DOT_PENDING,
        attempts=Recipient.attempts + 1,
        dot_at=_NOW,
        first_tried_at=func.coalesce(Recipient.first_tried_at, _NOW),
    )
)
_SENT = (
    update(Recipient)
    .where(*_mine(State.DOT_PENDING))
    .values(state=State.SENT, claimed_by=null(), settled_at=_NOW, **_WORDS, reply=bindparam("b_text"))
)
_SETTLE = (
    update(Recipient)
    .where(*_mine(bindparam("b_was")))
    .values(
        state=bindparam("b_state"),
        claimed_by=null(),
        attempts=Recipient.attempts + bindparam("b_tries"),
        first_tried_at=func.coalesce(Recipient.first_tried_at, _NOW),
        due_at=bindparam("b_due"),
        settled_at=bindparam("b_settled", type_=AsStored()),
        **_WORDS,
        reply=bindparam("b_text"),
    )
)
_REPLY = insert(Reply).values(
    recipient_id=bindparam("b_id"),
    at=bindparam("b_now", type_=AsStored()),
    state=bindparam("b_state"),
    stage=bindparam("b_stage"),
    **_WORDS,
    text=bindparam("b_text"),
)


#: What a claim gives of each recipient.
CLAIMED = (
    Recipient.id,
    Recipient.mailout_id,
    Recipient.notice_id,
    Recipient.customer_id,
    Recipient.address,
    Recipient.name,
    Recipient.attempts,
)
_NOTICES, _OF_ONE = Recipient.mailout_id.is_(None), Recipient.mailout_id == bindparam("b_mailout")
_QUEUED = (Recipient.state == State.QUEUED, Recipient.due_at.is_(None))
_DUE = (Recipient.state == State.DEFERRED, Recipient.due_at <= _NOW)


class Lines:
    """The statements, ready for one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        self._store = storing(Recipient.dot_at.type, dialect)
        self._stored: tuple[datetime, Any] | None = None
        self.to_dot = _ready(_TO_DOT, dialect)
        self.sent = _ready(_SENT, dialect)
        self.settle = _ready(_SETTLE, dialect)
        self.reply = _ready(_REPLY, dialect)
        self.queued = _pages(_QUEUED, dialect, Recipient.id)
        self.due = _pages(_DUE, dialect, Recipient.due_at, Recipient.id)

    def time(self, now: datetime) -> Any:
        """`now` as it is stored; copies within SAME of each other share one, for making it ready takes its time."""
        last = self._stored
        if last is None or not last[0] <= now < last[0] + SAME:
            last = self._stored = (now, self._store(now))
        return last[1]


@cache
def _ready(statement: ClauseElement, dialect: Dialect) -> Statement:
    """The statement, compiled once for a process: a pump begins as often as there is something to send."""
    return Statement(statement, dialect)


class Pages(NamedTuple):
    """For notices and for a mail-out: whether anybody is ready, and the claim of a page of them.

    The question is asked first, so that nobody waits for the database's lock to find nobody.
    """

    notices: tuple[Statement, Statement]
    of_one: tuple[Statement, Statement]


@cache
def _pages(ready: tuple[ColumnElement[bool], ...], dialect: Dialect, *order: Any) -> Pages:
    """The statements that claim those who are `ready`."""
    found = []
    for of_these in (_NOTICES, _OF_ONE):
        ids = select(Recipient.id).where(of_these, *ready).order_by(*order)
        claim = (
            update(Recipient)
            .where(Recipient.id.in_(ids.limit(bindparam("b_most")).scalar_subquery()))
            .values(state=State.CLAIMED, claimed_by=bindparam("b_me"), due_at=null())
            .returning(*CLAIMED)
        )
        found.append((Statement(ids.limit(1), dialect), Statement(claim, dialect)))
    return Pages(*found)


def of(mailout_id: int | None) -> ColumnElement[bool]:
    """The recipients of one mail-out, or of notices."""
    return Recipient.mailout_id.is_(None) if mailout_id is NOTICES else Recipient.mailout_id == mailout_id


def unfinished() -> ColumnElement[bool]:
    """Notices, and the recipients of mail-outs that are not over: the only ones that can be in anybody's hand."""
    open_ones = select(Mailout.id).where(Mailout.accepted_at.is_not(None), Mailout.finished_at.is_(None))
    return Recipient.mailout_id.is_(None) | Recipient.mailout_id.in_(open_ones)
