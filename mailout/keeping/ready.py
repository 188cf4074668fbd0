"""ready -- what web and worker do before anything: hold the data, bring it to this schema, still a copy of it.

Owns     the order of these
Never    lets a process serve or send before all of it is done
Fails    as the migration does

A backup that somebody has copied into the place of the database, instead of restoring it, is known by the row that says
when it was taken. It must not send on from where it was then, and so it is treated as a restored one.
"""

from __future__ import annotations

import logging
from datetime import datetime

from flask import Flask

from .. import database
from ..models import db
from ..settings import Settings
from . import in_use, new_life

log = logging.getLogger(__name__)


def make_ready(app: Flask, settings: Settings, now: datetime) -> None:
    """Make the data ready for this process, which holds it until it ends."""
    in_use.for_life(settings.instance_dir)
    database.migrate(app, settings)
    with app.app_context(), database.alone(settings):
        if new_life.begin_if_by_hand(now):
            log.warning("the database is a backup that was put into its place: what was under way in it is paused")
        db.session.remove()
