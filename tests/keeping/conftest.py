"""An installation whose data is copied and exchanged: seen from here, and by commands in processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from mailout.keeping import backup
from mailout.models import db
from mailout.settings import Settings
from mailout.web import create_app
from tests.conftest import environment
from tests.installation import Installation

Flasks = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def outside(settings: Settings, tmp_path: Path) -> Installation:
    """The installation as commands and processes see it."""
    return Installation(environment(settings.instance_dir), tmp_path)


@pytest.fixture
def place(settings: Settings) -> Path:
    """The file of the data."""
    return backup.database_file(settings)


@pytest.fixture
def anew(settings: Settings, app: Flask) -> Iterator[Callable[[], Flask]]:
    """Lets go of the data as the test knew it, and opens what is in its place now."""
    contexts = []

    def open_anew() -> Flask:
        let_go()
        application = create_app(settings)
        context = application.app_context()
        context.push()
        contexts.append(context)
        return application

    yield open_anew
    for context in reversed(contexts):
        let_go()
        context.pop()


def let_go() -> None:
    """Close what this process has open of the data."""
    db.session.remove()
    db.engine.dispose()
