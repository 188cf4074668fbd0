"""keeping -- the `backup` and `restore` commands.

Owns     the words of these commands, and the question before a restore
Never    holds a rule; restores without a yes; prints what is in the data but for the names of mail-outs
Fails    in one line on stderr, with exit code 1, and nothing was changed
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from ..core.fault import Fault
from ..core.telling import restored
from ..core.telling.restored import Found
from ..core.telling.spoken import dated, length, size, things
from ..current import settings
from ..keeping import backup as keeping
from ..keeping import in_use, restore
from ..outbox.progress import iso
from ._output import fail, in_lines, now, print_json, progress_bar, tidy
from ._words import Command


@click.command("backup", cls=Command)
@click.argument("file")
@click.option("--overwrite", is_flag=True, help="Take the place of a FILE that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@tidy
def backup(file: str, overwrite: bool, as_json: bool) -> None:
    """Copy all of the data into FILE, as it is at one moment, while everything runs.

    FILE holds your customers' addresses: it is readable by its owner alone. Keep it on another machine.
    """
    if file == "-":
        fail("A backup is verified before it is given away, so it can't go to standard output. Say a file.")
    with _told_on_disk(Path(file)), progress_bar("Copying") as progress:
        made = keeping.write(settings(), Path(file).absolute(), now(), overwrite=overwrite, progress=progress)
    if as_json:
        report = {"file": str(made.file), "bytes": made.octets, "mailouts_unfinished": made.unfinished}
        print_json(report | {"taken_at": iso(made.taken_at), "schema": made.schema})
        return
    under_way = things(made.unfinished, "mail-out is", "mail-outs are") if made.unfinished else "No mail-out is"
    click.echo(f"{made.file} is written and verified: {size(made.octets)}. {under_way} under way in it.")


@click.command("restore", cls=Command)
@click.argument("file")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@in_lines
def restore_(file: str, yes: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of the data; web and worker must be stopped.

    Nothing in it goes by itself: every mail-out that is not over is paused until somebody presses Resume. The data of
    now is kept beside it under another name.
    """
    if not yes and not sys.stdin.isatty():
        fail("A restore exchanges all of the data. Say --yes to have it done without a question.")
    moment, folder = now(), settings().instance_dir
    with in_use.alone(folder), _told_on_disk(keeping.database_file(settings())):
        with progress_bar("Copying") as progress:
            ready = restore.prepare(Path(file).absolute(), settings(), moment, progress=progress)
        try:
            if not as_json:
                _tell(ready.found, moment)
            if not (yes or click.confirm("Restore it?", err=True)):
                fail("Nothing was changed.")
            kept = restore.put_in_place(ready, settings(), moment)
        finally:
            restore.discard(ready.copy)
    if as_json:
        _print(file, ready, kept)
        return
    click.echo("It is restored. Start web and worker again.")
    if kept is not None:
        click.echo(f"The data of before is kept: {kept}. Remove it when you need it no more.")


def _tell(found: Found, moment: datetime) -> None:
    """From when the backup is, and what is under way in it."""
    ago = f", {length(moment - found.taken_at)} ago" if found.taken_at <= moment else ""
    since = (
        "The backup was taken on" if found.exact else "This is no backup of `flask backup`. It was last written to on"
    )
    click.echo(f"{since} {dated(found.taken_at, settings().time_zone)}{ago}.")
    for one in found.stilled:
        click.echo(f"  mail-out {one.id}, {one.state}: {one.words}")
    if found.stilled:
        click.echo(f"{things(len(found.stilled), 'mail-out is', 'mail-outs are')} not over in it, and will be paused.")
        click.echo(f"Whoever is still queued may have had their copy since. {restored.ASK}")
    else:
        click.echo("No mail-out is under way in it.")
    for words in [*restored.waiting(found), restored.LOST]:
        click.echo(words)


def _print(file: str, ready: restore.Ready, kept: Path | None) -> None:
    """The same for a program."""
    found = ready.found
    print_json(
        {
            "file": file,
            "taken_at": iso(found.taken_at),
            "schema": ready.schema,
            "mailouts_paused": [one.id for one in found.stilled],
            "keys_waiting": found.keys,
            "letters_held": found.held,
            "kept": str(kept) if kept else None,
        }
    )


@contextmanager
def _told_on_disk(file: Path) -> Iterator[None]:
    """Say what the disk does not allow in one line."""
    try:
        yield
    except OSError as error:
        raise Fault(f"{error.filename or file} can't be written: {error.strerror}.") from error
