"""steering -- what a person does to a mail-out: stop, pause, go on, release, discard, once more.

Owns     the facts that a press changes, each by one conditional UPDATE; the second of two presses changes nothing
Never    asks who may (the windows do), sends, commits: the caller's transaction holds the press and its journal
Fails    NotNow, in words, when the mail-out is not in a state for it
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import State
from ..core.fault import Fault
from ..core.phase import MAY, Phase, phase
from ..core.problem import Problem
from ..journal import Actor, note
from ..models import Mailout, changed, db
from . import progress, queue

WORDS = {
    Phase.WAITING: "is waiting for its letter",
    Phase.HELD: "is held until it is released",
    Phase.STARTING: "is about to start",
    Phase.SENDING: "is being sent",
    Phase.PAUSED: "is paused",
    Phase.COMPLETE: "is complete",
    Phase.CANCELLED: "is cancelled",
    Phase.EXPIRED: "has expired",
}


class NotNow(Fault):
    """What was asked can't be done to a mail-out in this state; the text is for a person."""


def cancel(mailout_id: int, actor: Actor, now: datetime) -> None:
    """Take back a key that waits, stop what is about to start, end what is being sent. Copies on the wire finish."""
    _press(mailout_id, "cancel", now, Mailout.cancelled_at.is_(None), cancelled_at=now, cancelled_by_id=actor.user_id)
    queue.cancel(mailout_id, now)
    note(actor, "mailout.cancel", f"mail-out {mailout_id}", "", now)


def discard(mailout_id: int, actor: Actor, now: datetime) -> None:
    """Throw away a held letter: its mail-out is cancelled."""
    fresh = Mailout.cancelled_at.is_(None) & Mailout.accepted_at.is_(None)
    _press(mailout_id, "discard", now, fresh, cancelled_at=now, cancelled_by_id=actor.user_id)
    note(actor, "mailout.discard", f"mail-out {mailout_id}", "", now)


def pause(mailout_id: int, actor: Actor, now: datetime) -> None:
    """Begin no new copy; those on the wire finish."""
    values = {"paused_at": now, "paused_by_id": actor.user_id, "paused_for": ""}
    _press(mailout_id, "pause", now, Mailout.paused_at.is_(None), **values)
    note(actor, "mailout.pause", f"mail-out {mailout_id}", "", now)


def resume(mailout_id: int, actor: Actor, now: datetime) -> None:
    """Go on where it was paused."""
    row = progress.find(mailout_id)
    values: dict[str, object] = {"paused_at": None, "paused_by_id": None, "paused_for": ""}
    values |= {"progress_at": now, "tended_at": now}
    if row.paused_by_id is None and row.released_at is None:  # what we paused by ourselves, a person has looked at now
        values |= {"released_at": now, "released_by_id": actor.user_id}
    _press(mailout_id, "resume", now, Mailout.paused_at.is_not(None), **values)
    note(actor, "mailout.resume", f"mail-out {mailout_id}", "", now)


def release(mailout_id: int, actor: Actor, now: datetime) -> int:
    """Send a held letter: the recipients are frozen now and the key is used up. Returns how many will be written to.

    Raises NotNow when nobody is included in the list any more, or the list was archived; the letter stays held.
    """
    row = progress.find(mailout_id)
    if row.list.archived_at:
        raise NotNow(f"The list {row.list.name} is archived. Bring it back, then release the letter.")
    values = {"accepted_at": now, "starts_at": now, "released_at": now, "released_by_id": actor.user_id}
    _press(mailout_id, "release", now, Mailout.accepted_at.is_(None) & Mailout.held_at.is_not(None), **values)
    recipients = queue.freeze(mailout_id, row.list_id, now)
    if not recipients:
        raise NotNow(f"Nobody is included in {row.list.name} now, so there is nobody to send this letter to.")
    note(actor, "mailout.release", f"mail-out {mailout_id}", f"{recipients} recipients", now)
    return recipients


def once_more(mailout_id: int, state: State, actor: Actor, now: datetime) -> int:
    """Queue the failed, or the uncertain, once more; the mail-out ends in a complete mail of its own again.

    Returns how many. Whoever left or was suppressed meanwhile is none of them. Raises NotNow when there are none.
    """
    press = "retry-failed" if state is State.FAILED else "send-again-uncertain"
    values: dict[str, object] = {"finished_at": None, "tried_all_at": None, "progress_at": now, "tended_at": now}
    values |= {"round": Mailout.round + 1}
    _press(mailout_id, press, now, Mailout.finished_at.is_not(None), **values)
    queued = queue.queue_again(mailout_id, progress.find(mailout_id).list_id, state, now)
    if not queued:
        raise NotNow(f"Nobody in mail-out {mailout_id} is {state} now who may still be written to.")
    note(actor, f"mailout.{press}", f"mail-out {mailout_id}", f"{queued} recipients", now)
    return queued


def watch(mailout_id: int, now: datetime) -> None:
    """Note that somebody has the page open, so that the mailbox is read often."""
    row = update(Mailout).where(Mailout.id == mailout_id, Mailout.accepted_at.is_(None))
    changed(row.values(watched_at=now))


def problem(mailout_id: int, found: Problem, detail: str, now: datetime) -> None:
    """Note what was wrong with the last letter that came for a key; the key stays as it is."""
    row = update(Mailout).where(Mailout.id == mailout_id)
    changed(row.values(problem=found, problem_at=now, problem_detail=detail))


def _press(mailout_id: int, press: str, now: datetime, still: ColumnElement[bool], **values: object) -> None:
    """Change these facts if the mail-out's state allows the press and nobody was first; else raise NotNow."""
    state = phase(progress.find(mailout_id), now)
    allowed = state in MAY[press]
    if not allowed or not changed(update(Mailout).where(Mailout.id == mailout_id, still).values(**values)):
        db.session.rollback()
        state = phase(progress.find(mailout_id), now)
        raise NotNow(f"Mail-out {mailout_id} {WORDS[state]}, so this can't be done: {press}.")
