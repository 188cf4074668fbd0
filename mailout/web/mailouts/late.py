"""late -- "Send it after all": a letter that came too late, or with a used key, is looked at and released.

Owns     /mailouts/late/<letter>
Never    uses the old key again; sends before the press
Fails    Refused for another's letter, Fault in words once it can't be sent any more, LookupError when there is none
Commits  the press of Release, and rings the doorbell
"""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from ... import doorbell
from ...book import lists, users
from ...intake import late
from ...intake.late import Late
from ...models import Letter, Mailout, db
from .. import asking
from . import preview

blueprint = Blueprint("late", __name__)


def _mine(letter_id: int) -> Late:
    """The late letter, for somebody who may steer the mail-out that it was meant for."""
    found = late.find(letter_id, asking.now())
    asking.my_mailout(found.meant_for.id)
    return found


def _sent_as(letter_id: int) -> AnyResponse | None:
    """The way to the mail-out that was made of the letter; None while it waits."""
    query = select(Mailout.id).join(Letter, Letter.id == Mailout.letter_id)
    made = db.session.scalar(query.where(Letter.id == letter_id, Letter.why.in_(late.LATE)))
    return None if made is None else asking.go(url_for("mailouts.show", mailout_id=made))


@blueprint.get("/mailouts/late/<int:letter_id>")
def show(letter_id: int) -> AnyResponse | str:
    """The letter as its recipients would see it, and Release."""
    if sent := _sent_as(letter_id):
        return sent
    found = _mine(letter_id)
    of, author = found.meant_for.list, found.read.author.address if found.read.author else ""
    return render_template(
        "mailouts/late.html",
        letter=found.letter,
        meant_for=found.meant_for,
        list=of,
        people=lists.tally(of.id).reached,
        someone=preview.someone(of.id),
        looked=preview.look_at(found.read, found.prepared),
        author=author,
        stranger=not author or users.user_of_address(author) is None,
        kept_until=found.letter.received_at + late.KEPT,
    )


@blueprint.get("/mailouts/late/<int:letter_id>/letter")
def frame(letter_id: int) -> Response:
    """The letter for the sandboxed frame."""
    return preview.framed(preview.as_seen(_mine(letter_id).prepared), as_text=preview.wants_text())


@blueprint.post("/mailouts/late/<int:letter_id>/release")
def release(letter_id: int) -> AnyResponse:
    """Send it after all, and go to the page of the mail-out that is made of it, as the second of two presses does."""
    if sent := _sent_as(letter_id):
        return sent
    _mine(letter_id)
    row = late.release(letter_id, asking.who(), asking.now())
    db.session.commit()
    doorbell.ring(doorbell.SEND)
    return asking.go(url_for("mailouts.show", mailout_id=row.id))
