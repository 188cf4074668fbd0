"""audit -- the audit log: who did what, when.

Owns     the page /audit, and the words for what was done
Never    changes an entry
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from sqlalchemy import Select, func, select

from ..models import JournalEntry, db
from . import asking
from .searching import contains

blueprint = Blueprint("audit", __name__)

SIZE = 50
#: What the filter offers: the beginnings of actions, and how each group is called.
GROUPS = (
    ("", "Everything"),
    ("sign-", "Signing in and out"),
    ("mailout.", "Mail-outs"),
    ("customer", "Customers"),
    ("list.", "Lists"),
    ("place", "Places in lists"),
    ("import", "Imports"),
    ("user.", "Users"),
    ("mailbox.", "Mailbox"),
)


@blueprint.get("/audit")
def index() -> str:
    """What was done, the newest first; `q` searches, `what` filters."""
    what = request.args.get("what", "")
    what = what if what in dict(GROUPS) else ""
    found = _found(asking.query(), what)
    total = db.session.scalar(select(func.count()).select_from(found.subquery())) or 0
    page = found.order_by(JournalEntry.id.desc()).limit(SIZE).offset((asking.page() - 1) * SIZE)
    more: dict[str, Any] = {"q": asking.query() or None, "what": what or None}
    return render_template(
        "audit/index.html",
        rows=db.session.scalars(page).all(),
        total=total,
        page=asking.page(),
        pages=-(-total // SIZE),
        size=SIZE,
        groups=GROUPS,
        what=what,
        said=said,
        link=lambda number: url_for("audit.index", page=number, **more),
    )


def _found(query: str, what: str) -> Select[JournalEntry]:
    """The entries of a group that have all words of `query` somewhere."""
    found = select(JournalEntry)
    if what:
        found = found.where(JournalEntry.action.startswith(what, autoescape=True))
    columns = (JournalEntry.actor, JournalEntry.action, JournalEntry.subject, JournalEntry.detail)
    return found.where(contains(query, *columns)) if query else found


def said(action: str) -> str:
    """An action as a person says it: "mailout.send-again-uncertain" is "Mail-out: send again uncertain"."""
    area, _, deed = action.partition(".")
    area = {"mailout": "mail-out"}.get(area, area.replace("-", " "))
    return (f"{area}: {deed.replace('-', ' ')}" if deed else area).capitalize()
