"""lists -- the `lists` commands.

Owns     the words of these commands
Never    deletes a list
Fails    in one line on stderr, with exit code 1
"""

from __future__ import annotations

import click

from ..book import lists
from ..book.tally import Tally
from ..journal import COMMAND
from ..models import MailingList, db
from ._output import now, print_json, tidy
from ._words import Group


@click.group("lists", cls=Group)
def group() -> None:
    """The types of mail-out."""


@group.command()
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--exclude-by-default", is_flag=True, help="Customers added later are not in it until somebody says so.")
@click.option("--include-everyone", is_flag=True, help="Start with all customers; else it starts empty.")
@click.option("--no-unsubscribe-line", is_flag=True, help="Letters go out without a line to unsubscribe by.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@tidy
def create(
    name: str,
    description: str,
    exclude_by_default: bool,
    include_everyone: bool,
    no_unsubscribe_line: bool,
    as_json: bool,
) -> None:
    """Make the list NAME."""
    made = lists.create(
        name,
        description=description,
        includes_new=not exclude_by_default,
        unsubscribe_line=not no_unsubscribe_line,
        starts_with=lists.EVERYONE if include_everyone else lists.NOBODY,
        actor=COMMAND,
        now=now(),
    )
    db.session.commit()
    counted = lists.tally(made.id)
    if as_json:
        print_json(_object(made, counted))
        return
    click.echo(f"The list {made.name} is made; {counted.included:,} customers are in it.")


@group.command("list")
@click.option("--archived", is_flag=True, help="Show the archived lists instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@tidy
def list_(archived: bool, as_json: bool) -> None:
    """Show the lists, and how many customers are in each."""
    counted = lists.tallies()
    for row in lists.all(archived=archived):
        tally = counted.get(row.id, Tally())
        if as_json:
            print_json(_object(row, tally))
            continue
        suppressed = f", of whom {tally.suppressed:,} get no mail-outs" if tally.suppressed else ""
        click.echo(f"{row.name}\t{tally.included:,} included{suppressed}")


@group.command()
@click.argument("name")
@click.argument("new_name")
@tidy
def rename(name: str, new_name: str) -> None:
    """Give the list NAME the name NEW_NAME."""
    row = lists.by_name(name)
    lists.rename(row.id, new_name, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"The list is called {lists.find(row.id).name} now.")


@group.command()
@click.argument("name")
@tidy
def archive(name: str) -> None:
    """Put the list NAME away: no mail-out can be made for it."""
    row = lists.by_name(name)
    done = lists.archive(row.id, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"The list {row.name} is archived." if done else f"The list {row.name} was archived already.")


@group.command()
@click.argument("name")
@tidy
def restore(name: str) -> None:
    """Take the archived list NAME into use again."""
    row = lists.by_name(name)
    done = lists.restore(row.id, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"The list {row.name} is in use again." if done else f"The list {row.name} was in use already.")


def _object(row: MailingList, tally: Tally) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "includes_new": row.includes_new,
        "unsubscribe_line": row.unsubscribe_line,
        "archived": row.archived_at is not None,
        "included": tally.included,
        "suppressed": tally.suppressed,
        "excluded": tally.excluded,
        "unsubscribed": tally.unsubscribed,
    }
