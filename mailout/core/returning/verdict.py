"""verdict -- the things that a letter can be.

Owns     the values that `triage` gives and everybody behind it takes
Never    decides which of them a letter is
"""

from __future__ import annotations

from dataclasses import dataclass

from . import diagnosis


@dataclass(frozen=True, slots=True)
class Report:
    """What came back about one address. `recipient_ids` are ours, by token or Message-ID; `address` is the report's.

    `diagnosis` is in the server's words. `permanent`: it will not be tried again. `also`: other addresses in the same
    breath, where the letter was forwarded to.
    """

    recipient_ids: tuple[int, ...]
    address: str
    action: str
    status: str
    diagnosis: str
    permanent: bool
    address_fault: bool
    mailbox_full: bool
    also: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """Why it came back, as a sentence for a person."""
        return diagnosis.in_words(self.status, self.diagnosis)


@dataclass(frozen=True, slots=True)
class Keyed:
    """A letter to key addresses; `damaged`: something else stands where a key should be."""

    keys: tuple[str, ...]
    damaged: bool


@dataclass(frozen=True, slots=True)
class Bounced:
    """Copies that came back; `delayed`: nothing has failed yet."""

    reports: tuple[Report, ...]
    delayed: bool


@dataclass(frozen=True, slots=True)
class Complaint:
    """Somebody called a copy spam. `members` are (list, customer), from an unsubscribe link in what was returned."""

    recipient_ids: tuple[int, ...]
    addresses: tuple[str, ...]
    members: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Leaves:
    """A customer leaves a list."""

    list_id: int
    customer_id: int


@dataclass(frozen=True, slots=True)
class AutoReply:
    """A program answered; `why` we think so."""

    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A person answered a copy."""

    recipient_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """None of these; `why` it is left alone."""

    why: str


Verdict = Keyed | Bounced | Complaint | Leaves | AutoReply | Answer | Other
