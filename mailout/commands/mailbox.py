"""mailbox -- the `mailbox` command: read it now, confirm that it is ours.

Owns     the words of these commands
Never    holds a rule; prints a key
"""

from __future__ import annotations

import click

from .. import doorbell
from ..core.telling.spoken import things
from ..current import settings
from ..intake import collect, handle
from ..intake.handle import Done
from ..models import Letter, db
from ._output import fail, now, print_json, tidy
from ._words import Group


@click.group("mailbox", cls=Group)
def group() -> None:
    """The mailbox that letters come to."""


@group.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a letter.")
@tidy
def poll(as_json: bool) -> None:
    """Read the mailbox once, now, and handle what came."""
    polled = collect.poll(settings(), now, at_once=True)
    for done in handle.handle_new(now):
        _print(done, as_json)
    doorbell.ring(doorbell.SEND)
    if polled.trouble:
        fail(polled.trouble)
    if not as_json:
        click.echo(f"{things(polled.fetched, 'letter')} read.")


def _print(done: Done, as_json: bool) -> None:
    """What one letter was."""
    row = db.session.get_one(Letter, done.letter_id)
    if as_json:
        what = {"id": row.id, "author": row.author, "subject": row.subject, "verdict": done.verdict}
        print_json(what | {"why": done.why, "mailout": done.mailout_id})
        return
    about = f" (mail-out {done.mailout_id})" if done.mailout_id else ""
    why = f": {done.why}" if done.why else ""
    click.echo(f'{done.verdict}{why}{about}  "{row.subject}" from {row.author or "nobody"}')


@group.command()
@tidy
def adopt() -> None:
    """Confirm that the mailbox is Mailout's own, whatever it holds: its letters are read and removed."""
    count = collect.adopt(settings(), now)
    doorbell.ring(doorbell.POLL)
    click.echo(f"The mailbox is ours. It holds {things(count, 'letter')}, read from now on.")
