"""lists -- the lists: who is in each, how each grows, and what each says to its customers.

Owns     /lists, /lists/new and /lists/<id>
Never    deletes a list: an archived one keeps its customers and its letters, and can be brought back
Commits  one transaction a press
Fails    422 and the form again, with the words beside its field; LookupError for a list that there is not
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Blueprint, current_app, flash, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...book import lists, standing
from ...core.copying.wording import wording
from ...core.fault import Fault
from ...current import settings
from ...models import MailingList, db
from ...outbox import shelf
from .. import asking, words
from . import switches

blueprint = Blueprint("lists", __name__)

#: How far back "joined" and "left" look.
LATELY = timedelta(days=30)
LEAVERS = 20
WORDING_MOST = 500
#: What the form of a list shows of it.
SHOWN = (
    "name",
    "description",
    "includes_new",
    "unsubscribe_line",
    "unsubscribe_wording",
    "customers_may_see",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A list and its figures."""

    list: MailingList
    tally: lists.Tally
    movement: lists.Movement

    @property
    def moved(self) -> str:
        """What happened lately, in words: "12 joined, 3 left, 1 taken out"."""
        said = (
            (self.movement.joined, "joined"),
            (self.movement.unsubscribed, "left"),
            (self.movement.excluded, "taken out"),
        )
        return ", ".join(f"{count:,} {word}" for count, word in said if count) or "Nobody joined, nobody left"


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who left a list by themselves; `said` is how and when."""

    customer_id: int
    name: str
    email: str
    said: str


@dataclass(frozen=True, slots=True)
class Form:
    """A list's fields as they were typed, and what is wrong with them."""

    name: str = ""
    description: str = ""
    includes_new: bool = True
    unsubscribe_line: bool = True
    unsubscribe_wording: str = ""
    customers_may_see: bool = False
    starts_with: str = "nobody"
    fault: str = ""
    field: str = "name"


@blueprint.get("/lists")
def index() -> str:
    """All lists with their figures; the archived ones below."""
    return render_template("lists/index.html", rows=_rows(lists.all()), archived=lists.all(archived=True))


@blueprint.get("/lists/new")
def new() -> str:
    """The form for one more list."""
    return _new(Form())


@blueprint.post("/lists/new")
def create() -> AnyResponse | tuple[str, int]:
    """Make it, and include in it whom it is to start with."""
    form = _typed()
    try:
        made = lists.create(
            form.name,
            description=form.description,
            includes_new=form.includes_new,
            unsubscribe_line=form.unsubscribe_line,
            unsubscribe_wording=form.unsubscribe_wording,
            customers_may_see=form.customers_may_see,
            starts_with=_starts_with(form.starts_with),
            actor=asking.actor(),
            now=asking.now(),
        )
        db.session.commit()
    except (Fault, LookupError) as fault:
        db.session.rollback()
        return _new(_with(form, fault)), 422
    flash(f"{made.name} is made.", "good")
    return asking.go(url_for("lists.show", list_id=made.id))


@blueprint.get("/lists/<int:list_id>")
def show(list_id: int) -> str:
    """A list: its figures, who left, and the form to change it."""
    return _page(lists.find(list_id))


@blueprint.post("/lists/<int:list_id>")
def change(list_id: int) -> AnyResponse | tuple[str, int]:
    """Write what was changed in the form; what others changed meanwhile stays."""
    row, form = lists.find(list_id), _typed()
    try:
        wanted = _changed(form, _form(row))
        if wanted.name != row.name:
            lists.rename(list_id, wanted.name, actor=asking.actor(), now=asking.now())
        _change(list_id, wanted)
        db.session.commit()
    except Fault as fault:
        db.session.rollback()
        return _page(row, _with(form, fault)), 422
    flash("Saved.", "good")
    return asking.go(url_for("lists.show", list_id=list_id))


@blueprint.post("/lists/<int:list_id>/archive")
def archive(list_id: int) -> AnyResponse:
    """Put it away: no mail-out can be made for it."""
    name = lists.find(list_id).name
    lists.archive(list_id, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"{name} is archived. Nothing in it is lost, and it can be brought back.", "good")
    return asking.go(url_for("lists.index"))


@blueprint.post("/lists/<int:list_id>/restore")
def restore(list_id: int) -> AnyResponse:
    """Bring it back as it was."""
    name = lists.find(list_id).name
    lists.restore(list_id, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"{name} is back, with everybody in their place.", "good")
    return asking.go(url_for("lists.show", list_id=list_id))


@blueprint.post("/lists/line")
def line() -> str:
    """The unsubscribe line as it would stand under a letter, while its wording is typed."""
    form = _typed()
    return render_template("lists/_line.html", form=form, line=_line(form))


def _line(form: Form) -> str:
    """The line as a text shows it, with a link like a customer's own."""
    known = settings()
    said = wording(form.unsubscribe_wording or shelf.LINE, known.organisation_name, known.organisation_address)
    return f"{said.words}{known.base_url}/u/…"


def _new(form: Form) -> str:
    """The form for one more list."""
    return render_template("lists/new.html", form=form, lists=lists.all(), line=_line(form))


def _rows(of: list[MailingList]) -> list[Row]:
    """The lists with their figures."""
    tallies = lists.tallies([row.id for row in of])
    return [Row(row, tallies[row.id], _movement(row)) for row in of]


def _movement(row: MailingList) -> lists.Movement:
    """What happened to the list lately; counted once for each edition of its places and each day."""
    kept: dict[int, tuple[str, datetime, lists.Movement]] = current_app.extensions.setdefault("mailout_movement", {})
    since = (asking.now() - LATELY).replace(hour=0, minute=0, second=0, microsecond=0)
    found = kept.get(row.id)
    if found is None or found[:2] != (row.edition, since) or not row.edition:
        found = kept[row.id] = (row.edition, since, lists.movement(row.id, since))
    return found[2]


def _page(row: MailingList, form: Form | None = None) -> str:
    """The page of a list; `ask` in the address asks to confirm the archiving."""
    form = form or _form(row)
    return render_template(
        "lists/list.html",
        row=_rows([row])[0],
        form=form,
        seen=_sent() or _as_sent(_form(row)),
        line=_line(form),
        leavers=_leavers(row.id),
        asked=request.args.get("ask", "") == "archive",
    )


def _leavers(list_id: int) -> list[Leaver]:
    """Who left it last, and how."""
    return [
        Leaver(one.customer_id, one.name, one.email, f"{switches.HOW.get(one.how, one.how)}, {words.day(one.at)}")
        for one in standing.leavers(list_id, LEAVERS)
    ]


def _form(row: MailingList) -> Form:
    """The form as the list is now."""
    return Form(
        row.name,
        row.description,
        row.includes_new,
        row.unsubscribe_line,
        row.unsubscribe_wording,
        row.customers_may_see,
    )


def _as_sent(form: Form) -> dict[str, str]:
    """What a form shows, as hidden fields say it when it comes back."""
    shown = {name: getattr(form, name) for name in SHOWN}
    return {name: value if isinstance(value, str) else "yes" if value else "no" for name, value in shown.items()}


def _sent() -> dict[str, str]:
    """What the form showed before somebody typed in it; nothing when it does not say."""
    return {name: request.form[f"seen_{name}"] for name in SHOWN if f"seen_{name}" in request.form}


def _changed(form: Form, is_now: Form) -> Form:
    """The form, with what was left alone in it as the list is now."""
    typed = _as_sent(form)
    return replace(form, **{name: getattr(is_now, name) for name, seen in _sent().items() if typed[name] == seen})


def _typed() -> Form:
    """The form as it was typed."""
    return Form(
        name=asking.text("name", 1000),
        description=asking.text("description", 500),
        includes_new="includes_new" in request.form,
        unsubscribe_line="unsubscribe_line" in request.form,
        unsubscribe_wording=asking.text("unsubscribe_wording", WORDING_MOST),
        customers_may_see="customers_may_see" in request.form,
        starts_with=asking.text("starts_with", 20) or "nobody",
    )


def _with(form: Form, fault: Fault | LookupError) -> Form:
    """The form with what is wrong with it, and the field that it belongs beside."""
    words = str(fault)
    field = "starts_with" if isinstance(fault, LookupError) else "name"
    return replace(form, fault=words, field="unsubscribe_wording" if words.startswith("The wording") else field)


def _starts_with(word: str) -> str | int:
    """Whom a list starts with: nobody, everyone, or those of the list with this number. Raises LookupError."""
    if word in ("nobody", "everyone"):
        return word
    if not (word.isascii() and word.isdecimal() and len(word) <= 18):
        raise LookupError("There is no such list to start with.")
    return int(word)


def _change(list_id: int, form: Form) -> None:
    """Write everything but the name."""
    lists.change(
        list_id,
        description=form.description,
        includes_new=form.includes_new,
        unsubscribe_line=form.unsubscribe_line,
        unsubscribe_wording=form.unsubscribe_wording,
        customers_may_see=form.customers_may_see,
        actor=asking.actor(),
        now=asking.now(),
    )
