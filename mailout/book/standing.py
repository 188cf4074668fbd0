"""standing -- why a customer stands where they stand in each list: who put them there, when, how.

Owns     nothing: it reads the rows of `place_change`
Never    says "by whom" where nobody chose: a list's default is a default
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ..models import Place, PlaceChange, User, db


@dataclass(frozen=True, slots=True)
class Change:
    """The change that made a place what it is; `by` is a user's name, "" for whoever is none."""

    became: Place
    at: datetime
    by: str
    how: str
    reason: str


def latest(customer_id: int) -> dict[int, Change]:
    """The last change of each of the customer's places, by list. A list in which nothing changed is not in it."""
    newest = (
        select(func.max(PlaceChange.id)).where(PlaceChange.customer_id == customer_id).group_by(PlaceChange.list_id)
    )
    query = (
        select(PlaceChange, User.name).outerjoin(User, User.id == PlaceChange.user_id).where(PlaceChange.id.in_(newest))
    )
    return {
        row.list_id: Change(Place(row.became), row.at, name or "", row.how, row.reason)
        for row, name in db.session.execute(query)
    }
