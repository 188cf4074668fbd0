"""web -- the windows: the Flask application, its extensions, its pages.

Owns     create_app; BLUEPRINTS, all modules that have pages
Never    imports the worker: a press of a button writes a row and rings the doorbell
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

from flask import Flask
from htmx_flask import Htmx

from .. import commands, database
from .. import settings as mailout_settings
from ..settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent

#: Every module that has pages; each has its `blueprint`.
BLUEPRINTS = ["auth", "first_run", "profile", "support", "help", "users", "system", "inbox", "audit", "health", "mailouts", "recipients", "draft", "preview", "presses", "late", "sandbox_mail", "customers", "switches", "customer", "lists", "importing", "imports", "public"]


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
    Htmx(app)  # type: ignore[no-untyped-call]
    # until all pages are written, what can't be imported yet is left out, loudly
    for name in ("static_files", "security", "sessions", "permissions", "errors", "words", *BLUEPRINTS):
        try:
            module = importlib.import_module(f"mailout.web.{name}")
        except ImportError as error:
            logging.getLogger(__name__).warning("web.%s is not there yet: %s", name, error)
            continue
        {
            "static_files": lambda m: m.serve(app, ROOT / "static"),
            "security": lambda m: m.protect(app, settings),
            "sessions": lambda m: m.remember(app),
            "permissions": lambda m: m.guard(app),
            "errors": lambda m: m.answer_for(app),
            "words": lambda m: m.teach(app),
        }.get(name, lambda m: app.register_blueprint(m.blueprint))(module)
