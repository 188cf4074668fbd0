"""models -- the tables and their rules.

Owns     every table, every named constraint, and `db`, the way to them
Never    decides anything: a table says what can't be, the modules above say what is done
"""

from .base import Base, UtcDateTime, changed, db, engine_options, tell_sqlite
from .book import Customer, Forgotten, Import, ImportRow, ListPlace, MailingList, Place, PlaceChange, Suppressed
from .mail import Letter, LetterBytes, Mailout, Notice, Recipient, Reply
from .people import Link, SignIn, SupportRequest, User, UserAddress
from .service import JournalEntry, Lease, Mailbox, Pulse, Setting

__all__ = [
    "Base",
    "Customer",
    "Forgotten",
    "Import",
    "ImportRow",
    "JournalEntry",
    "Lease",
    "Letter",
    "LetterBytes",
    "Link",
    "ListPlace",
    "Mailbox",
    "MailingList",
    "Mailout",
    "Notice",
    "Place",
    "PlaceChange",
    "Pulse",
    "Recipient",
    "Reply",
    "Setting",
    "SignIn",
    "SupportRequest",
    "Suppressed",
    "User",
    "UserAddress",
    "UtcDateTime",
    "changed",
    "db",
    "engine_options",
    "tell_sqlite",
]
