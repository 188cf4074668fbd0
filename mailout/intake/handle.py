"""handle -- each stored letter is looked at once, and what it means is done.

Owns     a letter's verdict; the attempts after which it is set aside; the blanking of keys in what is stored
Never    opens a socket; lets one letter keep the next from being handled
Commits  once for each letter: everything that it means happened, or nothing did
Fails    never for a letter: whatever it raises is logged, tried three times, and then it is quarantined with the
         reason, and the user whose key it names is told
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from ..core import own
from ..core.acceptance import Answer
from ..core.problem import Problem
from ..core.reading import letter as reading
from ..core.returning.triage import Keyed, Verdict, triage
from ..current import secret, settings
from ..models import Letter, LetterBytes, Mailout, changed, db
from . import returns, submission
from .submission import Arrived, Considered

TRIES = 3

_WORDS = {
    Answer.ACCEPT: "mail-out",
    Answer.HOLD: "mail-out",
    Answer.REFUSE: "refused",
    Answer.DUPLICATE: "duplicate",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a letter was: its row's number, its verdict, and why or for which mail-out."""

    letter_id: int
    verdict: str
    why: str = ""
    mailout_id: int | None = None


def handle_new(now: Callable[[], datetime], stopping: Callable[[], bool] = lambda: False) -> list[Done]:
    """Handle every letter that is stored and new, the oldest first."""
    found: list[Done] = []
    for letter_id in list(db.session.scalars(select(Letter.id).where(Letter.spool == "new").order_by(Letter.id))):
        if stopping():
            break
        done = handle_one(letter_id, now())
        if done is not None:
            found.append(done)
    return found


def handle_one(letter_id: int, now: datetime) -> Done | None:
    """Handle one letter whatever it is; None when it is to be tried again, or another process has it."""
    mine = update(Letter).where(Letter.id == letter_id, Letter.spool == "new")
    if not changed(mine.where(Letter.attempts < TRIES).values(attempts=Letter.attempts + 1)):
        return _set_aside(letter_id, "The program stopped each time that it was handled.", now)
    db.session.commit()
    try:
        done = _handle(letter_id, now)
        db.session.commit()
        if done is None:
            return None
    except OperationalError:
        # the database, not the letter: it is tried again and does not count
        db.session.rollback()
        changed(mine.values(attempts=Letter.attempts - 1))
        db.session.commit()
        raise
    except Exception as error:
        db.session.rollback()
        log.exception("letter %s not handled", letter_id)
        return _set_aside(letter_id, f"It could not be handled: {type(error).__name__}.", now)
    log.info("letter %s is %s mailout=%s", letter_id, done.verdict, done.mailout_id or "-")
    return done


def _set_aside(letter_id: int, why: str, now: datetime) -> Done | None:
    """Quarantine the letter once it was tried often enough; None when it was not, or another process has it."""
    tried = update(Letter).where(Letter.id == letter_id, Letter.spool == "new", Letter.attempts >= TRIES)
    gone = changed(tried.values(spool="quarantined", verdict="quarantined", why=why, handled_at=now))
    db.session.commit()
    if not gone:
        return None
    try:
        _tell_of(letter_id, now)
        db.session.commit()
    except Exception:
        # what can't be handled can perhaps not be told of either; it is in the inbox log
        db.session.rollback()
        log.exception("letter %s set aside in silence", letter_id)
    return Done(letter_id, "quarantined", why)


def _tell_of(letter_id: int, now: datetime) -> None:
    """Tell whoever waits for this letter that it was set aside: nobody is to wait for what does not come."""
    row = db.session.get_one(Letter, letter_id, populate_existing=True)
    raw = _raw(letter_id)
    arrived = Arrived(row, reading.read(raw))
    verdict = triage(arrived.read, settings().own, secret())
    if isinstance(verdict, Keyed):
        meant = [found for key in dict.fromkeys(verdict.keys) if (found := submission.of_key(key)) is not None]
        submission.refuse_unread(meant, arrived, now)
        _blank(letter_id, raw, verdict.keys)


def _raw(letter_id: int) -> bytes:
    """The bytes of a letter."""
    return db.session.scalar(select(LetterBytes.raw).where(LetterBytes.letter_id == letter_id)) or b""


def _handle(letter_id: int, now: datetime) -> Done | None:
    """Read the letter, find out what it is, do what that means, and write it down.

    None when another process has done so meanwhile: from the first UPDATE on nobody else can. What takes long comes
    before that, for it holds the database's lock.
    """
    row = db.session.get_one(Letter, letter_id, populate_existing=True)
    raw = _raw(letter_id)
    read = reading.read(raw)
    arrived = Arrived(row, read)
    verdict = triage(read, settings().own, secret())
    keys = verdict.keys if isinstance(verdict, Keyed) else ()
    rows = [found for key in keys if (found := submission.of_key(key)) is not None]
    considered = submission.consider(rows[0], arrived, now) if rows and len(set(keys)) == 1 else None
    said = {"message_id": read.message_id[:998], "content_digest": read.content_digest}
    said |= {"author": arrived.author[:320], "subject": _blanked(read.subject, keys)}
    if not changed(update(Letter).where(Letter.id == letter_id, Letter.spool == "new").values(said)):
        return None
    db.session.expire_all()
    if isinstance(verdict, Keyed):
        done = _keyed(verdict, rows, considered, arrived, now)
        _blank(letter_id, raw, verdict.keys)
    else:
        done = _other(verdict, row, now)
    written = {"spool": "handled", "verdict": done.verdict, "why": done.why, "mailout_id": done.mailout_id}
    changed(update(Letter).where(Letter.id == letter_id, Letter.spool == "new").values(handled_at=now, **written))
    return done


def _keyed(verdict: Keyed, rows: list[Mailout], considered: Considered | None, arrived: Arrived, now: datetime) -> Done:
    """A letter to a key address, whose keys were made for these mail-outs."""
    letter_id = arrived.row.id
    if considered is not None:
        decision = submission.take(considered, arrived, now)
        return Done(letter_id, _WORDS[decision.answer], decision.problem or "", considered.row.id)
    if rows:
        submission.refuse_two(rows, arrived, now)
        return Done(letter_id, "refused", Problem.TWO_KEYS, rows[0].id)
    problem = Problem.KEY_UNKNOWN if verdict.keys else Problem.KEY_DAMAGED
    submission.refuse_unknown(problem, arrived, now)
    return Done(letter_id, "refused", problem)


def _other(verdict: Verdict, row: Letter, now: datetime) -> Done:
    """Whatever came that is no letter for a mail-out: bounces, answers, people who leave."""
    word, why, mailout_id = returns.apply(verdict, row, now)
    return Done(row.id, word, why, mailout_id)


def _blanked(text: str, keys: tuple[str, ...]) -> str:
    """A header for people to read, without the keys that somebody wrote into it."""
    return own.blank_keys(text.encode("utf-8", "replace"), keys).decode("utf-8", "replace")


def _blank(letter_id: int, raw: bytes, keys: tuple[str, ...]) -> None:
    """Make the keys unreadable in what is stored: they have done their work."""
    blank = own.blank_keys(raw, keys)
    if blank != raw:
        changed(update(LetterBytes).where(LetterBytes.letter_id == letter_id).values(raw=blank))
