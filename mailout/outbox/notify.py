"""notify -- who is told what: our own letters, put into the outbox.

Owns     to whom each notice goes, and that the same one is never written twice
Never    sends, answers an automatic letter, names a customer to an address that is no user's
Commits  never: what happened and the notice that tells of it are the caller's one transaction

Every notice has a name that says for what occasion it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from ..book import users
from ..core.copying import seal as seals
from ..core.problem import Problem
from ..core.telling import completion, left_out, notices, refusals, sheet
from ..core.telling import restored as restoring
from ..core.telling.completion import Outcome
from ..core.telling.notices import NAMED, Attachment, Occasion, Row, Written
from ..core.telling.restored import Found
from ..core.telling.spoken import dated
from ..current import settings
from ..models import Letter, LetterBytes, Mailout, Notice, Recipient, User, db
from . import progress, queue
from .posting import Address, mark, occasion, page, put

ERRORS_AN_HOUR = 5
CSV_HEAD = ("address", "name", "state", "reason", "reply")


# -- of a mail-out -----------------------------------------------------------------------------------------------------


def complete(row: Mailout, now: datetime, *, follow_up: bool) -> bool:
    """Queue the complete mail of this round, or its follow-up; False when it was queued before."""
    name = f"complete:{row.id}:{row.round}" + (":follow-up" if follow_up else "")
    about = occasion(row)
    outcome = Outcome(queue.counts(row.id), cancelled=row.cancelled_at is not None, follow_up=follow_up)
    creator = (row.created_by.name, row.created_by.email)
    author = ("", row.author) if row.author else None
    queued = False
    if author and users.user_of_address(author[1]) is None:
        bare = completion.complete_without_names(about, outcome)
        queued = put(f"{name}:author", "complete", author, bare, now, mailout_id=row.id)
        author = None
    return put(name, "complete", author or creator, _complete(row, about, outcome), now, mailout_id=row.id) or queued


def _complete(row: Mailout, about: Occasion, outcome: Outcome) -> Written:
    """The complete mail with names, and with the file that lists all of them."""
    rows = _rows(itertools.islice(_worst_first(row.id), NAMED))
    written = completion.complete(about, replace(outcome, rows=rows, changes=row.changes, seal=_seal_words(row)))
    file = Attachment("recipients.csv", "text/csv; charset=utf-8", recipients_csv(row.id))
    return Written(written.subject, written.text, written.answers, written.references, (file,))


def _seal_words(row: Mailout) -> str:
    """Whether what went out is what was written."""
    seal = seals.from_json(row.seal)
    if not seal.parts:
        return ""
    if seal.identical:
        return f"What went out is identical to what you wrote: {seal.words()}."
    if seal.untouched:
        return f"What went out is identical to what you wrote but for the line at the end of the text: {seal.words()}."
    return f"What went out: {seal.words()}. Not all of it could go as you wrote it:"


def _worst_first(mailout_id: int) -> Iterable[progress.Line]:
    """The recipients, those who need a look before those whose copy was accepted."""
    others = ("failed", "uncertain", "deferred", "bounced", "skipped", "cancelled", "sent")
    return itertools.chain.from_iterable(progress.lines(mailout_id, word) for word in others)


def _rows(lines: Iterable[progress.Line]) -> Sequence[Row]:
    """Lines as a notice shows them."""
    zone = settings().time_zone
    found = []
    for line in lines:
        who = f"{line.name} <{line.address}>" if line.name else line.address
        next_try = f" (next try {dated(line.due_at, zone)})" if line.due_at else ""
        why = "" if line.state == "sent" else _why(line) + next_try
        found.append(Row(line.state, notices.line(who), notices.line(why, 500)))
    return found


def _why(line: progress.Line) -> str:
    """The reason for what became of a recipient, and what their server said."""
    if line.state == "skipped":
        return left_out.in_words(line.reason)
    return f"{line.reason} {line.reply}".strip()


def recipients_csv(mailout_id: int) -> Iterator[bytes]:
    """Every recipient of the mail-out as a CSV file that is safe to open in a spreadsheet, line by line."""
    yield (sheet.BOM + sheet.row(CSV_HEAD)).encode()
    for outcome in progress.outcomes(mailout_id):
        yield sheet.row(outcome).encode()


def waiting(row: Mailout, problem: Problem, recipients: int, now: datetime, detail: str = "") -> None:
    """A letter is held: to the creating user, and to nobody else."""
    written = refusals.waiting(occasion(row), problem, recipients, detail)
    put(f"waiting:{row.id}", "waiting", _creator(row), written, now, mailout_id=row.id)


def paused(row: Mailout, words: str, now: datetime) -> None:
    """A mail-out was paused by itself: to its user."""
    written = notices.paused(occasion(row), words, queue.counts(row.id))
    put(f"paused:{row.id}:{now:%Y%m%d%H%M%S.%f}", "paused", _creator(row), written, now, mailout_id=row.id)


def discarded(row: Mailout, now: datetime) -> None:
    """A held letter was discarded because nobody released it: to its user."""
    put(f"discarded:{row.id}", "discarded", _creator(row), notices.discarded(occasion(row)), now, mailout_id=row.id)


def delayed(row: Mailout | None, words: str, now: datetime, *, since: datetime | None = None) -> None:
    """A mail-out does not move: to its user. Without one, the mailbox or the relay is out: to the Administrators."""
    if row is not None:
        what = f"{occasion(row).letter} to {row.list.name} has not moved for an hour."
        written = notices.delayed(what, words, page(f"/mailouts/{row.id}"))
        put(f"delayed:{row.id}:{row.round}", "delayed", _creator(row), written, now, mailout_id=row.id)
        return
    written = notices.delayed("Mailout can't reach a mail server at the moment.", words, page("/system"))
    name = f"delayed:{(since or now):%Y%m%d%H%M%S}:{mark(words)}"
    for user in users.administrators():
        put(f"{name}:{user.id}", "delayed", (user.name, user.email), written, now)


def restored(found: Found, now: datetime) -> None:
    """A backup was put in the place of the data: to the Administrators."""
    written = restoring.told(found, settings().time_zone, page("/mailouts"))
    for user in users.administrators():
        put(f"restored:{now:%Y%m%d%H%M%S.%f}:{user.id}", "paused", (user.name, user.email), written, now)


def returns(row: Mailout, came_back: Iterable[progress.Line], answers: int, left: int, now: datetime) -> bool:
    """What came back in two days: to its user, once."""
    written = notices.returns(occasion(row), _rows(came_back), answers, left)
    return put(f"returns:{row.id}", "returns", _creator(row), written, now, mailout_id=row.id)


def pass_on(letter: Letter, row: Mailout, now: datetime) -> bool:
    """A customer's answer to a copy: to the mail-out's user, once, as an attachment."""
    raw = db.session.scalar(select(LetterBytes.raw).where(LetterBytes.letter_id == letter.id)) or b""
    written = notices.passed_on(occasion(row), letter.author, raw)
    name = f"reply:{letter.digest}"
    return put(name, "reply", _creator(row), written, now, mailout_id=row.id, letter_id=letter.id)


# -- errors ------------------------------------------------------------------------------------------------------------


def error(
    row: Mailout | None, problem: Problem, letter: Letter, author: str, now: datetime, *, detail: str = "", late: bool
) -> bool:
    """What was wrong with a letter: to its author if that is somebody we know here, else to the key's user, or nobody.

    `late`: the letter is kept and can be sent after all.
    """
    to = _error_goes_to(row, author)
    if to is None or _errors_lately(to[1], now) >= ERRORS_AN_HOUR:
        return False
    zone = settings().time_zone
    written = refusals.error(
        refusals.Refused(
            problem,
            letter=f'"{notices.line(letter.subject)}", received {dated(letter.received_at, zone)}',
            mailout=f"{row.list.name}, made {dated(row.created_at, zone)}, {page(f'/mailouts/{row.id}')}"
            if row
            else "",
            detail=_when_used(row, problem) or detail,
            late_url=page(f"/mailouts/late/{letter.id}") if late else "",
            answers=letter.message_id,
        )
    )
    name = f"error:{row.id if row else 0}:{problem}:{letter.content_digest or letter.digest}"
    return put(name, "error", to, written, now, mailout_id=row.id if row else None, letter_id=letter.id)


def _error_goes_to(row: Mailout | None, author: str) -> Address | None:
    """To whom an error mail goes; None for a stranger, who never gets an answer."""
    user = users.user_of_address(author) if author else None
    if user is not None:
        return (user.name, author)
    if row is None:
        return None
    if author and row.author and author.lower() == row.author.lower():
        return ("", author)
    return _creator(row)


def _errors_lately(address: str, now: datetime) -> int:
    """How many error mails went to this address, whatever its capitals, within the last hour."""
    query = (
        select(func.count())
        .select_from(Recipient)
        .join(Notice)
        .where(Notice.kind == "error", Notice.created_at > now - timedelta(hours=1))
        .where(func.lower(Recipient.address) == address.lower())
    )
    return db.session.scalar(query) or 0


def _when_used(row: Mailout | None, problem: Problem) -> str:
    """When the key was used, or ran out: what its user wants to know first."""
    if row is None:
        return ""
    zone = settings().time_zone
    if problem is Problem.KEY_USED and row.received_at:
        return f"That was on {dated(row.received_at, zone)}, for {row.list.name}."
    if problem is Problem.KEY_EXPIRED:
        return f"It was good until {dated(row.expires_at, zone)}."
    return ""


# -- of users and customers --------------------------------------------------------------------------------------------


def invite(user: User, by: str, link: str, now: datetime) -> None:
    """An invitation to choose a password."""
    put(
        f"invite:{mark(link)}",
        "invite",
        (user.name, user.email),
        notices.invite(user.name, by, page(f"/reset/{link}")),
        now,
    )


def reset(user: User, link: str, now: datetime) -> None:
    """A link to choose a new password."""
    put(f"reset:{mark(link)}", "reset", (user.name, user.email), notices.reset(user.name, page(f"/reset/{link}")), now)


def confirm_address(user: User, address: str, link: str, now: datetime) -> None:
    """A link that confirms an address to write from, to that address."""
    written = notices.confirm_address(user.name, address, page(f"/profile/addresses/confirm/{link}"))
    put(f"address:{mark(link)}", "address", (user.name, address), written, now)


def support(user: User, request_id: int, subject: str, message: str, state: str, now: datetime) -> None:
    """A support request: to SUPPORT_ADDRESS, or the Administrators."""
    by = (user.name, user.email)
    written = notices.support(by, subject, message, state, page(f"/support/{request_id}"))
    address = settings().support_address
    to = [("", address)] if address else [(one.name, one.email) for one in users.administrators()]
    for number, one in enumerate(to):
        put(f"support:{request_id}:{number}", "support", one, written, now)


def unsubscribed(name: str, address: str, what: str, link: str, now: datetime) -> None:
    """A customer left: what was done, and a link that undoes it."""
    written = notices.unsubscribed(settings().organisation_name, what, link)
    put(f"unsubscribed:{mark(link)}:{now:%Y%m%d%H%M%S}", "unsubscribed", (name, address), written, now)


def _creator(row: Mailout) -> Address:
    return (row.created_by.name, row.created_by.email)
