"""standstill -- after a restore nothing goes by itself: what was under way waits until a person has looked.

Owns     what becomes of the mail-outs, keys and notices in a backup before anybody can send
Never    sends, ends a mail-out, marks a customer; guesses what happened after the backup was taken
Commits  leaves that to the caller, but for the crash rule (`ledger.take_over`), which is one of its own

Whoever is queued in a backup may have had their copy after it was taken, and so may whoever is on the wire in it.
Nobody here can know; the relay's log does. So what was on the wire is uncertain, as after a crash, and all others keep
their state and wait. A key that waits for its letter may have been used meanwhile: a letter to it is held for a look.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update

from ..core.acceptance import GRACE
from ..core.delivery import State
from ..core.phase import phase
from ..core.telling.restored import Stilled
from ..journal import MAILOUT, note
from ..models import Letter, Mailout, Notice, Recipient, User, changed, db
from . import notify, queue
from .ledger import Ledger
from .sending import in_progress

#: Notices that go no more: their links have ended, or they are to a customer, who has most likely had them.
NOT_AGAIN = ("invite", "reset", "address", "unsubscribed")
#: So many numbers of recipients are left out: copies that went after the backup had the next ones.
NUMBERS = 10_000_000


def take_over(now: datetime) -> None:
    """What is in the hand of a pump is in nobody's any more: the crash rule. Commits."""
    with Ledger(db.engine, "a restored backup") as ledger:
        ledger.take_over(now)


def pause_all(words: str, taken_at: datetime, now: datetime) -> tuple[Stilled, ...]:
    """Pause every mail-out that is not over, and tell its user why; what they were when the backup was taken."""
    rows = db.session.scalars(select(Mailout).where(in_progress()).order_by(Mailout.id)).all()
    return tuple(_pause(row, words, taken_at, now) for row in rows)


def _pause(row: Mailout, words: str, taken_at: datetime, now: datetime) -> Stilled:
    """Pause one mail-out; of one that is paused the reason before stays in the words."""
    was, counts = phase(row, taken_at), queue.counts(row.id)
    said = f"{_paused_before(row)} {words}".strip()
    mine = update(Mailout).where(Mailout.id == row.id, in_progress())
    changed(mine.values(paused_at=func.coalesce(Mailout.paused_at, now), paused_for=said, paused_by_id=None))
    db.session.refresh(row)
    notify.paused(row, said, now)
    note(MAILOUT, "mailout.pause", f"mail-out {row.id}", said, now)
    return Stilled(row.id, was, row.list.name, row.subject, counts)


def _paused_before(row: Mailout) -> str:
    """Why it was paused already, or by whom; "" when it was not."""
    if row.paused_at is None or row.paused_for:
        return row.paused_for
    by = db.session.get(User, row.paused_by_id) if row.paused_by_id else None
    return f"It was paused by {by.name} before the backup." if by else "It was paused before the backup."


def hold_what_comes(words: str, taken_at: datetime, now: datetime) -> int:
    """Have the letter to every key that waits held for a look, and say why; how many keys still work.

    A key that has expired since is among them: its letter may have come in time, and be stored and not looked at.
    """
    stored = db.session.scalar(select(func.min(Letter.received_at)).where(Letter.spool == "new"))
    waits = (Mailout.accepted_at.is_(None), Mailout.held_at.is_(None), Mailout.cancelled_at.is_(None))
    good = (*waits, Mailout.expires_at > min(taken_at, stored or taken_at) - GRACE)
    changed(update(Mailout).where(*good, Mailout.problem.is_(None)).values(problem_detail=words))
    changed(update(Mailout).where(*good).values(check_first=True))
    return db.session.scalar(select(func.count()).select_from(Mailout).where(*waits, Mailout.expires_at > now)) or 0


def warn_of_held(words: str) -> int:
    """Say of every letter that is held that it may have been released after the backup; how many those are."""
    waits = (Mailout.held_at.is_not(None), Mailout.accepted_at.is_(None), Mailout.cancelled_at.is_(None))
    return changed(update(Mailout).where(*waits).values(problem_detail=words))


def drop_notices(now: datetime) -> int:
    """Cancel what waits of NOT_AGAIN; how many. Other notices are for users: one in doubt is sent again, as always."""
    those = select(Notice.id).where(Notice.kind.in_(NOT_AGAIN))
    waiting = (Recipient.notice_id.in_(those), Recipient.state.in_((State.QUEUED, State.DEFERRED)))
    return changed(update(Recipient).where(*waiting).values(state=State.CANCELLED, due_at=None, settled_at=now))


def skip_numbers() -> None:
    """Have the next recipients get numbers that nobody had: returns, and Message-IDs, are known by them.

    To be called right after a notice was queued: it is that one's recipient whose number is raised.
    """
    last = select(func.max(Recipient.id)).scalar_subquery()
    newest = update(Recipient).where(Recipient.id == last, Recipient.state == State.QUEUED, Recipient.attempts == 0)
    changed(newest.where(Recipient.notice_id.is_not(None)).values(id=Recipient.id + NUMBERS))
