"""switches -- one customer's place in one list, changed by one press: on the grid, and on the customer's own page.

Owns     the switch's own address, the button that saves a page of them without script, where somebody stands and why
Never    changes an unsubscribed place: that takes a reason, on the customer's own page
Commits  one transaction a press
Fails    409 and the switch as it is, with the words, where a place may not be changed; LookupError for who is not there

A switch is a checkbox of the one form `p` on the grid. With script each posts itself; without, a button at the foot
saves those that differ from what the page showed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock

from flask import Blueprint, Response, flash, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from ...book import customers, lists, places, standing
from ...core.fault import Fault
from ...core.telling.spoken import things
from ...models import Customer, MailingList, Place, db
from .. import asking, static_files, words
from . import finding

blueprint = Blueprint("switches", __name__)

#: Presses write one after the other: SQLite lets one write, and has the others sleep longer and longer.
_IN_TURN = Lock()
#: How a change of place was made, as it is kept.
BY_SWITCH = "by a switch"
PLACE_WORDS = {Place.INCLUDED: "Included", Place.EXCLUDED: "Excluded", Place.UNSUBSCRIBED: "Unsubscribed"}
#: How a change was made, as it is said after "Included"; what is not here is said as it is kept.
HOW = {
    BY_SWITCH: "",
    "in bulk": "in bulk",
    "list's default": "by the list’s default",
    "list made": "when the list was made",
    "import": "in an import",
    "undo": "when a change was undone",
    "taken back": "again",
    "command line": "by command",
    "one-click": "with one click in their mail program",
    "by letter": "by a letter",
    "sandbox": "when the sandbox was made",
    "preferences": "on their own page",
}
#: A switch: of the customer, of the list, whose it is, whether it is on; and what stands there for those who left.
SWITCH = (
    '<input class="switch" type="checkbox" role="switch" form="p" name="in" value="%d.%d" aria-label="%s in %s" '
    'data-hx-post="/customers/%d/lists/%d"%s>'
)
LEFT = (
    '<a class="left-list" href="/customers/%d#lists"><svg class="icon" aria-hidden="true"><use href="%s#user-x"></use>'
    '</svg>Unsubscribed<span class="visually-hidden"> from %s: %s</span></a>'
)
#: So many refusals are said; the rest would only repeat them.
SAID_MOST = 5
#: So many switches are saved at once: more than a page has, unless there are hundreds of lists.
SAVED_MOST = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's place in a list, and the change that made it so (None: nobody ever chose)."""

    list: MailingList
    place: Place
    change: standing.Change | None

    @property
    def because(self) -> str:
        """Why they stand there, in words: "Included by Priya Raman, 3 October"."""
        change = self.change
        if change is None:
            # whoever is out of a list that includes the new ones came before it did that, or before it was made
            starts = (
                "only newer customers start out included" if self.list.includes_new else "people start out excluded"
            )
            return f"Never chosen; {starts}"
        return f"{said(change)}, {words.day(change.at)}" + (f": {change.reason}" if change.reason else "")


def said(change: standing.Change) -> str:
    """A change of a place in words: "Included in bulk by Priya Raman"."""
    how = HOW.get(change.how, f"({change.how})")
    by = f"by {change.by}" if change.by and change.how != places.DEFAULT else ""
    return " ".join(filter(None, [PLACE_WORDS[change.became], how, by]))


@blueprint.post("/customers/<int:customer_id>/lists/<int:list_id>")
def one(customer_id: int, list_id: int) -> AnyResponse:
    """Include the customer in the list if the form says so, else exclude them."""
    customer, of = customers.find(customer_id), lists.find(list_id)
    wanted = Place.INCLUDED if f"{customer_id}.{list_id}" in request.form.getlist("in") else Place.EXCLUDED
    actor, refusal = asking.actor(), ""
    db.session.expunge(customer)  # what is said of them afterwards needs no second look
    with _IN_TURN:
        try:
            places.set_place(customer_id, list_id, wanted, how=BY_SWITCH, actor=actor, now=asking.now())
            db.session.commit()
        except Fault as fault:
            db.session.rollback()
            refusal = str(fault)
    place = customers.places_of([customer_id], [list_id])[customer_id, list_id]
    done = refusal or _said(customer, of, place)
    if asking.wants_fragment():
        return _answer(customer, of, place, done, refused=place is not wanted)
    flash(done, "good" if place is wanted else "bad")
    return asking.go(url_for("customer.show", customer_id=customer_id))


@blueprint.post("/customers/places")
def save() -> AnyResponse:
    """All switches of a page at once, for a browser without script: those that differ from what it showed."""
    shown, ticked = set(_read("shown")), set(_read("in"))
    on = set(_read("on"))
    if len(shown) > SAVED_MOST:
        raise Fault("Those are more switches than a page has. Search or filter, and change all that match at once.")
    changed, refused = 0, []
    for customer_id, list_id in sorted((on ^ ticked) & shown):
        wanted = Place.INCLUDED if (customer_id, list_id) in ticked else Place.EXCLUDED
        try:
            changed += places.set_place(
                customer_id, list_id, wanted, how=BY_SWITCH, actor=asking.actor(), now=asking.now()
            )
        except (Fault, LookupError) as fault:
            refused.append(str(fault.args[0]))
    db.session.commit()
    flash(f"{things(changed, 'place')} changed.", "good")
    for fault_words in refused[:SAID_MOST]:
        flash(fault_words, "bad")
    return asking.go(finding.read(request.form).address())


def standings(customer_id: int) -> list[Standing]:
    """Where the customer stands in each list that is in use, and since when."""
    of_all = lists.all()
    where = customers.places_of([customer_id], [row.id for row in of_all])
    changes = standing.latest(customer_id)
    return [Standing(row, where[customer_id, row.id], changes.get(row.id)) for row in of_all]


def cell(customer_id: int, email: Markup, list_id: int, name: Markup, place: Place) -> str:
    """One customer's place in one list, as HTML: a cell of the grid, which has some hundreds, so no template draws it.

    `email` and `name` are HTML already.
    """
    if place is Place.UNSUBSCRIBED:
        inside = LEFT % (customer_id, static_files.sprite(), name, email)
    else:
        on = " checked" if place is Place.INCLUDED else ""
        inside = SWITCH % (customer_id, list_id, email, name, customer_id, list_id, on)
    return f'<td class="mid" data-label="{name}">{inside}</td>'


def pairs(of: Iterable[tuple[int, int]]) -> str:
    """Switches as a form's field names them: "12.3 14.3", the customer's number and the list's."""
    return " ".join(f"{customer_id}.{list_id}" for customer_id, list_id in of)


def _read(field: str) -> Iterator[tuple[int, int]]:
    """The switches that a form's field names."""
    for word in " ".join(request.form.getlist(field)).split():
        if found := re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})", word):
            yield int(found[1]), int(found[2])


def _said(customer: Customer, of: MailingList, place: Place) -> str:
    """What a press did."""
    word = {Place.INCLUDED: "is included in", Place.EXCLUDED: "is excluded from", Place.UNSUBSCRIBED: "has left"}[place]
    return f"{customer.name or customer.email} {word} {of.name}."


def _answer(customer: Customer, of: MailingList, place: Place, done: str, *, refused: bool) -> Response:
    """The line that says what was done and offers to undo it, and the switch as it is now."""
    found = next(row for row in standings(customer.id) if row.list.id == of.id) if "row" in request.form else None
    html = render_template(
        "customers/_switched.html",
        customer=customer,
        list=of,
        cell=Markup(cell(customer.id, escape(customer.email), of.id, escape(of.name), place)),
        place=found.place if found else place,
        standing=found,
        said=done,
        refused=refused,
        anew=refused or "anew" in request.form,
    )
    return Response(html, 409 if refused else 200)
