"""progress -- a mail-out as people see it: its state, its counts, its recipients in words.

Owns     the values that pages, `mailouts show` and the notices print
Never    changes a row, decides anything that `core.phase` and `core.delivery` do not say
Fails    LookupError for a mail-out that there is not
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select

from ..core.delivery import private, public
from ..core.own import message_id
from ..core.phase import Counts, Phase, phase
from ..core.telling import spoken
from ..current import secret, settings
from ..models import Mailout, Recipient, db
from . import queue

PAGE = 500


@dataclass(frozen=True, slots=True)
class Overview:
    """One mail-out at one moment."""

    row: Mailout
    state: Phase
    counts: Counts

    def as_json(self) -> dict[str, Any]:
        """The object that `mailouts show --json` prints; times are ISO 8601 in UTC."""
        row = self.row
        return {
            "id": row.id,
            "list": row.list.name,
            "created_by": row.created_by.email,
            "state": str(self.state),
            "problem": row.problem,
            "subject": row.subject,
            "author": row.author,
            "created_at": iso(row.created_at),
            "expires_at": iso(row.expires_at),
            "received_at": iso(row.received_at),
            "started_at": iso(row.started_at),
            "finished_at": iso(row.finished_at),
            "counts": self.counts.as_words(),
        }


class Line(NamedTuple):
    """One recipient of a mail-out."""

    id: int
    customer_id: int | None
    address: str
    name: str
    state: str
    reason: str
    attempts: int
    reply: str
    due_at: datetime | None
    settled_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The object that `mailouts recipients --json` prints, one a line."""
        words = ("address", "state", "reason", "attempts", "reply", "message_id")
        return {word: getattr(self, word) for word in words} | {"name": self.name, "next_try_at": iso(self.due_at)}

    @property
    def message_id(self) -> str:
        """The Message-ID of their copy."""
        return message_id(secret(), self.id, settings().own.domain)


def iso(at: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def find(mailout_id: int) -> Mailout:
    """The mail-out's row, as the database has it now; raises LookupError."""
    row = db.session.get(Mailout, mailout_id, populate_existing=True)
    if row is None:
        raise LookupError(f"There is no mail-out {mailout_id}.")
    return row


def overview(mailout_id: int, now: datetime) -> Overview:
    """The mail-out at `now`; raises LookupError."""
    return of_row(find(mailout_id), now)


def of_row(row: Mailout, now: datetime) -> Overview:
    """The overview of a row at hand."""
    return Overview(row, phase(row, now), queue.counts(row.id) if row.accepted_at else Counts())


_COLUMNS = (
    Recipient.id,
    Recipient.customer_id,
    Recipient.address,
    Recipient.name,
    Recipient.state,
    Recipient.reason,
    Recipient.attempts,
    Recipient.code,
    Recipient.enhanced,
    Recipient.reply,
    Recipient.due_at,
    Recipient.settled_at,
)


def lines(mailout_id: int, word: str = "") -> Iterator[Line]:
    """The recipients of the mail-out, all or those in the contract's state `word`."""
    query = select(*_COLUMNS)
    if word:
        query = query.where(Recipient.state.in_(private(word)))
    yield from map(line, _walk(query, mailout_id))


def outcomes(mailout_id: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Of every recipient: address, name, state in the contract's words, reason, what their server said."""
    columns = (*_COLUMNS[2:6], Recipient.code, Recipient.enhanced, Recipient.reply, Recipient.id)
    for address, name, state, reason, code, enhanced, reply, _ in _walk(select(*columns), mailout_id):
        yield address, name, public(state), reason, spoken.reply(code, enhanced, reply)


def _walk(query: Any, mailout_id: int) -> Iterator[Any]:
    """What `query` selects of the mail-out's recipients, their `id` among it, a page at a time from the table."""
    query, after = query.where(Recipient.mailout_id == mailout_id).order_by(Recipient.id).limit(PAGE), 0
    while rows := db.session.execute(query.where(Recipient.id > after)).all():
        yield from rows
        after = rows[-1].id


def line(row: Any) -> Line:
    """A recipient's row, or its columns, as people see it."""
    return Line(
        row.id,
        row.customer_id,
        row.address,
        row.name,
        public(row.state),
        row.reason,
        row.attempts,
        spoken.reply(row.code, row.enhanced, row.reply),
        row.due_at,
        row.settled_at,
    )


def latest(most: int, user_id: int | None = None) -> list[Mailout]:
    """The newest mail-outs, of everybody or of one user."""
    query = select(Mailout).order_by(Mailout.id.desc()).limit(most)
    if user_id is not None:
        query = query.where(Mailout.created_by_id == user_id)
    return list(db.session.scalars(query))
