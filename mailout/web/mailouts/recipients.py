"""recipients -- who a mail-out went to, by state: searched, paged, each with the reason and the server's words; as CSV.

Owns     /mailouts/<id>/recipients and recipients.csv
Never    changes anything; shows an outcome that no row has
Fails    LookupError for a mail-out or a state that there is not
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

from flask import Blueprint, Response, current_app, render_template, request
from sqlalchemy import ColumnElement, func, select

from ...core.delivery import PUBLIC, State, private
from ...core.telling import left_out, spoken
from ...journal import note
from ...models import Recipient, Reply, db
from ...outbox import notify, progress
from .. import asking, words
from ..searching import holds
from ..story import recent
from . import outcome, roster

blueprint = Blueprint("recipients", __name__)

SIZE, MOST_FOUND = 25, 5000
#: Of those in these states a server's words are looked for, for they say why.
NOT_ACCEPTED = (State.DEFERRED, State.FAILED, State.UNCERTAIN, State.BOUNCED)
#: A state that every so many-th is in is paged by a walk through all.
CROWDED = 4
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
    mine = Recipients(seen.row.id, seen.counts.total, _first_of_all(seen.row.id, seen.counts.total))
    found = mine.found(state, q) if q else []
    total = len(found) if q else seen.counts.as_words()[state or "total"]
    pages = max(1, -(-total // SIZE))
    page = min(page, pages)
    first = (page - 1) * SIZE
    shown = found[first : first + SIZE] if q else mine.part(state, first, min(SIZE, total - first), total)
    rows = db.session.scalars(select(Recipient).where(Recipient.id.in_(shown)).order_by(Recipient.id)).all()
    said = _answers([row.id for row in rows])
    return Found(state, q, [_row(row, said.get(row.id, [])) for row in rows], total, page, pages)


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of a mail-out: how many, and the number of the first when they are numbered without a gap."""

    mailout_id: int
    total: int
    first: int | None

    def part(self, state: str, skipped: int, size: int, total: int) -> list[int]:
        """The numbers of so many after the first `skipped` of the `total` in a state; found from the nearer end."""
        if self.first is not None and not state:
            return list(range(self.first + skipped, self.first + skipped + size))
        crowded = self.first is not None and total * CROWDED >= self.total
        query, turned = select(Recipient.id).where(self._all(in_a_row=crowded), *_in(state)), skipped > total // 2
        query = query.order_by(Recipient.id.desc() if turned else Recipient.id)
        offset = total - skipped - size if turned else skipped
        return list(db.session.scalars(query.limit(size).offset(max(0, offset))))

    def found(self, state: str, q: str) -> Sequence[int]:
        """The numbers of those in a state in whose name, address or server's words `q` stands, so many at most.

        Names are looked for first; what the servers said to those who were accepted, only when nobody is called so.
        """
        if self.first is not None and not state:
            named = islice(roster.of(self.mailout_id, self.first, self.total).find(q), MOST_FOUND)
            if found := sorted({*named, *self._told(q)}):
                return found[:MOST_FOUND]
        said = holds(q, Recipient.address, Recipient.name, Recipient.reply)
        query = select(Recipient.id).where(self._all(in_a_row=not state), *_in(state), said)
        return db.session.scalars(query.order_by(Recipient.id).limit(MOST_FOUND)).all()

    def _told(self, q: str) -> Sequence[int]:
        """Those who were not accepted and to whom a server said something with `q` in it."""
        these = (Recipient.mailout_id == self.mailout_id) & Recipient.state.in_(NOT_ACCEPTED)
        return db.session.scalars(select(Recipient.id).where(these, holds(q, Recipient.reply)).limit(MOST_FOUND)).all()

    def _all(self, *, in_a_row: bool) -> ColumnElement[bool]:
        """All of them; `in_a_row` by their numbers, which is a walk without an index."""
        if self.first is None or not in_a_row:
            return Recipient.mailout_id == self.mailout_id
        return Recipient.id.between(self.first, self.first + self.total - 1)


def _in(state: str) -> list[ColumnElement[bool]]:
    """That a recipient is in this state; "" is any."""
    return [Recipient.state.in_(private(state))] if state else []


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
