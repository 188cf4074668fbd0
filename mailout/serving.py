"""serving -- the web process: what gunicorn is told, and what happens when it starts.

Owns     where it listens (HOST, PORT), the sandbox where SANDBOX=1 asks for it, the words that say how to sign in
Never    serves before the database is at its newest schema
Fails    with one line for each setting that is wrong, before anything is started
Commits  the sandbox's people or the set-up code, once a start

gunicorn reads this module as its configuration (`-c python:mailout.serving`) and calls the functions by name.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from . import database, sandbox
from . import settings as mailout_settings
from .book import links, users
from .models import db
from .sandbox import data, process
from .settings import Misconfigured, Settings

try:
    here = mailout_settings.read()
except Misconfigured as wrong:
    sys.exit(str(wrong))

bind = [f"[{here.host}]:{here.port}" if ":" in here.host else f"{here.host}:{here.port}"]
proc_name = "mailout-web"

_sandbox: list[subprocess.Popen[bytes]] = []


def on_starting(server: Any) -> None:
    """gunicorn is about to start: the sandbox first, if one is asked for."""
    if here.sandbox and sandbox.is_asked_for():
        _sandbox.append(process.spawn(here))


def post_worker_init(worker: Any) -> None:
    """The application is there: bring the database to the newest schema, and say how to sign in."""
    app = worker.wsgi
    database.migrate(app, here)
    with app.app_context():
        print("\n".join(greeting(here, datetime.now(UTC))), flush=True)
        db.session.remove()


def on_exit(server: Any) -> None:
    """gunicorn ends: the sandbox with it."""
    for child in _sandbox:
        child.terminate()


def greeting(settings: Settings, now: datetime) -> list[str]:
    """The address and how to sign in, in lines; makes what it speaks of (the sandbox's account, the set-up code)."""
    lines = [f"Mailout is at {settings.base_url}"]
    if settings.sandbox:
        account = data.plant(now)
        if account.password:
            return [*lines, f"Sign in as {account.email} with the one-time password {account.password}"]
        forgotten = f"python3 app.py users set-password {account.email}"
        return [*lines, f"Sign in as {account.email} with your password (forgotten: {forgotten})"]
    if users.is_first():
        code = links.make(links.FIRST_RUN, None, None, now)
        db.session.commit()
        return [*lines, f"There are no users yet: open it and enter the set-up code {code} (one hour, five tries)"]
    return [*lines, "Sign in with your address and your password"]
