"""mail -- the tables of a letter's journey: what came, the mail-out it became, who gets a copy, what the relay said.

Owns     Letter, LetterBytes, Mailout, Recipient, Notice, Reply, and what their constraints forbid
Never    stores the state of a mail-out, only facts (times): the state is `core.phase.phase` of the facts and of now
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..core.delivery import State
from ..core.problem import Problem
from .base import Base, one_of
from .book import MailingList
from .people import User

SPOOL_WORDS = ("new", "handled", "quarantined")
VERDICTS = (
    "mail-out",
    "duplicate",
    "refused",
    "bounce",
    "complaint",
    "auto-reply",
    "unsubscribe",
    "reply",
    "other",
    "quarantined",
)
NOTICE_KINDS = (
    "complete",
    "error",
    "waiting",
    "paused",
    "delayed",
    "discarded",
    "returns",
    "reply",
    "support",
    "invite",
    "reset",
    "address",
    "unsubscribed",
    "test-copy",
)


class Letter(Base):
    """A letter that came by POP3. The row stays when its bytes are removed: it is the memory of what was handled."""

    __tablename__ = "letter"
    __table_args__ = (
        UniqueConstraint("digest"),
        one_of("spool", SPOOL_WORDS),
        one_of("verdict", VERDICTS),
        Index(None, "spool", "id"),
        Index(None, "mailout_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    content_digest: Mapped[str] = mapped_column(String(64), default="", server_default="")
    message_id: Mapped[str] = mapped_column(String(998), default="", server_default="")
    received_at: Mapped[datetime]
    size: Mapped[int]
    whole: Mapped[bool] = mapped_column(default=True)
    author: Mapped[str] = mapped_column(String(320), default="", server_default="")
    subject: Mapped[str] = mapped_column(Text, default="", server_default="")
    spool: Mapped[str] = mapped_column(String(20), default="new", server_default="new")
    verdict: Mapped[str | None] = mapped_column(String(20))
    why: Mapped[str] = mapped_column(Text, default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    handled_at: Mapped[datetime | None]
    mailout_id: Mapped[int | None] = mapped_column(ForeignKey("mailout.id", use_alter=True, ondelete="SET NULL"))


class LetterBytes(Base):
    """The raw bytes of a letter, apart from its row so that lists of letters stay light."""

    __tablename__ = "letter_bytes"

    letter_id: Mapped[int] = mapped_column(ForeignKey("letter.id", ondelete="CASCADE"), primary_key=True)
    raw: Mapped[bytes] = mapped_column(LargeBinary)


class Mailout(Base):
    """One sending of one letter to one list, from key to complete notice: the facts."""

    __tablename__ = "mailout"
    __table_args__ = (
        UniqueConstraint("key_digest"),
        UniqueConstraint("press"),
        UniqueConstraint("letter_id"),
        one_of("problem", Problem),
        one_of("held_for", Problem),
        CheckConstraint("(accepted_at IS NULL) OR (letter_id IS NOT NULL)", name="accepted_letter"),
        CheckConstraint("(accepted_at IS NULL) = (starts_at IS NULL)", name="accepted_start"),
        Index(None, "created_by_id", "id"),
        Index(None, "list_id", "id"),
        Index(None, "accepted_at", "finished_at", "cancelled_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("list.id"))
    created_by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    key_nonce: Mapped[bytes] = mapped_column(LargeBinary(16))
    key_digest: Mapped[str] = mapped_column(String(64))
    check_first: Mapped[bool] = mapped_column(default=False, server_default=false())
    press: Mapped[str | None] = mapped_column(String(40))
    watched_at: Mapped[datetime | None]

    letter_id: Mapped[int | None] = mapped_column(ForeignKey("letter.id"))
    received_at: Mapped[datetime | None]
    author: Mapped[str] = mapped_column(String(320), default="", server_default="")
    subject: Mapped[str] = mapped_column(Text, default="", server_default="")
    author_known: Mapped[bool] = mapped_column(default=False, server_default=false())
    seal: Mapped[str] = mapped_column(Text, default="", server_default="")
    changes: Mapped[str] = mapped_column(Text, default="", server_default="")
    problem: Mapped[str | None] = mapped_column(String(30))
    problem_at: Mapped[datetime | None]
    problem_detail: Mapped[str] = mapped_column(Text, default="", server_default="")

    held_at: Mapped[datetime | None]
    held_for: Mapped[str | None] = mapped_column(String(30))
    released_at: Mapped[datetime | None]
    released_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    accepted_at: Mapped[datetime | None]
    starts_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    round: Mapped[int] = mapped_column(default=1, server_default="1")
    tried_all_at: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    tended_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    paused_for: Mapped[str] = mapped_column(Text, default="", server_default="")
    paused_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    cancelled_at: Mapped[datetime | None]
    cancelled_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    finished_at: Mapped[datetime | None]

    list: Mapped[MailingList] = relationship()
    created_by: Mapped[User] = relationship(foreign_keys=[created_by_id])
    letter: Mapped[Letter | None] = relationship(foreign_keys=[letter_id])


class Notice(Base):
    """A letter that we wrote ourselves. `name` says for what occasion: the same one is never written twice."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("name"), one_of("kind", NOTICE_KINDS), Index(None, "mailout_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    mailout_id: Mapped[int | None] = mapped_column(ForeignKey("mailout.id", ondelete="CASCADE"))
    letter_id: Mapped[int | None] = mapped_column(ForeignKey("letter.id", ondelete="SET NULL"))
    subject: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class Recipient(Base):
    """One customer's place in one mail-out, or the one address of a notice; the truth about that copy.

    `claimed_by` names the pump that has it in hand; it is set just while the state is claimed or dot_pending.
    """

    __tablename__ = "recipient"
    __table_args__ = (
        UniqueConstraint("mailout_id", "customer_id"),
        one_of("state", State),
        CheckConstraint("(mailout_id IS NULL) <> (notice_id IS NULL)", name="one_parent"),
        CheckConstraint("(state IN ('claimed', 'dot_pending')) = (claimed_by IS NOT NULL)", name="claim_whole"),
        CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="due_whole"),
        Index(None, "mailout_id", "state", "due_at", "id"),
        Index(None, "notice_id"),
        Index(None, "customer_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mailout_id: Mapped[int | None] = mapped_column(ForeignKey("mailout.id", ondelete="CASCADE"))
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notice.id", ondelete="CASCADE"))
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id", ondelete="SET NULL"))
    address: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(401), default="", server_default="")
    state: Mapped[str] = mapped_column(String(12), default=State.QUEUED, server_default=State.QUEUED)
    reason: Mapped[str] = mapped_column(String(500), default="", server_default="")
    claimed_by: Mapped[str | None] = mapped_column(String(40))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime | None]
    first_tried_at: Mapped[datetime | None]
    dot_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    code: Mapped[int] = mapped_column(default=0, server_default="0")
    enhanced: Mapped[str] = mapped_column(String(12), default="", server_default="")
    reply: Mapped[str] = mapped_column(Text, default="", server_default="")


class Reply(Base):
    """What the relay answered when a copy was not simply accepted, and what came back for it later. Never changed."""

    __tablename__ = "reply"
    __table_args__ = (Index(None, "recipient_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipient.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(12))
    stage: Mapped[str] = mapped_column(String(12))
    code: Mapped[int] = mapped_column(default=0)
    enhanced: Mapped[str] = mapped_column(String(12), default="")
    text: Mapped[str] = mapped_column(Text)
