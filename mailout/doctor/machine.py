"""machine -- the database, the disk, the files that hold secrets, the worker.

Owns     the judgement of them, in words that say what to change
Never    writes anything: that the database can be written is tried by taking its lock and giving it back
Fails    never
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .. import database, pulse
from ..core.checking.finding import Finding, Part, failed, ok, warning
from ..core.telling.spoken import dated, length, number, size
from ..models import db
from ..settings import ROOT, Settings

#: The worker sweeps every minute: three missed sweeps are no chance.
SILENT = timedelta(minutes=3)
LITTLE, NEARLY_NONE = 2_000_000_000, 200_000_000
#: A database above this size is not read from end to end: that takes minutes.
READ_MOST = 1_000_000_000

#: What each outcome survives, by DURABILITY.
SURVIVED = {"power": "a loss of power", "process": "a crash"}


def octets_of(database_file: Path) -> int:
    """How many octets the database takes, its log with it."""
    return sum(file.stat().st_size for file in (database_file, Path(f"{database_file}-wal")) if file.exists())


def look_at_database(settings: Settings) -> list[Finding]:
    """Whether the database is there, at the newest schema, whole and writable. One that failed is the only finding."""
    path = settings.database_file
    if not path.exists():
        tell = warning if settings.sandbox else failed
        return [tell(Part.DATABASE, f"There is no database at {path} yet", "Make it: python3 app.py db upgrade")]
    try:
        wrong = _schema() or _whole(path)
        if wrong is None:
            _take_the_lock()
    except SQLAlchemyError as error:
        return [_unusable(path, str(getattr(error, "orig", error)))]
    if wrong is not None:
        return [wrong]
    octets = octets_of(path)
    whole = "whole" if octets < READ_MOST else "too large to be read from end to end here"
    words = (
        f"The database is writable, at the newest schema, {size(octets)}, {whole}; "
        f"each outcome survives {SURVIVED[settings.durability]}"
    )
    return [ok(Part.DATABASE, words)]


def _schema() -> Finding | None:
    """What is wrong with the version of the tables."""
    at, known = database.version(), database.schemas()
    if at == known[0]:
        return None
    if at and at not in known:
        advice = "It was used by a newer Mailout. Install that one again; this one would not understand it."
        return failed(Part.DATABASE, f"The database is at schema {at}, which this version does not know", advice)
    advice = "Bring it to the newest schema: python3 app.py db upgrade (web and worker do so at their start)."
    return failed(Part.DATABASE, f"The database is at schema {at or 'none'}, the newest is {known[0]}", advice)


def _whole(path: Path) -> Finding | None:
    """What SQLite finds wrong with its file."""
    if path.stat().st_size > READ_MOST:
        return None
    with db.engine.connect() as connection:
        said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    if said in (None, "ok"):
        return None
    advice = "Stop web and worker at once, keep a copy of the file, and put the last backup in its place."
    return failed(Part.DATABASE, f"The database is damaged: {str(said)[:200]}", advice)


def _take_the_lock() -> None:
    """Take the lock that writing needs and give it back; raises OperationalError when that can't be."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.rollback()


def _unusable(path: Path, said: str) -> Finding:
    """A database that can't be read or written."""
    if "locked" in said:
        advice = "Another program holds it for long. If no import or backup runs, start web and worker again."
        return warning(Part.DATABASE, f"The database {path} is in use for longer than 15 seconds", advice)
    advice = (
        f"Look whether {path} and its folder belong to the user that Mailout runs as, and whether the disk is full. "
        "Web and worker must run as the same user."
    )
    return failed(Part.DATABASE, f"The database {path} can't be used: {said}", advice)


def look_at_disk(folder: Path) -> Finding:
    """How much room there is."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return warning(Part.MACHINE, f"How much room {folder} has can't be found out", "Look with: df -h")
    if free < NEARLY_NONE:
        advice = "Letters wait at your mailbox until there is room. Make some; old logs are a good place to begin."
        return failed(Part.MACHINE, f"The disk of {folder} is nearly full: {size(free)} free", advice)
    if free < LITTLE:
        return warning(
            Part.MACHINE, f"The disk of {folder} fills up: {size(free)} free", "Make room before it is full."
        )
    return ok(Part.MACHINE, f"{size(free)} free on the disk, enough for about {number(letters_in(free))} letters")


def letters_in(octets: int) -> int:
    """About how many letters of 2 MB so many octets have room for, in hundreds."""
    return octets // 200_000_000 * 100


def look_at_files(settings: Settings, root: Path = ROOT) -> Iterator[Finding]:
    """Whether what is secret is its owner's alone."""
    secret = {
        settings.instance_dir: "700",
        settings.instance_dir / "secret_key": "600",
        root / ".env": "600",
        settings.database_file: "600",
    }
    open_ones = [(path, mode) for path, mode in secret.items() if _others_may_read(path, settings.instance_dir)]
    for path, mode in open_ones:
        means = "Passwords, keys and your customers' addresses are in there."
        words = f"Other users of this machine can read {path}"
        yield warning(Part.MACHINE, words, f"{means} Take that from them: chmod {mode} {path}")
    if not open_ones:
        yield ok(Part.MACHINE, f"Nobody else on this machine can read {settings.instance_dir}")


def look_at_owner(settings: Settings) -> list[Finding]:
    """Whether we are the user whose files these are: what another one writes, web and worker can't change."""
    path = settings.database_file
    owner = path.stat().st_uid if path.exists() else os.geteuid()
    if owner == os.geteuid():
        return []
    words = f"{path} belongs to the user {_name(owner)}, and this command runs as {_name(os.geteuid())}"
    advice = f"Run it as that user, as web and worker must run too: sudo -u {_name(owner)} python3 app.py doctor"
    return [warning(Part.MACHINE, words, advice)]


def _name(number: int) -> str:
    """What a user is called; the number where nobody is called anything."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _others_may_read(path: Path, folder: Path) -> bool:
    """Whether others than its owner can come to `path`. What lies in our folder is as closed as the folder."""
    try:
        closed = not _open(folder)
        return _open(path) and not (closed and folder in path.parents and path.name != "secret_key")
    except OSError:
        return False


def _open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def look_at_worker(settings: Settings, now: datetime) -> Finding:
    """Whether the worker lives. Where nobody started the sandbox, none is expected."""
    seen = pulse.of(pulse.WORKER).well_at
    starts = "Start the Procfile's `worker` line, beside `web`: python3 app.py starts both."
    if seen is not None and now - seen <= SILENT:
        return ok(Part.WORKER, f"The worker is alive: it was heard of {length(now - seen)} ago")
    means = "No letter is fetched and no copy goes out until it runs."
    if seen is None:
        return warning(Part.WORKER, "The worker was never heard of", f"{means} {starts}")
    words = f"The worker does not run: it was last heard of on {dated(seen, settings.time_zone)}"
    tell = warning if settings.sandbox and settings.pop3 is None else failed
    return tell(Part.WORKER, words, f"{means} {starts}")


def is_alive(now: datetime) -> bool:
    """Whether a worker was heard of lately."""
    seen = pulse.of(pulse.WORKER).well_at
    return seen is not None and now - seen <= SILENT
