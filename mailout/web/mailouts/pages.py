"""pages -- Toolbox > Mail-out: the form that makes one, the list of all, and the live page of each.

Owns     /mailouts, /mailouts/new, /mailouts/<id>, its panel, and the strip under the bar while something sends
Never    sends; shows a key to anybody but its user and the Administrators; puts one into an address, a title or a log
Fails    LookupError for a mail-out or list that there is not, Fault in words for a list that can't be written to
Commits  a press of Create; that a page is open

The panel is asked for every two seconds until the mail-out is over. An answer that would be the same costs a 304.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, render_template, request, session, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response as AnyResponse

from ... import doorbell
from ...book import lists
from ...core.phase import Phase
from ...current import settings
from ...intake import submission
from ...models import MailingList, Mailout, db
from ...outbox import steering
from .. import asking
from ..story import chronicle
from ..story.glance import Glance, look
from . import letters, reach, sheets
from .reach import Reach

blueprint = Blueprint("mailouts", __name__)

#: The session's note that the mail program is to be opened once, for the mail-out of this number.
OPEN_ONCE = "open_once"
#: How long one look at an open page counts, less than what keeps the mailbox read often.
WATCHED_AGAIN = timedelta(seconds=10)
#: What may be asked to be confirmed in place.
CONFIRMS = frozenset({"cancel"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The Create form: which list is chosen, and what is known of it. `press` is this page's own."""

    lists: list[MailingList]
    chosen: MailingList | None
    reach: Reach | None
    latest: list[letters.Line]
    delay: timedelta
    press: str


# -- making one --------------------------------------------------------------------------------------------------------


@blueprint.get("/mailouts")
def index() -> str:
    """The Create form on top, below it all mail-outs."""
    found = letters.search(asking.query(), asking.page())
    if asking.wants_fragment():
        return render_template("mailouts/_rows.html", found=found)
    choice = _choice(asking.number("list")) if asking.who().sends else None
    return render_template("mailouts/index.html", found=found, choice=choice)


@blueprint.get("/mailouts/new")
def new() -> str:
    """The Create form alone; for htmx what stands beside the chosen list."""
    choice = _choice(asking.number("list"))
    if asking.wants_fragment():
        return render_template("mailouts/_reach.html", choice=choice, fragment=True)
    return render_template("mailouts/new.html", choice=choice)


def _choice(list_id: int | None) -> Choice:
    """The form with that list chosen, else the one that this user wrote to last, else the first."""
    found = lists.all()
    ids = [row.id for row in found]
    wanted = list_id if list_id in ids else letters.last_list(asking.who().id, ids)
    chosen = next((row for row in found if row.id == wanted), found[0] if found else None)
    return Choice(
        lists=found,
        chosen=chosen,
        reach=reach.of(chosen.id) if chosen else None,
        latest=letters.latest_of(chosen.id) if chosen else [],
        delay=settings().start_delay,
        press=secrets.token_urlsafe(16),
    )


@blueprint.post("/mailouts")
def create() -> AnyResponse:
    """Make a mail-out and go to its page, which opens the mail program; the second of two presses goes there too."""
    press = f"{asking.who().id}:{asking.text('press', 30) or secrets.token_urlsafe(16)}"
    list_id = asking.number("list")
    if list_id is None:
        raise LookupError("There is no such list.")
    made = _made_by(press) or _make(list_id, press)
    session[OPEN_ONCE] = made
    doorbell.ring(doorbell.POLL)
    return asking.go(url_for("mailouts.show", mailout_id=made))


def _make(list_id: int, press: str) -> int:
    """The number of a new mail-out, or of the one that the same press made in the meantime."""
    try:
        row = submission.open_mailout(
            list_id, asking.who(), check_first=bool(request.form.get("check_first")), now=asking.now()
        )
        row.press = press
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        made = _made_by(press)
        if made is None:
            raise
        return made
    return row.id


def _made_by(press: str) -> int | None:
    return db.session.scalar(select(Mailout.id).where(Mailout.press == press))


# -- the page of one ---------------------------------------------------------------------------------------------------


@blueprint.get("/mailouts/<int:mailout_id>")
def show(mailout_id: int) -> AnyResponse:
    """The mail-out as one story, from waiting to complete."""
    glance = look(mailout_id, _asked())
    _watch(glance)
    return page(glance)


@blueprint.get("/mailouts/<int:mailout_id>/panel")
def panel(mailout_id: int) -> AnyResponse:
    """The live part of the page; 304 while it would say the same again."""
    glance = look(mailout_id, _asked())
    _watch(glance)
    if request.headers.get("HX-PTag") == glance.tag:
        return Response(status=304, headers={"HX-PTag": glance.tag})
    return fragment(glance)


def _asked() -> str:
    """What the reader is asked to confirm, as the address says."""
    asked = request.args.get("sure", "")
    return asked if asked in CONFIRMS else ""


def page(glance: Glance, trouble: str = "", status: int = 200) -> Response:
    """The whole page; `trouble` is what a press could not do."""
    asked = session.pop(OPEN_ONCE) if OPEN_ONCE in session else None
    opens = asked == glance.row.id and glance.state is Phase.WAITING and glance.mine
    return _answer("mailouts/show.html", glance, trouble=trouble, status=status, opens=opens)


def fragment(glance: Glance, trouble: str = "", status: int = 200, *, pressed: bool = False) -> Response:
    """The live part alone; after a press with the notes that it left."""
    return _answer("mailouts/_panel.html", glance, trouble=trouble, status=status, pressed=pressed)


def _answer(
    template: str, glance: Glance, *, trouble: str, status: int, opens: bool = False, pressed: bool = False
) -> Response:
    people = glance.counts.total - glance.counts.skipped if glance.row.accepted_at else glance.reached
    name, sheet = sheets.lay(glance, people)
    html = render_template(
        template,
        glance=glance,
        row=glance.row,
        story=chronicle.tell(glance, people),
        sheet_name=name,
        sheet=sheet,
        opens=opens,
        trouble=trouble,
        pressed=pressed,
        fragment=template.endswith("_panel.html"),
    )
    return Response(html, status, headers={"HX-PTag": glance.tag})


def _watch(glance: Glance) -> None:
    """Note that the page of a mail-out that waits is open, so that the mailbox is read often; and have it read."""
    seen = glance.row.watched_at
    if glance.state is not Phase.WAITING or (seen and glance.now - seen < WATCHED_AGAIN):
        return
    steering.watch(glance.row.id, glance.now)
    db.session.commit()
    doorbell.ring(doorbell.POLL)


@blueprint.get("/mailouts/strip")
def strip() -> Response:
    """The strip under the bar: what is sending now. It ends when nothing is."""
    running = letters.running()
    tag = running.tag if running else "none"
    if request.headers.get("HX-PTag") == tag:
        return Response(status=304, headers={"HX-PTag": tag})
    return Response(render_template("_strip.html", running=running), headers={"HX-PTag": tag})


@blueprint.app_context_processor
def _strip_too() -> dict[str, object]:
    """Every page may show what is sending now."""
    return {"running_mailout": letters.running}
