"""round_trip -- letters to ourselves through the relay and back into the mailbox, and what is read from them.

Owns     sending the probes, waiting for them, and who reads the mailbox meanwhile: the worker, else this
Never    makes a mail-out, marks a recipient, writes a notice: `core.checking.probe` says how they are known again
Fails    never for what is not well: that is a finding
Commits  what arrives, as the ordinary intake does, and in the pulse what came of it; no transaction is open while a
         server is waited for
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select

from .. import doorbell, pulse
from ..core.checking import arrival, probe
from ..core.checking.arrival import Got
from ..core.checking.domains import domain_of, is_made_up
from ..core.checking.finding import Finding, Part, Status, failed
from ..core.checking.probe import Probe, Way
from ..core.delivery import Reply
from ..core.reading import letter as reading
from ..core.returning.triage import Bounced, triage
from ..current import secret
from ..intake import adoption, collect, handle
from ..models import Letter, LetterBytes, db
from ..settings import Settings
from ..wires.smtp import Connection, Copy
from ..wires.smtp_open import Patience, RelayUnavailable, open_line
from . import machine, names

WAIT_SECONDS = 120.0
#: A larger letter is no probe and no report of one: it is not looked into.
SIZE_MOST = 500_000
#: Seconds between two looks into the table while the worker reads the mailbox.
GLANCE_SECONDS = 0.2
#: A worker that brings nothing for so long is taken to be gone.
DEAF_SECONDS = 30.0
_FIRST_LOOK, _LONGEST = 1.0, 10.0

Clock = Callable[[], datetime]
Watcher = Callable[[float, int, int, bool], None]


@dataclass(slots=True)
class _Trip:
    """One round trip: what was sent and when, what became of each. `reads`: the mailbox is read here."""

    settings: Settings
    number: int
    after_id: int
    sent: dict[Way, tuple[Probe, datetime, float]] = field(default_factory=dict)
    refused: dict[Way, tuple[Probe, Reply]] = field(default_factory=dict)
    got: dict[Way, Got] = field(default_factory=dict)
    back: dict[Way, str] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    reads: bool = False

    @property
    def due(self) -> list[Way]:
        """The probes that something is still waited for. The plain one only explains why another does not come."""
        return [way for way in self.sent if way is not Way.PLAIN and way not in self.got and way not in self.back]


def run(settings: Settings, now: Clock, wait_seconds: float, watch: Watcher) -> Iterator[Finding]:
    """Send a letter to an address of each kind, and tell what is read from those that arrive.

    `watch` hears how many seconds are gone, how many letters arrived, how many were sent, and whether that is all.
    """
    if settings.pop3 is None or settings.smtp is None:
        yield failed(Part.ROUND_TRIP, "There is nothing to send with: the sandbox does not run", "Start python3 app.py")
        return
    trouble = _unready(settings, now)
    if trouble:
        advice = "No letter was sent. Put that right first."
        yield failed(Part.ROUND_TRIP, f"The mailbox can't be read: {trouble}", advice)
        return
    trip = _Trip(settings, secrets.randbelow(10**15), _last_id())
    try:
        _send(trip, now)
    except RelayUnavailable as error:
        yield failed(Part.ROUND_TRIP, f"No letter could be handed over: {error.words}", "Put the relay right first.")
        return
    _wait(trip, now, wait_seconds, watch)
    found = list(_judged(trip, wait_seconds))
    _note(found, now())
    yield from found


def _note(found: list[Finding], now: datetime) -> None:
    """Keep what came of it, for the System page."""
    broken = next((finding.text for finding in found if finding.status is Status.FAILED), "")
    if broken:
        pulse.ill(pulse.ROUND_TRIP, broken, now)
    else:
        pulse.well(pulse.ROUND_TRIP, now)


def _unready(settings: Settings, now: Clock) -> str:
    """Why nothing could be read from the mailbox; "" when it can.

    An empty one that was never met becomes ours here: else our own letters in it would look like somebody's.
    """
    if adoption.standing(adoption.server(settings)).adopted:
        return ""
    polled = collect.poll(settings, now, at_once=True)
    db.session.rollback()
    return "" if polled.busy else polled.trouble


def _last_id() -> int:
    """The last letter that came before ours."""
    found = db.session.scalar(select(func.max(Letter.id))) or 0
    db.session.rollback()
    return found


# -- there -------------------------------------------------------------------------------------------------------------


def _send(trip: _Trip, now: Clock) -> None:
    """Hand the probes to the relay, on a connection of their own. Raises RelayUnavailable."""
    settings, server = trip.settings, trip.settings.smtp
    assert server is not None
    made = [
        probe.make(settings.own, secret(), trip.number, way, settings.organisation_name, now()) for way in _ways(trip)
    ]
    db.session.rollback()
    patience = Patience(connect=60, command=60, dot=120)
    connection = Connection(open_line(server, settings.helo_name, patience), patience)
    for one in made:
        if not connection.alive:
            connection = Connection(open_line(server, settings.helo_name, patience), patience)
        reply = _handed_over(connection, one)
        if reply.accepted:
            trip.sent[one.way] = (one, now(), time.monotonic())
        else:
            trip.refused[one.way] = (one, reply)
    connection.close()


def _ways(trip: _Trip) -> list[Way]:
    """The addresses to try."""
    return [Way.KEY, Way.BOUNCE, *([Way.PLAIN] if trip.settings.own.plain else [])]


def _handed_over(connection: Connection, one: Probe) -> Reply:
    """What the relay answered to a probe: its refusal, or the reply to the dot."""
    octets = one.raw.replace(b"\r\n.", b"\r\n..")
    copy = Copy(one.return_path, one.to, [octets], len(octets))
    connection.offer(copy)
    return connection.answer() or connection.finish(copy)


# -- and back ----------------------------------------------------------------------------------------------------------


def _wait(trip: _Trip, now: Clock, wait_seconds: float, watch: Watcher) -> None:
    """Look until everything has come, or come back, or the time is over."""
    began = time.monotonic()
    look_at, pause = began + _FIRST_LOOK / 4, _FIRST_LOOK
    while trip.due and (gone := time.monotonic() - began) < wait_seconds:
        watch(gone, len(trip.got), len(trip.sent), False)
        if time.monotonic() >= look_at:
            # a worker that was heard of can be gone since
            trip.reads = not machine.is_alive(now()) or gone > min(DEAF_SECONDS, wait_seconds / 2)
            _have_it_read(trip, now)
            look_at, pause = time.monotonic() + pause, min(pause * 2, _LONGEST)
        _look(trip, now)
        if trip.due:
            time.sleep(GLANCE_SECONDS)
    watch(time.monotonic() - began, len(trip.got), len(trip.sent), True)


def _have_it_read(trip: _Trip, now: Clock) -> None:
    """Have the worker read the mailbox; where none lives, read it here."""
    db.session.rollback()
    if trip.reads:
        collect.poll(trip.settings, now, at_once=True)
    else:
        doorbell.ring(doorbell.POLL)


def _look(trip: _Trip, now: Clock) -> None:
    """Look through the letters that came since, each once."""
    fresh = (
        select(Letter.id, LetterBytes.raw).join(LetterBytes).where(Letter.id > trip.after_id, Letter.size < SIZE_MOST)
    )
    for letter_id, raw in db.session.execute(fresh.order_by(Letter.id).limit(500)).all():
        if letter_id not in trip.seen:
            trip.seen.add(letter_id)
            _take(trip, letter_id, raw, now)
    db.session.rollback()


def _take(trip: _Trip, letter_id: int, raw: bytes, now: Clock) -> None:
    """A letter that may be one of ours, or the report that one of ours could not be delivered."""
    read = reading.read(raw)
    found = probe.read(secret(), read.fields, read.message_id)
    if found is not None and found[0] == trip.number and found[1] in trip.sent:
        sent, sent_at, since = trip.sent[found[1]]
        trip.got.setdefault(found[1], Got(sent, sent_at, read, time.monotonic() - since))
    elif found is None:
        _take_report(trip, read, raw)
        return
    if trip.reads:
        # where no worker lives: the doctor's letter gets its verdict, and nobody else's is touched
        handle.handle_one(letter_id, now())


def _take_report(trip: _Trip, read: reading.Letter, raw: bytes) -> None:
    """A report about one of the probes, known by the token in what it returns."""
    for way, (sent, _, _) in trip.sent.items():
        if probe.is_in(sent.token, raw):
            verdict = triage(read, trip.settings.own, secret())
            if isinstance(verdict, Bounced) and not verdict.delayed:
                report = verdict.reports[0]
                trip.back[way] = report.diagnosis or report.in_words


def _judged(trip: _Trip, wait_seconds: float) -> Iterator[Finding]:
    """What came of it all; what is the same of both addresses is told once."""
    yield from dict.fromkeys(_of_way(trip, way, wait_seconds) for way in (Way.KEY, Way.BOUNCE))
    if trip.got:
        yield from _shown(trip, trip.got.get(Way.KEY) or next(iter(trip.got.values())))
        yield arrival.body(trip.got.values())


def _of_way(trip: _Trip, way: Way, wait_seconds: float) -> Finding:
    """What became of the letter to an address of this kind."""
    own, mailbox = trip.settings.own, adoption.server(trip.settings).username
    if way in trip.got:
        return arrival.reached(trip.got[way])
    if way in trip.refused:
        return arrival.refused(*trip.refused[way], own, mailbox)
    sent = trip.sent[way][0]
    if way in trip.back:
        return arrival.came_back(sent, trip.back[way], own, mailbox)
    return _unread() or arrival.lost(sent, wait_seconds, own, mailbox, frozenset(trip.got))


def _shown(trip: _Trip, got: Got) -> list[Finding]:
    """What the head of a letter shows, with what DNS says of its signature."""
    asking = names.Names(names.system())
    organisation = names.organisation(asking, domain_of(trip.settings.own.sender))
    key = arrival.key_name(got, organisation)
    known = asking.text(key) if key and not is_made_up(key) else None
    found = arrival.judge(got, trip.settings.receiving_host, organisation, known)
    # what would be put into DNS or into .env is nothing for the sandbox
    return [finding for finding in found if not (trip.settings.sandbox and finding.advice)]


def _unread() -> Finding | None:
    """What keeps the mailbox from being read, which explains why nothing came."""
    seen = pulse.of(pulse.MAILBOX)
    trouble = seen.trouble
    db.session.rollback()
    advice = "Put that right, and try again."
    return failed(Part.ROUND_TRIP, f"The mailbox can't be read: {trouble}", advice) if trouble else None
