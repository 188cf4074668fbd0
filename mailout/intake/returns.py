"""returns -- what comes back from mail-outs, and what it does: mark, leave, pass on.

Owns     the move of a recipient from sent (or uncertain) to bounced; that a report counts once
Never    marks anybody whom the mail-out did not write to, or whose address the report says nothing bad about; answers
Fails    never for what a letter says: what leads nowhere is noted, and nobody is touched
Commits  leaves that to the caller: one transaction for one letter

Whom a report is about is known by our token or Message-ID, not by what is written in it (RFC 3464 4.1). An address in
it counts only when this mail-out wrote to it: then a second recipient that the same report names as failed is marked
too, but never suppressed for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, insert, select, update

from ..book import places
from ..book.address import same
from ..core.checking import probe
from ..core.delivery import State, check_move
from ..core.returning import diagnosis
from ..core.returning.triage import Answer, AutoReply, Bounced, Complaint, Leaves, Other, Report, Verdict
from ..models import Letter, Mailout, Recipient, Reply, changed, db
from ..outbox import notify
from . import blame

# it logs every exception of its detectors before it raises it; `core.returning.bounces` expects them
logging.getLogger("flufl.bounce").disabled = True

#: The stages of replies that came by mail, not on the wire.
BOUNCE, COMPLAINT = "bounce", "complaint"

_ARRIVED = (State.SENT, State.UNCERTAIN)

Applied = tuple[str, str, int | None]


def apply(verdict: Verdict, letter: Letter, now: datetime) -> Applied:
    """Do what the verdict means: (its word for the inbox log, why, the mail-out that it belongs to)."""
    match verdict:
        case Bounced():
            return _bounced(verdict, now)
        case Complaint():
            return _complained(verdict, now)
        case Leaves():
            return _left(verdict, now)
        case Answer():
            return _answered(verdict, letter, now)
        case AutoReply(why):
            return ("auto-reply", why, None)
        case Other(why):
            return ("other", why, None)
    raise AssertionError(f"{type(verdict).__name__} is handled elsewhere")


# -- bounces -----------------------------------------------------------------------------------------------------------


def _bounced(verdict: Bounced, now: datetime) -> Applied:
    """Mark the recipients that came back."""
    rows = _recipients(recipient for report in verdict.reports for recipient in report.recipient_ids)
    mine = [row for row in rows if row.mailout_id is not None]
    if not mine:
        return ("bounce", _of_ours(verdict, rows), None)
    if verdict.delayed:
        return ("bounce", "delivery is still being tried", mine[0].mailout_id)
    marked = sum(_returned(row, verdict.reports, now) for row in mine)
    return ("bounce", "" if marked else "it changes nothing", mine[0].mailout_id)


def _of_ours(verdict: Bounced, rows: list[Recipient]) -> str:
    """Of which letter a bounce is that is of no mail-out's."""
    if any(probe.NOBODY in report.recipient_ids for report in verdict.reports):
        return "of the doctor's own letter"
    return "of a letter that we wrote ourselves" if rows else "of no letter of ours"


def _returned(row: Recipient, reports: Sequence[Report], now: datetime) -> int:
    """Mark the recipient that a report belongs to, and others of the mail-out that it names. Returns how many."""
    about = [report for report in reports if _names(report, row.address)]
    marked = _mark_own(row, about, reports, now)
    if not about:
        return marked
    others = [report for report in reports if report.permanent and report not in about]
    return marked + sum(_mark(other, report, now) for report in others for other in _also_written_to(row, report))


def _mark_own(row: Recipient, about: Sequence[Report], reports: Sequence[Report], now: datetime) -> bool:
    """Mark the recipient that the token or Message-ID is of, when what the report says of them is that it failed.

    A report that does not name them at all is of where their mail is forwarded to.
    """
    said = about or reports
    failed = next((report for report in said if report.permanent), None)
    if failed is None or not _mark(row, failed, now):
        return False
    # a report of some of many (an alias was expanded) says nothing about the address that we wrote to
    whole = all(report.permanent for report in said)
    one = bool(about) or len({report.address.lower() for report in reports}) == 1
    blame.judge(row, failed, own_fault=whole and one, now=now)
    return True


def _mark(row: Recipient, report: Report, now: datetime) -> bool:
    """Mark one recipient as bounced, with the server's words and ours; False when they were marked before."""
    check_move(State.SENT, State.BOUNCED)
    code = diagnosis.code_in(report.diagnosis)
    was_sent = update(Recipient).where(Recipient.id == row.id, Recipient.state.in_(_ARRIVED))
    values = {"code": code, "enhanced": report.status, "reply": report.diagnosis, "reason": report.in_words}
    if not changed(was_sent.values(state=State.BOUNCED, settled_at=now, **values)):
        return False
    _note(row, State.BOUNCED, BOUNCE, report, now)
    return True


def _note(row: Recipient, state: str, stage: str, report: Report | None, now: datetime) -> None:
    """Keep what came back for a recipient."""
    words = {"enhanced": report.status, "text": report.diagnosis} if report else {"enhanced": "", "text": ""}
    code = diagnosis.code_in(report.diagnosis) if report else 0
    db.session.execute(insert(Reply).values(recipient_id=row.id, at=now, state=state, stage=stage, code=code, **words))


def _recipients(ids: Iterable[int]) -> list[Recipient]:
    """The rows of these recipients, as far as there are any."""
    wanted = list(dict.fromkeys(ids))[:100]
    found = select(Recipient).where(Recipient.id.in_(wanted)).execution_options(populate_existing=True)
    rows = {row.id: row for row in db.session.scalars(found)} if wanted else {}
    return [rows[number] for number in wanted if number in rows]


def _names(report: Report, address: str) -> bool:
    """Whether a report is of this address."""
    return same(address) in {same(one) for one in (report.address, *report.also)}


def _also_written_to(row: Recipient, report: Report) -> list[Recipient]:
    """Other recipients of the same mail-out whom a report names; it can name many that are none."""
    named = {one.lower() for one in (report.address, *report.also) if one}
    found = select(Recipient).where(Recipient.mailout_id == row.mailout_id, func.lower(Recipient.address).in_(named))
    return [other for other in db.session.scalars(found) if other.id != row.id] if named else []


# -- complaints, leavers, answers --------------------------------------------------------------------------------------


def _complained(verdict: Complaint, now: datetime) -> Applied:
    """Never write again to whoever called a copy spam."""
    rows = [row for row in _recipients(verdict.recipient_ids) if row.mailout_id is not None]
    customers = {row.customer_id for row in rows} | {customer_id for _, customer_id in verdict.members if not rows}
    for row in rows:
        if not _has(row, COMPLAINT):
            _note(row, row.state, COMPLAINT, None, now)
    known = [customer_id for customer_id in customers if customer_id is not None]
    for customer_id in known:
        blame.complained(customer_id, now)
    return ("complaint", "" if known else "of no letter of ours", rows[0].mailout_id if rows else None)


def _has(row: Recipient, stage: str) -> bool:
    """Whether something of this kind came back for the recipient before."""
    query = select(Reply.id).where(Reply.recipient_id == row.id, Reply.stage == stage)
    return db.session.scalar(query.limit(1)) is not None


def _left(verdict: Leaves, now: datetime) -> Applied:
    """Take a customer out of a list, by the letter that their mail program wrote."""
    try:
        first = places.unsubscribe(verdict.customer_id, verdict.list_id, how="by letter", now=now)
    except LookupError as missing:
        return ("unsubscribe", str(missing), None)
    return ("unsubscribe", "" if first else "they had left before", None)


def _answered(verdict: Answer, letter: Letter, now: datetime) -> Applied:
    """Pass a person's answer on to the mail-out's user."""
    rows = [row for row in _recipients(verdict.recipient_ids) if row.mailout_id is not None]
    if not rows:
        return ("other", "it answers a letter that we wrote ourselves, or none", None)
    mailout = db.session.get_one(Mailout, rows[0].mailout_id)
    passed_on = notify.pass_on(letter, mailout, now)
    return ("reply", "passed on" if passed_on else "passed on before", mailout.id)
