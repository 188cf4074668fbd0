"""health -- /healthz: whether web, database and worker are alive, for whoever watches the machine.

Owns     the addresses /healthz and /favicon.ico
Never    asks the mailbox or the relay: that they are down is no reason to restart us
Fails    503, with a line for each thing that is not well
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, redirect, url_for
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from ... import pulse
from ...doctor.machine import SILENT
from ...models import db
from .. import asking

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """200 and "ok", or 503 and why."""
    wrong = faults(asking.now())
    return Response("\n".join(wrong or ["ok"]) + "\n", 503 if wrong else 200, content_type="text/plain; charset=utf-8")


def faults(now: datetime) -> list[str]:
    """What is not well, a line each."""
    try:
        db.session.execute(text("SELECT 1"))
        seen = pulse.of(pulse.WORKER).well_at
    except SQLAlchemyError:
        return ["database: it does not answer, or was never migrated"]
    if seen is None:
        return ["worker: it was never heard of; start it (the Procfile's `worker` line)"]
    if now - seen > SILENT:
        return [f"worker: not heard of since {seen:%Y-%m-%d %H:%M:%S} UTC; start it again"]
    return []


@blueprint.get("/favicon.ico")
def favicon() -> AnyResponse:
    """The icon, for whoever asks in the old place."""
    return redirect(url_for("static", filename="favicon.svg"))
