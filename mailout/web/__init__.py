"""web -- the windows: the Flask application, its extensions, its pages.

Owns     create_app; BLUEPRINTS, all modules that have pages
Never    imports the worker: a press of a button writes a row and rings the doorbell
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from htmx_flask import Htmx

from .. import commands, database
from .. import settings as mailout_settings
from ..settings import Settings
from . import errors, sandbox_mail, static_files, words
from .access import auth, first_run, permissions, profile, security, sessions, users
from .customers import customer, grid, importing, imports, lists, switches
from .help import manual, support
from .mailouts import draft, late, pages, presses, preview, recipients
from .public import preferences
from .turns import Turns
from .upkeep import audit, health, inbox, system

ROOT = Path(__file__).resolve().parent.parent.parent

#: Every module that has pages; each has its `blueprint`.
BLUEPRINTS = (
    *(auth, first_run, profile, users),
    *(pages, recipients, draft, preview, presses, late),
    *(grid, switches, customer, lists, importing, imports),
    preferences,
    *(system, inbox, audit, health),
    *(manual, support),
    sandbox_mail,
)


def create_app(settings: Settings | None = None) -> Flask:
    """The application that `settings` (the environment's, when None) describe. Opens no connection and starts nothing.

    Raises Misconfigured.
    """
    settings = settings or mailout_settings.read()
    app = Flask("mailout", root_path=str(ROOT), template_folder="templates", static_folder=None)
    app.extensions["mailout"] = settings
    app.config["SECRET_KEY"] = settings.secret_key
    database.connect(app, settings)
    commands.register(app)
    _windows(app, settings)
    return app


def _windows(app: Flask, settings: Settings) -> None:
    """Give `app` its pages, and what stands before them."""
    Htmx(app)
    static_files.serve(app, ROOT / "static")
    security.protect(app, settings)
    sessions.remember(app)
    permissions.guard(app)
    errors.answer_for(app)
    words.teach(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    app.wsgi_app = Turns(app.wsgi_app)  # type: ignore[method-assign]
