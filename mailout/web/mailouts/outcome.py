"""outcome -- the outcome of a mail-out in words: one row for each state, with the reasons behind it.

Owns     the sentences of the ledger
Never    names a customer (that is the page of recipients); says "delivered"

The servers' own words are with each recipient. Here what they mean (`core.returning.diagnosis`) is counted and said
plainly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ...core.delivery import State
from ...core.phase import Counts
from ...core.returning import diagnosis
from ...core.returning.diagnosis import Cause
from ...core.telling import left_out, spoken
from ...models import Recipient, db

#: The order in which states are shown, the good first, then what needs a person.
ORDER = ("sent", "bounced", "failed", "uncertain", "deferred", "sending", "queued", "skipped", "cancelled")
MOST_REASONS = 4

#: The bar over the ledger, in thousandths of its length: at least 4 px of 600 for whatever is not nought.
BAR_LENGTH, BAR_LEAST, BAR_GAP = 1000, 9, 2
BAR_TONES = {
    "sent": "good",
    "bounced": "bad",
    "failed": "bad",
    "uncertain": "look",
    "deferred": "look",
    "sending": "accent",
    "queued": "rest",
    "cancelled": "faint",
}

#: How the feed begins what it writes down when it could not make a copy.
NOT_MADE = "the copy could not be made"
#: So many different answers are looked at; what is beyond them is said as a number.
MOST_ANSWERS = 500

CAUSES = {
    Cause.NO_SUCH_ADDRESS: "address does not exist",
    Cause.NO_SUCH_DOMAIN: "domain does not exist",
    Cause.CLOSED: "mailbox closed",
    Cause.MOVED: "moved to another address",
    Cause.FULL: "mailbox full",
    Cause.TOO_LARGE: "letter too large for the mailbox",
    Cause.CONTENT: "taken for spam",
    Cause.SENDER: "sender not trusted",
    Cause.POLICY: "refused by their rules",
    Cause.TOO_MUCH: "too much mail at a time",
    Cause.NOT_THEIRS: "asked at the wrong server",
    Cause.UNREACHABLE: "their server can’t be reached",
    Cause.UNKNOWN: "refused by the server",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the bar over the ledger."""

    tone: str
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """One state: how many, and in one sentence why. `due_at` is the next try of the deferred."""

    state: str
    count: int
    why: str
    due_at: datetime | None = None


def rows(mailout_id: int, counts: Counts, *, brief: bool) -> tuple[Row, ...]:
    """The states that somebody is in. `brief`: while it sends, when those that wait or are left out are no news."""
    told = counts.as_words()
    hidden = ("queued", "sending", "skipped", "cancelled") if brief else ()
    return tuple(_row(mailout_id, state, told[state]) for state in ORDER if told[state] and state not in hidden)


def bars(found: Sequence[Row]) -> tuple[Bar, ...]:
    """The states side by side on a bar of BAR_LENGTH; whatever is not nought can be seen."""
    shown = [row for row in found if row.state in BAR_TONES]
    total = sum(row.count for row in shown)
    widths = [max(BAR_LEAST, row.count * BAR_LENGTH // total) for row in shown] if total else []
    if widths:
        widths[widths.index(max(widths))] -= sum(widths) - BAR_LENGTH
    found_bars, x = [], 0
    for row, width in zip(shown, widths, strict=True):
        found_bars.append(Bar(BAR_TONES[row.state], x, max(width - BAR_GAP, 1)))
        x += width
    return tuple(found_bars)


def _row(mailout_id: int, state: str, count: int) -> Row:
    if state == "deferred":
        return Row(state, count, "Their server said “try later”, so we do.", next_due(mailout_id))
    return Row(state, count, _why(mailout_id, state, count))


def _why(mailout_id: int, state: str, count: int) -> str:
    """The sentence of a state."""
    if state in ("failed", "bounced"):
        return _sentence(_refusals(mailout_id, State(state), count), "“", "”")
    if state == "skipped":
        return _sentence(_left_out(mailout_id))
    return {
        "sent": "The furthest anyone can see. What comes back later moves to Bounced.",
        "uncertain": "They may have it: the line broke at the last word. Nobody gets two unless you say so.",
        "cancelled": "Their copy had not gone yet.",
        "queued": "Their turn comes.",
        "sending": "On the wire at this moment.",
    }[state]


def next_due(mailout_id: int) -> datetime | None:
    """When the first deferred copy is tried again."""
    return db.session.scalar(
        select(func.min(Recipient.due_at)).where(Recipient.mailout_id == mailout_id, Recipient.state == State.DEFERRED)
    )


def _refusals(mailout_id: int, state: State, count: int) -> dict[str, int]:
    """How many were refused for what, in plain words."""
    query = (
        select(Recipient.code, Recipient.enhanced, Recipient.reply, func.count())
        .where(Recipient.mailout_id == mailout_id, Recipient.state == state)
        .group_by(Recipient.code, Recipient.enhanced, Recipient.reply)
        .order_by(func.count().desc())
        .limit(MOST_ANSWERS)
    )
    found: dict[str, int] = {}
    for code, enhanced, reply, number in db.session.execute(query):
        meaning = refusal_words(code, enhanced, reply)
        found[meaning] = found.get(meaning, 0) + number
    rest = count - sum(found.values())
    return found | ({"not looked at one by one": rest} if rest > 0 else {})


def refusal_words(code: int, enhanced: str, reply: str) -> str:
    """What a server's refusal means, by its words and its numbers; without a number no server said it."""
    if not code:
        return "no copy could be made" if reply.startswith(NOT_MADE) else "no answer that could be read"
    return CAUSES[diagnosis.cause_of(enhanced, f"{code or ''} {enhanced} {reply}")]


def _left_out(mailout_id: int) -> dict[str, int]:
    """How many were skipped for what."""
    query = (
        select(Recipient.reason, func.count())
        .where(Recipient.mailout_id == mailout_id, Recipient.state == State.SKIPPED)
        .group_by(Recipient.reason)
    )
    found: dict[str, int] = {}
    for reason, count in db.session.execute(query):
        meaning = left_out.in_words(reason)
        found[meaning] = found.get(meaning, 0) + count
    return found


def _sentence(reasons: dict[str, int], mark: str = "", end: str = "") -> str:
    """The reasons with their numbers, the most frequent first: "4 “address does not exist”, 1 “mailbox full”."."""
    order = sorted(reasons.items(), key=lambda item: -item[1])
    said = [f"{spoken.number(count)} {mark}{meaning}{end}" for meaning, count in order[:MOST_REASONS]]
    rest = sum(count for _, count in order[MOST_REASONS:])
    if rest:
        said.append(f"{spoken.number(rest)} for other reasons")
    if len(order) == 1:
        only = order[0][0]
        return f"{only[0].upper()}{only[1:]}."
    return f"{', '.join(said)}." if said else ""
