"""reach -- whom a mail-out of a list would reach at this moment, whom it would not, and how long it would take.

Owns     the figures beside the Create form
Never    changes anything; says how long it takes where nothing is known that would tell
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select

from ...book import edition, lists
from ...core.telling import spoken
from ...models import Customer, ListPlace, Place, Suppressed, db
from .. import asking
from ..story import pace

REASONS = {
    Suppressed.UNSUBSCRIBED: ("asked for no mail at all", "asked for no mail at all"),
    Suppressed.BOUNCED: ("address doesn’t work", "addresses don’t work"),
    Suppressed.COMPLAINED: ("complained", "complained"),
    Suppressed.BY_HAND: ("you stopped by hand", "you stopped by hand"),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """How many get it, how many are left out and why, and the clock: `span` is None when nobody can tell."""

    people: int
    left_out: int
    reasons: str
    span: str
    rate: str
    last_at: datetime | None
    ahead: int


def of(list_id: int) -> Reach:
    """What a mail-out of the list would reach now."""
    tally = lists.tally(list_id)
    ahead = min(pace.ahead(), tally.reached)
    speed = pace.lately()
    span = speed.time_for(tally.reached + ahead) if tally.reached else None
    return Reach(
        people=tally.reached,
        left_out=tally.suppressed,
        reasons=edition.remembered(("left out", list_id), lambda: _reasons(list_id)) if tally.suppressed else "",
        span=pace.roughly(span) if span else "",
        rate=speed.words(tally.reached + ahead),
        last_at=asking.now() + span if span and pace.A_MINUTE <= span < timedelta(days=7) else None,
        ahead=ahead,
    )


def _reasons(list_id: int) -> str:
    """Why those who are included and suppressed get nothing, with numbers."""
    # from the few who are suppressed to their places, never through the whole list
    included = exists().where(
        ListPlace.customer_id == Customer.id, ListPlace.list_id == list_id, ListPlace.place == Place.INCLUDED
    )
    query = (
        select(Customer.suppressed_for, func.count())
        .where(Customer.suppressed_for.is_not(None), included)
        .group_by(Customer.suppressed_for)
        .order_by(func.count().desc())
    )
    said = [spoken.things(count, *REASONS[Suppressed(reason)]) for reason, count in db.session.execute(query) if reason]
    return ", ".join(said)
