"""_output -- how the commands speak: a line for a person, an object for a program, one line for what went wrong.

Owns     the form of errors and of `--json`
Never    prints a traceback for something that a person did
"""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from ..core.fault import Fault
from ..current import settings
from ..keeping import in_use
from ..models import db

P = ParamSpec("P")
R = TypeVar("R")


def now() -> datetime:
    """The clock of the commands."""
    return datetime.now(UTC)


def fail(words: str) -> NoReturn:
    """End with exit code 1 and `words` as one line on stderr."""
    click.echo(" ".join(words.split()), err=True)
    raise SystemExit(1)


def print_json(value: Any) -> None:
    """Print one object as one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def tidy(command: Callable[P, R]) -> Callable[P, R]:
    """Run a command that works with the data: not while a backup is put in its place, and `in_lines`."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with in_use.shared(settings().instance_dir):
            return command(*args, **kwargs)

    return in_lines(run)


def in_lines(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a person can cause (Fault, LookupError, a database that can't be used) into one line and exit 1.

    What the command did and did not commit is thrown away then.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with _quietly():
                return command(*args, **kwargs)
        except (Fault, LookupError) as error:
            db.session.rollback()
            fail(str(error.args[0]) if error.args else "There is no such thing.")
        except OperationalError as error:
            db.session.rollback()
            fail(_database_words(str(error.orig)))
        except BrokenPipeError:
            sys.stderr.close()
            raise SystemExit(1) from None

    return run


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal, moved by telling it how much of how much is done; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = max(1, total)
            bar.update(done - bar.pos)

        yield tell


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep warnings, which are for a server's log, from standing beside the one line that a command says."""
    ours = logging.getLogger(__package__.partition(".")[0])
    before = ours.level
    ours.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ours.setLevel(before)


def _database_words(said: str) -> str:
    """What is wrong with the database, for whoever runs the machine."""
    if "no such table" in said or "no such column" in said:
        return "The database is not at this version yet: run `flask db upgrade` first."
    if "locked" in said:
        return "The database is in use by another program for too long; try again in a moment."
    return f"The database can't be used: {said}"
