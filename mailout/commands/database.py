"""database -- the `db` command: create or migrate the database.

Owns     `flask db upgrade`
Never    takes away a column or a row: migrations go forward only
"""

from __future__ import annotations

import click
from flask import current_app

from .. import database
from ..current import settings
from ._output import fail, tidy
from ._words import Group


@click.group("db", cls=Group)
def group() -> None:
    """The database."""


@group.command()
@tidy
def upgrade() -> None:
    """Create the database, or bring it to the newest schema."""
    try:
        before = database.version()
        database.migrate(current_app, settings())
        after = database.version()
    except OSError as error:
        fail(f"The database can't be written: {error.strerror}.")
    if before == after:
        click.echo(f"The database is at version {after} already.")
    elif before:
        click.echo(f"The database is at version {after} now; it was at {before}.")
    else:
        click.echo(f"The database is made, at version {after}.")


@group.command()
@tidy
def version() -> None:
    """Show at which version the database is."""
    click.echo(database.version() or "There is no database yet.")
