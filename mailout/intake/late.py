"""late -- send it after all: a letter that came with a used key or too late, within 30 days.

Owns     which letters can still be sent, and the mail-out that is made of one
Never    uses the key again: a signed-in user's press takes its place
Commits  never: the caller's transaction holds the press and its journal
Fails    Fault, in words, when the letter can't be sent (any more); LookupError when there is none
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..book import lists, users
from ..core import own
from ..core.copying import compose
from ..core.copying.compose import Prepared, Refused
from ..core.fault import Fault
from ..core.problem import Problem
from ..core.reading import letter as reading
from ..core.telling import refusals
from ..journal import Actor, note
from ..models import Letter, LetterBytes, Mailout, User, db
from ..outbox import queue, shelf

KEPT = timedelta(days=30)
LATE = (Problem.KEY_USED, Problem.KEY_EXPIRED)


@dataclass(frozen=True, slots=True)
class Late:
    """A letter that can be sent after all, the mail-out that it was meant for, and what would go out."""

    letter: Letter
    meant_for: Mailout
    read: reading.Letter
    prepared: Prepared


def find(letter_id: int, now: datetime) -> Late:
    """The late letter of this number, prepared as it would go out."""
    letter = db.session.get(Letter, letter_id)
    raw = db.session.scalar(select(LetterBytes.raw).where(LetterBytes.letter_id == letter_id))
    if letter is None or letter.why not in LATE or letter.mailout_id is None:
        raise LookupError("There is no letter here that could be sent after all.")
    if raw is None or now - letter.received_at > KEPT:
        raise Fault("This letter was kept for 30 days and is gone now. Make a new mail-out and send it again.")
    meant_for = db.session.get_one(Mailout, letter.mailout_id)
    if db.session.scalar(select(Mailout.id).where(Mailout.letter_id == letter.id)):
        raise Fault("This letter has been sent after all already.")
    read = reading.read(raw)
    try:
        prepared = compose.prepare(read, _circumstances(meant_for, letter, read))
    except Refused as error:
        raise Fault(" ".join(refusals.told(error.problem, error.detail))) from error
    return Late(letter, meant_for, read, prepared)


def release(letter_id: int, user: User, now: datetime) -> Mailout:
    """Send the letter after all to whoever is included in its list now; returns the mail-out that is made of it.

    Raises Fault when the list is archived or empty, when the user may not send, or when somebody was first.
    """
    late = find(letter_id, now)
    target = late.meant_for.list
    if target.archived_at:
        raise Fault(f"The list {target.name} is archived. Bring it back, then release the letter.")
    if not lists.tally(target.id).reached:
        raise Fault(f"Nobody is included in {target.name} now, so there is nobody to send this letter to.")
    row = _mailout(late, user, now)
    try:
        db.session.add(row)
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        raise Fault("This letter has been sent after all already.") from error
    frozen = queue.freeze(row.id, row.list_id, now)
    shelf.store(row.id, late.prepared)
    note(Actor(user.id, user.name), "mailout.after-all", f"mail-out {row.id}", f"{frozen} recipients", now)
    return row


def _mailout(late: Late, user: User, now: datetime) -> Mailout:
    """A mail-out that is accepted from its first moment; its key can't be known to anybody."""
    author = late.read.author.address if late.read.author else ""
    return Mailout(
        list_id=late.meant_for.list_id,
        created_by_id=user.id,
        created_at=now,
        expires_at=now,
        key_nonce=secrets.token_bytes(16),
        key_digest=own.digest(secrets.token_hex(32)),
        letter_id=late.letter.id,
        received_at=late.letter.received_at,
        author=author[:320],
        author_known=_is_known(author),
        subject=late.prepared.subject,
        seal=late.prepared.seal.as_json(),
        changes="\n".join(late.prepared.changes),
        accepted_at=now,
        starts_at=now,
        released_at=now,
        released_by_id=user.id,
    )


def _circumstances(row: Mailout, letter: Letter, read: reading.Letter) -> compose.Circumstances:
    """As for the mail-out that it was meant for; the key was blanked when the letter was handled."""
    author = read.author.address if read.author else ""
    return shelf.circumstances(
        row,
        author_known=_is_known(author),
        received_at=letter.received_at,
        secret_words=("*" * own.KEY_LENGTH,),
    )


def _is_known(author: str) -> bool:
    return bool(author) and users.user_of_address(author) is not None
