"""customer -- one customer's own page: did they get it, where they stand in the lists, what we know and what was done.

Owns     /customers/<id> and /customers/new
Never    shows what became of a copy as more than it is: accepted by the mail provider, never delivered
Commits  one transaction a press
Fails    422 and the form again, with the words beside its field; LookupError for a customer that there is not
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...book import customers, history, lists, places, standing, suppression
from ...book.history import HistoryLine
from ...core.fault import Fault
from ...core.telling import left_out
from ...models import Customer, Suppressed, db
from .. import asking, words
from ..access.permissions import ADMINISTRATOR, SENDS, allows
from . import switches

blueprint = Blueprint("customer", __name__)

#: How many letters "Did they get it?" shows at first, and at most.
FEW, MOST = 5, 200
REASON_LEAST, REASON_MOST = 3, 500
#: What was done to a customer, as their page says it; after it stands by whom.
DEEDS = {
    "customer.add": "Added",
    "customer.edit": "Edited",
    "customer.suppress": "All mail stopped",
    "customer.unsuppress": "Mail allowed again",
}
#: What a page of a customer can ask to be confirmed, and what permission that takes.
ASKED = {"delete": SENDS, "stop": None, "start": ADMINISTRATOR, "back": None}


@dataclass(frozen=True, slots=True)
class Got:
    """A letter, what became of this customer's copy, and why in a sentence."""

    line: HistoryLine
    why: str


@dataclass(frozen=True, slots=True)
class Past:
    """Something that was done: when, in words, and why."""

    at: datetime
    words: str
    why: str


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a customer as they were typed, what they were when the form was shown, and what is wrong."""

    email: str = ""
    first_name: str = ""
    last_name: str = ""
    own: tuple[tuple[str, str], ...] = ()
    seen: tuple[str, ...] = ()
    fault: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """What stands in the fields, from the top."""
        return (self.email, self.first_name, self.last_name, *(value for _, value in self.own))


@blueprint.get("/customers/<int:customer_id>")
def show(customer_id: int) -> str:
    """The page. `ask` says what is to be confirmed on it, `all` that every letter is wanted."""
    return _page(customers.find(customer_id))


@blueprint.get("/customers/new")
def new() -> str:
    """The form for one more customer."""
    return render_template("customers/form.html", customer=None, form=Form(email=request.args.get("email", "")[:254]))


@blueprint.post("/customers/new")
def add() -> AnyResponse | tuple[str, int]:
    """Add them, each list's default deciding where they stand in it."""
    form = _typed()
    try:
        made = customers.add(form.email, form.first_name, form.last_name, actor=asking.actor(), now=asking.now())
        db.session.commit()
    except Fault as fault:
        return _again(None, form, fault)
    flash(f"{made.name or made.email} is a customer now. The switches say what they get.", "good")
    return asking.go(url_for("customer.show", customer_id=made.id))


@blueprint.get("/customers/<int:customer_id>/edit")
def edit(customer_id: int) -> str:
    """The form with what we know."""
    customer = customers.find(customer_id)
    form = _form(customer)
    return render_template("customers/form.html", customer=customer, form=replace(form, seen=form.values))


@blueprint.post("/customers/<int:customer_id>/edit")
def save(customer_id: int) -> AnyResponse | tuple[str, int]:
    """Write what was changed in the form; their places and their history stay, and what others changed meanwhile."""
    customer, form = customers.find(customer_id), _typed()
    wanted = _changed(form, customer)
    try:
        customers.edit(
            customer_id,
            email=wanted.email,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            fields=dict(wanted.own),
            actor=asking.actor(),
            now=asking.now(),
        )
        db.session.commit()
    except Fault as fault:
        return _again(customer, form, fault)
    flash("Saved.", "good")
    return asking.go(url_for("customer.show", customer_id=customer_id))


def _typed() -> Form:
    """What the form holds. The address is not mended, only its ends are trimmed: a wrong one is to be seen."""
    email = request.form.get("email", "").strip()[:1000]
    own = zip(request.form.getlist("own_name"), request.form.getlist("own"), strict=False)
    seen = tuple(request.form.getlist("seen"))
    return Form(email, asking.text("first_name"), asking.text("last_name"), tuple(own), seen)


def _form(customer: Customer) -> Form:
    """The form as the customer is now."""
    return Form(customer.email, customer.first_name, customer.last_name, tuple(customer.fields.items()))


def _changed(form: Form, customer: Customer) -> Form:
    """The customer as they are now with what was changed in the form: the rest is as others left it meanwhile."""
    email, first, last, *own = (
        value != seen for value, seen in zip_longest(form.values, form.seen[: len(form.values)])
    )
    named = dict(pair for pair, is_changed in zip(form.own, own, strict=True) if is_changed)
    is_now = _form(customer)
    return Form(
        form.email if email else is_now.email,
        form.first_name if first else is_now.first_name,
        form.last_name if last else is_now.last_name,
        tuple(named.items()),
    )


def _again(customer: Customer | None, form: Form, fault: Fault) -> tuple[str, int]:
    """The form as it was typed, with what is wrong with it."""
    db.session.rollback()
    return render_template("customers/form.html", customer=customer, form=replace(form, fault=str(fault))), 422


@blueprint.post("/customers/<int:customer_id>/lists/<int:list_id>/back")
def take_back(customer_id: int, list_id: int) -> AnyResponse | tuple[str, int]:
    """Take an unsubscribed customer back into one list, with the reason that is kept."""
    customer, reason = customers.find(customer_id), _reason()
    if not reason:
        return _page(customer, asked="back", fault="Say why they are to get it again: it is kept."), 422
    try:
        places.take_back(customer_id, lists.find(list_id).id, reason, actor=asking.actor(), now=asking.now())
    except Fault as fault:
        db.session.rollback()
        return _page(customer, fault=str(fault)), 409
    db.session.commit()
    flash(f"{customer.name or customer.email} is included in {lists.find(list_id).name} again.", "good")
    return asking.go(url_for("customer.show", customer_id=customer_id))


@blueprint.post("/customers/<int:customer_id>/suppress")
def suppress(customer_id: int) -> AnyResponse | tuple[str, int]:
    """Stop all mail to them."""
    customer, reason = customers.find(customer_id), _reason()
    if not reason:
        return _page(customer, asked="stop", fault="Say why, so that whoever looks here next year knows."), 422
    suppression.suppress(customer_id, Suppressed.BY_HAND, reason, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"No mail-out goes to {customer.email} any more.", "good")
    return asking.go(url_for("customer.show", customer_id=customer_id))


@blueprint.post("/customers/<int:customer_id>/unsuppress")
def unsuppress(customer_id: int) -> AnyResponse | tuple[str, int]:
    """Allow mail to them again: their switches count from now on."""
    customer, reason = customers.find(customer_id), _reason()
    if not reason:
        return _page(customer, asked="start", fault="Say why mail to them may go again: it is kept."), 422
    suppression.unsuppress(customer_id, reason, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"Mail-outs go to {customer.email} again, as the switches say.", "good")
    return asking.go(url_for("customer.show", customer_id=customer_id))


@blueprint.post("/customers/<int:customer_id>/delete")
def delete(customer_id: int) -> AnyResponse:
    """Delete them for good; a hash of the address stays behind."""
    customer = customers.find(customer_id)
    name = customer.name or customer.email
    customers.delete(customer_id, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"{name} is deleted. What was sent to them stays in the mail-outs' records.", "good")
    return asking.go(url_for("customers.index"))


#: What is said of a letter that they have no row in, and of one in doubt; the day stands where the braces are.
SENTENCES = {
    "uncertain": "The line broke at the last word. Nobody sent it again.",
    history.JOINED_LATER: "Joined the list {day}.",
    history.NOT_YET: "Added {day}.",
    history.NOT_KEPT: "What became of each copy is kept for two years.",
}


def _letter(line: HistoryLine) -> Got:
    """A letter with the reason as a sentence: what a server said stands between quotation marks."""
    day = words.day(line.since) if line.since else ""
    if line.state in SENTENCES:
        return Got(line, SENTENCES[line.state].format(day=day))
    if line.state in ("skipped", history.NOT_IN_IT):
        said = left_out.in_words(line.why) if line.state == "skipped" else line.why
        return Got(line, f"{said[:1].upper()}{said[1:]}{', ' if day else ''}{day}.")
    if not line.why:
        return Got(line, "")
    tries = f"Took {line.tries} tries. " if line.state == "sent" and line.tries > 1 else ""
    return Got(line, ("No bounce since. " if line.state == "sent" else "") + tries + f"“{line.why}”")


def _past(customer: Customer, most: int) -> list[Past]:
    """What was done to the customer and to their places, the newest first, `most` at most; a default is no deed."""
    customer_id = customer.id
    brought = standing.came_with(customer)
    came = [Past(brought.at, f"Came with an import by {brought.by}", brought.detail)] if brought else []
    places_then = [
        Past(change.at, f"{name}: {said[:1].lower()}{said[1:]}", change.reason)
        for name, change in standing.changes(customer_id, most, but=places.DEFAULT)
        for said in [switches.said(change)]
    ]
    deeds = [
        Past(deed.at, f"{DEEDS[deed.action]} by {deed.by}", _why(deed))
        for deed in standing.deeds(customer_id, most)
        if deed.action in DEEDS
    ]
    return sorted(places_then + deeds + came, key=lambda past: past.at, reverse=True)[:most]


def _why(deed: standing.Deed) -> str:
    """Why it was done; a suppression's detail begins with its kind, which the words say already."""
    kind, _, why = deed.detail.partition(": ")
    return why if deed.action == "customer.suppress" and kind in set(Suppressed) else deed.detail


def _reason() -> str:
    """The reason that the form gives; "" when it is too short to be one."""
    reason = asking.text("reason", REASON_MOST)
    return reason if len(reason) >= REASON_LEAST else ""


def _page(customer: Customer, asked: str = "", fault: str = "") -> str:
    """The page of a customer, with what is asked to be confirmed if whoever looks may do it."""
    asked = asked or request.args.get("ask", "")
    rule = ASKED.get(asked)
    may = asked in ASKED and (rule is None or allows(rule, asking.who()))
    most = MOST if "all" in request.args else FEW
    letters = [_letter(line) for line in history.letters(customer.id, most + 1)]
    past = _past(customer, most + 1)
    return render_template(
        "customers/customer.html",
        customer=customer,
        letters=letters[:most],
        more=len(letters) > most,
        past=past[:most],
        more_past=len(past) > most,
        standings=switches.standings(customer.id),
        asked=asked if may else "",
        asked_list=request.values.get("list", type=int) or (request.view_args or {}).get("list_id"),
        fault=fault,
    )
