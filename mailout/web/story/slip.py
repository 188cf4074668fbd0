"""slip -- the facts beside a mail-out's story: its number and list, whom it goes to, how long what is kept.

Owns     "About this mail-out"; how many copies count as gone
Never    says that it went to somebody whose copy did not go
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.phase import Counts, Phase
from ...core.telling import spoken
from ...current import settings
from ...intake import retention
from .. import words
from . import pace
from .glance import Glance


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the slip "About this mail-out"."""

    label: str
    text: str


def facts(glance: Glance, people: int) -> list[Fact]:
    """The facts beside the story."""
    row, delay = glance.row, words.span(settings().start_delay)
    over = glance.state in (Phase.COMPLETE, Phase.CANCELLED)
    found = [Fact("Number", str(row.id)), Fact("Type", row.list.name)]
    found += _whom(glance, people)
    found.append(Fact("Made by", row.created_by.name))
    if glance.state is Phase.WAITING:
        check = "Yes, nothing goes without your Release" if row.check_first else f"No, it goes {delay} after it arrives"
        found.append(Fact("First check?", check))
    if row.author:
        found.append(Fact("Letter from", row.author))
    if row.started_at and row.finished_at and row.round == 1:  # later rounds begin when a person says so
        found.append(Fact("Took", pace.about(row.finished_at - row.started_at)))
    if glance.state is Phase.HELD and row.held_at:
        found.append(Fact("Kept until", words.day(row.held_at + retention.HELD)))
    if over and row.received_at:
        found.append(Fact("Letter kept until", words.day(row.received_at + retention.LETTERS)))
    if over and glance.counts.total and row.finished_at:
        found.append(Fact("Outcome kept until", words.day(row.finished_at + retention.OUTCOMES)))
    return found


def _whom(glance: Glance, people: int) -> list[Fact]:
    """How many it goes to or went to; nothing where it goes to nobody any more."""
    went = gone(glance.counts)
    match glance.state:
        case Phase.COMPLETE if went == people:
            return [Fact("Went to", spoken.things(people, "customer"))]
        case Phase.COMPLETE | Phase.CANCELLED if went:
            return [Fact("Went to", f"{spoken.number(went)} of {spoken.things(people, 'customer')}")]
        case Phase.COMPLETE:
            return [Fact("Went to", "nobody")]
        case Phase.CANCELLED | Phase.EXPIRED:
            return []
    return [Fact("Goes to", spoken.things(people, "customer"))] if people else []


def gone(counts: Counts) -> int:
    """How many copies went out, whatever became of them later; one in doubt may have."""
    return counts.sent + counts.uncertain + counts.bounced
