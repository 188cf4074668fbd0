"""returned -- what came back for a mail-out, counted for its page and for the mail that sums it up.

Owns     the figures of bounces, complaints and answers
Never    changes a row
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ..core.delivery import State
from ..models import Letter, Mailout, Place, PlaceChange, Recipient, Reply, db
from .returns import COMPLAINT


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back."""

    bounced: int
    complaints: int
    answers: int

    @property
    def is_something(self) -> bool:
        """Whether anything came back at all."""
        return bool(self.bounced or self.complaints or self.answers)


def returned(mailout_id: int) -> Returned:
    """What came back for this mail-out so far."""
    mine = Recipient.mailout_id == mailout_id
    bounced = select(func.count()).where(mine, Recipient.state == State.BOUNCED)
    complaints = select(func.count()).select_from(Reply).join(Recipient).where(mine, Reply.stage == COMPLAINT)
    answers = select(func.count()).where(Letter.mailout_id == mailout_id, Letter.verdict == "reply")
    return Returned(
        bounced=db.session.scalar(bounced) or 0,
        complaints=db.session.scalar(complaints) or 0,
        answers=db.session.scalar(answers) or 0,
    )


def left(row: Mailout, until: datetime) -> int:
    """How many left the mail-out's list of themselves between its start and `until`."""
    since = row.started_at or row.accepted_at or row.created_at
    gone = select(func.count(PlaceChange.customer_id.distinct())).where(
        PlaceChange.list_id == row.list_id,
        PlaceChange.became == Place.UNSUBSCRIBED,
        PlaceChange.at >= since,
        PlaceChange.at <= until,
    )
    return db.session.scalar(gone) or 0
