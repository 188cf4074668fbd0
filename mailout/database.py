"""database -- an application's way to its database: connected at start, migrated once by whoever comes first.

Owns     the engine's options, the lock under which the schema is migrated, the secret that is planted in a new one
Never    loses data: migrations go forward only
Fails    as the migration does; the lock is the operating system's and goes with the process
"""

from __future__ import annotations

import fcntl
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade

from .current import SECRET
from .models import Setting, db, engine_options, tell_sqlite
from .settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")


def connect(app: Flask, settings: Settings) -> None:
    """Give `app` its database, as the settings say."""
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_url)
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS), render_as_batch=True)
    with app.app_context():
        tell_sqlite(db.engine, settings.durability)


def migrate(app: Flask, settings: Settings) -> None:
    """Bring the database to the newest schema, once, however many processes start together."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context(), alone(settings):
        upgrade()
        _plant_secret()
        db.session.remove()


def version() -> str:
    """The revision that the database is at; "" when it was never migrated."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def schemas() -> list[str]:
    """The revisions that this version of Mailout knows, the newest first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def _plant_secret() -> None:
    """Give a new database the secret that signs what must outlive a move to another machine."""
    if db.session.get(Setting, SECRET) is None:
        db.session.add(Setting(name=SECRET, value=secrets.token_hex(32)))
        db.session.commit()


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Do what is done once at a start, however many processes start together: others wait."""
    with (settings.instance_dir / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
