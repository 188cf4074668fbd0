"""phase -- the state of a mail-out, derived from its facts.

Owns     the eight words that `state` has, and what may be done in which of them
Never    is stored: a mail-out's row holds times, and its state is a function of those and of now
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """Where a mail-out stands, in the words of the contract."""

    WAITING = "waiting"
    HELD = "held"
    STARTING = "starting"
    SENDING = "sending"
    PAUSED = "paused"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Facts(Protocol):
    """What of a mail-out's row its state depends on."""

    @property
    def expires_at(self) -> datetime: ...
    @property
    def held_at(self) -> datetime | None: ...
    @property
    def accepted_at(self) -> datetime | None: ...
    @property
    def starts_at(self) -> datetime | None: ...
    @property
    def paused_at(self) -> datetime | None: ...
    @property
    def cancelled_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


def phase(facts: Facts, now: datetime) -> Phase:
    """The state of the mail-out that has these facts, at `now`."""
    if facts.cancelled_at:
        return Phase.CANCELLED
    if facts.accepted_at and facts.starts_at:
        return _after_acceptance(facts, facts.starts_at, now)
    if facts.held_at:
        return Phase.HELD
    return Phase.EXPIRED if now >= facts.expires_at else Phase.WAITING


def _after_acceptance(facts: Facts, starts_at: datetime, now: datetime) -> Phase:
    """The state once the recipients are frozen."""
    if facts.finished_at:
        return Phase.COMPLETE
    if facts.paused_at:
        return Phase.PAUSED
    return Phase.STARTING if now < starts_at else Phase.SENDING


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recipients are in each state, by the words of the contract."""

    queued: int = 0
    sending: int = 0
    sent: int = 0
    deferred: int = 0
    failed: int = 0
    skipped: int = 0
    uncertain: int = 0
    bounced: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All recipients that were frozen."""
        return sum(getattr(self, name) for name in self.__slots__)

    @property
    def unsettled(self) -> int:
        """How many still have something before them."""
        return self.queued + self.sending + self.deferred

    def as_words(self) -> dict[str, int]:
        """The counts as `mailouts show --json` prints them."""
        return {name: getattr(self, name) for name in self.__slots__} | {"total": self.total}


ENDED = frozenset({Phase.COMPLETE, Phase.CANCELLED, Phase.EXPIRED})

#: What a person may do in which state. Cancel takes back a key, is Stop while it starts, and ends a sending one.
MAY = {
    "cancel": frozenset({Phase.WAITING, Phase.HELD, Phase.STARTING, Phase.SENDING, Phase.PAUSED}),
    "pause": frozenset({Phase.STARTING, Phase.SENDING}),
    "resume": frozenset({Phase.PAUSED}),
    "release": frozenset({Phase.HELD}),
    "discard": frozenset({Phase.HELD}),
    "retry-failed": frozenset({Phase.COMPLETE}),
    "send-again-uncertain": frozenset({Phase.COMPLETE}),
}
