"""support -- the form that asks for help, and the requests with how the asker's mail-outs stood.

Owns     the pages /support, /support/requests and /support/<id>; what of a user's mail-outs goes along
Never    shows a key: whether it waits, was used or is over is enough
Commits  the request and its notice together
"""

from __future__ import annotations

import re

from flask import Blueprint, flash, render_template, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from ... import doorbell
from ...core import own
from ...core.phase import Phase, phase
from ...core.telling import refusals
from ...core.telling.spoken import dated
from ...current import settings
from ...journal import note
from ...models import Mailout, SupportRequest, User, db
from ...outbox import notify, progress
from .. import asking, words
from ..access.security import limiter

blueprint = Blueprint("support", __name__)

SIZE = 50
SUBJECT_MOST, MESSAGE_MOST, MAILOUTS = 200, 10_000, 5
#: What may be a key, wherever somebody copied it from.
_MAYBE_KEY = re.compile(rf"(?:(?<=%2b)|(?<![0-9a-z]))[0-9a-z]{{{own.KEY_LENGTH}}}(?![0-9a-z])", re.IGNORECASE)


@blueprint.get("/support")
def ask() -> str:
    """The form, and what goes along with it."""
    return _form({})


def _form(errors: dict[str, str]) -> str:
    user = asking.who()
    mailout = request.args.get("mailout", type=int)
    state = state_of(user)
    goes_to = settings().support_address or "your Administrators"
    return render_template("support/ask.html", errors=errors, state=state, goes_to=goes_to, mailout=mailout)


@blueprint.post("/support")
@limiter.limit("20/hour", key_func=lambda: str(asking.who().id))
def send() -> Response | tuple[str, int]:
    """Keep the request with the state of the asker's mail-outs, and mail it."""
    subject = without_keys(asking.text("subject", SUBJECT_MOST))
    message = without_keys(request.form.get("message", "").strip()[:MESSAGE_MOST])
    errors = {
        "subject": "" if subject else "Say in a few words what it is about.",
        "message": "" if message else "Say what happened.",
    }
    errors = {name: words for name, words in errors.items() if words}
    if errors:
        return _form(errors), 422
    user, now = asking.who(), asking.now()
    row = SupportRequest(user_id=user.id, subject=subject, message=message, state_then=state_of(user), created_at=now)
    db.session.add(row)
    db.session.flush()
    notify.support(user, row.id, subject, message, row.state_then, now)
    note(asking.actor(), "support.ask", subject, "", now)
    db.session.commit()
    doorbell.ring(doorbell.SEND)
    flash("Your request is on its way, with the state of your last mail-outs. The answer comes by email.", "good")
    return asking.go(url_for("support.ask"))


def without_keys(text: str) -> str:
    """`text` with the keys in it made unreadable: whoever pastes their address here gives it to others to read."""
    return _MAYBE_KEY.sub(lambda found: "*" * len(found[0]) if own.is_key(found[0].lower()) else found[0], text)


def state_of(user: User) -> str:
    """The user's latest mail-outs and their keys, a line each."""
    return "\n".join(_line(row) for row in progress.latest(MAILOUTS, user.id)) or "No mail-out was made yet."


def _line(row: Mailout) -> str:
    """One mail-out: its state, its key, its counts, its problem."""
    seen = progress.of_row(row, asking.now())
    parts = [f"Mail-out {row.id} to {row.list.name}: {words.MAILOUT[seen.state].text.lower()}"]
    if row.subject:
        parts.append(f"subject “{row.subject}”")
    parts.append(_key(row))
    if seen.counts.total:
        counts = ", ".join(
            f"{count} {words.RECIPIENT[word].text.lower()}"
            for word, count in seen.counts.as_words().items()
            if count and word != "total"
        )
        parts.append(f"of {seen.counts.total}: {counts}")
    if row.problem:
        parts.append(f"its last letter: {refusals.briefly(row.problem)}")
    return "; ".join(parts) + "."


def _key(row: Mailout) -> str:
    """Whether the key still waits: as support asks first."""
    zone = settings().time_zone
    if row.accepted_at:
        return f"key used {dated(row.accepted_at, zone)}"
    state = phase(row, asking.now())
    if state is Phase.CANCELLED and row.cancelled_at:
        return f"key taken back {dated(row.cancelled_at, zone)}"
    over = "expired" if state is Phase.EXPIRED else "works until"
    return f"key made {dated(row.created_at, zone)}, {over} {dated(row.expires_at, zone)}"


@blueprint.get("/support/requests")
def requests() -> str:
    """All requests, the newest first."""
    query = select(SupportRequest).options(joinedload(SupportRequest.user)).order_by(SupportRequest.id.desc())
    total = db.session.scalar(select(func.count()).select_from(SupportRequest)) or 0
    page, pages = asking.page_of(total, SIZE)
    rows = db.session.scalars(query.limit(SIZE).offset((page - 1) * SIZE)).all()
    return render_template(
        "support/requests.html",
        rows=rows,
        total=total,
        page=page,
        pages=pages,
        size=SIZE,
        link=lambda number: url_for("support.requests", page=number),
    )


@blueprint.get("/support/<int:request_id>")
def show(request_id: int) -> str:
    """One request: what was asked, how the mail-outs stood then, and how they stand now."""
    row = db.session.get(SupportRequest, request_id)
    if row is None:
        raise LookupError(f"There is no support request {request_id}.")
    return render_template(
        "support/show.html", row=row, state=state_of(row.user), latest=progress.latest(MAILOUTS, row.user_id)
    )
