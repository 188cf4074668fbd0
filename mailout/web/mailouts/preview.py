"""preview -- a letter as its recipients will see it, before it goes.

Owns     the frame that shows a letter, with a policy of its own: it loads nothing, runs nothing, and knows no cookie
Never    shows what would not be sent: the preview is made of a finished copy, not of the letter that came
Fails    Refused for another's mail-out, LookupError when the letter is not kept any more
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Response, current_app, render_template, request
from sqlalchemy import select

from ...core.copying import checks, compose
from ...core.copying import preview as previewing
from ...core.copying.checks import Check
from ...core.copying.compose import Prepared
from ...core.copying.preview import Preview
from ...core.phase import Phase, phase
from ...core.reading import head
from ...core.reading import letter as reading
from ...core.reading.head import Mailbox
from ...intake import retention, submission
from ...intake.submission import Arrived
from ...models import Customer, Letter, LetterBytes, ListPlace, Mailout, Place, db
from ...outbox import specimen
from .. import asking
from ..story import chronicle

blueprint = Blueprint("preview", __name__)

#: What a letter may do in its frame: show its own pictures and styles. It has no origin, so no cookie of ours either.
POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
KEPT, KEPT_MOST = "mailout_looked", 32
#: A letter of so many lines, each of so many letters at most, is short.
SHORT_LINES, SHORT_LINE = 10, 60
SOMEBODY = Mailbox("", "somebody@example.org")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a page says of a letter: its head as one recipient gets it, what is in it, what to look at."""

    from_: str
    subject: str
    html: bool
    short: bool
    pictures: Sequence[previewing.Attachment]
    attachments: Sequence[previewing.Attachment]
    checks: Sequence[Check]
    changes: Sequence[str]

    @property
    def elsewhere(self) -> bool:
        """Whether it has pictures that are loaded from the web."""
        return any(check.elsewhere for check in self.checks)


def looked(row: Mailout) -> Looked | None:
    """The page's view of the letter of a mail-out; None when it has none, or its bytes are not kept any more."""
    if row.letter_id is None:
        return None
    kept = cast("dict[tuple[int, int], Looked | None]", current_app.extensions.setdefault(KEPT, {}))
    if (row.id, row.letter_id) not in kept:
        # read once, and not kept for ever: neither the letter nor what is made of it ever changes
        while len(kept) >= KEPT_MOST:
            kept.pop(next(iter(kept)))
        kept[row.id, row.letter_id] = _look_at(row, row.letter_id)
    return kept[row.id, row.letter_id]


def _look_at(row: Mailout, letter_id: int) -> Looked | None:
    found = prepared_of(row, letter_id)
    return look_at(*found) if found else None


def look_at(read: reading.Letter, prepared: Prepared) -> Looked:
    """What a page says of a letter and of what would go out."""
    seen = as_seen(prepared)
    return Looked(
        from_=_mailbox(prepared),
        subject=prepared.subject,
        html=bool(seen.html),
        short=is_short(seen),
        pictures=tuple(seen.pictures),
        attachments=tuple(seen.attachments),
        checks=tuple(checks.check(read, prepared)),
        changes=tuple(prepared.changes),
    )


def is_short(seen: Preview) -> bool:
    """Whether a small frame shows all of the letter."""
    lines = sum(1 + len(line) // SHORT_LINE for line in seen.text.splitlines())
    return lines <= SHORT_LINES and not seen.pictures


def _mailbox(prepared: Prepared) -> str:
    """Who recipients see the letter from."""
    return f"{prepared.from_name} <{prepared.from_address}>" if prepared.from_name else prepared.from_address


def prepared_of(row: Mailout, letter_id: int) -> tuple[reading.Letter, Prepared] | None:
    """The letter as it is kept, and what its copies are made of; None when it is not kept any more."""
    raw = db.session.scalar(select(LetterBytes.raw).where(LetterBytes.letter_id == letter_id))
    if raw is None:
        return None
    letter = db.session.get_one(Letter, letter_id)
    read = reading.read(raw)
    about = submission.copy_circumstances(row, Arrived(letter, read), row.received_at or letter.received_at)
    return read, compose.prepare(read, about)


def as_seen(prepared: Prepared) -> Preview:
    """The copy that one recipient would get, read as a mail program reads it."""
    fields, body = head.cut(specimen.whole(prepared, SOMEBODY, "preview"))
    return previewing.preview(fields, body)


def someone(list_id: int) -> str:
    """One of those who will get it, as the To: of their copy names them; "" when there is nobody."""
    query = (
        select(Customer)
        .join(ListPlace, ListPlace.customer_id == Customer.id)
        .where(ListPlace.list_id == list_id, ListPlace.place == Place.INCLUDED, Customer.suppressed_for.is_(None))
        .order_by(ListPlace.customer_id)
        .limit(1)
    )
    customer = db.session.scalar(query)
    if customer is None:
        return ""
    return f"{customer.name} <{customer.email}>" if customer.name else customer.email


@blueprint.get("/mailouts/<int:mailout_id>/preview")
def show(mailout_id: int) -> str:
    """The letter as a customer sees it, before it goes and as long as it is kept."""
    row = asking.my_mailout(mailout_id)
    seen = looked(row)
    if seen is None:
        raise LookupError("The letter is not kept any more.")
    return render_template(
        "mailouts/letter.html",
        row=row,
        title=chronicle.title(row),
        looked=seen,
        starting=phase(row, asking.now()) is Phase.STARTING,
        kept_until=(row.received_at or row.created_at) + retention.LETTERS,
    )


@blueprint.get("/mailouts/<int:mailout_id>/letter")
def frame(mailout_id: int) -> Response:
    """The letter for the sandboxed frame: its HTML, or its text with ?as=text."""
    row = asking.my_mailout(mailout_id)
    if row.letter_id is None or (found := prepared_of(row, row.letter_id)) is None:
        raise LookupError("The letter is not kept any more.")
    return framed(as_seen(found[1]), as_text=wants_text())


def wants_text() -> bool:
    """Whether the plain text version is asked for."""
    return request.args.get("as") == "text"


def framed(seen: Preview, *, as_text: bool = False) -> Response:
    """A letter in a page of its own, under a policy that lets it load, run and reach nothing."""
    # `seen.html` is a whole document of the letter's own: the one markup that goes out unescaped, and only here
    as_written = seen.html and not as_text
    answer = Response(seen.html if as_written else render_template("mailouts/letter_frame.html", text=seen.text))
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer
