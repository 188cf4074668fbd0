"""The worker for tests that kill it: what `app.py` gives to `huey_consumer`, from this process's environment."""

from __future__ import annotations

from mailout import database, worker
from mailout import settings as mailout_settings
from mailout.web import create_app

_settings = mailout_settings.read()
app = create_app(_settings)
database.migrate(app, _settings)
huey = worker.create_huey(app)
