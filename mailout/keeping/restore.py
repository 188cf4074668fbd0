"""restore -- a backup in the place of the data: checked, brought to this schema, stilled, and only then put there.

Owns     the working copy "….restoring" beside the database; the order of the steps; the name under which the data of
         before is kept
Never    works on the backup itself; lets a restored database be found in its place before everything in it waits;
         throws the data of before away
Fails    Fault, in words, and the data is as it was; OSError as the disk does

Killed at any moment, the data is the old or the restored and stilled: `os.replace` is the one moment in between. The
caller holds the data alone (`in_use.alone`), so nobody opens either meanwhile. What the cache holds goes before it, for
a prepared letter of the old life must not be found by a mail-out of the new. `huey.db` stays: its bells say "look", and
a worker that waits for us has it open.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flask import Flask

from .. import database
from ..core.fault import Fault
from ..core.telling.restored import Found
from ..models import db
from ..settings import Settings
from . import new_life
from .backup import Progress, database_file, opened, sync, verify

PAGES = 2000
SIDES = ("-wal", "-shm", "-journal")
#: Tables that every database of ours has had.
OURS = {"alembic_version", "mailout", "recipient", "setting"}

Step = Callable[[str], None]


def _silent(step: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A working copy that only has to be put in its place. `schema` is the backup's own."""

    copy: Path
    schema: str
    found: Found


def prepare(
    file: Path, settings: Settings, now: datetime, *, progress: Progress | None = None, step: Step = _silent
) -> Ready:
    """Make the working copy of the backup `file`, in which nothing goes by itself. Raises Fault; OSError.

    `step` is told each step that is done, by its name.
    """
    copy = _working_copy(settings)
    discard(copy)
    try:
        _copy(file, copy, progress)
        step("copied")
        schema, _ = verify(copy, file.name)
        step("checked")
        with _application(copy, settings) as app:
            database.migrate(app, settings)
            step("migrated")
            with app.app_context():
                found = new_life.begin(file.name, now)
            step("stilled")
        _make_whole(copy)
        _give_to_owner(copy)
        sync(copy)
    except sqlite3.Error as error:
        discard(copy)
        raise Fault(f"A copy of {file.name} can't be made ready, and nothing was changed: {error}.") from error
    except BaseException:
        discard(copy)
        raise
    step("prepared")
    return Ready(copy, schema, found)


def put_in_place(ready: Ready, settings: Settings, now: datetime, *, step: Step = _silent) -> Path | None:
    """Put the working copy in the place of the data; where the data of before is kept, None when there was none.

    Raises Fault when another program has the database open; OSError.
    """
    place = database_file(settings)
    kept = _keep(place, now)
    sync(place.parent)
    step("kept")
    for file in settings.cache_dir.iterdir():
        file.unlink() if not file.is_dir() else shutil.rmtree(file)
    for side in SIDES:
        place.with_name(place.name + side).unlink(missing_ok=True)
    sync(place.parent)
    step("cleared")
    os.replace(ready.copy, place)
    sync(place.parent)
    step("in place")
    return kept


def discard(copy: Path) -> None:
    """Remove the working copy, whatever of it there is. Raises OSError."""
    for name in (copy.name, *(copy.name + side for side in SIDES)):
        copy.with_name(name).unlink(missing_ok=True)


def _working_copy(settings: Settings) -> Path:
    """Where the working copy lies: beside the database, so that one rename puts it in place."""
    place = database_file(settings)
    return place.with_name(place.name + ".restoring")


# -- the backup --------------------------------------------------------------------------------------------------------


def _copy(file: Path, copy: Path, progress: Progress | None) -> None:
    """Copy the backup, if it is a database of ours that this version can read. Raises Fault."""
    if not file.is_file():
        raise Fault(f"There is no file {file}.")
    if not os.access(file, os.R_OK):
        raise Fault(f"{file} may not be read by the user who asks for it.")
    copy.touch(mode=0o600)

    def tell(status: int, left: int, pages: int) -> None:
        if progress:
            progress(pages - left, pages)

    try:
        with closing(opened(file, "ro")) as source, closing(sqlite3.connect(copy)) as target:
            _check_kind(source, file.name)
            source.backup(target, pages=PAGES, progress=tell)
    except sqlite3.OperationalError as error:
        raise Fault(f"{file} can't be read or copied: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise Fault(f"{file.name} is no backup of Mailout, or a damaged one: {error}.") from error


def _check_kind(source: sqlite3.Connection, name: str) -> None:
    """Raise Fault unless it is a database of ours, of a schema that this version knows."""
    tables = {row[0] for row in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    version = source.execute("SELECT version_num FROM alembic_version").fetchone() if tables >= OURS else None
    if version is None:
        raise Fault(f"{name} is no backup of Mailout: it holds other things, or nothing.")
    known = database.schemas()
    if version[0] not in known:
        raise Fault(
            f"{name} is of a newer Mailout: its database is at version {version[0]}, and this Mailout knows up to "
            f"{known[0]}. Install that version, then restore."
        )


@contextmanager
def _application(copy: Path, settings: Settings) -> Iterator[Flask]:
    """An application over the working copy; nothing of the working copy is open afterwards."""
    there = dataclasses.replace(settings, database_url=f"sqlite:///{copy}")
    app = Flask("mailout")
    app.extensions["mailout"] = there
    database.connect(app, there)
    try:
        yield app
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def _give_to_owner(copy: Path) -> None:
    """Have whoever owns the folder own the copy, where root restores for them: they could not open it otherwise."""
    if os.geteuid() == 0:
        owner = copy.parent.stat()
        os.chown(copy, owner.st_uid, owner.st_gid)


# -- the data of before ------------------------------------------------------------------------------------------------


def _make_whole(file: Path) -> None:
    """Have all of a database in its one file, with no log beside it."""
    with closing(opened(file, "rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    left = file.with_name(file.name + "-wal")
    if left.exists() and left.stat().st_size:
        raise sqlite3.OperationalError("database is locked")


def _keep(place: Path, now: datetime) -> Path | None:
    """Give the data of before a second name, by which it stays; it keeps its place until the restored one takes it.

    What can't be read as a database any more is kept as it is, with what lies beside it. Raises Fault.
    """
    if not place.exists():
        return None
    try:
        _make_whole(place)
    except sqlite3.OperationalError as error:
        raise Fault(f"The present database can't be put away, and nothing was changed: {error}.") from error
    except sqlite3.DatabaseError:
        pass  # it is damaged, which may be why a backup is restored
    kept = _free_name(place, now)
    for side in ("", *SIDES):
        one = place.with_name(place.name + side)
        if one.exists():
            _second_name(one, kept.with_name(kept.name + side))
    return kept


def _free_name(place: Path, now: datetime) -> Path:
    """A name beside the database that says when it was put away, and that nobody has."""
    stem, number = f"{place.name}.before-{now:%Y%m%dT%H%M%SZ}", 1
    found = place.with_name(stem)
    while found.exists():
        number += 1
        found = place.with_name(f"{stem}-{number}")
    return found


def _second_name(file: Path, name: Path) -> None:
    """A second name for a file; a copy of it where the disk knows no second names."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copy2(file, name)
        sync(name)
