"""commands -- what a person at a shell can ask for; all under `flask`.

Owns     the list of the commands
Never    holds a rule: a command reads its words, calls what the pages call too, and prints
"""

from __future__ import annotations

from flask import Flask

from . import customers, database, demo, doctor, inbox, keeping, lists, mailbox, mailouts, users

GROUPS = (
    users.group,
    lists.group,
    customers.group,
    mailouts.group,
    mailbox.group,
    inbox.group,
    doctor.command,
    demo.command,
    keeping.backup,
    keeping.restore_,
)


def register(app: Flask) -> None:
    """Give `app` its commands; `db` is Flask-Migrate's, made to plant what a new database needs."""
    for group in GROUPS:
        app.cli.add_command(group)
    app.cli.add_command(database.group)
