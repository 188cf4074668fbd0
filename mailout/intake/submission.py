"""submission -- a key, and the one letter that is sent to it.

Owns     making a mail-out with its key; holding, accepting and refusing the letter that names it
Never    decides (that is `core.acceptance`), sends, knows how the letter came
Commits  never: the letter's handling, the burning of the key, the frozen recipients and the notices are one transaction
Fails    Fault, for a person who makes a mail-out that can't be made

The key is burned by the conditional UPDATE that accepts the letter: of two letters at once, one changes a row.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from ..book import lists, users
from ..core import own
from ..core.acceptance import Answer, Circumstances, Decision, after_reading, before_reading, received_at
from ..core.copying import compose
from ..core.copying.compose import Prepared, Refused
from ..core.fault import Fault
from ..core.phase import phase
from ..core.problem import Problem
from ..core.reading.letter import Letter as Read
from ..current import settings
from ..journal import Actor, note
from ..models import Letter, Mailout, User, changed, db
from ..outbox import notify, queue, shelf, steering

#: How many other open keys a letter is searched for.
OTHER_KEYS = 50


@dataclass(frozen=True, slots=True)
class Arrived:
    """A letter at hand: its row, and what was read of it."""

    row: Letter
    read: Read

    @property
    def author(self) -> str:
        """The address that it says it is from, or ""."""
        return self.read.author.address if self.read.author else ""


@dataclass(frozen=True, slots=True)
class Considered:
    """What is to be done with a letter; `prepared` is what its copies are made of, if it gives any."""

    row: Mailout
    decision: Decision
    received: datetime
    prepared: Prepared | None = None


def open_mailout(list_id: int, user: User, *, check_first: bool, now: datetime) -> Mailout:
    """Make a mail-out with a fresh key for the list.

    Raises Fault when the user may not send, or the list is archived; LookupError when there is no such list.
    """
    target = lists.find(list_id)
    if not user.sends:
        raise Fault(f"{user.name} may not send mail-outs. It needs the permission Send Mailout.")
    if target.archived_at:
        raise Fault(f"The list {target.name} is archived. Bring it back, or choose another.")
    nonce = secrets.token_bytes(16)
    row = Mailout(
        list_id=list_id,
        created_by_id=user.id,
        created_at=now,
        expires_at=now + settings().key_lifetime,
        key_nonce=nonce,
        key_digest=nonce.hex(),
        check_first=check_first,
    )
    db.session.add(row)
    db.session.flush()
    row.key_digest = own.digest(_key(row))
    db.session.flush()
    note(Actor(user.id, user.name), "mailout.create", f"mail-out {row.id}", target.name, now)
    return row


def key_address(row: Mailout) -> str:
    """The address that the letter for this mail-out is written to."""
    return settings().own.key_address(_key(row), row.list.name)


def _key(row: Mailout) -> str:
    return own.make_key(settings().secret_key, row.id, row.key_nonce)


def of_key(key: str) -> Mailout | None:
    """The mail-out that this key was made for."""
    return db.session.scalar(select(Mailout).where(Mailout.key_digest == own.digest(key)))


# -- a letter with one key of ours -------------------------------------------------------------------------------------


def consider(row: Mailout, arrived: Arrived, now: datetime) -> Considered:
    """What is to be done with the letter for this mail-out. Nothing is written: composing a large one takes seconds."""
    received = received_at(arrived.row.received_at, row.created_at, _believed_stamp(arrived.read))
    about = _circumstances(row, arrived, received)
    refused = before_reading(about)
    if refused is not None:
        return Considered(row, refused, received)
    try:
        prepared = compose.prepare(arrived.read, copy_circumstances(row, arrived, received))
    except Refused as error:
        return Considered(row, Decision(Answer.REFUSE, error.problem, error.detail), received)
    return Considered(row, after_reading(about, prepared.holds), received, prepared)


def take(considered: Considered, arrived: Arrived, now: datetime) -> Decision:
    """Accept, hold or refuse the letter as it was considered, or drop it as a second delivery.

    What can have changed while it was composed is looked at once more: a user who may not send any more, a list that
    was archived.
    """
    row, decision = considered.row, considered.decision
    refused = before_reading(_circumstances(row, arrived, considered.received))
    if refused is not None or considered.prepared is None:
        return _refuse(row, arrived, refused or decision, now)
    taken = _hold if decision.answer is Answer.HOLD else _accept
    if taken(considered, considered.prepared, arrived, now):
        return decision
    return _refuse(row, arrived, Decision(Answer.REFUSE, Problem.KEY_USED), now)


def _believed_stamp(letter: Read) -> datetime | None:
    """When our own server says that the letter came, if RECEIVING_HOST is set and this is its stamp."""
    host, stamp = settings().receiving_host, letter.stamp
    return stamp.at if host and stamp is not None and stamp.by.lower() == host else None


def _circumstances(row: Mailout, arrived: Arrived, received: datetime) -> Circumstances:
    """What the decision depends on, looked up."""
    return Circumstances(
        phase=phase(row, received),
        same_letter=_is_same(row, arrived),
        user_may_send=row.created_by.sends,
        list_archived=row.list.archived_at is not None,
        recipients=lists.tally(row.list_id).reached,
        size=arrived.row.size if not arrived.row.whole else arrived.read.raw_size,
        most_bytes=settings().max_message_bytes if arrived.row.whole else 0,
        check_first=row.check_first,
        author_is_user=_is_known(arrived),
        has_author=bool(arrived.author),
        is_reply=arrived.read.is_reply,
        key_alone=settings().sender_policy == "key",
    )


def _is_same(row: Mailout, arrived: Arrived) -> bool:
    """Whether this is the letter that the mail-out was made of, delivered once more."""
    first = row.letter
    if first is None or first.id == arrived.row.id:
        return False
    same_id = bool(first.message_id) and first.message_id == arrived.read.message_id
    return same_id or first.content_digest == arrived.read.content_digest


def copy_circumstances(row: Mailout, arrived: Arrived, received: datetime) -> compose.Circumstances:
    """What of the installation, the list and the mail-out its copies depend on."""
    return shelf.circumstances(
        row,
        author_known=_is_known(arrived),
        received_at=received,
        secret_words=(_key(row), key_address(row), *_other_keys(row)),
    )


def _other_keys(row: Mailout) -> list[str]:
    """The keys of other mail-outs that still wait for their letter: a copy must not show them either."""
    waits = (Mailout.letter_id.is_(None), Mailout.cancelled_at.is_(None), Mailout.id != row.id)
    newest = select(Mailout).where(*waits).order_by(Mailout.id.desc()).limit(OTHER_KEYS)
    return [_key(other) for other in db.session.scalars(newest)]


def _is_known(arrived: Arrived) -> bool:
    """Whether the letter says that it is from an active user."""
    return bool(arrived.author) and users.user_of_address(arrived.author) is not None


def _accept(considered: Considered, prepared: Prepared, arrived: Arrived, now: datetime) -> bool:
    """Burn the key and freeze the recipients; False when another letter was first."""
    row = considered.row
    values = {"accepted_at": now, "starts_at": now + settings().start_delay}
    if not _take_letter(row, arrived, prepared, considered.received, **values):
        return False
    queue.freeze(row.id, row.list_id, now)
    shelf.store(row.id, prepared)
    note(_actor(row), "mailout.accept", f"mail-out {row.id}", prepared.subject, now)
    return True


def _hold(considered: Considered, prepared: Prepared, arrived: Arrived, now: datetime) -> bool:
    """Keep the letter for its user to look at; False when another letter was first."""
    row, decision = considered.row, considered.decision
    assert decision.problem is not None
    detail = decision.detail or (row.problem_detail if row.problem is None else "")
    if not _take_letter(row, arrived, prepared, considered.received, held_at=now, held_for=decision.problem):
        return False
    shelf.store(row.id, prepared)
    problem = None if decision.problem is Problem.CHECK_FIRST else decision.problem
    changed(update(Mailout).where(Mailout.id == row.id).values(problem=problem, problem_at=now, problem_detail=detail))
    db.session.refresh(row)
    notify.waiting(row, decision.problem, lists.tally(row.list_id).reached, now, detail)
    note(_actor(row), "mailout.hold", f"mail-out {row.id}", decision.problem, now)
    return True


def _take_letter(row: Mailout, arrived: Arrived, prepared: Prepared, received: datetime, **values: object) -> bool:
    """Give the mail-out its letter, if it still waits for one."""
    waits = (Mailout.accepted_at.is_(None), Mailout.held_at.is_(None), Mailout.cancelled_at.is_(None))
    took = changed(
        update(Mailout)
        .where(Mailout.id == row.id, *waits)
        .values(
            letter_id=arrived.row.id,
            received_at=received,
            author=arrived.author[:320],
            author_known=_is_known(arrived),
            subject=prepared.subject,
            seal=prepared.seal.as_json(),
            changes="\n".join(prepared.changes),
            problem=None,
            problem_at=None,
            problem_detail="",
            **values,
        )
    )
    db.session.refresh(row)
    return took == 1


def _refuse(row: Mailout, arrived: Arrived, decision: Decision, now: datetime) -> Decision:
    """Note what was wrong and tell whoever wrote the letter; a second delivery is dropped in silence."""
    if decision.answer is Answer.DUPLICATE:
        return decision
    assert decision.problem is not None
    late = decision.problem in (Problem.KEY_USED, Problem.KEY_EXPIRED) and arrived.row.whole
    steering.problem(row.id, decision.problem, decision.detail, now)
    if _is_answered(arrived):
        notify.error(row, decision.problem, arrived.row, arrived.author, now, detail=decision.detail, late=late)
    return decision


def _is_answered(arrived: Arrived) -> bool:
    """Whether a letter may be answered: no program's is, nor our own.

    FROM_ADDRESS can be a user's address too: then the letter is theirs.
    """
    ours = settings().own.covers(arrived.author) and not _is_known(arrived)
    return not (arrived.read.automatic or ours)


def _actor(row: Mailout) -> Actor:
    return Actor(row.created_by_id, row.created_by.name)


# -- letters without one key of ours -----------------------------------------------------------------------------------


def refuse_two(rows: list[Mailout], arrived: Arrived, now: datetime) -> None:
    """Two keys in one letter: nothing is sent, neither is used up, one error mail."""
    for row in rows:
        steering.problem(row.id, Problem.TWO_KEYS, "", now)
    first = rows[0] if rows else None
    if _is_answered(arrived):
        notify.error(first, Problem.TWO_KEYS, arrived.row, arrived.author, now, late=False)


def refuse_unknown(problem: Problem, arrived: Arrived, now: datetime) -> None:
    """A key that we never gave out, or a damaged one: only an active user hears of it."""
    if _is_answered(arrived):
        notify.error(None, problem, arrived.row, arrived.author, now, late=False)


def refuse_unread(rows: list[Mailout], arrived: Arrived, now: datetime) -> None:
    """A letter that could not be handled for a fault of ours: its key stays good, and its user hears of it."""
    for row in rows:
        steering.problem(row.id, Problem.UNREADABLE, "", now)
        if _is_answered(arrived):
            notify.error(row, Problem.UNREADABLE, arrived.row, arrived.author, now, late=False)
