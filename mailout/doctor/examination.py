"""examination -- everything in turn: what is looked at, and what is left out because something before it failed.

Owns     the order, and what depends on what
Never    prints; opens the database when it is not there yet, for that would make it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..book import users
from ..core.checking.finding import Finding, Part, Status, failed, ok, warning
from ..core.telling.spoken import size, things
from ..intake import adoption
from ..intake.turn import Turn
from ..models import db
from ..settings import Settings
from ..wires.tls import Server
from . import attempts, configuration, machine, names, round_trip
from .attempts import SECURED, Came
from .round_trip import Clock, Watcher


@dataclass(frozen=True, slots=True)
class Letters:
    """That letters are to be sent to ourselves: how many seconds they are waited for, and who hears how far it is."""

    wait_seconds: float
    watch: Watcher


def examine(settings: Settings, now: Clock, letters: Letters | None = None) -> Iterator[Finding]:
    """All that can be looked at without sending anything; with `letters` the round trip besides."""
    yield from configuration.look(settings)
    of_database = machine.look_at_database(settings)
    usable = all(finding.status is Status.OK for finding in of_database)
    if usable and not settings.sandbox:
        yield from _people(settings)
    yield from of_database
    yield machine.look_at_disk(settings.instance_dir)
    yield from machine.look_at_files(settings)
    yield from machine.look_at_owner(settings)
    if usable:
        yield machine.look_at_worker(settings, now())
        db.session.rollback()
    yield from _mailbox(settings, now, usable)
    yield from _relay(settings)
    yield from names.look(settings)
    if letters is None:
        return
    if usable:
        yield from round_trip.run(settings, now, letters.wait_seconds, letters.watch)
    else:
        yield failed(Part.ROUND_TRIP, "No letter was sent: the database can't be used", "Put that right first.")


def _people(settings: Settings) -> list[Finding]:
    """Whether anybody can sign in."""
    first = users.is_first()
    db.session.rollback()
    if not first:
        return []
    advice = (
        f"Open {settings.base_url} and enter the set-up code that the server prints at its start, or: python3 app.py "
        "users create YOU@EXAMPLE.ORG --name YOU --administrator --send-mailout"
    )
    return [warning(Part.CONFIGURATION, "There is no Administrator yet, so nobody can sign in", advice)]


def _mailbox(settings: Settings, now: Clock, usable: bool) -> Iterator[Finding]:
    """The mailbox, by signing in to it."""
    if settings.pop3 is None:
        yield warning(Part.MAILBOX, "The sandbox does not run, so there is no mailbox", "Start it: python3 app.py")
        return
    came = attempts.mailbox(settings.pop3, Turn(now) if usable else None)
    yield _finding(Part.MAILBOX, settings.pop3, came)
    if usable and came.letters is not None:
        yield _adopted(settings.pop3, came.letters)


def _adopted(server: Server, letters: int) -> Finding:
    """Whether the mailbox is ours."""
    adopted = adoption.standing(server).adopted
    db.session.rollback()
    if adopted:
        return ok(Part.MAILBOX, "The mailbox is Mailout's own: what was read is removed from it")
    if not letters:
        return ok(Part.MAILBOX, "The mailbox is empty, and becomes Mailout's own with the first reading")
    advice = (
        f"Mailout removes what it has read. If {server.username} is for Mailout alone, confirm that: python3 app.py "
        "mailbox adopt. If not, give Mailout a mailbox of its own."
    )
    return warning(
        Part.MAILBOX, f"The mailbox holds {things(letters, 'letter')} and is not confirmed: nothing is read", advice
    )


def _relay(settings: Settings) -> Iterator[Finding]:
    """The relay, by signing in to it."""
    if settings.smtp is None:
        yield warning(Part.RELAY, "The sandbox does not run, so there is no relay", "Start it: python3 app.py")
        return
    came = attempts.relay(settings.smtp, settings.helo_name)
    yield _finding(Part.RELAY, settings.smtp, came)
    most = came.able.size if came.able else 0
    if most and most < settings.max_message_bytes:
        words = (
            f"The relay takes letters up to {size(most)}, and MAX_MESSAGE_BYTES is {size(settings.max_message_bytes)}"
        )
        advice = (
            "A letter between the two would be accepted, and then refused for every customer. "
            f"Put MAX_MESSAGE_BYTES={most - 10_000} into .env and start Mailout again."
        )
        yield warning(Part.RELAY, words, advice)


def _finding(part: Part, server: Server, came: Came) -> Finding:
    """An attempt as a finding: what is well on one line, what is not with the server's words."""
    if came.status is Status.OK:
        user = f" as {server.username}" if server.username else ""
        return ok(part, f"{came.text}{user}, port {server.port}, {SECURED[server.security]}. {came.why}")
    said = f' It says: "{came.said}".' if came.said else ""
    return Finding(part, came.status, came.text, f"{came.why}{said}")
