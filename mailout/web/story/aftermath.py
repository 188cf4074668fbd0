"""aftermath -- what came of a mail-out that is over: the mails that told of it, who wrote back, what is summed up,
what came later and was sent after all.

Owns     the steps below the sheet of a complete or cancelled mail-out
Never    says that a notice was sent before the relay accepted it
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from ...core.delivery import State
from ...core.telling import spoken
from ...models import Letter, Mailout, Notice, Recipient, db
from .glance import Glance
from .steps import COMPLETE_MAIL, Step

RETURNS_AFTER = timedelta(days=2)


def steps(glance: Glance) -> list[Step]:
    """The complete mails, answers, what came back."""
    row = glance.row
    found = [_notice_step(*notice) for notice in _notices(row.id)]
    found += _from_customers(row) + after_all(row)
    found.sort(key=lambda step: step.at or glance.now)
    over = row.finished_at
    if over is None and glance.counts.sent + glance.counts.uncertain:
        found.append(Step(f"{COMPLETE_MAIL} comes by email", "With everyone it went to.", done=False))
    if over and glance.now < over + RETURNS_AFTER and glance.counts.total:
        summed = "Only if there is something to say."
        found.append(Step("Two days on, one mail sums up what came back", summed, over + RETURNS_AFTER, done=False))
    return found


def _notices(mailout_id: int) -> list[tuple[str, str, str, datetime]]:
    """(name, address, state, when) of the notices about a mail-out that its page tells of."""
    query = (
        select(Notice.name, Recipient.address, Recipient.state, func.coalesce(Recipient.settled_at, Notice.created_at))
        .join(Recipient, Recipient.notice_id == Notice.id)
        .where(Notice.mailout_id == mailout_id, Notice.kind.in_(("complete", "returns")))
        .order_by(Notice.id)
    )
    return [(name, address, state, at) for name, address, state, at in db.session.execute(query)]


def _notice_step(name: str, address: str, state: str, at: datetime) -> Step:
    """A notice by its name, in which `notify` says for what occasion it is: "complete:7:2:follow-up"."""
    kind, _, occasion = name.partition(":")
    what = COMPLETE_MAIL if kind == "complete" else "What came back"
    why = ", for the last copies are settled" if ":follow-up" in occasion else ""
    why = why or (", after another try" if kind == "complete" and occasion.split(":")[1] != "1" else "")
    if state == State.SENT:
        return Step(f"{what} was sent", f"To {address}{why}.", at)
    if state in (State.FAILED, State.BOUNCED):
        return Step(f"{what} could not be sent", f"To {address}: it was refused.", at)
    return Step(f"{what} is on its way", f"To {address}{why}.", at)


def _from_customers(row: Mailout) -> list[Step]:
    """How many customers answered the letter or called it spam, and when the last one did."""
    query = (
        select(Letter.verdict, func.count(), func.max(Letter.received_at))
        .where(Letter.mailout_id == row.id, Letter.verdict.in_(("reply", "complaint")))
        .group_by(Letter.verdict)
    )
    steps = []
    for verdict, count, last in db.session.execute(query):
        if verdict == "reply":
            people = spoken.things(count, "customer wrote back", "customers wrote back")
            steps.append(Step(people, f"Passed on to {row.created_by.name}.", last))
        else:
            people = spoken.things(count, "customer marked it as spam", "customers marked it as spam")
            steps.append(Step(people, "Their mail provider told us. They get no more mail from here.", last))
    return steps


def after_all(row: Mailout) -> list[Step]:
    """The letters that came for it too late or with its used key, and were sent after all."""
    if not row.problem:
        return []
    query = (
        select(Mailout.id, Mailout.subject, Mailout.created_at)
        .join(Letter, Letter.id == Mailout.letter_id)
        .where(Letter.mailout_id == row.id, Mailout.id != row.id)
        .order_by(Mailout.id)
    )
    return [
        Step("A later letter was sent after all", f"“{subject or 'Without a subject'}”, as mail-out {number}.", at)
        for number, subject, at in db.session.execute(query)
    ]
