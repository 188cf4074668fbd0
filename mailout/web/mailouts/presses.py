"""presses -- the buttons on a mail-out's page: Stop, Cancel, Pause, Resume, Release, Discard, once more, a test copy,
and Try now while the relay is out.

Owns     POST /mailouts/<id>/<press>: whose mail-out it is, that two presses are one, what is asked before
Never    decides what may be done in which state: that is `outbox.steering`
Fails    Refused for another's mail-out; what can't be done now is said on the page itself (409)
Commits  one transaction a press, then rings the doorbell

Each is a form that works without script; with script it answers with the live part of the page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, flash, request, url_for
from werkzeug.wrappers import Response

from ... import doorbell, pulse
from ...book import users
from ...core.delivery import State
from ...core.fault import Fault
from ...core.phase import Phase, phase
from ...core.problem import Problem
from ...journal import Actor
from ...models import Mailout, db
from ...outbox import progress, specimen, steering
from .. import asking
from ..story.glance import look
from . import pages, preview

blueprint = Blueprint("presses", __name__)

#: What each press does.
PRESSES: dict[str, Callable[[int, Actor, datetime], object]] = {
    "stop": steering.cancel,
    "cancel": steering.cancel,
    "pause": steering.pause,
    "resume": steering.resume,
    "release": steering.release,
    "discard": steering.discard,
    "retry-failed": lambda number, actor, now: steering.once_more(number, State.FAILED, actor, now),
    "send-again-uncertain": lambda number, actor, now: steering.once_more(number, State.UNCERTAIN, actor, now),
}

#: The states that a press leads to: whoever presses twice is there already, and that is no fault.
LEADS_TO: dict[str, frozenset[Phase]] = {
    "stop": frozenset({Phase.CANCELLED}),
    "cancel": frozenset({Phase.CANCELLED}),
    "pause": frozenset({Phase.PAUSED}),
    "resume": frozenset({Phase.STARTING, Phase.SENDING}),
    "release": frozenset({Phase.STARTING, Phase.SENDING, Phase.PAUSED, Phase.COMPLETE}),
    "discard": frozenset({Phase.CANCELLED}),
    "retry-failed": frozenset({Phase.SENDING}),
    "send-again-uncertain": frozenset({Phase.SENDING}),
}


@blueprint.post(f"/mailouts/<int:mailout_id>/<any({', '.join(map(repr, [*PRESSES, 'test-copy', 'try-now']))}):word>")
def press(mailout_id: int, word: str) -> Response:
    """Do what the button says."""
    row = asking.my_mailout(mailout_id)
    trouble, asked = "", ""
    try:
        if word == "test-copy":
            _test_copy(row)
        elif word == "try-now":
            pulse.sooner(pulse.RELAY, asking.now())
        elif word in ("stop", "cancel") and _asks_first(row):
            asked = "cancel"
        else:
            _do(row, word)
    except Fault as fault:
        db.session.rollback()
        there = phase(progress.find(mailout_id), asking.now()) in LEADS_TO.get(word, ())
        trouble = "" if there else str(fault)
    doorbell.ring(doorbell.SEND)
    return _answer(mailout_id, trouble, asked)


def _do(row: Mailout, word: str) -> None:
    """The press itself, and what belongs to it, in one transaction."""
    if word == "release" and request.form.get("remember"):
        _remember(row)
    PRESSES[word](row.id, asking.actor(), asking.now())
    db.session.commit()


def _asks_first(row: Mailout) -> bool:
    """Whether cancelling is to be confirmed: then whatever sends is paused at once, and the page asks."""
    state = phase(row, asking.now())
    if state is Phase.SENDING:
        steering.pause(row.id, asking.actor(), asking.now())
        db.session.commit()
        return True
    return state is Phase.PAUSED and not request.form.get("sure")


def _remember(row: Mailout) -> None:
    """Keep the address that a held letter came from as one of its user's: "Was this you? Yes"."""
    if row.held_for == Problem.UNKNOWN_SENDER and row.author:
        users.add_address(row.created_by_id, row.author, confirmed=True, actor=asking.actor(), now=asking.now())


def _test_copy(row: Mailout) -> None:
    """Send the letter as it would go to the user alone."""
    if phase(row, asking.now()) is not Phase.HELD:
        raise steering.NotNow("A test copy is made of a letter that is held. This one is not.")
    found = preview.prepared_of(row, row.letter_id) if row.letter_id else None
    if found is None:
        raise Fault("The letter is not kept any more, so no copy can be made of it.")
    first = specimen.send(row, found[1], asking.who(), asking.now())
    db.session.commit()
    flash(f"A test copy is on its way to {asking.who().email}{'' if first else ' already'}.", "good")


def _answer(mailout_id: int, trouble: str, asked: str) -> Response:
    """The page after the press: its live part for htmx, a redirect otherwise, or what could not be done."""
    status = 409 if trouble else 200
    if asking.wants_fragment():
        return pages.fragment(look(mailout_id, asked), trouble, status, pressed=True)
    if trouble:
        return pages.page(look(mailout_id, asked), trouble, status)
    return asking.go(url_for("mailouts.show", mailout_id=mailout_id, sure=asked or None))
