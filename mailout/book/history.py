"""history -- "Did they get it?": what became of each letter for one customer.

Owns     the answer, for mail-outs that they were in and for those of their lists that they were not in, and why
Never    says more than is known: accepted by the mail provider is not delivered
Fails    never: a customer without letters has an empty history
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select

from ..core.delivery import State, public
from ..models import MailingList, Mailout, Place, PlaceChange, Recipient, User, db

#: What stands for a mail-out in which they have no row: they came into the list afterwards, or were out of it then.
JOINED_LATER, NOT_IN_IT = "joined-later", "not-in-it"

#: The state, in words, with its tone and picture as pages have them.
WORDS = {
    "queued": ("Queued", "faint", "clock"),
    "sending": ("Sending", "accent", "send"),
    "sent": ("Accepted by your mail provider", "good", "check"),
    "deferred": ("Deferred", "look", "rotate-clockwise"),
    "failed": ("Failed", "bad", "x"),
    "skipped": ("Left out", "faint", "minus"),
    "uncertain": ("Uncertain", "look", "help-circle"),
    "bounced": ("Bounced", "bad", "arrow-back-up"),
    "cancelled": ("Cancelled before their turn", "faint", "ban"),
    JOINED_LATER: ("Joined later", "faint", "minus"),
    NOT_IN_IT: ("Not in the list then", "faint", "minus"),
}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One letter and what became of this customer's copy; `why` are the server's words, or who left them out."""

    mailout_id: int
    subject: str
    list_name: str
    at: datetime
    state: str
    why: str = ""

    @property
    def word(self) -> str:
        """The state in words."""
        return WORDS[self.state][0]

    words = word

    @property
    def tone(self) -> str:
        """How the words are to look."""
        return WORDS[self.state][1]

    @property
    def icon(self) -> str:
        """The picture beside the words."""
        return WORDS[self.state][2]


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a place in one list."""

    at: datetime
    became: str
    by: str
    how: str


def letters(customer_id: int, most: int = 200) -> list[HistoryLine]:
    """The letters of the customer and of the lists that they ever were in, the newest first."""
    mine = (Recipient.mailout_id == Mailout.id) & (Recipient.customer_id == customer_id)
    lists = select(PlaceChange.list_id).where(PlaceChange.customer_id == customer_id)
    columns = (Mailout.id, Mailout.subject, Mailout.list_id, MailingList.name, Mailout.accepted_at)
    query = (
        select(*columns, Recipient.state, Recipient.reason, Recipient.code, Recipient.enhanced, Recipient.reply)
        .join(MailingList, MailingList.id == Mailout.list_id)
        .outerjoin(Recipient, mine)
        .where(Mailout.accepted_at.is_not(None), Recipient.id.is_not(None) | Mailout.list_id.in_(lists))
        .order_by(Mailout.id.desc())
        .limit(most)
    )
    rows = db.session.execute(query).all()
    changes = _changes(customer_id) if any(row.state is None for row in rows) else {}
    return [_line(row, changes.get(row.list_id, ())) for row in rows]


def _changes(customer_id: int) -> dict[int, list[_Change]]:
    """Every change of the customer's places, by list, the oldest first."""
    columns = (PlaceChange.list_id, PlaceChange.at, PlaceChange.became, User.name, PlaceChange.how)
    query = select(*columns).outerjoin(User, User.id == PlaceChange.user_id)
    query = query.where(PlaceChange.customer_id == customer_id).order_by(PlaceChange.id)
    found: dict[int, list[_Change]] = {}
    for list_id, at, became, by, how in db.session.execute(query):
        found.setdefault(list_id, []).append(_Change(at, became, by or "", how))
    return found


def _line(row: Row[*tuple[object, ...]], changes: Sequence[_Change]) -> HistoryLine:
    """The line of one mail-out."""
    about = (row.id, row.subject, row.name, row.accepted_at)
    if row.state is None:
        return HistoryLine(*about, *_absent(row.accepted_at, changes))
    said = " ".join(word for word in (str(row.code or ""), row.enhanced, row.reply) if word)
    return HistoryLine(*about, public(State(row.state)), row.reason or said)


def _absent(at: datetime, changes: Sequence[_Change]) -> tuple[str, str]:
    """Why they have no row in a mail-out that was accepted at that time: state and reason."""
    before = [change for change in changes if change.at <= at]
    if not before:
        return JOINED_LATER, ""
    last = before[-1]
    if last.became == Place.UNSUBSCRIBED:
        return NOT_IN_IT, "unsubscribed"
    return NOT_IN_IT, f"excluded by {last.by}" if last.by else f"excluded: {last.how}"
