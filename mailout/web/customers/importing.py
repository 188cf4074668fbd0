"""importing -- the import page: choose a file or paste cells, say what its columns are, look at the dry run, apply.

Owns     /customers/import and the steps on it; what was applied is `imports`
Never    changes anything before Apply; reads a file in the request that would take longer than a page may
Commits  through `book.importing`, in the job's own thread
Fails    422 and the page again, with the words, for a file that can't be read; LookupError for one that is gone
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, flash, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...book import importing, lists, uploads
from ...book.importing import Column, Look, Mapping, Plan
from ...book.uploads import Choices, Upload
from ...core.fault import Fault
from .. import asking
from . import jobs
from .jobs import Job, Tell

blueprint = Blueprint("importing", __name__)

PLAN, APPLY = "plan", "apply"
OWN, OUT, LIST = "own", "out", "list:"
#: What a column can become, besides a list and an own field.
ROLES = {"email": "Email", "first_name": "First name", "last_name": "Last name", "name": "First and last name"}
REFUSED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Matched:
    """A column of the file, and what it becomes."""

    column: Column
    role: str

    @property
    def heading(self) -> str:
        """Its heading, or its number where it has none."""
        return self.column.heading or f"Column {self.column.index + 1}"


@blueprint.get("/customers/import")
def index() -> str:
    """Choose a file; what was imported before."""
    return _choose()


@blueprint.post("/customers/import")
def upload() -> AnyResponse | tuple[str, int]:
    """Keep the file or the cells, and begin the dry run with what we guess its columns are."""
    try:
        data, filename = _sent()
        look = importing.look(data, filename)
    except Fault as fault:
        return _choose(str(fault)), 422
    kept = uploads.keep(data, filename, asking.who().id, asking.now(), look)
    if look.mapping is not None:
        kept = uploads.choose(kept, Choices(look.mapping))
        _plan(kept)
    return asking.go(url_for("importing.show", name=kept.name))


@blueprint.get("/customers/import/<name>")
def show(name: str) -> AnyResponse | str:
    """The columns and what they become, and the dry run or how far it is."""
    kept = uploads.find(name, asking.who().id)
    job = jobs.find(name)
    done = _applied(job)
    if done is not None:
        return asking.go(url_for("imports.show", import_id=done))
    look = kept.look or importing.look(kept.data, kept.filename)
    return render_template(
        "customers/import.html",
        upload=kept,
        matched=_matched(look, kept.choices),
        above=look.above,
        roles=ROLES,
        lists=lists.all(),
        **_outcome(job),
    )


@blueprint.get("/customers/import/<name>/progress")
def progress(name: str) -> AnyResponse:
    """What the page that lies open asks every second while something is being done."""
    kept, job = uploads.find(name, asking.who().id), jobs.find(name)
    done = _applied(job)
    if done is not None:
        return asking.go(url_for("imports.show", import_id=done))
    return make_response(render_template("customers/_import_outcome.html", upload=kept, **_outcome(job)))


@blueprint.post("/customers/import/<name>/match")
def match(name: str) -> AnyResponse:
    """Begin the dry run anew, with what the form says."""
    kept, job = uploads.find(name, asking.who().id), jobs.find(name)
    if job is not None and job.kind == APPLY and job.working:
        raise Fault("It is being imported just now; the columns can't be changed any more.")
    fault = ""
    try:
        kept = uploads.choose(kept, _said())
        job = _plan(kept)
    except Fault as error:
        fault = str(error)
    if asking.wants_fragment():
        outcome = _outcome(job) | ({"fault": fault, "plan": None} if fault else {})
        return make_response(render_template("customers/_import_outcome.html", upload=kept, **outcome))
    if fault:
        raise Fault(fault)
    return asking.go(url_for("importing.show", name=name) + "#outcome")


@blueprint.post("/customers/import/<name>/apply")
def apply(name: str) -> AnyResponse:
    """Import what the dry run said, if it is the one that the page showed and the columns are the same still."""
    kept, job = uploads.find(name, asking.who().id), jobs.find(name)
    if job is not None and job.kind == APPLY and not job.fault:
        return asking.go(url_for("importing.show", name=name) + "#outcome")
    plan = job.result if job is not None else None
    if not isinstance(plan, Plan) or request.form.get("plan") != str(plan.id):
        raise Fault("The figures are others by now, or were not kept. Go back, load the page again, and look at them.")
    said = _said()
    if said != kept.choices:
        _plan(uploads.choose(kept, said))
        flash("You changed something since we counted. Look at the figures once more, then import.", "look")
        return asking.go(url_for("importing.show", name=name))
    jobs.start(name, APPLY, _applying(plan.id))
    return asking.go(url_for("importing.show", name=name) + "#outcome")


def _choose(fault: str = "") -> str:
    """The page on which a file is chosen."""
    before = importing.latest(asking.now())
    return render_template(
        "customers/import_choose.html", fault=fault, before=before, pasted=request.form.get("cells", "")
    )


def _sent() -> tuple[bytes | str, str]:
    """The file that was sent, or the cells that were pasted; raises Fault for neither."""
    file, cells = request.files.get("file"), request.form.get("cells", "")
    if file is not None and file.filename:
        return file.read(), file.filename
    if not cells.strip():
        raise Fault("Choose a file, or paste cells from a spreadsheet, with their headings.")
    return cells, ""


def _plan(kept: Upload) -> Job:
    """Begin the dry run of an upload; the one before it is thrown away."""
    before = jobs.find(kept.name)
    old = before.result.id if before is not None and isinstance(before.result, Plan) else None
    actor, now, said = asking.actor(), asking.now(), kept.choices
    assert said is not None, "nothing is planned before the columns are known"

    def work(tell: Tell) -> Plan:
        if old is not None:
            importing.discard(old)
        return importing.plan(
            kept.data,
            kept.filename,
            said.mapping,
            list_ids=said.list_ids,
            suppress=said.suppress,
            bring_back=said.bring_back,
            actor=actor,
            now=now,
            progress=tell,
        )

    return jobs.start(kept.name, PLAN, work)


def _applying(import_id: int) -> jobs.Work:
    """The work of applying a planned import."""
    actor, now = asking.actor(), asking.now()
    return lambda tell: importing.apply(import_id, actor=actor, now=now, progress=tell)


def _applied(job: Job | None) -> int | None:
    """The import that this job applied; None as long as there is none."""
    return job.result.id if job is not None and job.kind == APPLY and isinstance(job.result, Plan) else None


def _outcome(job: Job | None) -> dict[str, object]:
    """What the lower part of the page shows: a dry run, how far something is, or what went wrong."""
    plan = job.result if job is not None and isinstance(job.result, Plan) else None
    return {
        "job": job,
        "plan": plan,
        "fault": job.fault if job is not None else "",
        "refused": list(importing.refusals(plan.id, REFUSED_SHOWN)) if plan is not None and plan.refused else [],
        "kept_out": importing.kept_out(plan.id) if plan is not None and plan.kept_out else [],
    }


def _matched(look: Look, choices: Choices | None) -> list[Matched]:
    """Each column with what it becomes: as the user said, else as we guess."""
    mapping = choices.mapping if choices is not None else look.mapping
    return [Matched(column, _role(column.index, mapping)) for column in look.columns]


def _role(index: int, mapping: Mapping | None) -> str:
    """What a column becomes, as the select's value."""
    if mapping is None:
        return OWN
    if index == mapping.listed:
        return f"{LIST}{mapping.list_id}"
    if index in mapping.left_out:
        return OUT
    return next((role for role in ROLES if getattr(mapping, role) == index), OWN)


def _said() -> Choices:
    """What the form says about the columns and what is to be done; raises Fault where it contradicts itself."""
    roles = {int(key[1:]): value for key, value in request.form.items() if key[:1] == "c" and key[1:].isdecimal()}
    found: dict[str, int] = {}
    for index, role in sorted(roles.items()):
        what = LIST if role.startswith(LIST) else role
        if what in found:
            raise Fault(f"Two columns can’t both be {ROLES.get(what, 'a list')}: one of them has to be something else.")
        if what not in (OWN, OUT):
            found[what] = index
    if "email" not in found:
        raise Fault("Say which column holds the email addresses.")
    listed = found.get(LIST)
    mapping = Mapping(
        **{role: found.get(role) for role in ROLES},  # type: ignore[arg-type]
        listed=listed,
        list_id=None if listed is None else _number(roles[listed].removeprefix(LIST)),
        has_headings="headings" in request.form,
        left_out=tuple(index for index, role in roles.items() if role == OUT),
    )
    list_ids = tuple(_number(word) for word in request.form.getlist("lists"))
    return Choices(mapping, list_ids, request.form.get("for") == "never", "bring_back" in request.form)


def _number(word: str) -> int:
    """The id of a list; raises LookupError for what is none."""
    if not word.isdecimal() or len(word) > 18:
        raise LookupError("There is no such list.")
    return int(word)
