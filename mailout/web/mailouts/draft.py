"""draft -- the ways to a new message with the key in its To: a mailto link, two web mails, a draft file, a QR code.

Owns     how the address is written into each of them, escaped for its place
Never    puts a key into an address of ours, a title or a log; adds a Cc, a body or an attachment
Fails    Refused for somebody else's key, NotNow once the address is of no use any more
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from urllib.parse import quote

import segno
from flask import Blueprint, Response

from ...core.phase import Phase, phase
from ...core.reading.head import Mailbox, mailbox_field
from ...core.telling import spoken
from ...current import settings
from ...intake import submission
from ...models import Mailout
from ...outbox.steering import WORDS, NotNow
from .. import asking

blueprint = Blueprint("draft", __name__)

#: A picture of nothing.
NOTHING = b'<svg xmlns="http://www.w3.org/2000/svg"/>'

GMAIL = "https://mail.google.com/mail/?view=cm&fs=1&to="
PLAIN = (b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: 8bit")
OUTLOOK = "https://outlook.office.com/mail/deeplink/compose?to="


@dataclass(frozen=True, slots=True)
class Draft:
    """The address, cut where its key begins, and the links that open a new message to it."""

    before: str
    key: str
    mailto: str
    gmail: str
    outlook: str

    @property
    def address(self) -> str:
        """The whole address."""
        return self.before + self.key


def of(row: Mailout) -> Draft:
    """The draft of a mail-out whose key waits. Only the address stands in the links (RFC 6068 2, 5)."""
    address = submission.key_address(row)
    local = address.rpartition("@")[0]
    before = local.rpartition("-")[0] + "-" if "-" in local else local.partition("+")[0] + "+" if "+" in local else ""
    path = quote(address, safe="@")
    return Draft(before, address[len(before) :], f"mailto:{path}", GMAIL + quote(address), OUTLOOK + quote(address))


def _mine_waiting(mailout_id: int) -> Mailout:
    """The mail-out, if its key is the user's and still waits."""
    row = asking.my_mailout(mailout_id)
    state = phase(row, asking.now())
    if state is not Phase.WAITING:
        raise NotNow(f"Mail-out {mailout_id} {WORDS[state]}, so its address is of no use any more.")
    return row


@blueprint.get("/mailouts/<int:mailout_id>/draft.eml")
def eml(mailout_id: int) -> Response:
    """A message without a body that classic Outlook opens as a draft (X-Unsent)."""
    row = _mine_waiting(mailout_id)
    name = f"{row.list.name}, until {spoken.dated(row.expires_at, settings().time_zone)}"
    head = (b"X-Unsent: 1", mailbox_field("To", Mailbox(name, of(row).address)).rstrip(), b"Subject: ", *PLAIN)
    answer = Response(b"\r\n".join(head) + b"\r\n\r\n", content_type="message/rfc822")
    answer.headers["Content-Disposition"] = 'attachment; filename="mail-out.eml"'
    return answer


@blueprint.get("/mailouts/<int:mailout_id>/address.svg")
def qr(mailout_id: int) -> Response:
    """The mailto link as a QR code, for a phone's camera; nothing once its letter came, while the page was loading."""
    row, picture = asking.my_mailout(mailout_id), io.BytesIO(NOTHING)
    if phase(row, asking.now()) is Phase.WAITING:
        segno.make(of(row).mailto, error="m").save(
            picture,
            kind="svg",
            border=2,
            scale=4,
            dark="#000",
            light="#fff",
            svgclass=None,
            lineclass=None,
            omitsize=True,
        )
    answer = Response(picture.getvalue(), content_type="image/svg+xml")
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
