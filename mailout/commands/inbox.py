"""inbox -- the `inbox` command: the letters that came.

Owns     the words of this command
Never    shows a letter's body
"""

from __future__ import annotations

import click
from sqlalchemy import select

from ..models import Letter, db
from ..models.mail import VERDICTS
from ..outbox.progress import iso
from ._output import print_json, tidy
from ._words import Group

PAGE = 500


@click.group("inbox", cls=Group)
def group() -> None:
    """The letters that came into the mailbox."""


@group.command("list")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only letters that were this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@tidy
def list_all(verdict: str | None, as_json: bool) -> None:
    """List the letters that came, the oldest first."""
    query = select(Letter).order_by(Letter.id).limit(PAGE)
    if verdict:
        query = query.where(Letter.verdict == verdict)
    after = 0
    while rows := db.session.scalars(query.where(Letter.id > after)).all():
        for row in rows:
            _print(row, as_json)
        after = rows[-1].id
        db.session.expire_all()


def _print(row: Letter, as_json: bool) -> None:
    """One letter."""
    verdict = row.verdict or row.spool
    if as_json:
        what = {"id": row.id, "received_at": iso(row.received_at), "author": row.author, "subject": row.subject}
        print_json(what | {"verdict": verdict, "why": row.why, "mailout": row.mailout_id})
        return
    click.echo(f"{row.id:>6}  {iso(row.received_at)}  {verdict:<12} {row.author or '-'}  {row.subject}")
