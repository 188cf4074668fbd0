"""service -- the tables of the machinery: secrets that outlive a move, leases, what was last heard of, the journal.

Owns     Setting, Lease, Pulse, Mailbox, JournalEntry, and what their constraints forbid
Never    knows what they are used for
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base
from .people import User


class Setting(Base):
    """A fact that belongs to the data and not to the machine, such as the secret that signs unsubscribe links."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class Lease(Base):
    """Who may do a work that only one may do at a time, and until when unless they renew it."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    owner: Mapped[str] = mapped_column(String(40))
    until: Mapped[datetime]


class Pulse(Base):
    """When something was last heard of (mailbox, relay, worker), and what is wrong with it, in words."""

    __tablename__ = "pulse"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    tried_at: Mapped[datetime | None]
    well_at: Mapped[datetime | None]
    trouble_since: Mapped[datetime | None]
    trouble: Mapped[str] = mapped_column(Text, default="", server_default="")
    again_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    connections: Mapped[int] = mapped_column(default=0, server_default="0")
    waits_for: Mapped[str] = mapped_column(Text, default="", server_default="")
    waits_until: Mapped[datetime | None]


class Mailbox(Base):
    """A mailbox we have met. Nothing in it is read or removed before it is adopted."""

    __tablename__ = "mailbox"
    __table_args__ = (UniqueConstraint("host", "username"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    username: Mapped[str] = mapped_column(String(255))
    met_at: Mapped[datetime]
    letters_then: Mapped[int]
    adopted_at: Mapped[datetime | None]


class JournalEntry(Base):
    """Who did what, when. Nothing here is ever changed."""

    __tablename__ = "journal_entry"
    __table_args__ = (Index(None, "at"), Index(None, "user_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(String(254))
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(300), default="")
    detail: Mapped[str] = mapped_column(Text, default="")

    user: Mapped[User | None] = relationship()
