"""suppression -- who gets no mail-out, whatever the lists say.

Owns     the suppression of a customer: why, since when
Never    lifts one without a reason; lets a weaker reason take the place of a stronger one
Fails    LookupError for a customer that there is not, Fault in words without a reason
Commits  leaves that to the caller
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from ..core.fault import Fault
from ..journal import Actor, note
from ..models import Customer, ListPlace, Place, Suppressed, changed, db
from ..outbox import queue
from .edition import touch_suppression

WHY_MOST = 500
#: From the weakest to the strongest: what the customer said themselves stands over what we found or decided.
STRENGTH = (Suppressed.BOUNCED, Suppressed.BY_HAND, Suppressed.UNSUBSCRIBED, Suppressed.COMPLAINED)
WORDS = {
    Suppressed.BOUNCED: "mail to them came back",
    Suppressed.BY_HAND: "by hand",
    Suppressed.UNSUBSCRIBED: "unsubscribed from everything",
    Suppressed.COMPLAINED: "said that it is spam",
}


def suppress(customer_id: int, reason: Suppressed, why: str, *, actor: Actor, now: datetime) -> bool:
    """Write to this customer no more; their waiting copies are skipped.

    `why` is kept for people. Returns False when they were suppressed for as strong a reason. Raises LookupError.
    """
    _check(customer_id)
    weaker = [word.value for word in STRENGTH[: STRENGTH.index(reason)]]
    open_to_it = Customer.suppressed_for.is_(None) | Customer.suppressed_for.in_(weaker)
    statement = update(Customer).where(Customer.id == customer_id, open_to_it)
    values = {"suppressed_for": reason.value, "suppressed_at": now, "suppressed_why": why.strip()[:WHY_MOST]}
    if not changed(statement.values(values)):
        return False
    queue.leave_out([customer_id], list_id=None, reason=f"{queue.SUPPRESSED}: {reason}", now=now)
    touch_suppression()
    note(actor, "customer.suppress", f"customer {customer_id}", f"{reason}: {why}".rstrip(": "), now)
    return True


def unsuppress(customer_id: int, why: str, *, actor: Actor, now: datetime) -> bool:
    """Write to this customer again, for a reason that goes into the journal.

    Their places in lists are as they were. Returns False when they are not suppressed. Raises Fault without a reason.
    """
    _check(customer_id)
    if not why.strip():
        raise Fault("Write down why they may be written to again: it is kept.")
    statement = update(Customer).where(Customer.id == customer_id, Customer.suppressed_for.is_not(None))
    if not changed(statement.values(suppressed_for=None, suppressed_at=None, suppressed_why="")):
        return False
    included = (ListPlace.customer_id == customer_id) & (ListPlace.place == Place.INCLUDED)
    for list_id in db.session.scalars(select(ListPlace.list_id).where(included)).all():
        queue.let_back_in([customer_id], list_id=list_id)
    touch_suppression()
    note(actor, "customer.unsuppress", f"customer {customer_id}", why.strip(), now)
    return True


def _check(customer_id: int) -> None:
    if db.session.scalar(select(Customer.id).where(Customer.id == customer_id, Customer.here())) is None:
        raise LookupError(f"There is no customer {customer_id}.")
