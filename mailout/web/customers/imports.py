"""imports -- what was imported: its figures, the rows that were refused, and taking it back.

Owns     /customers/imports/<id>
Never    undoes without asking once more
Commits  through `book.importing`, in the job's own thread
Fails    Fault, in words, when an import can't be undone (any more); LookupError for one that there is not
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...book import importing, plans
from ...core.fault import Fault
from ...core.telling import sheet
from ...core.telling.spoken import things
from ...models import Import
from .. import asking
from . import jobs
from .jobs import Job, Tell

blueprint = Blueprint("imports", __name__)

UNDO = "undo"
#: Seconds that undoing may take before the page is shown meanwhile.
PATIENCE = 5.0


@blueprint.get("/customers/imports/<int:import_id>")
def show(import_id: int) -> AnyResponse | str:
    """What an import did; `ask` in the address asks to confirm that it is undone.

    While it is being undone the page asks each second, and is loaded anew when that is over.
    """
    row, job = plans.row(import_id), jobs.find(_name(import_id))
    if asking.wants_fragment():
        return _undoing(row, job)
    plan = importing.find(import_id)
    return render_template(
        "customers/imported.html",
        row=row,
        plan=plan,
        kept_out=importing.kept_out(import_id) if plan.kept_out else [],
        job=job if job is not None and job.working else None,
        fault=job.fault if job is not None else "",
        asked=request.args.get("ask", "") == UNDO,
        undo_until=row.applied_at + plans.UNDO_FOR if row.applied_at else None,
    )


@blueprint.get("/customers/imports/<int:import_id>/refused.csv")
def refused(import_id: int) -> Response:
    """The rows that are refused, each with its own cells and the reason, to be mended and imported again."""
    plans.row(import_id)
    lines = stream_with_context(sheet.file(map(sheet.row, plans.refused_rows(import_id))))
    headers = {"Content-Disposition": 'attachment; filename="refused.csv"'}
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.post("/customers/imports/<int:import_id>/undo")
def undo(import_id: int) -> AnyResponse:
    """Take the import back."""
    plans.row(import_id)
    actor, now = asking.actor(), asking.now()

    def work(tell: Tell) -> importing.Undone:
        return importing.undo(import_id, actor=actor, now=now)

    job = jobs.start(_name(import_id), UNDO, work, patience=PATIENCE)
    if job.fault:
        raise Fault(job.fault)
    return _over(import_id, job)


def _undoing(row: Import, job: Job | None) -> AnyResponse | str:
    """What the page that lies open shows while the import is being undone."""
    if job is not None and job.working:
        return render_template("customers/_undoing.html", row=row)
    return _over(row.id, job)


def _over(import_id: int, job: Job | None) -> AnyResponse:
    """The page anew, with what undoing did."""
    if job is not None and isinstance(job.result, importing.Undone):
        flash(_said(job.result), "good")
    return asking.go(url_for("imports.show", import_id=import_id))


def _name(import_id: int) -> str:
    return f"undo {import_id}"


def _said(done: importing.Undone) -> str:
    """What undoing did."""
    kept = (
        f" {things(done.kept, 'customer')} stay, because they left a list or stopped mail since." if done.kept else ""
    )
    return f"Undone: {things(done.removed, 'customer')} went, {things(done.put_back, 'change')} taken back.{kept}"
