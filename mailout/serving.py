"""serving -- the web process: what gunicorn is told, and what happens when it starts.

Owns     where it listens (HOST, PORT), and the sandbox where SANDBOX=1 asks for it
Never    serves before the database is at its newest schema
Fails    with one line for each setting that is wrong, before anything is started

gunicorn reads this module as its configuration (`-c python:mailout.serving`) and calls the functions by name.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from . import sandbox, welcome
from . import settings as mailout_settings
from .keeping import in_use, ready
from .models import db
from .sandbox import process
from .settings import Misconfigured

try:
    here = mailout_settings.read()
except Misconfigured as wrong:
    sys.exit(str(wrong))

bind = [f"[{here.host}]:{here.port}" if ":" in here.host else f"{here.host}:{here.port}"]
proc_name = "mailout-web"

_sandbox: list[subprocess.Popen[bytes]] = []


def on_starting(server: Any) -> None:
    """gunicorn is about to start: hold the data, its workers share that; the sandbox first, if one is asked for."""
    in_use.for_life(here.instance_dir)
    if here.sandbox and sandbox.is_asked_for():
        _sandbox.append(process.spawn(here))


def post_worker_init(worker: Any) -> None:
    """The application is there: bring the database to the newest schema, and say how to sign in."""
    app = worker.wsgi
    now = datetime.now(UTC)
    ready.make_ready(app, here, now)
    with app.app_context():
        print("\n".join(welcome.lines(here, now)), flush=True)
        db.session.remove()
    _settle_in()


def _settle_in() -> None:
    """Have the garbage collector leave alone what is loaded.

    Now and then it looked through all of that, and held every page up for as long as eight pages take.
    """
    gc.collect()
    gc.freeze()


def on_exit(server: Any) -> None:
    """gunicorn ends: the sandbox with it."""
    for child in _sandbox:
        child.terminate()
