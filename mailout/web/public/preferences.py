"""preferences -- the page that a customer reaches from a letter: what they get and how to leave, without signing in.

Owns     /u/<token>: the one-click POST (RFC 8058), the page in the organisation's name, the forms on it
Never    changes anything on GET, HEAD or OPTIONS (scanners follow links); asks who it is; shows the address whole: a
         letter can be forwarded; takes back what the organisation decided
Commits  one transaction a press; the second of two presses changes nothing
Fails    404 and a calm page for a link that we did not make; 400 for a one-click POST without its one word; 400 and the
         page anew, as it was filled in, for a form without its secret

The token alone says who it is, and it never expires. A press on the page is answered by the page again, which says
what is so now: nothing travels in the address but the token. Whoever leaves by the page gets one note with the link
to undo it, for it may have been a stranger with a forwarded letter.

The forms carry a secret as all our forms do, and so the page sets a cookie. A browser that keeps none is told so, and
is offered the one form that needs none: the one-click POST.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from flask import Blueprint, Response, make_response, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response as AnyResponse

from ... import doorbell
from ...book import customers, lists, places, suppression
from ...core import own
from ...current import secret, settings
from ...journal import Actor
from ...models import Customer, MailingList, Place, Suppressed, db
from ...outbox import notify
from .. import asking
from ..access.security import limiter
from .masking import masked

blueprint = Blueprint("public", __name__)

#: The one name and value of a one-click body (RFC 8058 3.2).
ONE_CLICK = ("List-Unsubscribe", "One-Click")
CUSTOMER = Actor(None, "the customer")
BY_ONE_CLICK, BY_PAGE = "one-click", "preferences"
BODY_MOST = 16_384
#: The session's note of what was pressed last, for the page that answers it.
PRESSED = "public_pressed"


@dataclass(frozen=True, slots=True)
class Row:
    """A list as its customer sees it."""

    list: MailingList
    included: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What the page shows: whose it is, the list of the letter, the lists that they may switch, whether all is off.

    `may_return`: they have left the letter's list, and it is theirs to come back: it was not the organisation that had
    excluded them before.
    """

    customer: Customer
    list: MailingList
    place: Place
    rows: tuple[Row, ...]
    may_return: bool

    @property
    def stopped(self) -> bool:
        """Whether they themselves stopped everything."""
        return self.customer.suppressed_for == Suppressed.UNSUBSCRIBED

    @property
    def silent(self) -> bool:
        """Whether nothing is sent to them for another reason, which is the organisation's to take back."""
        return self.customer.suppressed_for is not None and not self.stopped


#: What a button does; returns what they left by it, in words ("" for nothing).
Press = Callable[[Page, datetime], str]

#: So often an hour may the buttons of one link be pressed: each press that leaves something mails a note.
_now_and_then = limiter.shared_limit("20 per hour", scope="preferences", key_func=lambda: request.path.split("/")[2])


@blueprint.before_request
def _bounded() -> None:
    """A press is a few words: nothing longer is read."""
    request.max_content_length = BODY_MOST


@blueprint.errorhandler(CSRFError)
def _once_more(error: CSRFError) -> Response:
    """Show the page again, with what was ticked on it: the browser brought no secret, or one of a session long over."""
    token = (request.view_args or {}).get("token", "")
    numbers = own.read_unsubscribe_token(secret(), token)
    found = _find(*numbers) if numbers else None
    if found is None:
        return make_response(_render("gone" if numbers else "unknown"), 400)
    if request.endpoint == "public.switches":
        wanted = _ticked()
        found = replace(found, rows=tuple(Row(row.list, row.list.id in wanted) for row in found.rows))
    keeps_none = not request.cookies
    return make_response(_render("page", token=token, page=found, again=True, keeps_none=keeps_none), 400)


@blueprint.get("/u/<token>")
def page(token: str) -> Response | str:
    """The page; changes nothing."""
    numbers = own.read_unsubscribe_token(secret(), token)
    if numbers is None:
        return make_response(_render("unknown"), 404)
    found = _find(*numbers)
    said = _said(session.pop(PRESSED), found) if found and PRESSED in session else ""
    return _render("gone") if found is None else _render("page", token=token, page=found, said=said)


def _said(pressed: str, found: Page) -> str:
    """What came of a press that the heading does not say, from what is so now; "" when the heading does."""
    if pressed == "public.switches":
        return "Your choice is saved."
    if pressed != "public.undo" or found.stopped or found.silent or found.place is not Place.INCLUDED:
        return ""
    return f"Taken back: you get {found.list.name} again."


@blueprint.post("/u/<token>")
def one_click(token: str) -> Response:
    """Leave the list, as a mail program asks (RFC 8058): no session, no cookie, no redirect, 200 however often.

    Any other body is refused with 400, so that a scanner that posts blindly takes nobody off a list.
    """
    numbers = own.read_unsubscribe_token(secret(), token)
    if numbers is None:
        return _plain("This link is not one of ours, so nothing was changed.", 404)
    if not _is_one_click():
        return _plain("Nothing was changed: the body has to be List-Unsubscribe=One-Click.", 400)
    list_id, customer_id = numbers
    if _find(list_id, customer_id) is not None:
        places.unsubscribe(customer_id, list_id, how=BY_ONE_CLICK, now=asking.now())
        db.session.commit()
    if "text/html" in request.headers.get("Accept", ""):  # the form for a browser without cookies
        found = _find(list_id, customer_id)
        return make_response(_render("page", token=token, page=found) if found else _render("gone"))
    return _plain("You are unsubscribed. Nothing more comes from this list.", 200)


@blueprint.post("/u/<token>/leave")
@_now_and_then
def leave(token: str) -> AnyResponse:
    """The page's one button: leave the list of the letter."""

    def press(found: Page, now: datetime) -> str:
        return _leave(found, found.list, now)

    return _pressed(token, press)


@blueprint.post("/u/<token>/lists")
@_now_and_then
def switches(token: str) -> AnyResponse:
    """The switches of the lists that they may see, as they stand in the form."""
    wanted = _ticked()

    def press(found: Page, now: datetime) -> str:
        return ", ".join(filter(None, [_switch(found, row, row.list.id in wanted, now) for row in found.rows]))

    return _pressed(token, press)


@blueprint.post("/u/<token>/everything")
@_now_and_then
def everything(token: str) -> AnyResponse:
    """Leave everything: no mail-out goes to them any more, whatever the lists say."""

    def press(found: Page, now: datetime) -> str:
        if found.silent:
            return _leave_all(found, now)
        why = "They stopped everything on their preference page."
        stopped = suppression.suppress(found.customer.id, Suppressed.UNSUBSCRIBED, why, actor=CUSTOMER, now=now)
        return "all mail-outs" if stopped else ""

    return _pressed(token, press)


@blueprint.post("/u/<token>/undo")
@_now_and_then
def undo(token: str) -> AnyResponse:
    """Take back what they, or a stranger with their letter, did: the list of the letter, or everything."""

    def press(found: Page, now: datetime) -> str:
        if found.stopped:
            why = "They took it back on their preference page."
            suppression.unsuppress(found.customer.id, why, actor=CUSTOMER, now=now)
        elif found.may_return and not found.silent:
            _come_back(found, found.list, now)
        return ""

    return _pressed(token, press)


def _find(list_id: int, customer_id: int) -> Page | None:
    """What there is to say to this customer; None when they were deleted meanwhile, or the list was."""
    try:
        customer, of_letter = customers.find(customer_id), lists.find(list_id)
    except LookupError:
        return None
    seen = [row for row in lists.all() if row.customers_may_see and row.id != list_id]
    standing = customers.places_of([customer_id], [list_id, *(row.id for row in seen)])
    rows = tuple(Row(row, standing[customer_id, row.id] is Place.INCLUDED) for row in seen)
    place = standing[customer_id, list_id]
    return Page(customer, of_letter, place, rows, place is Place.UNSUBSCRIBED and _may_return(customer, of_letter))


def _may_return(customer: Customer, of: MailingList) -> bool:
    """Whether a list that they have left is theirs to come back to."""
    return of.customers_may_see or places.left_from(customer.id, of.id) is Place.INCLUDED


def _pressed(token: str, press: Press) -> AnyResponse:
    """Do what was pressed, mail the note when they left something by it, and show the page again."""
    numbers = own.read_unsubscribe_token(secret(), token)
    found = _find(*numbers) if numbers else None
    if found is not None:
        now, customer = asking.now(), found.customer
        left = press(found, now)
        if left:
            link = settings().base_url + url_for("public.page", token=token)
            notify.unsubscribed(customer.name, customer.email, left, link, now)
        db.session.commit()
        session[PRESSED] = request.endpoint
        doorbell.ring(doorbell.SEND)
    return redirect(url_for("public.page", token=token), 303)


def _switch(found: Page, row: Row, wanted: bool, now: datetime) -> str:
    """Bring one list to what the form says; returns its name when they left it."""
    if wanted and not row.included:
        _come_back(found, row.list, now)
    return _leave(found, row.list, now) if row.included and not wanted else ""


def _leave(found: Page, of: MailingList, now: datetime) -> str:
    """Take them out of the list; returns its name, or "" when they had left it before."""
    return of.name if places.unsubscribe(found.customer.id, of.id, how=BY_PAGE, now=now, actor=CUSTOMER) else ""


def _leave_all(found: Page, now: datetime) -> str:
    """Take somebody whom the organisation does not write to out of every list that they are in.

    The organisation's own decision stays as it is, so that no undoing of theirs can lift it; nor can they come back
    unasked when it is lifted.
    """
    standing = customers.places_of([found.customer.id], [row.id for row in lists.all()])
    for (_, list_id), place in standing.items():
        if place is Place.INCLUDED:
            _leave(found, lists.find(list_id), now)
    return ""


def _come_back(found: Page, of: MailingList, now: datetime) -> None:
    """Have them in the list again, because they themselves say so."""
    why = "They chose it on their preference page."
    if not places.take_back(found.customer.id, of.id, why, how=BY_PAGE, actor=CUSTOMER, now=now):
        places.set_place(found.customer.id, of.id, Place.INCLUDED, how=BY_PAGE, reason=why, actor=CUSTOMER, now=now)


def _ticked() -> set[int]:
    """The lists whose switches are on in the form."""
    return {int(word) for word in request.form.getlist("in") if re.fullmatch(r"[0-9]{1,18}", word)}


def _is_one_click() -> bool:
    """Whether the body is the one that RFC 8058 names, in either of its forms."""
    name, value = ONE_CLICK
    return request.form.get(name) == value


def _render(name: str, **about: object) -> str:
    """A page in the organisation's name."""
    return render_template(f"public/{name}.html", masked=masked, **about)


def _plain(words: str, status: int) -> Response:
    """An answer for a mail program."""
    return Response(words + "\n", status, content_type="text/plain; charset=utf-8")
