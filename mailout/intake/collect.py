"""collect -- from the mailbox into the spool: what waits there is stored, then removed there.

Owns     one poll: the lease "mailbox", the sessions, the rows of Letter in the spool; how long a refusal is respected
Never    removes a letter that is not committed, or whose bytes it did not have; looks into a letter; sends
Commits  once for each letter, before its DELE
Fails    never for the mailbox: what is wrong is in Polled and in the pulse. OperationalError when the database is: the
         session is then dropped, so that the server removes nothing

Killed at any moment it loses nothing: a letter is on the server, or stored, or both, and what is known by its digest
is only removed. RFC 1939 7: a unique id may repeat, so it decides nothing here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from .. import pulse
from ..core.fault import Fault
from ..journal import COMMAND, Actor, note
from ..models import Letter, LetterBytes, changed, db
from ..settings import Settings
from ..wires.pop3 import LetterDoubtful, LetterRefused, MailboxUnavailable, Pop3Mailbox, Trouble, Waiting
from ..wires.tls import Server
from . import adoption
from .turn import Turn, TurnLost

SESSION_LETTERS = 50
SESSION_TIME = timedelta(seconds=30)
SESSION_DEADLINE_SECONDS = 60.0
POLL_TIME = timedelta(minutes=2)
#: So many letters may break the line in one poll before it is the line's fault.
BREAKS = 3

#: How long the mailbox is left alone after a refusal: first, and at most; doubled each time (RFC 2449 8.1.1).
PAUSES = {
    Trouble.LOGIN: (timedelta(seconds=30), timedelta(minutes=30)),
    Trouble.TOO_SOON: (timedelta(minutes=1), timedelta(minutes=15)),
    Trouble.LATER: (timedelta(seconds=10), timedelta(minutes=10)),
    Trouble.IN_USE: (timedelta(seconds=1), timedelta(minutes=1)),
    Trouble.NOT_SECURE: (timedelta(seconds=10), timedelta(minutes=10)),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll brought: letters that are new, letters that were stored before, letters that wait still.

    `trouble` is "" or what a person should know; `busy` is True when another process was reading the mailbox.
    """

    fetched: int = 0
    known: int = 0
    waiting: int = 0
    trouble: str = ""
    busy: bool = False


def poll(settings: Settings, now: Callable[[], datetime], *, at_once: bool = False) -> Polled:
    """Read the mailbox until it is empty or POLL_TIME is over.

    A mailbox that refused us is left alone until `Pulse.again_at`, and one that another process reads is left to it;
    with `at_once` it is tried all the same, after a wait of some seconds if need be.
    """
    if settings.pop3 is None:
        pulse.ill(pulse.MAILBOX, adoption.NO_MAILBOX, now())
        return Polled(trouble=adoption.NO_MAILBOX)
    known = pulse.of(pulse.MAILBOX)
    if known.again_at is not None and now() < known.again_at and not at_once:
        return Polled(trouble=known.trouble)
    turn = Turn(now)
    if not turn.take(wait=at_once):
        return Polled(busy=True, trouble="The mailbox is being read by another process of Mailout.")
    work = _Poll(settings, now, turn)
    try:
        work.run()
    except MailboxUnavailable as error:
        return work.failed(error)
    except TurnLost:
        return Polled(work.fetched, work.known, work.waiting, "Another process took over the mailbox.", busy=True)
    finally:
        db.session.rollback()
        turn.give_back()
    return Polled(work.fetched, work.known, work.waiting, work.trouble)


class _Poll:
    """One poll, and how far it came."""

    def __init__(self, settings: Settings, now: Callable[[], datetime], turn: Turn) -> None:
        self.fetched = self.known = self.waiting = 0
        self.trouble = ""
        self._server = adoption.server(settings)
        self._most = settings.max_message_bytes
        self._now = now
        self._turn = turn
        self._until = now() + POLL_TIME
        self._in_hand: Waiting | None = None
        self._left: set[str] = set()
        self._doubted: set[str] = set()

    def run(self) -> None:
        """One session after the other; a letter that breaks the line is left where it is, and the rest is read."""
        more = True
        while more and self._now() < self._until:
            try:
                more = self._session()
            except MailboxUnavailable as error:
                if self._in_hand is None or len(self._left) >= BREAKS:
                    raise
                self._leave(self._in_hand, error.words)

    def failed(self, error: MailboxUnavailable) -> Polled:
        """Note that the mailbox can't be read, and until when it is left alone."""
        now = self._now()
        pulse.ill(pulse.MAILBOX, error.words, now, again_at(error.kind, now))
        log.warning("mailbox %s: %s", error.kind, error.words)
        return Polled(self.fetched, self.known, self.waiting, error.words)

    def _session(self) -> bool:
        """One session with the mailbox; whether another is due."""
        self._in_hand = None
        with Pop3Mailbox.open(self._server, SESSION_DEADLINE_SECONDS, self._turn.keep) as mailbox:
            listing = mailbox.listing()
            self.waiting = len(listing)
            objection = adoption.objection(self._server, len(listing), self._now())
            if objection:
                mailbox.close()
                self.trouble = objection
                pulse.ill(pulse.MAILBOX, objection, self._now())
                return False
            more = self._batch(mailbox, [waiting for waiting in listing if _name(waiting) not in self._left])
            if not mailbox.close():
                log.warning("the mailbox did not confirm what was removed; those letters come again")
        pulse.well(pulse.MAILBOX, self._now())
        return more

    def _batch(self, mailbox: Pop3Mailbox, letters: list[Waiting]) -> bool:
        """Store and delete letters, oldest first, while the session may last; whether something new may be left."""
        began, before = self._now(), self.fetched
        for waiting in letters:
            if self.fetched - before >= SESSION_LETTERS:
                return True
            if self._now() - began > SESSION_TIME:
                return self._progress(before)
            self._in_hand = waiting
            try:
                self._take(mailbox, waiting)
            except LetterDoubtful as doubt:
                if _name(waiting) not in self._doubted:
                    # once more in a session of its own, before it is believed
                    self._doubted.add(_name(waiting))
                    return True
                self._store(doubt.raw, waiting, quarantined=doubt.words)
                self._delete(mailbox, waiting)
            except LetterRefused as refusal:
                self._leave(waiting, refusal.words)
        self._in_hand = None
        return False

    def _progress(self, before: int) -> bool:
        """Whether a session that had to end brought anything new: else the next would go over the same letters."""
        if self.fetched == before:
            self.trouble = "The mailbox keeps offering letters that were removed from it; nothing new could be reached."
        return self.fetched > before

    def _take(self, mailbox: Pop3Mailbox, waiting: Waiting) -> None:
        """One letter: its bytes committed, then DELE. Of one that is too large the head is enough to say so."""
        whole = waiting.size <= self._most
        raw = mailbox.fetch(waiting.number) if whole else mailbox.top(waiting.number)
        self._store(raw, waiting, whole=whole)
        self._delete(mailbox, waiting)

    def _delete(self, mailbox: Pop3Mailbox, waiting: Waiting) -> None:
        """Have a letter that is committed removed; from here on a line that breaks is not its fault."""
        self._in_hand = None
        mailbox.delete(waiting.number)
        self.waiting -= 1

    def _store(self, raw: bytes, waiting: Waiting, *, whole: bool = True, quarantined: str = "") -> None:
        """Commit a letter to the spool, unless it is known."""
        row = Letter(
            digest=hashlib.sha256(raw).hexdigest(),
            received_at=self._now(),
            size=len(raw) if whole else waiting.size,
            whole=whole,
        )
        if quarantined:
            row.spool, row.verdict, row.why = "quarantined", "quarantined", quarantined
        db.session.execute(delete(Letter).where(Letter.digest == _mark(self._server, waiting)))
        if _is_known(row.digest) or not _commit(row, raw):
            self.known += 1
            db.session.commit()
            return
        self.fetched += 1
        log.info("stored letter=%s size=%s", row.id, row.size)

    def _leave(self, waiting: Waiting, words: str) -> None:
        """Leave a letter that can't be had in the mailbox, with a row in the inbox log that says so."""
        self._left.add(_name(waiting))
        self._in_hand = None
        self.trouble = f"A letter could not be read and stays in the mailbox: {words}"
        mark = _mark(self._server, waiting)
        why = f"{words} The letter is still in the mailbox, and is tried again with every reading."
        if changed(update(Letter).where(Letter.digest == mark).values(attempts=Letter.attempts + 1, why=why)):
            db.session.commit()
            return
        row = Letter(digest=mark, received_at=self._now(), size=waiting.size, whole=False, why=why, attempts=1)
        row.spool = row.verdict = "quarantined"
        _commit(row, b"")


def again_at(kind: Trouble, now: datetime) -> datetime | None:
    """Until when the mailbox is left alone after a refusal: twice as long as the last time. None: as always."""
    if kind not in PAUSES:
        return None
    first, most = PAUSES[kind]
    known = pulse.of(pulse.MAILBOX)
    last = known.again_at - known.tried_at if known.again_at and known.tried_at else timedelta(0)
    return now + min(most, max(first, 2 * last))


def adopt(settings: Settings, now: Callable[[], datetime], actor: Actor = COMMAND) -> int:
    """Confirm that the mailbox is ours, whatever it holds; the number of letters in it now.

    Raises Fault when the mailbox can't be looked into.
    """
    server = adoption.server(settings)
    try:
        letters = count(settings, now)
    except MailboxUnavailable as error:
        raise Fault(f"The mailbox was not confirmed, for it can't be read: {error.words}") from error
    adoption.confirm(server, letters, now())
    note(actor, "mailbox.adopt", f"{server.username} at {server.host}", f"{letters} letters in it", now())
    db.session.commit()
    pulse.well(pulse.MAILBOX, now())
    return letters


def count(settings: Settings, now: Callable[[], datetime]) -> int:
    """How many letters are in the mailbox; nothing is read or removed. Never beside another session of ours.

    Raises Fault when another process is reading it, and MailboxUnavailable.
    """
    server, turn = adoption.server(settings), Turn(now)
    if not turn.take(wait=True):
        raise Fault("The mailbox is being read at this moment. Try again in a minute.")
    try:
        with Pop3Mailbox.open(server, SESSION_DEADLINE_SECONDS, turn.keep) as mailbox:
            letters = len(mailbox.listing())
            mailbox.close()
    finally:
        turn.give_back()
    return letters


def standing(settings: Settings) -> adoption.Standing:
    """Whether the mailbox is confirmed to be ours, and what it held when it was met."""
    return adoption.standing(adoption.server(settings))


def _is_known(digest: str) -> bool:
    """Whether a letter is stored, or was: its row outlives its bytes."""
    return db.session.scalar(select(Letter.id).where(Letter.digest == digest)) is not None


def _commit(row: Letter, raw: bytes) -> bool:
    """Commit a letter and its bytes; False when it is there already. Any other rule that it breaks is raised."""
    digest = row.digest
    try:
        db.session.add(row)
        db.session.flush()
        db.session.add(LetterBytes(letter_id=row.id, raw=raw))
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        if not _is_known(digest):
            raise
        return False
    return True


def _name(waiting: Waiting) -> str:
    """What a letter is known by within one poll: numbers change from session to session (RFC 1939 5)."""
    return f"{waiting.uidl}/{waiting.size}"


def _mark(server: Server, waiting: Waiting) -> str:
    """The digest of the row that stands for a letter whose bytes can't be had."""
    told = f"{server.host}/{server.username}/{_name(waiting)}"
    return "unread:" + hashlib.sha256(told.encode()).hexdigest()[:57]
