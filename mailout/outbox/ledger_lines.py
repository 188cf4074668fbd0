"""ledger_lines -- the statements of the ledger that run for every copy.

Owns     their words: which columns a dot, an acceptance, a refusal change, and on what condition
Never    runs them (that is `ledger`)
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, exists, func, insert, null, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import State
from ..models import Mailout, Recipient, Reply
from ..models.quick import Statement

_NOW = bindparam("b_now", type_=Recipient.dot_at.type)
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
        settled_at=bindparam("b_settled"),
        **_WORDS,
        reply=bindparam("b_text"),
    )
)
_REPLY = insert(Reply).values(
    recipient_id=bindparam("b_id"),
    at=_NOW,
    state=bindparam("b_state"),
    stage=bindparam("b_stage"),
    **_WORDS,
    text=bindparam("b_text"),
)


class Lines:
    """The statements, ready for one kind of database."""

    def __init__(self, dialect: Dialect) -> None:
        self.to_dot = Statement(_TO_DOT, dialect)
        self.sent = Statement(_SENT, dialect)
        self.settle = Statement(_SETTLE, dialect)
        self.reply = Statement(_REPLY, dialect)
