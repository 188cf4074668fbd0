"""queue -- the outbox: who must still get what, and what became of it.

Owns     every change of Recipient.state that is not made by the pump in mid-sending (that is `ledger`)
Never    opens a socket, reads the clock (callers pass `now`), commits: the caller's transaction is all or nothing
Fails    as the database does; a move that came too late changes no row and is no error

Each function here is one conditional UPDATE, or one INSERT from a SELECT, whatever the number of customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, case, exists, func, insert, literal, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from ..core.delivery import WAITING, State, public
from ..core.phase import Counts
from ..models import Customer, ListPlace, Mailout, Notice, Place, Recipient, changed, db

#: A skipped recipient's reason is one of these words, and after a colon whatever more is known: "excluded: by Jo".
EXCLUDED, UNSUBSCRIBED, SUPPRESSED, DELETED = "excluded", "unsubscribed", "suppressed", "deleted"

Customers = Select[int] | Sequence[int]


def freeze(mailout_id: int, list_id: int, now: datetime) -> int:
    """Give every customer who is included in the list at this moment a row in the mail-out.

    Whoever is suppressed gets a row too: skipped, with the reason. Returns how many will be written to.
    """
    suppressed = Customer.suppressed_for.is_not(None)
    rows = (
        select(
            literal(mailout_id),
            Customer.id,
            Customer.email,
            func.trim(Customer.first_name + " " + Customer.last_name),
            case((suppressed, State.SKIPPED.value), else_=State.QUEUED.value),
            case((suppressed, f"{SUPPRESSED}: " + Customer.suppressed_for), else_=""),
            case((suppressed, literal(now, Recipient.settled_at.type)), else_=null()),
        )
        .join(ListPlace, ListPlace.customer_id == Customer.id)
        .where(ListPlace.list_id == list_id, ListPlace.place == Place.INCLUDED, Customer.here())
        .order_by(Customer.id)
    )
    columns = ["mailout_id", "customer_id", "address", "name", "state", "reason", "settled_at"]
    db.session.execute(insert(Recipient).from_select(columns, rows))
    return count(mailout_id, State.QUEUED)


def count(mailout_id: int, state: State) -> int:
    """How many recipients of the mail-out are in `state`."""
    query = select(func.count()).where(Recipient.mailout_id == mailout_id, Recipient.state == state)
    return db.session.scalar(query) or 0


def counts(mailout_id: int) -> Counts:
    """How many recipients of the mail-out are in each state, in the words of the contract; one walk over an index."""
    return counts_of([mailout_id])[mailout_id]


def counts_of(mailout_ids: Sequence[int]) -> dict[int, Counts]:
    """The same for several mail-outs, in one question."""
    if not mailout_ids:
        return {}
    of_these = Recipient.mailout_id.in_(mailout_ids)
    query = select(Recipient.mailout_id, Recipient.state, func.count()).where(of_these)
    totals: dict[int, dict[str, int]] = {mailout_id: {} for mailout_id in mailout_ids}
    for mailout_id, state, number in db.session.execute(query.group_by(Recipient.mailout_id, Recipient.state)):
        mine, word = totals[mailout_id or 0], public(state)
        mine[word] = mine.get(word, 0) + number
    return {mailout_id: Counts(**mine) for mailout_id, mine in totals.items()}


def put_notice(notice: Notice, addresses: Sequence[tuple[str, str]]) -> bool:
    """Queue `notice` to these (address, name) pairs, unless one of that name was queued before.

    Returns whether it is queued now. A caller that races another finds the name taken: IntegrityError.
    """
    if db.session.scalar(select(Notice.id).where(Notice.name == notice.name)) is not None:
        return False
    db.session.add(notice)
    db.session.flush()
    for address, name in addresses:
        db.session.add(Recipient(notice_id=notice.id, address=address, name=name, state=State.QUEUED))
    db.session.flush()
    return True


def _of_open_mailouts(customer_ids: Customers, list_id: int | None) -> ColumnElement[bool]:
    """The recipients that are these customers, in mail-outs (of one list, or of all) that are not over."""
    mailouts = select(Mailout.id).where(
        Mailout.accepted_at.is_not(None), Mailout.finished_at.is_(None), Mailout.cancelled_at.is_(None)
    )
    if list_id is not None:
        mailouts = mailouts.where(Mailout.list_id == list_id)
    return Recipient.mailout_id.in_(mailouts) & Recipient.customer_id.in_(customer_ids)


def leave_out(customer_ids: Customers, *, list_id: int | None, reason: str, now: datetime) -> int:
    """Skip the waiting copies of these customers: nothing begins for them any more. Returns how many were skipped.

    `list_id` None: in the mail-outs of all lists. A copy that is on the wire at this moment is not touched.
    """
    return changed(
        update(Recipient)
        .where(_of_open_mailouts(customer_ids, list_id), Recipient.state.in_(WAITING))
        .values(state=State.SKIPPED, reason=reason, claimed_by=None, due_at=None, settled_at=now)
    )


def let_back_in(customer_ids: Customers, *, list_id: int) -> int:
    """Take back what `leave_out` did in mail-outs of this list that are not over: those copies wait again.

    Whoever may still not be written to stays out: the reason that a row has is the first of several, and the address
    book is what counts. Returns how many wait again.
    """
    left_out = or_(*(Recipient.reason.startswith(word) for word in (EXCLUDED, UNSUBSCRIBED, SUPPRESSED)))
    skipped = _of_open_mailouts(customer_ids, list_id) & (Recipient.state == State.SKIPPED) & left_out
    wanted = update(Recipient).where(skipped, _why_out(list_id).is_(None))
    return changed(wanted.values(state=State.QUEUED, reason="", settled_at=None))


def cancel(mailout_id: int, now: datetime) -> int:
    """Cancel every copy that waits; those on the wire finish. Returns how many were cancelled."""
    return changed(
        update(Recipient)
        .where(Recipient.mailout_id == mailout_id, Recipient.state.in_(WAITING))
        .values(state=State.CANCELLED, claimed_by=None, due_at=None, settled_at=now)
    )


def queue_again(mailout_id: int, list_id: int, state: State, now: datetime) -> int:
    """Queue the recipients that are failed, or uncertain, once more. Returns how many.

    Whoever was excluded, left, was suppressed or deleted meanwhile is not written to again: a failed one is skipped,
    with the reason; an uncertain one may have the letter, and stays uncertain.
    """
    assert state in (State.FAILED, State.UNCERTAIN), state
    of_these = update(Recipient).where(Recipient.mailout_id == mailout_id, Recipient.state == state)
    out = _why_out(list_id)
    if state is State.FAILED:
        changed(of_these.where(out.is_not(None)).values(state=State.SKIPPED, reason=out, settled_at=now))
    fresh = {"reason": "", "attempts": 0, "first_tried_at": None, "dot_at": None, "settled_at": None}
    return changed(of_these.where(out.is_(None)).values(state=State.QUEUED, **fresh))


def leave_out_due(mailout_id: int, list_id: int, before: datetime, now: datetime) -> int:
    """Skip the deferred copies, due before that moment, of whoever left while theirs was on the wire.

    `leave_out` does not touch a copy on the wire; when the relay puts that one off, it must not be tried again.
    """
    mine = (Recipient.mailout_id == mailout_id) & (Recipient.state == State.DEFERRED) & (Recipient.due_at <= before)
    return _leave_out_gone(mine, list_id, now)


def leave_out_again(recipient_ids: Sequence[int], list_id: int, now: datetime) -> int:
    """Skip those of these queued copies whose customer left while the copy was no waiting one."""
    return _leave_out_gone(Recipient.id.in_(recipient_ids) & (Recipient.state == State.QUEUED), list_id, now)


def _leave_out_gone(mine: ColumnElement[bool], list_id: int, now: datetime) -> int:
    """Skip the copies of whoever may not be written to now."""
    out = _why_out(list_id)
    left = update(Recipient).where(mine, Recipient.customer_id.is_not(None), out.is_not(None))
    return changed(left.values(state=State.SKIPPED, reason=out, due_at=None, settled_at=now))


def _why_out(list_id: int) -> ColumnElement[str | None]:
    """Why a recipient may not be written to now, by the list and the address book; NULL for whoever may."""
    them = Customer.id == Recipient.customer_id
    here = exists().where(them, Customer.here())
    stopped = select(Customer.suppressed_for).where(them).scalar_subquery()
    theirs = (ListPlace.list_id == list_id) & (ListPlace.customer_id == Recipient.customer_id)
    place = select(ListPlace.place).where(theirs).scalar_subquery()
    return case(
        (~here, DELETED),
        (stopped.is_not(None), f"{SUPPRESSED}: " + stopped),
        (place == Place.INCLUDED, null()),
        (place == Place.UNSUBSCRIBED, UNSUBSCRIBED),
        else_=EXCLUDED,
    )
