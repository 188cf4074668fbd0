"""inbox -- the inbox log: every letter that came, what it was taken for, and why.

Owns     the pages /inbox and /inbox/<id>; the raw letter as a file
Never    shows a letter's HTML, answers a letter, changes one
Fails    LookupError (404) for a letter that there is not, or whose bytes are no longer kept
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from sqlalchemy import Select, select

from ...core.copying import preview
from ...core.reading import encoded, head, mime
from ...core.telling import refusals
from ...models import Letter, LetterBytes, Mailout, db
from ...models.mail import VERDICTS
from .. import asking
from ..searching import contains, part

blueprint = Blueprint("inbox", __name__)

SIZE = 50
TEXT_MOST = 20_000
#: The verdicts as a page says them, and the tone they have there.
TONES = {
    "mail-out": "good",
    "duplicate": "faint",
    "refused": "look",
    "bounce": "look",
    "complaint": "bad",
    "auto-reply": "faint",
    "unsubscribe": "accent",
    "reply": "accent",
    "other": "faint",
    "quarantined": "bad",
    "new": "faint",
}


@blueprint.get("/inbox")
def index() -> str:
    """The letters that came, the newest first; `q` searches, `verdict` filters."""
    verdict = request.args.get("verdict", "")
    newest = Letter.id.desc()
    found = part(_found(asking.query(), verdict if verdict in VERDICTS else "").order_by(newest), SIZE)
    rows = db.session.scalars(select(Letter).where(Letter.id.in_(found.ids)).order_by(newest)).all()
    more: dict[str, Any] = {"q": asking.query() or None, "verdict": verdict or None}
    return render_template(
        "inbox/index.html",
        rows=rows,
        total=found.total,
        page=found.page,
        pages=found.pages,
        size=SIZE,
        verdicts=[("", "Everything"), *((word, word.capitalize()) for word in VERDICTS)],
        verdict=verdict,
        tones=TONES,
        briefly=refusals.briefly,
        link=lambda number: url_for("inbox.index", page=number, **more),
    )


def _found(query: str, verdict: str) -> Select[int]:
    """The letters whose author, subject or reason has `query` in it, and that were `verdict`."""
    found = select(Letter.id)
    if verdict:
        found = found.where(Letter.verdict == verdict)
    if not query:
        return found
    said = [problem for problem, words in refusals.BRIEFLY.items() if query.casefold() in words.casefold()]
    written = contains(query, Letter.author, Letter.subject, Letter.why)
    return found.where(written | Letter.why.in_(said) if said else written)


@blueprint.get("/inbox/<int:letter_id>")
def show(letter_id: int) -> str:
    """One letter: what it was taken for, its header, its text."""
    row, raw = _letter(letter_id), db.session.get(LetterBytes, letter_id)
    header, text = _readable(raw.raw) if raw else ("", "")
    mailout = db.session.get(Mailout, row.mailout_id) if row.mailout_id else None
    return render_template(
        "inbox/show.html",
        row=row,
        header=header,
        text=text,
        mailout=mailout,
        tones=TONES,
        why=refusals.briefly(row.why),
    )


@blueprint.get("/inbox/<int:letter_id>/raw")
def raw(letter_id: int) -> Response:
    """The letter's bytes as a file, as they are kept: a used key is blanked in them."""
    row, kept = _letter(letter_id), db.session.get(LetterBytes, letter_id)
    if kept is None:
        raise LookupError("The bytes of this letter are no longer kept.")
    name = f"letter-{row.id}.eml"
    return Response(
        kept.raw,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _letter(letter_id: int) -> Letter:
    row = db.session.get(Letter, letter_id)
    if row is None:
        raise LookupError(f"There is no letter {letter_id}.")
    return row


def _readable(raw: bytes) -> tuple[str, str]:
    """A letter's header and text for a person, however broken it is; of HTML alone its words."""
    fields, body = head.cut(head.canonical(raw))
    shown = "\n".join(f"{field.name.title()}: {encoded.readable(field.value)}" for field in fields)
    try:
        parts = list(mime.leaves(mime.tree(fields, body)))
        plain = [mime.text(part, body) for part in parts if part.type == "text/plain"]
        markup = [part for part in parts if part.type == "text/html"]
        text = "\n\n".join(plain) or "\n\n".join(preview.words_of(mime.text(part, body)) for part in markup)
    except mime.Unreadable:
        text = body.decode("utf-8", "replace")
    return shown[:TEXT_MOST], text[:TEXT_MOST]
