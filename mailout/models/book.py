"""book -- the tables of the address book: customers, lists, who stands where in them, and who is not written to.

Owns     Customer, MailingList, ListPlace, PlaceChange, Import, ImportRow, Forgotten, and what their constraints forbid
Never    keeps the address of a forgotten customer, only its hash
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    UniqueConstraint,
    false,
    select,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.elements import ColumnElement

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


#: What an import makes of a row of its file; the figures of the seven add up to the file.
VERDICTS = ("new", "updated", "unchanged", "kept-out", "without-address", "duplicate", "refused")


class Customer(Base):
    """Someone in the address book. `email_same` is the address as compared, `fields` what an import brought.

    `sought` is what a search looks in and what a sort by name goes by: last name, first name and address without
    capitals and accents. `came_with` is the import that brought them; until that one is applied they are not `here`.
    """

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("email_same"),
        one_of("suppressed_for", Suppressed),
        CheckConstraint("(suppressed_for IS NULL) = (suppressed_at IS NULL)", name="suppression_whole"),
        Index(None, "sought", "came_with"),
        Index(None, "suppressed_for", "id"),
        Index(None, "came_with"),
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
    sought: Mapped[str] = mapped_column(String(700), default="", server_default="")
    came_with: Mapped[int | None] = mapped_column(ForeignKey("import.id", ondelete="SET NULL"))

    @property
    def name(self) -> str:
        """First and last name, as far as they are known."""
        return f"{self.first_name} {self.last_name}".strip()

    @classmethod
    def here(cls) -> ColumnElement[bool]:
        """Whoever is in the address book: not those whom an import that is still under way would bring."""
        return cls.came_with.is_(None) | cls.came_with.not_in(Import.under_way())

    @classmethod
    def unseen(cls) -> Select[int]:
        """The ids of those others."""
        return select(cls.id).where(cls.came_with.in_(Import.under_way()))


class MailingList(Base):
    """A named set of customers: a type of mail-out. `edition` is another one after every change of its places."""

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
    edition: Mapped[str] = mapped_column(String(16), default="", server_default="")


class ListPlace(Base):
    """Where a customer stands in a list; `chosen` once somebody (not a default) put them there."""

    __tablename__ = "list_place"
    __table_args__ = (
        one_of("place", Place),
        Index(None, "customer_id"),
        Index(None, "list_id", "place", "customer_id"),
        {"sqlite_with_rowid": False},
    )

    list_id: Mapped[int] = mapped_column(ForeignKey("list.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[str] = mapped_column(String(20))
    chosen: Mapped[bool] = mapped_column(default=False, server_default=false())
    changed_at: Mapped[datetime]


class PlaceChange(Base):
    """One change of a place: who, when, how. Nothing here is ever changed.

    `mark` is shared by all changes of one press, so that it can be undone; `was_chosen` is what undoing puts back.
    """

    __tablename__ = "place_change"
    __table_args__ = (
        Index(None, "customer_id", "id"),
        Index(None, "list_id", "became", "at", "was"),
        Index(None, "mark"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("list.id", ondelete="CASCADE"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    was: Mapped[str] = mapped_column(String(20))
    became: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    how: Mapped[str] = mapped_column(String(50))
    reason: Mapped[str] = mapped_column(String(500), default="", server_default="")
    was_chosen: Mapped[bool] = mapped_column(default=False, server_default=false())
    mark: Mapped[str | None] = mapped_column(String(40))

    list: Mapped[MailingList] = relationship()


class Forgotten(Base):
    """The hash of a deleted customer's address, so that an import does not bring them back unnoticed."""

    __tablename__ = "forgotten"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]


class Import(Base):
    """A file of customers: staged, applied at one moment, undone. `edition` is the book that it was compared with."""

    __tablename__ = "import"

    id: Mapped[int] = mapped_column(primary_key=True)
    filename: Mapped[str] = mapped_column(String(200), default="", server_default="")
    wishes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    edition: Mapped[str] = mapped_column(String(64), default="", server_default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]

    @classmethod
    def under_way(cls) -> Select[int]:
        """The ids of imports that are not applied yet."""
        return select(cls.id).where(cls.applied_at.is_(None))


class ImportRow(Base):
    """One row of a file as it was staged: what is to be made of it, and what was there before, for undoing."""

    __tablename__ = "import_row"
    __table_args__ = (
        one_of("verdict", VERDICTS),
        Index(None, "import_id", "verdict", "line"),
        Index(None, "customer_id"),
        {"sqlite_with_rowid": False},
    )

    import_id: Mapped[int] = mapped_column(ForeignKey("import.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text)
    email_same: Mapped[str] = mapped_column(String(254), default="", server_default="")
    first_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    last_name: Mapped[str] = mapped_column(String(200), default="", server_default="")
    sought: Mapped[str] = mapped_column(String(700), default="", server_default="")
    fields: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    listed: Mapped[bool | None]
    verdict: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id", ondelete="CASCADE"))
    was: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
