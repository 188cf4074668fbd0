"""blame -- who is written to no more because of what came back, and who is spared.

Owns     the rules by which a bounce or a complaint suppresses a customer
Never    suppresses for what lies in the letter, in us or in somebody's policy; for a bounce of an address that the
         customer has no longer
Commits  leaves that to the caller

An address's own fault suppresses at once, a full mailbox after FULL_TIMES mail-outs in a row. When more than a tenth
of a mail-out came back, and at least GUARD_LEAST, it is the letter or the relay: then nobody is suppressed for it, and
whoever was before it showed is written to again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from ..book import suppression
from ..book.address import same
from ..core.delivery import State
from ..core.returning.diagnosis import WORDS, Cause
from ..core.returning.triage import Report
from ..journal import MAILOUT
from ..models import Customer, Recipient, Suppressed, db

GUARD_LEAST, GUARD_SHARE = 20, 10
FULL_TIMES = 3


def judge(row: Recipient, report: Report, *, own_fault: bool, now: datetime) -> None:
    """Suppress the customer of a recipient that has just been marked, when the rules say so.

    `own_fault`: the report is about the address that we wrote to, and about nothing else.
    """
    if row.mailout_id is None or row.customer_id is None:
        return
    if is_spared(row.mailout_id):
        _lift(row.mailout_id, now)
        return
    full = report.mailbox_full and _full_again_and_again(row)
    if own_fault and (report.address_fault or full) and _still_has(row):
        why = f"{_mark(row.mailout_id)} {report.in_words} {report.diagnosis}".strip()
        suppression.suppress(row.customer_id, Suppressed.BOUNCED, why, actor=MAILOUT, now=now)


def complained(customer_id: int, now: datetime) -> None:
    """Suppress a customer who called a copy spam."""
    try:
        why = "Their mail provider told us that they marked a letter as spam."
        suppression.suppress(customer_id, Suppressed.COMPLAINED, why, actor=MAILOUT, now=now)
    except LookupError:
        return


def is_spared(mailout_id: int) -> bool:
    """Whether so much of a mail-out came back that it is the letter or the relay, not the customers."""
    mine = Recipient.mailout_id == mailout_id
    bounced = db.session.scalar(select(func.count()).where(mine, Recipient.state == State.BOUNCED)) or 0
    if bounced < GUARD_LEAST:
        return False
    outside = (State.SKIPPED, State.CANCELLED)
    total = db.session.scalar(select(func.count()).where(mine, Recipient.state.not_in(outside))) or 0
    return too_many(bounced, total)


def too_many(bounced: int, copies: int) -> bool:
    """Whether so many of these copies came back that nobody is blamed for it."""
    return bounced >= GUARD_LEAST and bounced * GUARD_SHARE > copies


def _mark(mailout_id: int) -> str:
    """How the reason begins that a customer is suppressed for: by it the guard finds them again."""
    return f"Mail-out {mailout_id} came back:"


def _lift(mailout_id: int, now: datetime) -> None:
    """Write again to whoever was suppressed for this mail-out before it showed that it is not their fault."""
    suppressed = select(Customer.id).where(
        Customer.suppressed_for == Suppressed.BOUNCED, Customer.suppressed_why.startswith(_mark(mailout_id))
    )
    why = f"Over a tenth of mail-out {mailout_id} came back: it was the letter or the mail provider, not the address."
    for customer_id in db.session.scalars(suppressed).all():
        suppression.unsuppress(customer_id, why, actor=MAILOUT, now=now)


def _full_again_and_again(row: Recipient) -> bool:
    """Whether the customer's last FULL_TIMES copies, this one included, met a full mailbox."""
    reached = (State.SENT, State.BOUNCED)
    last = (
        select(Recipient.state, Recipient.reason)
        .where(Recipient.customer_id == row.customer_id, Recipient.id <= row.id, Recipient.state.in_(reached))
        .order_by(Recipient.id.desc())
        .limit(FULL_TIMES)
    )
    found = db.session.execute(last).all()
    full = [state for state, reason in found if state == State.BOUNCED and reason == WORDS[Cause.FULL]]
    return len(full) == FULL_TIMES


def _still_has(row: Recipient) -> bool:
    """Whether the customer is there and has the address that came back."""
    email_same = db.session.scalar(select(Customer.email_same).where(Customer.id == row.customer_id))
    return email_same == same(row.address)
