"""restored -- what is said after a restore: on the mail-outs that wait, to the Administrators, at the shell.

Owns     these words, and the values that they are made of
Never    says what happened after the backup was taken, for nobody here knows; says what can have happened
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from ..phase import Counts, Phase
from .notices import Written, line
from .spoken import dated, number, things

ASK = (
    "Look in your mail provider's log who got it, and compare that with the list of recipients on its page. Resume "
    "writes to everybody who is queued; Cancel writes to nobody more."
)
LOST = (
    "What came after that time is not there any more. Who unsubscribed or was suppressed since is written to again, "
    "unless you take them out. Letters that were read from the mailbox since (bounces, answers, unsubscribing) are "
    "gone from it. Customers, users and passwords are as they were, and everybody signs in again."
)


@dataclass(frozen=True, slots=True)
class Stilled:
    """A mail-out that is not over, as it was in the backup."""

    id: int
    state: Phase
    list_name: str
    subject: str
    counts: Counts

    @property
    def words(self) -> str:
        """The mail-out in one line, and how far it was."""
        subject = f'"{line(self.subject)}"' if line(self.subject) else "without a subject"
        wanted = self.counts.total - self.counts.skipped
        return f"{line(self.list_name)}, {subject}: {number(self.counts.sent)} of {number(wanted)} had gone"


@dataclass(frozen=True, slots=True)
class Found:
    """What a backup holds: the mail-outs in it that are not over, how many keys wait, how many letters are held.

    `exact`: the time is what the backup says itself, and not the last that was written down in it.
    """

    taken_at: datetime
    exact: bool
    stilled: tuple[Stilled, ...]
    keys: int
    held: int


def about(taken_at: datetime, zone: tzinfo, *, exact: bool) -> str:
    """From when the data is."""
    return f"It was restored from {_source(exact=exact)} {dated(taken_at, zone)}."


def _source(*, exact: bool) -> str:
    """What stands before the time: a file that is no backup of ours only shows when it was last written to."""
    return "a backup of" if exact else "a copy that was last written to on"


def why(taken_at: datetime, zone: tzinfo, *, exact: bool) -> str:
    """Why a mail-out is paused."""
    doubt = "Whoever is still queued may have had their copy after that."
    return f"{about(taken_at, zone, exact=exact)} {doubt} {ASK}"


def doubt(taken_at: datetime, zone: tzinfo, *, exact: bool) -> str:
    """What to think of before a letter is released that comes to an old key, or was held already."""
    since = f"Since then {_source(exact=exact)} {dated(taken_at, zone)} was restored, and the letter may have gone out"
    return f"{since} after that time. Look in your mail provider's log before you press Release."


def waiting(found: Found) -> list[str]:
    """What waits besides the mail-outs, a sentence each."""
    keys = things(found.keys, "key waits for its letter", "keys wait for their letters")
    held = things(found.held, "letter is held", "letters are held")
    said = []
    if found.keys:
        said.append(f"{keys}, and may have been used since: what comes for one now is held until Release.")
    if found.held:
        said.append(f"{held}, and may have been released since: look before you press Release.")
    return said


def told(found: Found, zone: tzinfo, url: str) -> Written:
    """The mail to the Administrators."""
    paused = things(len(found.stilled), "mail-out is paused", "mail-outs are paused")
    lines = "\n".join(f"  {one.words}" for one in found.stilled)
    parts = [
        f"The data of Mailout was exchanged. {about(found.taken_at, zone, exact=found.exact)}",
        f"{paused}. {ASK}\n\n{lines}" if found.stilled else "No mail-out was under way in it.",
        *waiting(found),
        LOST,
        url,
    ]
    return Written("Mailout restored", "\n\n".join(parts) + "\n")
