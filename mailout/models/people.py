"""people -- the tables of who uses Mailout: users, where they write from, their sessions, links mailed to them.

Owns     User, UserAddress, SignIn, Link, SupportRequest, and what their constraints forbid
Never    keeps a password, a link's secret or a session's secret, only their hashes
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, one_of

LINK_KINDS = ("invite", "reset", "address", "first-run")


class User(Base):
    """Someone who signs in. `email` is shown as typed, `email_same` is what is compared."""

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("email_same"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    email_same: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_administrator: Mapped[bool] = mapped_column(default=False, server_default=false())
    may_send: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    theme: Mapped[str] = mapped_column(String(10), default="", server_default="")
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]

    addresses: Mapped[list[UserAddress]] = relationship(back_populates="user", order_by="UserAddress.id")

    @property
    def sends(self) -> bool:
        """Whether they may make mail-outs."""
        return self.is_active and (self.is_administrator or self.may_send)


class UserAddress(Base):
    """An address that a user writes from. Their `email` is one of them, confirmed from the start."""

    __tablename__ = "user_address"
    __table_args__ = (UniqueConstraint("address_same"), Index(None, "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String(254))
    address_same: Mapped[str] = mapped_column(String(254))
    confirmed_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(back_populates="addresses")


class SignIn(Base):
    """A session that lives here, so that signing out ends it on the server. The cookie holds what `digest` hashes."""

    __tablename__ = "sign_in"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    browser: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(64), default="")

    user: Mapped[User] = relationship()


class Link(Base):
    """A link or code that works once until it expires: invitation, new password, an address to confirm, first run."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("digest"), one_of("kind", LINK_KINDS))

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    address_id: Mapped[int | None] = mapped_column(ForeignKey("user_address.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default="0")


class SupportRequest(Base):
    """What a user asked, kept with the state of their latest mail-outs at that moment."""

    __tablename__ = "support_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(String(300))
    message: Mapped[str] = mapped_column(Text)
    state_then: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship()
