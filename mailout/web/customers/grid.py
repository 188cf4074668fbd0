"""grid -- the grid of customers by lists: search, filters, what is done to all that match, CSV.

Owns     /customers and the part of it that a search changes; its switches are `switches`
Never    changes an unsubscribed place: that is done on the customer's own page, singly, with a reason
Commits  one transaction a press
Fails    Fault in words for a bulk change of nobody, LookupError for a list that there is not
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, flash, make_response, render_template, request, stream_with_context
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from ...book import customers, exporting, foresee, lists, places, tally
from ...core.fault import Fault
from ...core.telling import sheet
from ...core.telling.spoken import things
from ...journal import note
from ...models import Customer, MailingList, Place, db
from .. import asking
from . import finding, switches
from .finding import Finding

blueprint = Blueprint("customers", __name__)

#: Rows on a page: with ten lists it is still a light page.
SIZE = 25


@dataclass(frozen=True, slots=True)
class Grid:
    """One page of customers by lists."""

    finding: Finding
    found: customers.Page
    lists: list[MailingList]
    standing: dict[tuple[int, int], Place]

    @property
    def archived(self) -> MailingList | None:
        """The list that is filtered by, when it is none of those that are shown."""
        wanted = self.finding.search.list_id
        return lists.find(wanted) if wanted and wanted not in [row.id for row in self.lists] else None

    @property
    def columns(self) -> list[tuple[int, Markup]]:
        """The lists' numbers and names, ready to be written some hundreds of times."""
        return [(row.id, escape(row.name)) for row in self.lists]

    def cells(self, customer: Customer, columns: Sequence[tuple[int, Markup]]) -> Markup:
        """The customer's place in each list, as cells of the table."""
        number, email = customer.id, escape(customer.email)
        drawn = [switches.cell(number, email, to, name, self.standing[number, to]) for to, name in columns]
        return Markup("".join(drawn))

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1."""
        return (self.found.page - 1) * SIZE + 1

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return self.first + len(self.found.rows) - 1

    @property
    def suggested(self) -> int | None:
        """The list that a bulk change is likely meant for: another one than is filtered by."""
        return next((row.id for row in self.lists if row.id != self.finding.search.list_id), None)

    @property
    def shown(self) -> str:
        """The switches on the page, for a browser without script: "12.3 12.4"."""
        return switches.pairs(pair for pair, place in self.standing.items() if place is not Place.UNSUBSCRIBED)

    @property
    def on(self) -> str:
        """Those of them that are on."""
        return switches.pairs(pair for pair, place in self.standing.items() if place is Place.INCLUDED)


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is about to be done to all that match, with its figures."""

    place: Place
    list: MailingList
    foreseen: foresee.Foreseen


@blueprint.get("/customers")
def index() -> AnyResponse | str:
    """The grid, or the part of it that a search changes."""
    wanted = finding.read(request.args)
    grid = _grid(wanted)
    about = {
        "grid": grid,
        "bulk": _bulk(wanted, request.args),
        "undo": _mark(request.args),
        "places": finding.PLACES,
    }
    if not asking.wants_fragment():
        total = tally.customers_here() if wanted.narrowed else grid.found.total
        return render_template("customers/grid.html", words=finding, total=total, **about)
    answer = make_response(render_template("customers/_answer.html", **about))
    answer.headers["HX-Replace-Url"] = wanted.address()
    return answer


@blueprint.post("/customers/bulk")
def bulk() -> AnyResponse:
    """Include or exclude everybody who matches, if they are still as many as the page said."""
    wanted = finding.read(request.form)
    chosen = _bulk(wanted, request.form)
    if chosen is None or not wanted.narrowed:
        raise Fault("Search or filter first, then say what to do with those that match.")
    matching = chosen.foreseen.total
    if str(matching) != request.form.get("count"):
        flash(f"{things(matching, 'customer')} match now. Look at the figures again, then press.", "look")
        return asking.go(wanted.address(do=request.form["do"], to=chosen.list.id))
    ids, mark = customers.ids(wanted.search), places.new_mark()
    changed = places.bulk(ids, chosen.list.id, chosen.place, mark=mark, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(_bulk_said(chosen, changed), "good")
    return asking.go(wanted.on_page(1).address(undo=mark if changed else None))


@blueprint.post("/customers/bulk/undo")
def undo_bulk() -> AnyResponse:
    """Put back what a bulk change changed, but for the places that somebody changed since."""
    mark = _mark(request.form)
    if not mark:
        raise Fault("There is nothing to undo.")
    back = places.undo(mark, actor=asking.actor(), now=asking.now())
    db.session.commit()
    flash(f"Undone: {things(back, 'customer')} stand where they stood before.", "good")
    return asking.go(finding.read(request.form).address())


def _mark(values: Mapping[str, str]) -> str:
    """The mark of a bulk change that can be undone; "" when there is none."""
    mark = values.get("undo", "")
    return mark if re.fullmatch(r"[0-9a-f]{24}", mark) else ""


def _bulk_said(chosen: Bulk, changed: int) -> str:
    """What was done to all that matched."""
    did = "included in" if chosen.place is Place.INCLUDED else "excluded from"
    rest = chosen.foreseen.total - changed
    stay = f" The other {rest:,} stay as they were." if rest > 0 and changed else ""
    return f"{things(changed, 'customer')} newly {did} {chosen.list.name}.{stay}"


@blueprint.post("/customers/export")
def export() -> Response:
    """Everybody who matches, as CSV that is safe to open in a spreadsheet. A POST, because it goes into the journal."""
    wanted = finding.read(request.form)
    said = ", ".join(f"{name}={value}" for name, value in wanted.parameters().items()) or "everybody"
    note(asking.actor(), "customers.export", "customers", said, asking.now())
    db.session.commit()
    name = f"customers-{asking.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = stream_with_context(sheet.file(exporting.lines(customers.ids(wanted.search))))
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _grid(wanted: Finding) -> Grid:
    """The page that was asked for; four questions to the database, whatever is on it."""
    found = customers.search(wanted.search, size=SIZE)
    shown = lists.all()
    standing = customers.places_of([row.id for row in found.rows], [row.id for row in shown])
    return Grid(wanted, found, shown, standing)


def _bulk(wanted: Finding, values: Mapping[str, str]) -> Bulk | None:
    """What was chosen to be done to all that match; None as long as nothing is."""
    place = {"include": Place.INCLUDED, "exclude": Place.EXCLUDED}.get(values.get("do", ""))
    to = values.get("to", "")
    if place is None or not to.isdecimal() or not wanted.narrowed or not asking.who().sends:
        return None
    of = lists.find(int(to[:18]))
    return Bulk(place, of, foresee.foresee(wanted.search, of.id))
