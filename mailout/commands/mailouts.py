"""mailouts -- the `mailouts` command: make one, follow it, steer it.

Owns     the words of these commands
Never    holds a rule; prints a key anywhere but where one was asked for
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from sqlalchemy import select

from .. import doorbell
from ..book import lists, users
from ..core.delivery import PUBLIC, State
from ..core.phase import ENDED, Phase
from ..core.telling.spoken import things
from ..intake import submission
from ..journal import COMMAND, Actor
from ..models import Mailout, db
from ..outbox import progress, steering
from ..outbox.progress import Overview
from ._output import now, print_json, tidy
from ._words import Group, MailoutNumber

LIST_MOST = 10_000
STATES = click.Choice([str(phase) for phase in Phase])
RECIPIENT_STATES = click.Choice(PUBLIC)


@click.group("mailouts", cls=Group)
def group() -> None:
    """Mail-outs: make, follow, pause, resume, cancel."""


@group.command()
@click.option("--list", "list_name", required=True, help="The list that it goes to.")
@click.option("--user", "email", required=True, help="The user whose mail-out it is.")
@click.option("--hold", is_flag=True, help="Hold the letter until somebody releases it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@tidy
def create(list_name: str, email: str, hold: bool, as_json: bool) -> None:
    """Make a mail-out with a fresh key."""
    moment = now()
    row = submission.open_mailout(lists.by_name(list_name).id, users.by_email(email), check_first=hold, now=moment)
    db.session.commit()
    doorbell.ring(doorbell.POLL)
    made = {"id": row.id, "address": submission.key_address(row), "expires_at": progress.iso(row.expires_at)}
    if as_json:
        print_json(made)
        return
    click.echo(f"Mail-out {row.id} to {row.list.name}.")
    click.echo(f"Write your letter to {made['address']}")
    click.echo(f"until {made['expires_at']}.")


@group.command()
@click.argument("mailout_id", type=MailoutNumber(), metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--watch", is_flag=True, help="Follow it until it ends.")
@tidy
def show(mailout_id: int, as_json: bool, watch: bool) -> None:
    """Show the state of a mail-out, and how many recipients are in which state."""
    seen = progress.overview(mailout_id, now())
    if watch:
        seen = _follow(seen)
    if as_json:
        print_json(seen.as_json())
    else:
        _print(seen)


def _follow(seen: Overview) -> Overview:
    """Follow a mail-out with a progress bar until it ends or waits for a person."""
    mailout_id = seen.row.id
    with click.progressbar(length=max(1, seen.counts.total), label=str(seen.state), show_pos=True) as bar:
        while seen.state not in ENDED:
            steering.watch(mailout_id, now())
            db.session.commit()
            time.sleep(0.5)
            seen = progress.overview(mailout_id, now())
            bar.label, bar.length = str(seen.state), max(1, seen.counts.total)
            bar.update(seen.counts.total - seen.counts.unsettled - bar.pos)
    return seen


def _print(seen: Overview) -> None:
    """The mail-out for a person."""
    row = seen.row
    click.echo(f"Mail-out {row.id} to {row.list.name}: {seen.state}" + (f" ({row.problem})" if row.problem else ""))
    if row.subject or row.author:
        click.echo(f'"{row.subject}" from {row.author}')
    for word, count in seen.counts.as_words().items():
        if count and word != "total":
            click.echo(f"{count:>9}  {word}")
    click.echo(f"{seen.counts.total:>9}  in all")


@group.command("list")
@click.option("--state", type=STATES, help="Only those in this state.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@tidy
def list_all(state: str | None, as_json: bool) -> None:
    """List the mail-outs, the newest first."""
    moment = now()
    for row in db.session.scalars(select(Mailout).order_by(Mailout.id.desc()).limit(LIST_MOST)):
        seen = progress.of_row(row, moment)
        if state and seen.state != state:
            continue
        if as_json:
            print_json(seen.as_json())
        else:
            click.echo(f"{row.id:>6}  {seen.state:<10} {row.list.name:<20} {row.subject or '-'}")


@group.command()
@click.argument("mailout_id", type=MailoutNumber(), metavar="ID")
@click.option("--state", type=RECIPIENT_STATES, help="Only those in this state.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@tidy
def recipients(mailout_id: int, state: str | None, as_json: bool) -> None:
    """List the recipients of a mail-out, one a line."""
    progress.find(mailout_id)
    for line in progress.lines(mailout_id, state or ""):
        if as_json:
            print_json(line.as_json())
        else:
            click.echo("\t".join(filter(None, [line.address, line.state, line.reason, line.reply])))


def _steer(name: str, act: Callable[[int, Actor, datetime], Any], help_text: str, done: str) -> None:
    """Add the command `name`, which does `act` to the mail-out of the given id."""

    @group.command(name, help=help_text)
    @click.argument("mailout_id", type=MailoutNumber(), metavar="ID")
    @tidy
    def command(mailout_id: int) -> None:
        result = act(mailout_id, COMMAND, now())
        db.session.commit()
        doorbell.ring(doorbell.SEND)
        count = f" ({things(result, 'recipient')})" if isinstance(result, int) else ""
        click.echo(f"Mail-out {mailout_id} {done}{count}.")


_steer("pause", steering.pause, "Begin no new copy; those on the wire finish.", "is paused")
_steer("resume", steering.resume, "Go on where it was paused.", "goes on")
_steer("cancel", steering.cancel, "Take back the key, stop it, or end it while it sends.", "is cancelled")
_steer("release", steering.release, "Send a held letter now.", "is released")
_steer("discard", steering.discard, "Throw a held letter away.", "is discarded")
_steer(
    "retry-failed",
    lambda mailout_id, actor, moment: steering.once_more(mailout_id, State.FAILED, actor, moment),
    "Try the failed again.",
    "tries the failed again",
)
_steer(
    "send-again-uncertain",
    lambda mailout_id, actor, moment: steering.once_more(mailout_id, State.UNCERTAIN, actor, moment),
    "Send again to the uncertain: they may get it twice.",
    "sends again to the uncertain",
)
