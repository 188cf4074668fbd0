"""backup -- all of the data as one file, of one moment, while everything runs.

Owns     how a copy is written: beside its name, verified, on the disk, and only then by its name; the row in it that
         says when it was taken
Never    copies the file of a database that is in use; makes the sender wait; leaves half a copy behind by its name
Fails    Fault, in words; OSError as the disk does

It is written by VACUUM INTO: one long read, beside which everybody writes on. The log grows meanwhile and is used again
afterwards (450 MB, while a worker sent 2,000 copies a second: 8 s, 70 MB of log, no pause of half a second). SQLite's
backup in steps would begin anew with every commit of the sender; in one step it is hardly quicker, and it takes along
the free pages, in which keys and deleted customers can still stand.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from ..core.fault import Fault
from ..core.telling.spoken import size
from ..settings import Settings

#: The row of Setting, in a copy alone, that says when it was taken.
TAKEN = "backup taken at"
#: How often it is told how far the copy is, in instructions of SQLite's machine.
TOLD_EVERY = 100_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was verified. `unfinished` are the mail-outs in it that are accepted and not over."""

    file: Path
    octets: int
    taken_at: datetime
    schema: str
    unfinished: int


def database_file(settings: Settings) -> Path:
    """The file that all of the data is in. Raises Fault where the data is no file of ours."""
    if not settings.database_url.startswith("sqlite:///"):
        raise Fault("The data is in a database server: back it up and restore it with that server's own tools.")
    return settings.database_file.resolve()


def write(
    settings: Settings, file: Path, now: datetime, *, overwrite: bool, progress: Progress | None = None
) -> Backup:
    """Write a copy of the data to `file`, mode 600. Raises Fault; OSError.

    `progress` is told how many octets are written, and of about how many.
    """
    source = database_file(settings)
    _may_be_written(source, file, overwrite=overwrite)
    with _beside(file) as part:
        _copy(source, part, now, progress)
        schema, unfinished = verify(part, "The copy that was written")
        os.replace(part, file)
    sync(file.parent)
    return Backup(file, file.stat().st_size, now, schema, unfinished)


def verify(file: Path, name: str) -> tuple[str, int]:
    """The schema of a database of ours, and how many mail-outs in it are not over.

    Raises Fault when it is damaged; `name` is what it is called then.
    """
    try:
        with closing(opened(file, "ro")) as copy:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise Fault(f"{name} is damaged: {found.splitlines()[-1]}.")
            schema = copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            (unfinished,) = copy.execute(
                "SELECT count(*) FROM mailout "
                "WHERE accepted_at IS NOT NULL AND finished_at IS NULL AND cancelled_at IS NULL"
            ).fetchone()
    except sqlite3.DatabaseError as error:
        raise Fault(f"{name} is damaged: {error}.") from error
    return str(schema), int(unfinished)


def opened(file: Path, mode: str) -> sqlite3.Connection:
    """A connection to the SQLite file, which must be there; `mode` is "ro" or "rw". Raises sqlite3.OperationalError."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode={mode}", uri=True, timeout=15, isolation_level=None)


def sync(path: Path) -> None:
    """Have what was written to a file, or the names in a folder, survive the loss of power. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _may_be_written(source: Path, file: Path, *, overwrite: bool) -> None:
    """Say what is in the way of a copy before any work is done. Raises Fault."""
    if not source.exists() or not source.stat().st_size:
        raise Fault("There is no database yet, so there is nothing to back up.")
    if not file.parent.is_dir():
        raise Fault(f"There is no folder {file.parent}.")
    if file.is_dir():
        raise Fault(f"{file} is a folder. Say a file in it.")
    if file.exists() and file.samefile(source):
        raise Fault(f"{file} is the database itself.")
    if file.exists() and not overwrite:
        raise Fault(f"{file} is there already, and was left alone. Choose another name, or say --overwrite.")
    wanted, free = source.stat().st_size, shutil.disk_usage(file.parent).free
    if free < wanted:
        raise Fault(f"{file.parent} has room for {size(free)}, and the copy needs up to {size(wanted)}.")


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """An empty file beside `file`, for its owner alone; whatever goes wrong, it is gone afterwards. Raises Fault.

    One that a killed backup left is used again.
    """
    part = file.with_name(file.name + ".part")
    with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Fault(f"Another backup is being written to {file} at this moment.") from None
        try:
            held.truncate()
            part.with_name(part.name + "-journal").unlink(missing_ok=True)
            part.chmod(0o600)
            yield part
        finally:
            for left in (part, part.with_name(part.name + "-journal")):
                left.unlink(missing_ok=True)


def _copy(source: Path, part: Path, now: datetime, progress: Progress | None) -> None:
    """Write one moment of `source` into `part`, and into that when it was. Raises Fault."""
    try:
        with closing(opened(source, "rw")) as live:
            if not live.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                raise Fault("The database was never migrated, so there is nothing to back up.")
            if progress:
                live.set_progress_handler(_telling(part, source.stat().st_size, progress), TOLD_EVERY)
            live.execute("VACUUM INTO ?", (str(part),))
            live.set_progress_handler(None, 0)
        if progress:
            progress(1, 1)
        with closing(opened(part, "rw")) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (TAKEN, now.isoformat()))
    except sqlite3.DatabaseError as error:
        raise Fault(f"The backup could not be written, and nothing of it was left: {error}.") from error
    sync(part)


def _telling(part: Path, about: int, progress: Progress) -> Callable[[], int]:
    """What SQLite calls now and then: tells how far the copy is."""

    def tell() -> int:
        with suppress(OSError):
            progress(min(part.stat().st_size, about), about)
        return 0

    return tell
