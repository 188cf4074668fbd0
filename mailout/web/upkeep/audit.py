"""audit -- the audit log: who did what, when.

Owns     the page /audit, the words for what was done, the way from an entry to what it speaks of
Never    changes an entry; shows more of a customer than an Administrator sees on their page
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for
from sqlalchemy import or_, select
from sqlalchemy.sql.elements import ColumnElement

from ...book import grid
from ...core.telling import refusals
from ...models import Customer, JournalEntry, User, db
from .. import asking
from ..searching import contains, part

blueprint = Blueprint("audit", __name__)

SIZE = 50
#: A search that so many customers fit is not meant for one of them.
MEANT_MOST = 200


@dataclass(frozen=True, slots=True)
class Group:
    """What the filter offers: its word in the address, how it is called, how the actions begin that are in it."""

    name: str
    words: str
    actions: tuple[str, ...]


GROUPS = (
    Group("", "Everything", ()),
    Group("signing", "Signing in and out", ("sign-", "password.", "first-run")),
    Group("mailouts", "Mail-outs", ("mailout.",)),
    Group("customers", "Customers", ("customer.", "customers.export")),
    Group("bulk", "Changes of many places", ("customers.include", "customers.exclude", "customers.undo")),
    Group("imports", "Imports", ("customers.import",)),
    Group("lists", "Lists", ("list.",)),
    Group("users", "Users", ("user.",)),
    Group("service", "Mailbox, support, restoring", ("mailbox.", "support.", "data.")),
)
#: What is done where the word for it is ours and nobody else's.
SAID = {
    "sign-in.wrong": "Sign in: no match",
    "password.forgot": "Password: forgotten",
    "user.flags": "User: permissions",
    "user.password": "User: new password",
    "mailout.accept": "Mail-out: letter taken",
    "mailout.hold": "Mail-out: letter held",
    "mailout.after-all": "Mail-out: sent after all",
    "mailout.retry-failed": "Mail-out: failed tried again",
    "mailout.send-again-uncertain": "Mail-out: uncertain sent again",
    "data.restore": "Data: a backup was restored",
}
#: What an entry may speak of, and the page of it.
PAGES = {
    "customer": ("customer.show", "customer_id"),
    "mail-out": ("mailouts.show", "mailout_id"),
    "import": ("imports.show", "import_id"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it is shown: `subject` is what it speaks of, `link` leads there ("" where there is no page)."""

    entry: JournalEntry
    subject: str
    link: str

    @property
    def detail(self) -> str:
        """What is told besides; why a letter was held is a word of ours there, and said as people say it."""
        return refusals.briefly(self.entry.detail)


@blueprint.get("/audit")
def index() -> str:
    """What was done, the newest first; `q` searches, `what` filters."""
    group = next((one for one in GROUPS if one.name == request.args.get("what", "")), GROUPS[0])
    newest = JournalEntry.id.desc()
    found = part(select(JournalEntry.id).where(*_about(asking.query(), group)).order_by(newest), SIZE)
    rows = db.session.scalars(select(JournalEntry).where(JournalEntry.id.in_(found.ids)).order_by(newest)).all()
    more: dict[str, Any] = {"q": asking.query() or None, "what": group.name or None}
    return render_template(
        "audit/index.html",
        rows=_rows(rows),
        total=found.total,
        page=found.page,
        pages=found.pages,
        size=SIZE,
        groups=[(one.name, one.words) for one in GROUPS],
        what=group.name,
        said=said,
        link=lambda number: url_for("audit.index", page=number, **more),
    )


def _about(query: str, group: Group) -> list[ColumnElement[bool]]:
    """That an entry is of this group, and has all words of `query` somewhere or a customer or user who has them."""
    starts: list[ColumnElement[bool]] = []
    if group.actions:
        starts.append(or_(*(JournalEntry.action.startswith(start, autoescape=True) for start in group.actions)))
    if not query:
        return starts
    columns = (JournalEntry.actor, JournalEntry.action, JournalEntry.subject, JournalEntry.detail)
    return [*starts, or_(contains(query, *columns), *_meant(query))]


def _meant(query: str) -> list[ColumnElement[bool]]:
    """What else an entry may hold that `query` means; nothing is asked of an entry that it can't be."""
    people = grid.order(grid.Search(q=query)).ids
    customers = [f"customer {number}" for number in people] if len(people) <= MEANT_MOST else []
    users = db.session.scalars(select(User.id).where(contains(query, User.name, User.email))).all()
    reasons = [problem for problem, words in refusals.BRIEFLY.items() if query.casefold() in words.casefold()]
    deeds = [deed for deed, words in SAID.items() if query.casefold() in words.casefold()]
    wanted: list[tuple[ColumnElement[Any], Sequence[Any]]] = [
        (JournalEntry.subject.expression, customers),
        (JournalEntry.user_id.expression, users),
        (JournalEntry.detail.expression, reasons),
        (JournalEntry.action.expression, deeds),
    ]
    return [column.in_(values) for column, values in wanted if values]


def _rows(entries: Sequence[JournalEntry]) -> list[Row]:
    """The entries with where they lead; customers by their address as long as they are there, in one more query."""
    parts = [re.fullmatch(r"(customer|mail-out|import) ([0-9]{1,18})", entry.subject) for entry in entries]
    wanted = [int(part[2]) for part in parts if part and part[1] == "customer"]
    here = select(Customer.id, Customer.email).where(Customer.id.in_(wanted), Customer.here())
    emails = {row.id: row.email for row in db.session.execute(here)} if wanted else {}
    return [_row(entry, part, emails) for entry, part in zip(entries, parts, strict=True)]


def _row(entry: JournalEntry, part: re.Match[str] | None, emails: dict[int, str]) -> Row:
    """One entry; `part` are the kind and the number of what it speaks of."""
    if part is None:
        return Row(entry, entry.subject, "")
    kind, number = part[1], int(part[2])
    if kind == "customer" and number not in emails:
        return Row(entry, f"{entry.subject}, deleted", "")
    endpoint, name = PAGES[kind]
    values: dict[str, Any] = {name: number}
    return Row(entry, emails[number] if kind == "customer" else entry.subject, url_for(endpoint, **values))


def said(action: str) -> str:
    """An action as a person says it: "mailout.pause" is "Mail-out: pause"."""
    if action in SAID:
        return SAID[action]
    area, _, deed = action.partition(".")
    area = {"mailout": "mail-out"}.get(area, area.replace("-", " "))
    return (f"{area}: {deed.replace('-', ' ').replace('.', ', ')}" if deed else area).capitalize()
