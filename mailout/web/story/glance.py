"""glance -- a mail-out at one moment, read as cheaply as a page that asks every two seconds deserves.

Owns     what a live panel depends on, and its tag: while that stays the same, nothing is said again
Never    counts anything but recipients by state; reads a letter; changes a row
Fails    LookupError for a mail-out that there is not
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from ... import pulse
from ...book import lists
from ...core.delivery import UNSETTLED
from ...core.phase import ENDED, Counts, Phase
from ...models import Mailout, Notice, Pulse, Recipient, db
from .. import asking
from . import recent

#: The worker says so every minute; after this long without a word something is wrong.
WORKER_SILENT = timedelta(minutes=3)
#: So long after its end a page still asks whether the mail that tells of it was accepted.
TOLD_WITHIN = timedelta(minutes=10)
#: Columns whose change is no news to the reader.
UNTOLD = frozenset({"watched_at", "key_nonce", "key_digest", "press"})


@dataclass(frozen=True, slots=True)
class Glance:
    """The mail-out, who looks at it and may steer it, how mailbox, relay and worker stand.

    `reached` is how many its list would reach now, until the recipients are frozen; `telling` that the mail which says
    that it is over has not been accepted yet.
    """

    row: Mailout
    state: Phase
    counts: Counts
    reached: int
    now: datetime
    mine: bool
    asked: str
    mailbox: Pulse
    relay: Pulse
    worker: Pulse
    telling: bool = False

    @property
    def live(self) -> bool:
        """Whether anything is still to happen by itself."""
        return self.state not in ENDED or self.telling

    @property
    def relay_out(self) -> bool:
        """Whether it would send and the relay does not let it."""
        return self.state is Phase.SENDING and bool(self.relay.trouble or self.limit_until)

    @property
    def limit_until(self) -> datetime | None:
        """Until when the relay takes no more, having said that its limit is reached; None when it has not."""
        until = self.relay.waits_until
        return until if until and until > self.now else None

    @property
    def worker_silent(self) -> bool:
        """Whether nobody is there to do the work."""
        heard = self.worker.well_at
        return heard is None or self.now - heard > WORKER_SILENT

    @property
    def tag(self) -> str:
        """The same as long as the panel need not be drawn again. What ticks by the second is not in it."""
        row = self.row
        facts = [getattr(row, column.key) for column in Mailout.__table__.columns if column.key not in UNTOLD]
        minute = self.now.replace(second=0, microsecond=0) if self.live else None
        said = (
            facts,
            self.state,
            self.counts,
            self.reached,
            self.mine,
            self.asked,
            minute,
            self.telling,
            self.worker_silent,
            *self._pulses(),
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()[:20]

    def _pulses(self) -> tuple[object, ...]:
        """What the panel shows of mailbox or relay in this state."""
        if self.state is Phase.WAITING:
            return (self.mailbox.tried_at, self.mailbox.trouble)
        if self.state is Phase.SENDING:
            again_at = self.relay.again_at
            waits = again_at is not None and again_at > self.now
            return (self.relay.well_at, self.relay.trouble, again_at, waits, self.limit_until)
        return ()


def look(mailout_id: int, asked: str = "") -> Glance:
    """The mail-out as it is now, for the user who asks; `asked` is what they are asked to confirm."""
    seen = recent.overview(mailout_id, asking.now())
    return Glance(
        row=seen.row,
        state=seen.state,
        counts=seen.counts,
        reached=0 if seen.row.accepted_at else lists.tally(seen.row.list_id).reached,
        now=asking.now(),
        mine=asking.may_change(seen.row),
        asked=asked,
        mailbox=pulse.of(pulse.MAILBOX),
        relay=pulse.of(pulse.RELAY),
        worker=pulse.of(pulse.WORKER),
        telling=_is_telling(seen.row),
    )


def _is_telling(row: Mailout) -> bool:
    """Whether a mail about it, which was over lately, is still to go; a page left open does not ask for ever."""
    over = row.finished_at or row.cancelled_at
    if over is None or not row.accepted_at or asking.now() - over > TOLD_WITHIN:
        return False
    if row.finished_at is None:
        return True  # its last copies are on the wire
    mine = (Notice.mailout_id == row.id) & Recipient.state.in_(UNSETTLED)
    return bool(db.session.scalar(select(exists().where(mine, Recipient.notice_id == Notice.id))))
