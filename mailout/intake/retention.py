"""retention -- what is not needed any more goes.

Owns     how long what is kept: the inbox log 30 days, letters of mail-outs 90 days, outcomes two years
Never    removes what a mail-out that is not over needs, or a digest: an old letter that comes again is still known
Commits  every step, in small pieces, so that nobody waits for it
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update

from ..journal import MAILOUT, note
from ..models import Letter, LetterBytes, Link, Mailout, Notice, Recipient, SignIn, changed, db
from ..outbox import notify

LOG, LETTERS, OUTCOMES = timedelta(days=30), timedelta(days=90), timedelta(days=730)
HELD = timedelta(days=7)
NOTICES = timedelta(days=90)
PIECE = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """How much went."""

    letters: int
    outcomes: int
    notices: int
    discarded: int


def sweep(now: datetime) -> Swept:
    """Discard held letters that nobody released, and remove what is older than it may be."""
    discarded = discard_held(now)
    letters = _remove_letters(now)
    outcomes = _remove_outcomes(now)
    notices = _pieces(select(Notice.id).where(Notice.created_at < now - NOTICES), Notice)
    _pieces(select(Link.id).where(Link.expires_at < now - LOG), Link)
    _pieces(select(SignIn.id).where(SignIn.seen_at < now - LOG), SignIn)
    return Swept(letters, outcomes, notices, discarded)


def discard_held(now: datetime) -> int:
    """Cancel what was held for 7 days, and tell its user; returns how many."""
    waits = (Mailout.held_at < now - HELD, Mailout.accepted_at.is_(None), Mailout.cancelled_at.is_(None))
    found = 0
    for row in db.session.scalars(select(Mailout).where(*waits)).all():
        if changed(update(Mailout).where(Mailout.id == row.id, *waits).values(cancelled_at=now)):
            notify.discarded(row, now)
            note(MAILOUT, "mailout.discard", f"mail-out {row.id}", f"held for {HELD.days} days", now)
            found += 1
        db.session.commit()
    return found


def _remove_letters(now: datetime) -> int:
    """Remove the bytes of letters that are old enough, and what their rows say of people; the digests stay."""
    used = select(Mailout.letter_id).where(Mailout.letter_id.is_not(None))
    unfinished = select(Mailout.letter_id).where(
        Mailout.letter_id.is_not(None), Mailout.finished_at.is_(None), Mailout.cancelled_at.is_(None)
    )
    old = or_(
        Letter.received_at < now - LETTERS,
        (Letter.received_at < now - LOG) & Letter.id.not_in(used),
    )
    having = select(LetterBytes.letter_id).join(Letter, Letter.id == LetterBytes.letter_id)
    query = having.where(old, Letter.spool != "new", Letter.id.not_in(unfinished)).limit(PIECE)
    found = 0
    while ids := list(db.session.scalars(query)):
        db.session.execute(delete(LetterBytes).where(LetterBytes.letter_id.in_(ids)))
        changed(update(Letter).where(Letter.id.in_(ids)).values(author="", subject="", why=""))
        db.session.commit()
        found += len(ids)
    return found


def _remove_outcomes(now: datetime) -> int:
    """Remove who got what, two years after."""
    old = select(Mailout.id).where(Mailout.finished_at < now - OUTCOMES)
    return _pieces(select(Recipient.id).where(Recipient.mailout_id.in_(old)), Recipient)


def _pieces(query: object, table: type[Notice | Link | SignIn | Recipient]) -> int:
    """Delete the rows that `query` names, PIECE at a time; returns how many."""
    found = 0
    while ids := list(db.session.scalars(query.limit(PIECE))):  # type: ignore[attr-defined]
        db.session.execute(delete(table).where(table.id.in_(ids)))
        db.session.commit()
        found += len(ids)
    return found
