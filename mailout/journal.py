"""journal -- who did what: the audit log.

Owns     the table `journal_entry`, and `Actor`, whoever does something
Never    is changed or thinned out; holds a key, a password or a token
Commits  leaves that to the caller: the deed and its entry are one transaction
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .models import JournalEntry, db


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a user, or a command line, a customer, Mailout itself (then `user_id` is None)."""

    user_id: int | None
    name: str


MAILOUT = Actor(None, "Mailout")
COMMAND = Actor(None, "command line")


def note(actor: Actor, action: str, subject: str, detail: str, now: datetime) -> None:
    """Add an entry; `action` is a word like "mailout.cancel", `subject` what it was done to."""
    db.session.add(
        JournalEntry(
            at=now,
            user_id=actor.user_id,
            actor=_one_line(actor.name, 254),
            action=action,
            subject=_one_line(subject, 300),
            detail=_one_line(detail, 5000),
        )
    )


def _one_line(text: str, most: int) -> str:
    """`text` without line breaks and control characters: an entry can't be forged by a name with a line break in it."""
    return "".join(character if character.isprintable() else " " for character in text)[:most]
