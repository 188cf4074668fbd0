"""history -- "Did they get it?": what became of each letter for one customer.

Owns     the answer, for every mail-out: those that they were in, and those that they were not in, why, and since when
Never    says more than is known: accepted by the mail provider is not delivered
Fails    never: a customer without letters has an empty history
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select

from ..core.delivery import State, public
from ..core.telling import spoken
from ..models import Customer, MailingList, Mailout, Place, PlaceChange, Recipient, User, db

#: What stands for a mail-out in which they have no row: they came into the list afterwards, were out of it then, were
#: no customer yet, or it is so long ago that their row is not kept any more.
JOINED_LATER, NOT_IN_IT, NOT_YET, NOT_KEPT = "joined-later", "not-in-it", "not-yet", "not-kept"

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
    NOT_YET: ("Not a customer yet", "faint", "minus"),
    NOT_KEPT: ("Not kept any more", "faint", "minus"),
}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One letter and what became of this customer's copy.

    `why` are the server's words, or who left them out; `since` is when that was, or when they came; `tries` how many
    it took.
    """

    mailout_id: int
    subject: str
    list_name: str
    at: datetime
    state: str
    why: str = ""
    since: datetime | None = None
    tries: int = 0

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


def letters(customer_id: int, most: int = 200) -> list[HistoryLine]:
    """Every letter that went out, and what became of the customer's copy, the newest first."""
    mine = (Recipient.mailout_id == Mailout.id) & (Recipient.customer_id == customer_id)
    columns = (Mailout.id, Mailout.subject, Mailout.list_id, MailingList.name, Mailout.accepted_at)
    outcome = (Recipient.state, Recipient.reason, Recipient.code, Recipient.enhanced, Recipient.reply)
    query = (
        select(*columns, *outcome, Recipient.settled_at, Recipient.attempts)
        .join(MailingList, MailingList.id == Mailout.list_id)
        .outerjoin(Recipient, mine)
        .where(Mailout.accepted_at.is_not(None))
        .order_by(Mailout.id.desc())
        .limit(most)
    )
    rows = db.session.execute(query).all()
    changes = _changes(customer_id) if any(row.state is None for row in rows) else {}
    came_at = db.session.get_one(Customer, customer_id).created_at
    return [_line(row, changes.get(row.list_id, ()), came_at) for row in rows]


def _changes(customer_id: int) -> dict[int, list[_Change]]:
    """Every change of the customer's places, by list, the oldest first."""
    columns = (PlaceChange.list_id, PlaceChange.at, PlaceChange.became, User.name)
    query = select(*columns).outerjoin(User, User.id == PlaceChange.user_id)
    query = query.where(PlaceChange.customer_id == customer_id).order_by(PlaceChange.id)
    found: dict[int, list[_Change]] = {}
    for list_id, at, became, by in db.session.execute(query):
        found.setdefault(list_id, []).append(_Change(at, became, by or ""))
    return found


def _line(row: Row[*tuple[object, ...]], changes: Sequence[_Change], came_at: datetime) -> HistoryLine:
    """The line of one mail-out."""
    about = (row.id, row.subject, row.name, row.accepted_at)
    if row.state is None:
        return HistoryLine(*about, *_absent(row.accepted_at, changes, came_at))
    said = spoken.reply(row.code, row.enhanced, row.reply)
    return HistoryLine(*about, public(State(row.state)), row.reason or said, row.settled_at, row.attempts)


def _absent(at: datetime, changes: Sequence[_Change], came_at: datetime) -> tuple[str, str, datetime | None]:
    """Why they have no row in a mail-out that was accepted at that time: state, reason, since when."""
    if came_at > at:
        return NOT_YET, "", came_at
    before = [change for change in changes if change.at <= at]
    if not before:
        return (JOINED_LATER, "", changes[0].at) if changes else (NOT_IN_IT, "nobody ever chose", None)
    last = before[-1]
    if last.became == Place.INCLUDED:
        return NOT_KEPT, "", None
    if last.became == Place.UNSUBSCRIBED:
        return NOT_IN_IT, "unsubscribed", last.at
    return NOT_IN_IT, f"excluded by {last.by}" if last.by else "excluded", last.at
