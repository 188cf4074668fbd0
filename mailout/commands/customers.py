"""customers -- the `customers` commands: import and export, and one customer at a time.

Owns     the words of these commands
Never    asks before it does what it was told: a dry run is there for that
Fails    in one line on stderr, with exit code 1; refused rows of a file are no failure, unless --strict makes them one
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from ..book import customers, exporting, importing, lists, places, suppression
from ..core.fault import Fault
from ..journal import COMMAND, note
from ..models import Place, Suppressed, db
from ._output import fail, now, print_json, progress_bar, tidy
from ._words import Group

HOW = "command line"
SHOWN = 20


@click.group("customers", cls=Group)
def group() -> None:
    """The people written to."""


@group.command("import")
@click.argument("file")
@click.option("--list", "names", multiple=True, metavar="NAME", help="Include its customers in this list; repeatable.")
@click.option("--suppress", is_flag=True, help="Never write to these.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and change nothing.")
@click.option("--strict", is_flag=True, help="Import nothing when any row is refused.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@tidy
def import_(file: str, names: tuple[str, ...], suppress: bool, dry_run: bool, strict: bool, as_json: bool) -> None:
    """Import customers from FILE, CSV or .xlsx ("-": standard input).

    The columns email, first_name and last_name are known by these and many other headings; the others are kept.
    With --list, new customers are in these lists and no others; who is a customer already is included where nobody
    ever chose their place.
    """
    data, filename = _read(file)
    list_ids = [lists.by_name(name).id for name in names]
    mapping = importing.look(data, filename).mapping
    columns = None if mapping is None else replace(mapping, listed=None, list_id=None)
    with progress_bar("Reading") as progress:
        planned = importing.plan(
            data,
            filename,
            columns,
            list_ids=list_ids,
            suppress=suppress,
            strict=strict,
            actor=COMMAND,
            now=now(),
            progress=progress,
        )
    refused = list(importing.refusals(planned.id))
    stopped = strict and refused
    if not (dry_run or stopped):
        with progress_bar("Importing") as progress:
            planned = importing.apply(planned.id, actor=COMMAND, now=now(), progress=progress)
    report = planned.as_json()
    if dry_run or stopped:
        importing.discard(planned.id)
    if as_json:
        print_json(report)
    else:
        _report(planned, refused, changed=not (dry_run or stopped))
    if stopped and not dry_run:
        first = refused[0]
        fail(f"Nothing was imported: {len(refused):,} rows are refused, the first in line {first.line}: {first.reason}")


@group.command()
@click.option("--list", "name", metavar="NAME", help="Only those who are included in this list.")
@tidy
def export(name: str | None) -> None:
    """Write the customers as CSV to standard output."""
    wanted = customers.Search(sort="added")
    if name is not None:
        wanted = replace(wanted, list_id=lists.by_name(name).id, place=Place.INCLUDED.value)
    note(COMMAND, "customers.export", f"list {name}" if name else "customers", "", now())
    db.session.commit()
    for line in exporting.lines(customers.ids(wanted)):
        click.echo(line.encode(), nl=False)


@group.command()
@click.argument("email")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@tidy
def add(email: str, first_name: str, last_name: str) -> None:
    """Add the customer EMAIL, in each list as its default says."""
    row = customers.add(email, first_name, last_name, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{row.email} is a customer now.")


@group.command()
@click.argument("email")
@click.option("--list", "name", required=True, metavar="NAME", help="The list.")
@click.option("--reason", default="", help="Why somebody who left the list is taken back.")
@tidy
def include(email: str, name: str, reason: str) -> None:
    """Include EMAIL in a list."""
    _set_place(email, name, Place.INCLUDED, reason)
    click.echo(f"{email} is included in {lists.by_name(name).name}.")


@group.command()
@click.argument("email")
@click.option("--list", "name", required=True, metavar="NAME", help="The list.")
@tidy
def exclude(email: str, name: str) -> None:
    """Exclude EMAIL from a list."""
    place = _set_place(email, name, Place.EXCLUDED, "")
    stays = "left themselves, and stays out of" if place is Place.UNSUBSCRIBED else "is excluded from"
    click.echo(f"{email} {stays} {lists.by_name(name).name}.")


@group.command()
@click.argument("email")
@click.option("--reason", default="on the command line", show_default=True, help="Why; it is kept.")
@tidy
def suppress(email: str, reason: str) -> None:
    """Send EMAIL no mail-outs, whatever the lists say."""
    row = customers.by_email(email)
    done = suppression.suppress(row.id, Suppressed.BY_HAND, reason, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{row.email} gets no mail-outs{'' if done else ', as before'}.")


@group.command()
@click.argument("email")
@click.option("--reason", default="on the command line", show_default=True, help="Why; it is kept.")
@tidy
def unsuppress(email: str, reason: str) -> None:
    """Send EMAIL the mail-outs of their lists again."""
    row = customers.by_email(email)
    done = suppression.unsuppress(row.id, reason, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{row.email} gets the mail-outs of their lists{' again' if done else ', as before'}.")


@group.command()
@click.argument("email")
@tidy
def delete(email: str) -> None:
    """Forget EMAIL: only a hash of the address stays, so that no import brings them back unnoticed."""
    row = customers.by_email(email)
    customers.delete(row.id, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{email.strip()} is deleted.")


def _set_place(email: str, name: str, place: Place, reason: str) -> Place:
    """Put a customer into a place, with a reason even one who left by themselves; returns where they stand."""
    row, target = customers.by_email(email), lists.by_name(name)
    left = places.place_of(row.id, target.id) is Place.UNSUBSCRIBED
    if left and place is Place.INCLUDED and not reason:
        raise Fault(f"{row.email} left {target.name} themselves. To take them back, say why: --reason WORDS.")
    if left and place is Place.INCLUDED:
        places.take_back(row.id, target.id, reason, how=HOW, actor=COMMAND, now=now())
    else:
        places.set_place(row.id, target.id, place, how=HOW, actor=COMMAND, now=now())
    db.session.commit()
    return places.place_of(row.id, target.id)


def _read(file: str) -> tuple[bytes, str]:
    """The bytes of a file, and its name."""
    if file == "-":
        return sys.stdin.buffer.read(), ""
    try:
        return Path(file).read_bytes(), Path(file).name
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}.")


def _report(done: importing.Plan, refused: list[importing.Refusal], *, changed: bool) -> None:
    """What an import did, or would do, for a person."""
    figures = (
        ("new", done.new),
        ("updated", done.updated),
        ("unchanged", done.unchanged),
        ("kept out", done.kept_out),
        ("without an address", done.without_address),
        ("twice in the file", done.duplicates),
        ("refused", done.refused),
    )
    for word, number in figures:
        click.echo(f"{number:>9,}  {word}")
    for refusal in refused[:SHOWN]:
        click.echo(f"line {refusal.line}: {refusal.email or '(no address)'}: {refusal.reason}")
    if len(refused) > SHOWN:
        click.echo(f"... and {len(refused) - SHOWN:,} more; --json prints all of them.")
    if not changed:
        click.echo("Nothing was changed.")
