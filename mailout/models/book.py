"""book -- the tables of the address book: customers, lists, who stands where in them, and who is not written to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, one_of


class Place(StrEnum):
    """A customer's place in a list. Whoever has no row in it is excluded, and nobody chose that."""

    INCLUDED = "included"
    EXCLUDED = "excluded"
    UNSUBSCRIBED = "unsubscribed"


class Suppressed(StrEnum):
    """Why a customer gets no mail-out, whatever the lists say."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BY_HAND = "by-hand"


class Customer(Base):
    """Someone in the address book. `email_same` is the address as compared, `fields` what an import brought."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("email_same"),
        one_of("suppressed_for", Suppressed),
        CheckConstraint("(suppressed_for IS NULL) = (suppressed_at IS NULL)", name="suppression_whole"),
        Index(None, "last_name", "first_name", "id"),
        Index(None, "suppressed_for", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_same: Mapped[str] = mapped_column(String(254))
    first_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    last_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    fields: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime]
    suppressed_for: Mapped[str | None] = mapped_column(String(20))
    suppressed_at: Mapped[datetime | None]
    suppressed_why: Mapped[str] = mapped_column(String(500), default="", server_default="")

    @property
    def name(self) -> str:
        """First and last name, as far as they are known."""
        return f"{self.first_name} {self.last_name}".strip()


class MailingList(Base):
    """A named set of customers: a type of mail-out."""

    __tablename__ = "list"
    __table_args__ = (UniqueConstraint("name_same"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_same: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), default="", server_default="")
    includes_new: Mapped[bool] = mapped_column(default=True, server_default=true())
    unsubscribe_line: Mapped[bool] = mapped_column(default=True, server_default=true())
    unsubscribe_wording: Mapped[str] = mapped_column(Text, default="", server_default="")
    customers_may_see: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class ListPlace(Base):
    """Where a customer stands in a list; `chosen` once somebody (not a default) put them there."""

    __tablename__ = "list_place"
    __table_args__ = (
        one_of("place", Place),
        Index(None, "customer_id"),
        Index(None, "list_id", "place", "customer_id"),
    )

    list_id: Mapped[int] = mapped_column(ForeignKey("list.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[str] = mapped_column(String(20))
    chosen: Mapped[bool] = mapped_column(default=False, server_default=false())
    changed_at: Mapped[datetime]


class PlaceChange(Base):
    """One change of a place: who, when, how. Nothing here is ever changed."""

    __tablename__ = "place_change"
    __table_args__ = (Index(None, "customer_id", "id"), Index(None, "list_id", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("list.id", ondelete="CASCADE"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    was: Mapped[str] = mapped_column(String(20))
    became: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    how: Mapped[str] = mapped_column(String(50))
    reason: Mapped[str] = mapped_column(String(500), default="", server_default="")

    list: Mapped[MailingList] = relationship()


class Forgotten(Base):
    """The hash of a deleted customer's address, so that an import does not bring them back unnoticed."""

    __tablename__ = "forgotten"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
