"""letters -- mail-outs in lists: all of them by page and search, a list's last three, what is sending now.

Owns     one line for a mail-out, as short as says it
Never    changes anything; counts more mail-outs than are shown
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from ...core.phase import ENDED, Counts, Phase, phase
from ...core.problem import Problem
from ...core.telling import spoken
from ...core.telling.refusals import briefly
from ...intake import late
from ...models import Letter, LetterBytes, MailingList, Mailout, User, db
from ...outbox import progress, sending
from .. import asking, words
from ..searching import holds
from ..story import chronicle, recent, slip
from ..words import Word

#: Few enough that their counts cost little at a hundred thousand recipients each.
SIZE = 10
LATEST = 3
KEPT, KEPT_MOST = "mailout_line_counts", 200


@dataclass(frozen=True, slots=True)
class Line:
    """One mail-out in a list."""

    row: Mailout
    title: str
    state: Phase
    word: Word
    side: str

    @property
    def brief(self) -> str:
        """The state and what there is to say beside it, in one; a complete one's figures say it alone."""
        word = f"{self.word.text[:1].lower()}{self.word.text[1:]}"
        return self.side if self.state is Phase.COMPLETE else f"{word}: {self.side}"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was searched for."""

    q: str
    lines: Sequence[Line]
    total: int
    page: int
    pages: int
    size: int = SIZE


@dataclass(frozen=True, slots=True)
class Running:
    """What the strip shows: the mail-out that began last, and how many more send beside it."""

    row: Mailout
    title: str
    tried: int
    goal: int
    others: int
    mine: bool

    @property
    def tag(self) -> str:
        """The same as long as the strip need not be drawn again."""
        return f"{self.row.id}-{self.tried}-{self.goal}-{self.others}-{int(self.mine)}"


def search(q: str, page: int) -> Found:
    """The mail-outs whose subject, list, author or user `q` is found in, the newest first."""
    where = _matching(q)
    total = db.session.scalar(_joined(select(func.count(Mailout.id))).where(*where)) or 0
    pages = max(1, -(-total // SIZE))
    page = min(page, pages)
    query = _joined(select(Mailout)).where(*where).order_by(Mailout.id.desc()).limit(SIZE).offset((page - 1) * SIZE)
    return Found(q, _lines(query), total, page, pages)


def _joined(query: Select[Any]) -> Select[Any]:
    """`query` with what is searched in at hand."""
    return query.join(MailingList, MailingList.id == Mailout.list_id).join(User, User.id == Mailout.created_by_id)


def _matching(q: str) -> list[ColumnElement[bool]]:
    """The mail-outs in which `q` stands somewhere; a percent sign in it is a percent sign."""
    if not q:
        return []
    return [holds(q, Mailout.subject, Mailout.author, MailingList.name, User.name)]


def latest_of(list_id: int) -> list[Line]:
    """The list's last letters: those that came, whatever became of them."""
    query = select(Mailout).where(Mailout.list_id == list_id, Mailout.letter_id.is_not(None))
    return _lines(query.order_by(Mailout.id.desc()).limit(LATEST))


def last_list(user_id: int, among: Sequence[int]) -> int | None:
    """The list that this user made a mail-out for last."""
    query = select(Mailout.list_id).where(Mailout.created_by_id == user_id, Mailout.list_id.in_(among))
    return db.session.scalar(query.order_by(Mailout.id.desc()).limit(1))


def kept_late(mailout_id: int) -> list[Letter]:
    """The letters that came for this mail-out too late or with its used key, and can still be sent after all."""
    query = (
        select(Letter)
        .join(LetterBytes, LetterBytes.letter_id == Letter.id)
        .outerjoin(Mailout, Mailout.letter_id == Letter.id)
        .where(
            Letter.mailout_id == mailout_id,
            Letter.verdict == "refused",
            Letter.why.in_(late.LATE),
            Letter.received_at > asking.now() - late.KEPT,
            Mailout.id.is_(None),
        )
        .order_by(Letter.id.desc())
        .limit(LATEST)
    )
    return list(db.session.scalars(query))


def running() -> Running | None:
    """What is sending now; None when nothing is."""
    open_ones = sending.open_rows(asking.now()) if asking.signed_in() else []
    if not open_ones:
        return None
    row = open_ones[-1]
    counts = recent.counts(row)
    goal = counts.total - counts.skipped
    return Running(
        row=row,
        title=chronicle.title(row),
        tried=goal - counts.queued - counts.sending,
        goal=goal,
        others=len(open_ones) - 1,
        mine=asking.may_change(row),
    )


def _lines(query: Select[Any]) -> list[Line]:
    loads = (joinedload(Mailout.list), joinedload(Mailout.created_by))
    rows = db.session.scalars(query.options(*loads)).all()
    counted = _counts(rows)
    return [_line(row, counted[row.id]) for row in rows]


def _line(row: Mailout, counts: Counts) -> Line:
    state = phase(row, asking.now())
    others = state is Phase.WAITING or not asking.may_change(row)
    word = chronicle.to_others(state) if others else words.MAILOUT[state]
    seen = progress.Overview(row, state, counts)
    return Line(row, chronicle.title(row), state, word, _side(seen))


def _counts(rows: Sequence[Mailout]) -> dict[int, Counts]:
    """The counts of all lines; of what is over they are a minute old at most, for only what comes back changes them."""
    kept = cast("dict[tuple[int, int, str], Counts]", current_app.extensions.setdefault(KEPT, {}))
    now = asking.now()
    over = {row.id: (row.id, row.round, f"{now:%Y%m%d%H%M}") for row in rows if phase(row, now) in ENDED}
    known = {one: kept[key] for one, key in over.items() if key in kept}
    counted = recent.counts_of([row for row in rows if row.id not in known])
    while len(kept) > KEPT_MOST:
        kept.pop(next(iter(kept)))
    kept.update({over[one]: counts for one, counts in counted.items() if one in over})
    return known | counted


def _side(seen: progress.Overview) -> str:
    """What there is to say beside the state."""
    row, counts = seen.row, seen.counts
    goal = counts.total - counts.skipped
    match seen.state:
        case Phase.WAITING:
            return "a letter came, and could not be used" if row.problem else f"until {words.moment(row.expires_at)}"
        case Phase.HELD:
            return briefly(row.held_for or Problem.CHECK_FIRST).removeprefix("held, ")
        case Phase.STARTING:
            return f"to {spoken.things(goal, 'customer')}"
        case Phase.SENDING | Phase.PAUSED:
            return f"{spoken.number(goal - counts.queued - counts.sending)} of {spoken.number(goal)}"
        case Phase.COMPLETE:
            return f"{spoken.number(counts.sent)} of {spoken.number(goal)} accepted"
    gone = slip.gone(counts)
    return f"{spoken.number(gone)} of {spoken.number(goal)} had gone" if gone else "nothing was sent"
