"""What all tests share: an application on a database of its own, a clock that stands, and people to write to.

A database is migrated once per run; each test gets a copy of its file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mailout import database
from mailout import settings as mailout_settings
from mailout.models import db
from mailout.settings import Settings
from mailout.web import create_app
from tests.makers import Make

pytest_plugins = ["tests.mailservers"]

NOW = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of an installation with real servers (that nobody connects to) and its data in `folder`."""
    return {
        "INSTANCE_DIR": str(folder),
        "SECRET_KEY": "a secret for tests only, long enough",
        "DURABILITY": "process",
        "BASE_URL": "http://127.0.0.1:5000",
        "TIME_ZONE": "Australia/Sydney",
        "ORGANISATION_NAME": "Happy Paws",
        "ORGANISATION_ADDRESS": "12 High Street, Lismore NSW 2480",
        "MAILOUT_ADDRESS": "mailout+{key}@mail.test",
        "POP3_HOST": "127.0.0.1",
        "POP3_PORT": "9",
        "POP3_USERNAME": "mailout@mail.test",
        "POP3_PASSWORD": "pop secret",
        "POP3_SECURITY": "none",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "9",
        "SMTP_SECURITY": "none",
        "SMTP_HELO_NAME": "mailout.test",
    } | more


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: tests of real servers wait longer than they work."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors + (processors + 1) // 2


@pytest.fixture
def now() -> datetime:
    """The time that it is in a test."""
    return NOW


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file at the newest schema, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    settings = mailout_settings.read(environment(folder))
    application = create_app(settings)
    database.migrate(application, settings)
    with application.app_context():
        db.engine.dispose()  # or all of it would still be in the -wal file
    return folder / "mailout.db"


@pytest.fixture
def settings(tmp_path: Path, migrated: Path) -> Settings:
    """An installation of its own."""
    instance = tmp_path / "instance"
    instance.mkdir()
    shutil.copy(migrated, instance / "mailout.db")
    return mailout_settings.read(environment(instance))


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application, with a context pushed."""
    application = create_app(settings)
    application.config["TESTING"] = True
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a window."""
    return app.test_client()


@pytest.fixture
def make(app: Flask, now: datetime) -> Make:
    """Makes users, customers and lists; each call commits."""
    return Make(now)
