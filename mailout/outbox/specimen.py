"""specimen -- a letter as its recipients would get it, made for none of them: for the eye, and as a test copy.

Owns     the copy that no customer gets: finished like theirs, with a link for leaving that leads nowhere
Never    uses the key, freezes anybody, counts as a recipient of the mail-out
Commits  never: the press and the queued test copy are the caller's one transaction
"""

from __future__ import annotations

from datetime import datetime

from ..core.copying import compose
from ..core.copying.compose import Prepared, Shared
from ..core.own import code
from ..core.reading.head import Mailbox
from ..current import secret, settings
from ..models import Mailout, Notice, User
from . import queue
from .posting import page

#: Stands for a customer's token where nobody is to be unsubscribed.
NOBODY = "specimen"


def whole(prepared: Prepared, to: Mailbox, name: str) -> bytes:
    """Every octet of a copy to `to`; `name` says for what occasion, so that its Message-ID is its own."""
    own, link = settings().own, page(f"/u/{NOBODY}")
    head = compose.copy_head(
        prepared,
        to=to,
        message_id=f"<specimen-{code(secret(), b'specimen', name.encode())}@{own.domain}>",
        unsubscribe_url=link,
        unsubscribe_address=own.unsubscribe_address(NOBODY),
    )
    return head + b"".join(
        prepared.body[piece.start : piece.end] if isinstance(piece, Shared) else compose.personal(piece, link)
        for piece in prepared.segments
    )


def send(row: Mailout, prepared: Prepared, user: User, now: datetime) -> bool:
    """Queue a test copy to the user alone; False when one was queued within the same minute."""
    name = f"test-copy:{row.id}:{user.id}:{now:%Y%m%d%H%M}"
    notice = Notice(
        name=name,
        kind="test-copy",
        mailout_id=row.id,
        subject=prepared.subject,
        raw=whole(prepared, Mailbox(user.name, user.email), name),
        created_at=now,
    )
    return queue.put_notice(notice, [(user.email, user.name)])
