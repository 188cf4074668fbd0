"""problem -- every reason for which a letter is not sent at once.

Owns     the words that `problem` has in the contract, and which of them hold a letter instead of refusing it
Never    says them in sentences: that is `notices`, which has one text for each member
"""

from __future__ import annotations

from enum import StrEnum


class Problem(StrEnum):
    """What is wrong with a letter. Only sending uses a key up: after any of these it stays good."""

    KEY_UNKNOWN = "key-unknown"
    KEY_DAMAGED = "key-damaged"
    KEY_USED = "key-used"
    KEY_EXPIRED = "key-expired"
    TWO_KEYS = "two-keys"
    CANCELLED = "cancelled"
    NOT_PERMITTED = "not-permitted"
    LIST_ARCHIVED = "list-archived"
    LIST_EMPTY = "list-empty"
    TOO_LARGE = "too-large"
    UNREADABLE = "unreadable"
    KEY_IN_TEXT = "key-in-text"

    CHECK_FIRST = "check-first"
    UNKNOWN_SENDER = "unknown-sender"
    REPLY = "reply"
    ENCRYPTED = "encrypted"
    SIGNATURE_WOULD_BREAK = "signature-would-break"
    PRIVATE_LINKS = "private-links"
    WINMAIL = "winmail"
    VERY_LARGE = "very-large"


#: A letter with one of these waits for Release; with any other it is refused.
HOLDS = frozenset(
    {
        Problem.CHECK_FIRST,
        Problem.UNKNOWN_SENDER,
        Problem.REPLY,
        Problem.ENCRYPTED,
        Problem.SIGNATURE_WOULD_BREAK,
        Problem.PRIVATE_LINKS,
        Problem.WINMAIL,
        Problem.VERY_LARGE,
    }
)
