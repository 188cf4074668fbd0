"""sheets -- what lies on the sheet in each state: the one thing that the reader can do something about now.

Owns     the values that the templates `mailouts/_<name>.html` show
Never    writes HTML, changes anything; shows a key to anybody but its user and the Administrators
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from ...core.copying import seal as seals
from ...core.copying.seal import Seal
from ...core.delivery import State
from ...core.phase import Phase
from ...core.problem import HOLDS, Problem
from ...core.rhythm import OpenKey, interval
from ...core.telling import refusals
from ...current import settings
from ...intake import adoption, blame, retention
from ...models import Letter, Mailout, Recipient, db
from .. import words
from ..story import aftermath, chronicle, pace, slip
from ..story.glance import Glance
from . import draft, held, letters, outcome
from .draft import Draft
from .held import Held
from .outcome import Bar, Row


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was wrong with the last letter that came for this key, and what to do."""

    what: str
    then: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The envelope, its clock and the mailbox's heartbeat. `draft` is None for who may not see the key.

    `obstacle` is for what a letter would be refused if it came now: better said before it is written.
    """

    draft: Draft | None
    expires_at: datetime
    minutes: int
    minutes_left: int
    left: str
    read_at: datetime | None
    every: str
    mailbox_trouble: str
    obstacle: str
    trouble: Trouble | None
    sandbox: bool


@dataclass(frozen=True, slots=True)
class Starting:
    """The last seconds in which nothing has gone."""

    people: int
    seconds: int
    seconds_left: int


@dataclass(frozen=True, slots=True)
class Moving:
    """A mail-out that sends, waits for its relay, or is paused."""

    paused: bool
    tried: int
    goal: int
    left: str
    until: datetime | None
    speed: str
    rows: tuple[Row, ...]
    relay_out: bool
    relay_heading: str
    relay_words: str
    relay_since: datetime | None
    relay_again_at: datetime | None
    relay_seconds: int
    relay_heard_at: datetime | None
    relay_host: str
    relay_encrypted: bool
    connections: int
    last_reply: str
    paused_by: str
    paused_for: str
    asked: bool
    gone: int


@dataclass(frozen=True, slots=True)
class Over:
    """The end: how it went, by state, or that nothing went at all: then nobody was written to, or even tried."""

    state: Phase
    nothing_went: bool
    accepted: int
    goal: int
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    alarm: bool
    seal: Seal | None
    sealed: str
    changes: tuple[str, ...]
    trouble: Trouble | None
    late: tuple[Letter, ...]
    by: str
    had_letter: bool
    discarded: bool
    own: bool


Sheet = Waiting | Held | Starting | Moving | Over


def lay(glance: Glance, people: int) -> tuple[str, Sheet]:
    """The name of the sheet's template, and what it shows."""
    match glance.state:
        case Phase.WAITING:
            return "waiting", _waiting(glance, people)
        case Phase.HELD:
            return "held", held.why(glance, people)
        case Phase.STARTING:
            return "starting", _starting(glance)
        case Phase.SENDING | Phase.PAUSED:
            return "moving", _moving(glance)
    return "over", _over(glance)


def _waiting(glance: Glance, people: int) -> Waiting:
    row = glance.row
    left = max(row.expires_at - glance.now, timedelta(0))
    # what was heard of the mailbox before there was a key says nothing about a letter for it
    mailbox, tried, said = glance.mailbox, glance.mailbox.tried_at, trouble(row)
    since = tried is not None and tried >= row.created_at
    every = interval(timedelta(seconds=settings().poll_seconds), [OpenKey(row.created_at, glance.now)], glance.now)
    return Waiting(
        draft=draft.of(row) if glance.mine else None,
        expires_at=row.expires_at,
        minutes=_minutes(row.expires_at - row.created_at),
        minutes_left=_minutes(left),
        left=f"{pace.about(left)} left",
        read_at=mailbox.well_at if since else None,
        every=f"every {words.span(every)}",
        mailbox_trouble=mailbox.trouble if since and mailbox.trouble != adoption.NO_MAILBOX else "",
        obstacle="" if said else _obstacle(row, people),
        trouble=said,
        sandbox=settings().sandbox,
    )


def _obstacle(row: Mailout, people: int) -> str:
    """Why a letter that came now would not be sent; "" when it would."""
    name = row.list.name
    if row.list.archived_at:
        return f"{name} is archived: a letter to it is not sent. Bring the list back first, on the page Lists."
    if not row.created_by.sends:
        return f"{row.created_by.name} may not send mail-outs any more, so a letter to this address is not sent."
    if not people:
        return f"Nobody would get it. Include customers in {name} first: a letter to nobody is not sent."
    return ""


def trouble(row: Mailout) -> Trouble | None:
    """What was wrong with the last letter for this key; None when nothing was, or it is only held."""
    if row.problem is None or row.problem in HOLDS:
        return None
    what, then = refusals.told(Problem(row.problem), row.problem_detail)
    return Trouble(what, then, row.problem_at)


def _starting(glance: Glance) -> Starting:
    row = glance.row
    assert row.starts_at, "a mail-out that starts has its time"
    assert row.accepted_at, "and was accepted"
    left = row.starts_at - glance.now
    return Starting(glance.counts.queued, _seconds(row.starts_at - row.accepted_at), _seconds(left))


def _moving(glance: Glance) -> Moving:
    row, counts, relay, server = glance.row, glance.counts, glance.relay, settings().smtp
    speed = pace.now_of(row.id)
    waiting = counts.queued + counts.sending
    goal, tried = chronicle.progress_of(glance)
    span = speed.time_for(waiting)
    again_at = glance.limit_until or relay.again_at
    return Moving(
        paused=glance.state is Phase.PAUSED,
        tried=tried,
        goal=goal,
        left=pace.roughly(span) if span and waiting else "",
        until=glance.now + span if span and waiting else None,
        speed=speed.words(waiting),
        rows=outcome.rows(row.id, counts, brief=True),
        relay_out=glance.relay_out,
        relay_heading=_capital(chronicle.relay_word(glance)),
        relay_words=relay.waits_for if glance.limit_until else relay.trouble,
        relay_since=relay.trouble_since,
        relay_again_at=again_at,
        relay_seconds=_seconds(again_at - glance.now) if again_at else 0,
        relay_heard_at=relay.well_at,
        relay_host=server.host if server and not settings().sandbox else "the sandbox’s mail server",
        relay_encrypted=server is not None and server.security != "none",
        connections=settings().smtp_connections,
        last_reply=_last_reply(row.id),
        paused_by=chronicle.name_of(row.paused_by_id) if row.paused_at else "",
        paused_for=row.paused_for,
        asked=glance.asked == "cancel",
        gone=slip.gone(counts),
    )


def _over(glance: Glance) -> Over:
    row, counts = glance.row, glance.counts
    rows = outcome.rows(row.id, counts, brief=False)
    goal = counts.total - counts.skipped
    seal = seals.from_json(row.seal) if row.seal else None
    late = tuple(letters.kept_late(row.id)) if glance.mine and row.problem else ()
    return Over(
        state=glance.state,
        nothing_went=glance.state is not Phase.COMPLETE and counts.total == counts.cancelled + counts.skipped,
        accepted=counts.sent,
        goal=goal,
        rows=rows,
        bars=outcome.bars(rows),
        alarm=blame.too_many(counts.bounced, goal - counts.cancelled),
        seal=seal,
        sealed=_sealed(seal) if seal else "",
        changes=tuple(row.changes.splitlines()),
        trouble=trouble(row) if late or not aftermath.after_all(row) else None,
        late=late,
        by=chronicle.name_of(row.cancelled_by_id) if row.cancelled_at else "",
        had_letter=row.letter_id is not None,
        discarded=_ran_out(row),
        own=chronicle.own(glance),
    )


def _ran_out(row: Mailout) -> bool:
    """Whether it was held until it was discarded by itself."""
    if row.held_at is None or row.cancelled_at is None or row.cancelled_by_id is not None:
        return False
    return row.cancelled_at - row.held_at >= retention.HELD


def _sealed(seal: Seal) -> str:
    """What went out as it was written: "Text, 3 pictures and 1 PDF went out as you wrote them, byte for byte."."""
    parts = " and ".join(seal.words().rsplit(", ", 1))
    return f"{_capital(parts)} went out as you wrote {'them' if ' and ' in parts else 'it'}, byte for byte."


def _capital(said: str) -> str:
    """The words as a sentence begins."""
    return f"{said[:1].upper()}{said[1:]}"


def _last_reply(mailout_id: int) -> str:
    """What the relay said last when it accepted a copy."""
    query = (
        select(Recipient.code, Recipient.enhanced, Recipient.reply)
        .where(Recipient.mailout_id == mailout_id, Recipient.state == State.SENT)
        .order_by(Recipient.id.desc())
        .limit(1)
    )
    found = db.session.execute(query).first()
    return " ".join(str(word) for word in found if word) if found else ""


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _seconds(span: timedelta) -> int:
    return max(0, -(-int(span.total_seconds() * 1000) // 1000))
