"""posting -- a notice on its way into the outbox.

Owns     that a notice of one name is written once, and a Message-ID that is the same whenever it is sent
Never    decides what is said or to whom (that is `notify`), sends
Commits  never: what happened and the notice that tells of it are the caller's one transaction
"""

from __future__ import annotations

from datetime import datetime

from ..core.own import code
from ..core.telling import notices
from ..core.telling.notices import Occasion, Written
from ..current import secret, settings
from ..models import Mailout, Notice
from ..models.blob import fill
from . import queue

Address = tuple[str, str]


def put(
    name: str,
    kind: str,
    to: Address,
    written: Written,
    now: datetime,
    *,
    mailout_id: int | None = None,
    letter_id: int | None = None,
) -> bool:
    """Queue a notice to one address, unless one of this name was queued before; returns whether it is queued now."""
    own = settings().own
    octets = notices.message(
        written,
        sender=(settings().organisation_name, own.sender),
        to=to,
        message_id=f"<notice-{_code(name, now)}@{own.domain}>",
        date=now,
        own_mail=code(secret(), b"own mail"),
    )
    notice = Notice(
        name=name,
        kind=kind,
        mailout_id=mailout_id,
        letter_id=letter_id,
        subject=written.subject,
        raw=b"",
        created_at=now,
    )
    new = queue.put_notice(notice, [(to[1], to[0])])
    if new:
        fill(Notice.raw, Notice.id, notice.id, octets)
    return new


def _code(name: str, now: datetime) -> str:
    """What makes a notice's Message-ID its own; after a restore one of the same name can be another letter."""
    return code(secret(), b"notice", name.encode(), now.isoformat().encode())


def occasion(row: Mailout) -> Occasion:
    """The mail-out in the words of a notice."""
    answers = row.letter.message_id if row.letter else ""
    return Occasion(row.list.name, row.subject, page(f"/mailouts/{row.id}"), answers)


def page(path: str) -> str:
    """The public address of a page."""
    return settings().base_url + path


def mark(link: str) -> str:
    """Something of a secret link that is unique and gives nothing away."""
    return code(secret(), b"link", link.encode())
