"""manual -- short pages in the user's words, found by search, by their list, and from the page that they explain.

Owns     the pages /help and /help/<name>; PAGES, all of them in their order
Never    says another thing than the product does: figures and words come from the settings and from `core`
Fails    LookupError (404) for a page that there is not
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

from flask import Blueprint, render_template

from ...core.telling.refusals import ERRORS, HOLDING
from ...current import settings
from .. import asking

blueprint = Blueprint("help", __name__)

AROUND = 90
_TAGS = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Page:
    """A help page: `name` is its address and its template's, `also` what to see besides, `more` words to find it by."""

    name: str
    title: str
    also: tuple[str, ...] = ()
    more: str = ""


PAGES = (
    Page(
        "sending",
        "Sending a mail-out",
        ("error", "stopping", "phones-and-webmail"),
        "create key address newsletter logo font picture",
    ),
    Page("error", "It says “Mail-out error”", ("sending", "who-gets-it"), "refused held waiting problem"),
    Page("who-gets-it", "Who gets it, who does not", ("customers-and-lists", "returns"), "included excluded skipped"),
    Page(
        "did-they-get-it",
        "Did a customer get it?",
        ("returns", "who-gets-it"),
        "delivered accepted outcome csv junk resend report",
    ),
    Page(
        "stopping", "Stopping in the middle", ("sending", "did-they-get-it"), "pause cancel stop resume mistake quota"
    ),
    Page(
        "returns", "Bounces and full mailboxes", ("did-they-get-it", "customers-and-lists"), "spam junk complaint gone"
    ),
    Page(
        "customers-and-lists",
        "Customers and lists",
        ("importing", "who-gets-it"),
        "switch toggle archive delete duplicate",
    ),
    Page(
        "importing", "Importing customers", ("customers-and-lists",), "spreadsheet excel csv xlsx undo export duplicate"
    ),
    Page("signed-letters", "Signed and encrypted letters", ("error", "sending"), "S/MIME PGP winmail signature"),
    Page("phones-and-webmail", "Phones and webmail", ("sending",), "gmail outlook qr eml mailto draft"),
    Page(
        "people",
        "People and permissions",
        ("server",),
        "user invite administrator password profile session help support",
    ),
    Page("sandbox", "Trying it out", ("sending",), "practice sandbox test"),
    Page(
        "server",
        "For the person with the server",
        ("returns", "people"),
        "pop3 smtp relay mailbox adopt worker restart copy",
    ),
)
BY_NAME = {page.name: page for page in PAGES}


@dataclass(frozen=True, slots=True)
class Hit:
    """A page in which all words of a search are, and the text around the first of them."""

    page: Page
    text: str


@blueprint.get("/help")
def index() -> str:
    """The first page, or what a search finds."""
    query = asking.query()
    if not query:
        return show("sending")
    return render_template("help/search.html", pages=PAGES, query=query, hits=_search(query))


@blueprint.get("/help/<name>")
def show(name: str) -> str:
    """One page."""
    page = BY_NAME.get(name)
    if page is None:
        raise LookupError(f"There is no help page {name[:60]!r}.")
    also = [BY_NAME[one] for one in page.also]
    return render_template("help/show.html", pages=PAGES, page=page, also=also, **_figures())


def _figures() -> dict[str, object]:
    """What the pages take from the product, so that they say the same as it does."""
    lifetime = f"{settings().key_lifetime.total_seconds() / 3600:,.4g} hours"
    return {"settings": settings(), "key_lifetime": lifetime, "errors": ERRORS, "holding": HOLDING}


def _search(query: str) -> list[Hit]:
    """The pages that have all words of `query`, those with one in the title first."""
    wanted = query.casefold().split()
    hits = []
    for page in PAGES:
        if page.name == "sandbox" and not settings().sandbox:
            continue
        text = " ".join(unescape(_TAGS.sub(" ", _text(page))).split())
        all_of_it = f"{page.title} {page.more} {text}".casefold()
        if all(word in all_of_it for word in wanted):
            hits.append(Hit(page, _around(text, wanted[0])))
    return sorted(hits, key=lambda hit: not any(word in hit.page.title.casefold() for word in wanted))


def _text(page: Page) -> str:
    """The page's own text, as HTML."""
    return render_template(f"help/pages/{page.name}.html", **_figures())


def _around(text: str, word: str) -> str:
    """The text around the first place of `word`, cut between words."""
    at = max(text.casefold().find(word), 0)
    start, end = max(at - AROUND, 0), min(at + AROUND, len(text))
    cut = text[start:end]
    cut = "… " + cut.partition(" ")[2] if start else cut
    return cut.rpartition(" ")[0] + " …" if end < len(text) else cut
