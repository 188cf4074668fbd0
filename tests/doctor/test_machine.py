"""What is found of the database, the disk, the files, the worker and the settings."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import namedtuple
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from mailout import pulse
from mailout import settings as mailout_settings
from mailout.core.checking.finding import Finding, Status
from mailout.doctor import configuration, examination, machine
from mailout.models import db
from mailout.settings import Settings
from mailout.web import create_app
from tests.conftest import environment
from tests.makers import Make

Usage = namedtuple("Usage", "total used free")


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


class TestDatabase:
    def test_a_sound_one(self, app: Flask, settings: Settings) -> None:
        found = only(machine.look_at_database(settings))

        assert (found.status, "writable" in found.text) == (Status.OK, True)
        assert "survives a crash" in found.text, "the tests' own durability"

    def test_one_that_is_not_there_is_not_made_by_looking(self, app: Flask, settings: Settings) -> None:
        path = settings.database_file
        db.engine.dispose()
        path.unlink()

        found = only(machine.look_at_database(settings))

        assert (found.status, "db upgrade" in found.advice) == (Status.FAILED, True)
        assert not path.exists()

    @pytest.mark.parametrize(("version", "said"), [("0000", "newer Mailout"), (None, "db upgrade")])
    def test_one_at_another_schema(self, app: Flask, settings: Settings, version: str | None, said: str) -> None:
        with sqlite3.connect(settings.database_file) as connection:
            connection.execute("DELETE FROM alembic_version")
            if version:
                connection.execute("INSERT INTO alembic_version VALUES (?)", (version,))
        connection.close()

        found = only(machine.look_at_database(settings))

        assert (found.status, said in found.advice) == (Status.FAILED, True)

    def test_one_that_breaks_its_own_rules(self, app: Flask, settings: Settings) -> None:
        with sqlite3.connect(settings.database_file) as connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            columns = "digest, received_at, size, whole, spool"
            connection.execute(f"INSERT INTO letter ({columns}) VALUES ('x', '2026-11-25', 1, 1, 'nonsense')")
        connection.close()

        found = only(machine.look_at_database(settings))

        assert (found.status, "damaged" in found.text, "last backup" in found.advice) == (Status.FAILED, True, True)

    def test_a_torn_one(self, app: Flask, settings: Settings) -> None:
        path = settings.database_file
        db.engine.dispose()
        octets = bytearray(path.read_bytes())
        # the pages after the first hundred: the tables' own contents, not what says where they are
        octets[-40 * 4096 :] = b"\xff" * (40 * 4096)
        path.write_bytes(octets)

        found = only(machine.look_at_database(settings))

        assert found.status is Status.FAILED
        assert "damaged" in found.text or "can't be used" in found.text

    def test_one_that_another_program_writes_for_long(self, app: Flask, settings: Settings) -> None:
        db.engine.dispose()
        other = sqlite3.connect(settings.database_file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")

        found = only(machine.look_at_database(settings))
        other.close()

        assert (found.status, "in use" in found.text) == (Status.WARNING, True)


class TestMachine:
    @pytest.mark.parametrize(("free", "status"), [(10**8, Status.FAILED), (10**9, Status.WARNING), (10**11, Status.OK)])
    def test_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: Status) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))

        assert machine.look_at_disk(tmp_path).status is status

    def test_files_that_others_can_read(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("SMTP_PASSWORD=x")
        (tmp_path / ".env").chmod(0o644)
        (settings.instance_dir / "secret_key").write_text("x")
        (settings.instance_dir / "secret_key").chmod(0o640)

        found = list(machine.look_at_files(settings, tmp_path))

        assert [finding.status for finding in found] == [Status.WARNING, Status.WARNING]
        assert f"chmod 600 {settings.instance_dir / 'secret_key'}" in found[0].advice
        assert f"chmod 600 {tmp_path / '.env'}" in found[1].advice
        for name in (tmp_path / ".env", settings.instance_dir / "secret_key"):
            name.chmod(0o600)
        assert only(list(machine.look_at_files(settings, tmp_path))).status is Status.OK

    def test_another_user_than_the_files_are_of(
        self, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert machine.look_at_owner(settings) == []
        owner = settings.database_file.owner()

        monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)

        found = only(machine.look_at_owner(settings))
        assert (found.status, f"sudo -u {owner} " in found.advice) == (Status.WARNING, True)
        assert "runs as 4000000" in found.text

    def test_an_open_folder(self, settings: Settings, tmp_path: Path) -> None:
        settings.instance_dir.chmod(0o755)

        found = list(machine.look_at_files(settings, tmp_path / "nothing"))

        assert any(f"chmod 700 {settings.instance_dir}" in finding.advice for finding in found)


class TestWorker:
    @pytest.mark.parametrize(("seconds", "status"), [(None, Status.WARNING), (20, Status.OK), (100_000, Status.FAILED)])
    def test_when_it_was_heard_of(
        self, app: Flask, settings: Settings, now: datetime, seconds: int | None, status: Status
    ) -> None:
        if seconds is not None:
            pulse.well(pulse.WORKER, now - timedelta(seconds=seconds))

        found = machine.look_at_worker(settings, now)

        assert found.status is status
        assert machine.is_alive(now) is (status is Status.OK)
        assert status is Status.OK or "`worker`" in found.advice

    def test_a_sandbox_that_rests_is_no_failure(self, app: Flask, tmp_path: Path, now: datetime) -> None:
        rests = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
        pulse.well(pulse.WORKER, now - timedelta(days=2))

        assert machine.look_at_worker(rests, now).status is Status.WARNING


class TestConfiguration:
    WISE = {  # noqa: RUF012
        "BASE_URL": "https://mailout.example.org",
        "TRUST_PROXY": "1",
        "DURABILITY": "power",
    }

    def warned(self, folder: Path, root: Path | None = None, **more: str) -> list[Finding]:
        read = mailout_settings.read(environment(folder, **(self.WISE | more)))
        found = list(configuration.look(read, root or folder / "nothing"))
        assert found[0].status is Status.OK, "what the settings say comes first"
        return found[1:]

    def test_wise_settings_are_not_warned_of(self, tmp_path: Path) -> None:
        assert self.warned(tmp_path) == []

    @pytest.mark.parametrize(
        ("name", "value", "put"),
        [
            ("BASE_URL", "http://127.0.0.1:5000", "BASE_URL=https://"),
            ("TRUST_PROXY", "0", "TRUST_PROXY=1"),
            ("SMTP_HOST", "relay.example.net", "SMTP_SECURITY=starttls"),
            ("START_DELAY_SECONDS", "0", "START_DELAY_SECONDS=30"),
            ("SENDER_POLICY", "key", "SENDER_POLICY=known"),
            ("FROM_POLICY", "keep", "FROM_POLICY=aligned"),
            ("ALIGNED_DOMAINS", "example.org", "ALIGNED_DOMAINS=example.org,mail.test"),
            ("BOUNCE_ADDRESS", "returns@mail.test", "BOUNCE_ADDRESS=returns+b-{token}@mail.test"),
            ("SECRET_KEY", "short", "Take SECRET_KEY out"),
            ("DURABILITY", "process", "DURABILITY=power"),
        ],
    )
    def test_what_is_unwise_names_the_variable_and_a_value(
        self, tmp_path: Path, name: str, value: str, put: str
    ) -> None:
        found = only(self.warned(tmp_path, **{name: value}))

        assert found.status is Status.WARNING
        assert put in found.advice
        assert "short" not in found.text + found.advice, "no secret is shown"

    def test_a_slip_of_the_pen_in_env_is_found(self, tmp_path: Path) -> None:
        shutil.copy(mailout_settings.ROOT / ".env.example", tmp_path)
        lines = "SMTP_PASWORD=x\nSANDBOX=1\nexport POP3_HOSTNAME=y\n#SMPT_HOST=z\nNOTHING_LIKE_IT=1\n"
        (tmp_path / ".env").write_text(lines)

        found = self.warned(tmp_path, tmp_path)

        assert [finding.text.partition(" ")[0] for finding in found] == ["POP3_HOSTNAME", "SMTP_PASWORD"]
        assert "Perhaps SMTP_PASSWORD is meant" in found[1].advice

    def test_settings_that_stop_the_start_are_one_line_each(self) -> None:
        faults = ["PORT is 'x', which is not a number. For example: PORT=5000"]

        found = only(configuration.broken(faults))

        assert found.text == "PORT is 'x', which is not a number."
        assert (found.status, "PORT=5000" in found.advice) == (Status.FAILED, True)


def test_nobody_who_could_sign_in(app: Flask, settings: Settings, make: Make) -> None:
    assert any("no Administrator" in one.text for one in examination._people(settings))

    make.user("jane@mail.test", administrator=True)

    assert examination._people(settings) == []


def test_in_the_sandbox_that_nobody_started_nothing_failed(tmp_path: Path) -> None:
    read = mailout_settings.read({"INSTANCE_DIR": str(tmp_path)})
    with create_app(read).app_context():
        found = list(examination.examine(read, datetime.now))

    assert {finding.status for finding in found} == {Status.OK, Status.WARNING}
    assert "This is the sandbox" in found[0].text
    assert not read.database_file.exists(), "looking makes no database"
