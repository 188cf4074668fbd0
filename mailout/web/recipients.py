"""recipients -- who a mail-out went to, by state: searched, paged, each with the reason and the server's words; as CSV.

Owns     /mailouts/<id>/recipients and recipients.csv
Never    changes anything; shows an outcome that no row has
Fails    LookupError for a mail-out or a state that there is not
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Response, current_app, render_template, request
from sqlalchemy import ColumnElement, func, select

from ..core.delivery import PUBLIC, private
from ..core.telling import left_out, spoken
from ..journal import note
from ..models import Recipient, Reply, db
from ..outbox import notify, progress
from . import asking, outcome, recent, words
from .searching import holds

blueprint = Blueprint("recipients", __name__)

SIZE, MOST_FOUND = 25, 5000
_KEPT, KEPT_MOST = "mailout_recipients_in_a_row", 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said at one try."""

    at: object
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient: the line, the reason in plain words, and every answer of the servers."""

    line: progress.Line
    why: str
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of recipients."""

    state: str
    q: str
    rows: Sequence[Row]
    total: int
    page: int
    pages: int
    size: int = SIZE


@blueprint.get("/mailouts/<int:mailout_id>/recipients")
def index(mailout_id: int) -> str:
    """The recipients in a state, or all of them."""
    seen = recent.overview(mailout_id, asking.now())
    found = _search(seen, _state(), asking.query(), asking.page())
    template = "recipients_rows" if asking.wants_fragment() else "recipients"
    return render_template(
        f"mailouts/_{template}.html" if asking.wants_fragment() else f"mailouts/{template}.html",
        row=seen.row,
        counts=seen.counts.as_words(),
        order=outcome.ORDER,
        found=found,
        mine=asking.may_change(seen.row),
    )


def _state() -> str:
    """The state that is asked for; "" for all. Raises LookupError."""
    state = request.args.get("state", "")
    if state and state not in PUBLIC:
        raise LookupError(f"There is no state {state}.")
    return state


def _search(seen: progress.Overview, state: str, q: str, page: int) -> Found:
    everybody = _first_of_all(seen.row.id, seen.counts.total)
    mine = Recipient.mailout_id == seen.row.id
    if q and everybody is not None:  # they lie in a row, and are walked through without an index
        mine = Recipient.id.between(everybody, everybody + seen.counts.total - 1)
    ids = select(Recipient.id).where(mine, *_where(state, q)).order_by(Recipient.id)
    # a search walks once through all recipients, and not beyond what anybody would page through
    found = list(db.session.scalars(ids.limit(MOST_FOUND))) if q else []
    total = len(found) if q else seen.counts.as_words()[state or "total"]
    pages = max(1, -(-total // SIZE))
    page = min(page, pages)
    first = (page - 1) * SIZE
    start = None if q or state else everybody
    if start is not None:
        shown = [Recipient.id >= start + first, Recipient.id < start + first + SIZE]
    else:
        shown = [Recipient.id.in_(found[first : first + SIZE] if q else ids.limit(SIZE).offset(first))]
    query = select(Recipient).where(*shown).order_by(Recipient.id)
    rows = [row for row in db.session.scalars(query) if row.mailout_id == seen.row.id]
    said = _answers([row.id for row in rows])
    return Found(state, q, [_row(row, said.get(row.id, [])) for row in rows], total, page, pages)


def _first_of_all(mailout_id: int, total: int) -> int | None:
    """The number of the first recipient, when all of them are numbered without a gap; None when they are not.

    They are frozen by one INSERT, and none comes later: as long as they are as many, what was seen once is so.
    """
    kept = cast("dict[tuple[int, int], int | None]", current_app.extensions.setdefault(_KEPT, {}))
    if (mailout_id, total) not in kept:
        span = select(func.min(Recipient.id), func.max(Recipient.id), func.count())
        first, last, many = db.session.execute(span.where(Recipient.mailout_id == mailout_id)).one()
        if len(kept) >= KEPT_MOST:
            kept.clear()
        kept[mailout_id, total] = first if many == total and many and last - first + 1 == many else None
    return kept[mailout_id, total]


def _where(state: str, q: str) -> list[ColumnElement[bool]]:
    """Those in that state whose name, address or reply has `q` in it."""
    where: list[ColumnElement[bool]] = []
    if state:
        where.append(Recipient.state.in_(private(state)))
    if q:
        where.append(holds(q, Recipient.address, Recipient.name, Recipient.reply))
    return where


def _answers(recipient_ids: Sequence[int]) -> dict[int, list[Answer]]:
    """What the servers said to each of these, the oldest first."""
    said: dict[int, list[Answer]] = {}
    query = select(Reply).where(Reply.recipient_id.in_(recipient_ids)).order_by(Reply.id)
    for row in db.session.scalars(query):
        text = spoken.reply(row.code, row.enhanced, row.text)
        said.setdefault(row.recipient_id, []).append(Answer(row.at, row.state, text))
    return said


def _row(row: Recipient, said: list[Answer]) -> Row:
    """A recipient with the reason in plain words."""
    line = progress.line(row)
    if line.state == "skipped":
        why = left_out.in_words(row.reason)
    elif line.state in ("failed", "bounced"):
        why = outcome.refusal_words(row.code, row.enhanced, row.reply)
    elif line.state == "uncertain":
        why = "the line broke at the last word"
    elif line.state == "deferred":
        why = f"next try {words.moment(row.due_at)}" if row.due_at else ""
    else:
        why = ""
    return Row(line, why, said)


@blueprint.post("/mailouts/<int:mailout_id>/recipients.csv")
def csv(mailout_id: int) -> Response:
    """Every recipient with their outcome, safe to open in a spreadsheet. A POST, because it goes into the journal."""
    row = asking.my_mailout(mailout_id)
    note(asking.actor(), "mailout.export", f"mail-out {row.id}", "recipients.csv", asking.now())
    db.session.commit()
    answer = Response(b"".join(notify.recipients_csv(mailout_id)), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="mail-out-{mailout_id}-recipients.csv"'
    return answer
