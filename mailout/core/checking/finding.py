"""finding -- what the doctor found in one place.

Owns     the three words for how it is, and the form in which a finding is told
Never    decides how something is
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it is; FAILED: letters do not come or go, or data is in danger."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Part(StrEnum):
    """What was looked at, in the order in which it is told."""

    CONFIGURATION = "configuration"
    DATABASE = "database"
    MACHINE = "machine"
    WORKER = "worker"
    MAILBOX = "mailbox"
    RELAY = "relay"
    DNS = "dns"
    ROUND_TRIP = "round-trip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `text` says what was found, `advice` what it means and what to change."""

    part: Part
    status: Status
    text: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as a program reads it."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(part: Part, text: str, advice: str = "") -> Finding:
    """Something is as it should be; `advice` is then a hint that nobody has to follow."""
    return Finding(part, Status.OK, text, advice)


def warning(part: Part, text: str, advice: str) -> Finding:
    """Something works, or may work, and could be better."""
    return Finding(part, Status.WARNING, text, advice)


def failed(part: Part, text: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(part, Status.FAILED, text, advice)
