"""completion -- the words of the complete mail.

Owns     what is said at the end of a mail-out: the counts, the recipients, those apart who did not get it and why
Never    names anybody in a mail that goes to an address which is no user's
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..phase import Counts
from .notices import Occasion, Row, Written, line
from .spoken import number, things


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a complete mail tells."""

    counts: Counts
    rows: Sequence[Row] = field(default=())
    changes: str = ""
    seal: str = ""
    cancelled: bool = False
    follow_up: bool = False


HEADS = {
    "sent": "Accepted by your mail provider",
    "failed": "Failed: they did not get it",
    "uncertain": "Uncertain: they may have it",
    "deferred": "Still being tried",
    "bounced": "Came back",
    "skipped": "Left out",
    "cancelled": "Cancelled before their copy went",
}


def complete(about: Occasion, outcome: Outcome) -> Written:
    """The complete mail with its recipients, those it did not simply go to apart, each with the reason."""
    counts = outcome.counts
    went = f"{things(counts.sent, 'copy', 'copies')} of {number(counts.total)} accepted by your mail provider."
    parts = [
        _first(about, outcome),
        went,
        _ledger(counts),
        *_groups(outcome.rows, counts),
        *filter(None, [outcome.seal, outcome.changes]),
    ]
    parts.append(f"Everything about it, and what can be done for those who did not get it:\n{about.url}")
    return Written("Mail-out complete", "\n\n".join(parts) + "\n", about.answers, about.references)


def _first(about: Occasion, outcome: Outcome) -> str:
    """The sentence that says what is over."""
    begin = f"{about.letter} to {line(about.list_name)}"
    if outcome.cancelled:
        return f"{begin} was cancelled while it was being sent."
    if outcome.follow_up:
        return f"{begin}: the last copies that were still being tried are settled."
    if outcome.counts.unsettled:
        return (
            f"{begin} has gone to everybody once. Some copies are still being tried; "
            "you hear again when they are settled."
        )
    return f"{begin} is complete."


def complete_without_names(about: Occasion, outcome: Outcome) -> Written:
    """The complete mail for an address that is no user's: counts, and a link behind which one signs in."""
    counts = outcome.counts
    text = "\n\n".join(
        [
            _first(about, outcome),
            f"{things(counts.sent, 'copy', 'copies')} of {number(counts.total)} accepted by your mail provider.",
            _ledger(counts),
            f"Who they are is shown after signing in:\n{about.url}",
        ]
    )
    return Written("Mail-out complete", text + "\n", about.answers, about.references)


def _ledger(counts: Counts) -> str:
    """The counts that are not nought, a line each."""
    words = counts.as_words()
    lines = [f"{number(words[state]):>9}  {head}" for state, head in HEADS.items() if words[state]]
    return "\n".join(lines) or "        0  copies"


def _groups(rows: Sequence[Row], counts: Counts) -> list[str]:
    """The recipients by state, those that need a look first; the file holds whoever is not named here."""
    order = ("failed", "uncertain", "deferred", "bounced", "skipped", "cancelled", "sent")
    groups = []
    for state in order:
        names = [f"  {row.who}" + (f"\n      {row.why}" if row.why else "") for row in rows if row.state == state]
        if names:
            groups.append(f"{HEADS[state]}\n" + "\n".join(names))
    left = counts.total - len(rows)
    if left > 0:
        groups.append(f"{number(left)} more are in the attached file recipients.csv, which lists all of them.")
    return groups
