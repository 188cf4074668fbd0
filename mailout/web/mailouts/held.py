"""held -- the sheet of a letter that waits for Release: why it does, what is asked of whom.

Owns     the questions that a held letter puts to its user, to an Administrator, and to who only watches
Never    decides what is held: that is `core.acceptance`
"""

from __future__ import annotations

from dataclasses import dataclass

from ...book import users
from ...core.problem import Problem
from ...core.telling.refusals import HOLDING
from ..story import chronicle
from ..story.glance import Glance
from . import preview
from .preview import Looked


@dataclass(frozen=True, slots=True)
class Held:
    """Why the letter waits. `stranger` is the unknown address that it came from, if that is the reason.

    `looked` is None for who may not see the letter, and when it is not kept any more.
    """

    heading: str
    why: str
    then: str
    stranger: str
    addresses: tuple[str, ...]
    people: int
    someone: str
    looked: Looked | None


def why(glance: Glance, people: int) -> Held:
    """What the sheet says to this reader."""
    row = glance.row
    problem = Problem(row.held_for or Problem.CHECK_FIRST)
    stranger = row.author if problem is Problem.UNKNOWN_SENDER else ""
    looked = preview.looked(row) if glance.mine else None
    reason, then = HOLDING[problem]
    if problem is Problem.UNKNOWN_SENDER and not stranger:
        reason, then = _nameless(looked)
    return Held(
        heading=_heading(glance, problem),
        why=reason,
        then=then if glance.mine else "",
        stranger=stranger,
        addresses=tuple(one.address for one in users.addresses(row.created_by_id) if one.confirmed_at),
        people=people,
        someone=preview.someone(row.list_id),
        looked=looked,
    )


def _heading(glance: Glance, problem: Problem) -> str:
    """What is asked of who reads: only who made the mail-out knows whether it was they who wrote."""
    if not glance.mine:
        return "It waits until it is released"
    if problem is not Problem.UNKNOWN_SENDER:
        return "Read it once more, then release it"
    return "Was this you?" if chronicle.own(glance) else f"Was this {glance.row.created_by.name}?"


def _nameless(looked: Looked | None) -> tuple[str, str]:
    """What there is to say of a letter that names no sender at all."""
    copies = f" The copies go out from {looked.from_}." if looked else ""
    return "It names nobody as its sender.", f"If it is yours, press Release.{copies}"
