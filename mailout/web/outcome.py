"""outcome -- the outcome of a mail-out in words: one row for each state, with the reasons behind it.

Owns     the sentences of the ledger, and what a server's code means for a reader
Never    names a customer (that is the page of recipients); says "delivered"

The servers' own words are with each recipient. Here their enhanced codes (RFC 3463) are counted and said plainly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ..core import spoken
from ..core.delivery import State
from ..core.phase import Counts
from ..models import Recipient, Suppressed, db
from ..outbox import queue

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

#: Subject and detail of an enhanced code, and what a reader makes of it.
CODES = {
    "1.0": "address refused",
    "1.1": "address does not exist",
    "1.2": "domain does not exist",
    "1.3": "not a valid address",
    "1.6": "moved, no new address",
    "1.10": "domain takes no mail",
    "2.0": "mailbox does not work",
    "2.1": "mailbox disabled",
    "2.2": "mailbox full",
    "2.3": "letter too large for the mailbox",
    "3.4": "letter too large for their server",
    "4.1": "their server does not answer",
    "4.4": "no way to their server",
    "4.7": "tried too long in vain",
}
SUBJECTS = {
    "1": "address refused",
    "2": "mailbox does not work",
    "3": "their server does not take it",
    "4": "their server can’t be reached",
    "5": "their server refused it",
    "6": "their server can’t take this form",
    "7": "refused by their rules",
}
SUPPRESSED = {
    Suppressed.UNSUBSCRIBED: "asked for no mail at all",
    Suppressed.BOUNCED: "left out, for mail came back",
    Suppressed.COMPLAINED: "complained",
    Suppressed.BY_HAND: "stopped by hand",
}
SKIPPED = {
    queue.EXCLUDED: "excluded while it was going out",
    queue.UNSUBSCRIBED: "unsubscribed while it was going out",
    queue.SUPPRESSED: "stopped",
    queue.DELETED: "deleted",
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
    return Row(state, count, _why(mailout_id, state))


def _why(mailout_id: int, state: str) -> str:
    """The sentence of a state."""
    if state in ("failed", "bounced"):
        return _sentence(_refusals(mailout_id, State(state)), "“", "”")
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


def _refusals(mailout_id: int, state: State) -> dict[str, int]:
    """How many were refused for what, in plain words."""
    query = (
        select(Recipient.code, Recipient.enhanced, func.count())
        .where(Recipient.mailout_id == mailout_id, Recipient.state == state)
        .group_by(Recipient.code, Recipient.enhanced)
    )
    found: dict[str, int] = {}
    for code, enhanced, count in db.session.execute(query):
        meaning = code_words(code, enhanced)
        found[meaning] = found.get(meaning, 0) + count
    return found


def code_words(code: int, enhanced: str) -> str:
    """What a refusal means, by its enhanced code, else by its plain one (RFC 5321 4.2.3)."""
    rest = enhanced.partition(".")[2]
    plain = {552: "mailbox full", 550: "address refused", 551: "address refused", 553: "address refused"}
    return CODES.get(rest) or SUBJECTS.get(rest.partition(".")[0]) or plain.get(code) or "refused by the server"


def _left_out(mailout_id: int) -> dict[str, int]:
    """How many were skipped for what."""
    query = (
        select(Recipient.reason, func.count())
        .where(Recipient.mailout_id == mailout_id, Recipient.state == State.SKIPPED)
        .group_by(Recipient.reason)
    )
    found: dict[str, int] = {}
    for reason, count in db.session.execute(query):
        meaning = reason_words(reason)
        found[meaning] = found.get(meaning, 0) + count
    return found


def reason_words(reason: str) -> str:
    """Why somebody was skipped, in plain words."""
    word, _, more = (part.strip() for part in reason.partition(":"))
    if word == queue.SUPPRESSED and more in SUPPRESSED:
        return SUPPRESSED[Suppressed(more)]
    if word == queue.EXCLUDED and more:
        return f"excluded {more}"
    return SKIPPED.get(word, reason or "left out")


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
