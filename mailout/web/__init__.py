"""web -- the windows: the Flask application, its extensions, its pages.

Owns     create_app
Never    imports the worker: a press of a button writes a row and rings the doorbell
"""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from .. import commands, database
from ..settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def create_app(settings: Settings) -> Flask:
    """The application that `settings` describe. Opens no connection yet and starts nothing."""
    app = Flask("mailout", root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.extensions["mailout"] = settings
    app.config["SECRET_KEY"] = settings.secret_key
    database.connect(app, settings)
    commands.register(app)
    return app
