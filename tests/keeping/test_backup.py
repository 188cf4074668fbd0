"""A copy of one moment while everything runs: verified, private, and never half of one by its name."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from mailout.core.fault import Fault
from mailout.keeping import backup
from mailout.models import db
from mailout.settings import Settings
from tests.conftest import environment
from tests.installation import BIN, ROOT, Installation
from tests.makers import Make

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(app: Flask, make: Make) -> Run:
    """Runs a command in this process: (exit code, stdout, stderr). There is data."""
    make.customer("ann@customers.test")
    runner = app.test_cli_runner()

    def command(*words: str) -> tuple[int, str, str]:
        result = runner.invoke(args=list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return command


@pytest.fixture
def large(app: Flask) -> None:
    """As much data as a copy needs a moment for."""
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
    rows += "INSERT INTO journal_entry (at, actor, action, subject, detail) "
    rows += "SELECT '2026-11-25 03:04:05.000000', 'a test', 'test', i, hex(randomblob(200)) FROM n"
    db.session.execute(text(rows))
    db.session.commit()


def rows(file: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.execute(question))


def test_a_copy_is_whole_private_and_says_when_it_was_taken(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "of today.db"

    code, out, err = run("backup", str(file), "--json")

    told = json.loads(out)
    assert (code, err, list(told)) == (0, "", ["file", "bytes", "mailouts_unfinished", "taken_at", "schema"])
    assert (told["file"], told["bytes"]) == (str(file), file.stat().st_size)
    assert (told["mailouts_unfinished"], told["schema"]) == (0, "0001")
    assert file.stat().st_mode & 0o777 == 0o600
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert rows(file, "SELECT email FROM customer") == [("ann@customers.test",)]
    ((at,),) = rows(file, "SELECT value FROM setting WHERE name = 'backup taken at'")
    assert str(at).startswith(told["taken_at"][:19])
    assert [path.name for path in tmp_path.glob("of*")] == ["of today.db"]
    assert db.session.scalar(text("SELECT count(*) FROM setting WHERE name = 'backup taken at'")) == 0


def test_for_a_person_it_says_so_in_a_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"

    assert run("backup", str(file))[1].endswith(" KB. No mail-out is under way in it.\n")


def test_what_is_in_the_way_is_one_line(run: Run, tmp_path: Path, place: Path) -> None:
    file = tmp_path / "backup.db"
    file.write_text("something else")
    ways = {
        str(file): "is there already, and was left alone",
        str(tmp_path): "is a folder",
        str(tmp_path / "lost" / "backup.db"): "There is no folder",
        str(place): "is the database itself",
        "-": "can't go to standard output",
        "/proc/backup.db": "",
    }
    for name, said in ways.items():
        code, out, err = run("backup", name)
        assert (code, out, err.count("\n")) == (1, "", 1), err
        assert said in err
    assert run("backup", str(place), "--overwrite")[0] == 1
    assert file.read_text() == "something else"
    assert run("backup", str(file), "--overwrite")[0] == 0
    assert rows(file, "SELECT count(*) FROM customer") == [(1,)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)

    code, _, err = run("backup", str(folder / "backup.db"))

    assert (code, err) == (1, f"{folder / 'backup.db.part'} can't be written: Permission denied.\n")


def test_without_data_there_is_nothing_to_back_up(settings: Settings, place: Path, tmp_path: Path) -> None:
    place.unlink()
    with pytest.raises(Fault, match="There is no database yet"):
        backup.write(settings, tmp_path / "b.db", datetime.now(UTC), overwrite=False)
    sqlite3.connect(place).execute("CREATE TABLE other (id INTEGER)").connection.close()
    with pytest.raises(Fault, match="never migrated"):
        backup.write(settings, tmp_path / "b.db", datetime.now(UTC), overwrite=False)
    elsewhere = dataclasses.replace(settings, database_url="postgresql://db.example.org/mailout")
    with pytest.raises(Fault, match="that server's own tools"):
        backup.write(elsewhere, tmp_path / "b.db", datetime.now(UTC), overwrite=False)
    assert not list(tmp_path.glob("b.db*"))


def test_others_write_on_while_it_is_written_and_it_is_one_moment(
    app: Flask, large: None, settings: Settings, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "TOLD_EVERY", 5000)
    db.session.remove()
    file, written = tmp_path / "backup.db", []
    with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as other:

        def write(done: int, total: int) -> None:
            """In the middle of the copy: a commit that finds a lock raises, and would break the copy off."""
            assert 0 <= done <= total
            name = f"in between {len(written)}"
            other.execute("INSERT INTO setting VALUES (?, 'x')", (name,))
            other.execute("INSERT INTO forgotten VALUES (?, '2026-11-25 03:04:05')", (name,))
            written.append(name)

        backup.write(settings, file, datetime.now(UTC), overwrite=False, progress=write)

    assert len(written) > 20
    there = {str(name) for (name,) in rows(file, "SELECT name FROM setting") if str(name).startswith("in between")}
    assert there == {str(name) for (name,) in rows(file, "SELECT digest FROM forgotten")}
    assert len(there) < len(written) - 10
    assert len(rows(place, "SELECT 1 FROM forgotten")) == len(written)


def test_what_was_deleted_is_in_no_copy(app: Flask, settings: Settings, place: Path, tmp_path: Path) -> None:
    mark = "a key that was blanked"
    db.session.execute(text("INSERT INTO setting VALUES ('x', :words)"), {"words": mark * 2000})
    db.session.commit()
    db.session.execute(text("PRAGMA secure_delete = OFF"))
    db.session.execute(text("DELETE FROM setting WHERE name = 'x'"))
    db.session.commit()
    db.session.remove()
    db.engine.dispose()
    assert mark.encode() in place.read_bytes(), "the file that is in use has it still"

    backup.write(settings, tmp_path / "backup.db", datetime.now(UTC), overwrite=False)

    assert mark.encode() not in (tmp_path / "backup.db").read_bytes()


def test_a_full_disk_leaves_nothing_behind(app: Flask, large: None, settings: Settings, tmp_path: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, resource.RLIM_INFINITY))

    file = tmp_path / "backup.db"
    file.write_bytes(b"the backup of yesterday")
    words = [str(BIN / "flask"), "backup", str(file), "--overwrite"]
    done = subprocess.run(
        words, cwd=ROOT, env={"PATH": os.environ["PATH"]} | environment(settings.instance_dir),
        capture_output=True, text=True, preexec_fn=little_room, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "The backup could not be written, and nothing of it was left" in done.stderr
    assert [path.name for path in tmp_path.glob("backup.db*")] == ["backup.db"]
    assert file.read_bytes() == b"the backup of yesterday"


def test_a_copy_without_room_is_not_begun(
    app: Flask, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr(backup.shutil, "disk_usage", lambda folder: Full)
    with pytest.raises(Fault, match="has room for 1 KB, and the copy needs up to"):
        backup.write(settings, tmp_path / "backup.db", datetime.now(UTC), overwrite=False)


def test_a_copy_that_is_not_what_it_should_be_is_none(
    app: Flask, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = backup._copy

    def spoilt(source: Path, part: Path, *rest: object) -> None:
        whole(source, part, *rest)  # type: ignore[arg-type]
        octets = bytearray(part.read_bytes())
        octets[40960:45056] = b"\xff" * 4096
        part.write_bytes(octets)

    monkeypatch.setattr(backup, "_copy", spoilt)
    with pytest.raises(Fault, match="The copy that was written is damaged"):
        backup.write(settings, tmp_path / "backup.db", datetime.now(UTC), overwrite=False)
    assert not list(tmp_path.glob("backup.db*"))


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from mailout import settings
from mailout.keeping import backup

backup.TOLD_EVERY = 20000
told = []

def die(done, total):
    told.append(done)
    if len(told) > 10:
        os.kill(os.getpid(), signal.SIGKILL)

backup.write(settings.read(), Path(sys.argv[1]), datetime.now(UTC), overwrite=False, progress=die)
"""


def test_killed_in_the_middle_it_is_no_backup_and_the_next_one_is(
    app: Flask, large: None, settings: Settings, outside: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)],
        cwd=ROOT, env={"PATH": os.environ["PATH"]} | environment(settings.instance_dir), check=False,
    )  # fmt: skip

    assert done.returncode == -signal.SIGKILL
    assert not file.exists()
    assert (tmp_path / "backup.db.part").stat().st_mode & 0o777 == 0o600
    assert outside.json("backup", str(file))["bytes"] == file.stat().st_size
    assert [path.name for path in tmp_path.glob("backup.db*")] == ["backup.db"]


def test_two_backups_to_one_file_do_not_meet(app: Flask, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"

    with backup._beside(file), pytest.raises(Fault, match="Another backup is being written"):
        backup.write(settings, file, datetime.now(UTC), overwrite=False)
