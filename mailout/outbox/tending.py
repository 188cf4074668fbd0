"""tending -- the slow look at what is sent: does it move, why not, for how long.

Owns     `progress_at` and `tended_at`, the pause after a long outage of ours, the telling of a mail-out that stalls,
         what the page is told about the relay
Never    marks a copy, sends
Commits  every call, at once

`tended_at` is when a pump last moved a mail-out, or knew a reason to wait that is not our fault: a quota, our own rate
limit, nobody due. When it is over OUTAGE ago, the relay or this program was out all that time, and a letter of
yesterday morning is not sent by itself any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.sql.elements import ColumnElement

from .. import pulse
from ..core.delivery import State
from ..models import Mailout, Recipient, changed, db
from . import closing, notify

OUTAGE = timedelta(hours=12)
STALL = timedelta(hours=1)
EVERY = timedelta(seconds=10)
SPOKEN_EVERY = timedelta(seconds=2)


class Tending:
    """What one pump remembers between two looks."""

    def __init__(self) -> None:
        self._looked_at: datetime | None = None
        self._said = ""
        self._said_at: datetime | None = None
        self._line: tuple[int, str] = (0, "")
        self._line_at: datetime | None = None

    def look(self, mailouts: list[int], moved: set[int], words: str, now: datetime, *, excused: bool) -> None:
        """Note what moved and what has an excuse; tell of what has neither for an hour.

        `moved` are those of which a copy was settled since the last look. `words` say why nothing moves.
        """
        self._looked_at = now
        still = [mailout for mailout in mailouts if mailout not in moved]
        idle = [mailout for mailout in still if excused or not _has_work(mailout, now)]
        _note([mailout for mailout in mailouts if mailout in moved], progress_at=now, tended_at=now)
        _note(idle, tended_at=now)
        for mailout_id in still:
            _tell_of_stall(mailout_id, words, now)
        db.session.commit()

    def due(self, now: datetime) -> bool:
        """Whether it is time for a look; also after the clock was put back."""
        return self._looked_at is None or not timedelta(0) <= now - self._looked_at < EVERY

    def say(
        self, words: str, again_at: datetime | None, heard_at: datetime | None, now: datetime, *, last: bool = False
    ) -> None:
        """Write the relay's pulse when there is something new to say of how it is, and not too often but at last."""
        news = f"{words}|{again_at}|{heard_at and int(heard_at.timestamp() / 10)}"
        soon = self._said_at is not None and timedelta(0) <= now - self._said_at < SPOKEN_EVERY
        if news == self._said or (soon and not last):
            return
        self._said, self._said_at = news, now
        if words:
            pulse.ill(pulse.RELAY, words, now, again_at)
        elif heard_at:
            pulse.well(pulse.RELAY, heard_at)

    def say_line(self, connections: int, waits_for: str, until: datetime | None, now: datetime) -> None:
        """Write how many connections are open, and what is waited for that is nobody's trouble."""
        soon = self._line_at and timedelta(0) <= now - self._line_at < SPOKEN_EVERY
        if (connections, waits_for) == self._line or soon:
            return
        self._line, self._line_at = (connections, waits_for), now
        pulse.line(pulse.RELAY, connections, waits_for, until)


def _note(mailout_ids: list[int], **values: datetime) -> None:
    """Write these times into the mail-outs."""
    if mailout_ids:
        changed(update(Mailout).where(Mailout.id.in_(mailout_ids)).values(**values))


def _has_work(mailout_id: int, now: datetime) -> bool:
    """Whether anybody in the mail-out waits for a try that is due."""
    of_it = Recipient.mailout_id == mailout_id
    ready = exists().where(of_it, Recipient.state.in_((State.QUEUED, State.CLAIMED, State.DOT_PENDING)))
    due = exists().where(of_it, Recipient.state == State.DEFERRED, Recipient.due_at <= now)
    return bool(db.session.scalar(select(ready)) or db.session.scalar(select(due)))


def _tell_of_stall(mailout_id: int, words: str, now: datetime) -> None:
    """Tell the user, once a round, of a mail-out that has not moved for an hour although somebody waits in it."""
    row = db.session.get(Mailout, mailout_id, populate_existing=True)
    if row is None or row.starts_at is None or not _has_work(mailout_id, now):
        return
    if now - max(row.progress_at or row.starts_at, row.starts_at) >= STALL:
        notify.delayed(row, words or "Mailout does not know why.", now)


def pause_after_outage(mailouts: list[int], now: datetime) -> list[int]:
    """Pause what we could not tend for over OUTAGE; the mail-outs that may send."""
    late = set(db.session.scalars(select(Mailout.id).where(Mailout.id.in_(mailouts), _untended_since(now - OUTAGE))))
    for mailout_id in sorted(late):
        closing.pause(mailout_id, "Nothing could be sent for over 12 hours. Look whether it should still go.", now)
    return [mailout for mailout in mailouts if mailout not in late]


def _untended_since(moment: datetime) -> ColumnElement[bool]:
    """The mail-outs that began to be due before `moment`, and that no pump has tended since."""
    return (Mailout.starts_at < moment) & (Mailout.tended_at.is_(None) | (Mailout.tended_at < moment))
