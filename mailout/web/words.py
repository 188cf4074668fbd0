"""words -- how pages say times, numbers, sizes and states: as a person says them aloud.

Owns     the word, tone and icon of each state; the filters of the templates
Never    formats for a machine: ISO times are in `<time datetime>` and in files alone
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask

from ..core.phase import Phase
from ..core.telling import spoken
from ..current import settings
from . import asking


@dataclass(frozen=True, slots=True)
class Word:
    """A state in words; `tone` is good, look, bad, accent or faint, `icon` a name in the sprite."""

    text: str
    tone: str
    icon: str


MAILOUT: dict[str, Word] = {
    Phase.WAITING: Word("Waiting for your letter", "accent", "clock"),
    Phase.HELD: Word("Held until you say go", "look", "hand-stop"),
    Phase.STARTING: Word("About to start", "accent", "hourglass"),
    Phase.SENDING: Word("Sending", "accent", "send"),
    Phase.PAUSED: Word("Paused", "look", "player-pause"),
    Phase.COMPLETE: Word("Complete", "good", "circle-check"),
    Phase.CANCELLED: Word("Cancelled", "faint", "ban"),
    Phase.EXPIRED: Word("Expired", "faint", "hourglass-off"),
}

RECIPIENT: dict[str, Word] = {
    "queued": Word("Queued", "faint", "clock"),
    "sending": Word("Sending", "accent", "send"),
    "sent": Word("Accepted by your mail provider", "good", "check"),
    "deferred": Word("Deferred", "look", "rotate-clockwise"),
    "failed": Word("Failed", "bad", "x"),
    "skipped": Word("Skipped", "faint", "minus"),
    "uncertain": Word("Uncertain", "look", "help-circle"),
    "bounced": Word("Bounced", "bad", "arrow-back-up"),
    "cancelled": Word("Cancelled", "faint", "ban"),
}


def zone() -> ZoneInfo:
    """The zone that times are shown in."""
    return settings().time_zone


def zone_name() -> str:
    """The zone's name at the present time, as in "Australia/Sydney (AEDT)"."""
    short = asking.now().astimezone(zone()).tzname() or ""
    return f"{zone().key} ({short})" if short and short != zone().key else zone().key


def clock(at: datetime) -> str:
    """The time of day: "2:04 pm"."""
    return spoken.clock(at, zone())


def day(at: datetime) -> str:
    """The day: "today", "yesterday", "tomorrow", "2 September", "2 September 2025"."""
    local, today = at.astimezone(zone()).date(), asking.now().astimezone(zone()).date()
    near = {0: "today", -1: "yesterday", 1: "tomorrow"}.get((local - today).days)
    return near or f"{local.day} {local:%B}" + (f" {local.year}" if local.year != today.year else "")


def moment(at: datetime) -> str:
    """The day and the time: "today, 2:04 pm", "2 September, 9:20 am"."""
    return f"{day(at)}, {clock(at)}"


def brief(at: datetime) -> str:
    """As little as says it: "2:04 pm" today, "Tue 2:04 pm" within a week, else the day."""
    local, today = at.astimezone(zone()).date(), asking.now().astimezone(zone()).date()
    if local == today:
        return clock(at)
    return f"{local:%a} {clock(at)}" if abs((local - today).days) < 7 else day(at)


def span(length: timedelta | float) -> str:
    """A length of time (a number is seconds): "4 seconds", "41 minutes", "about 1 h 40 min"."""
    return spoken.length(length if isinstance(length, timedelta) else timedelta(seconds=length))


def ago(at: datetime) -> str:
    """How long ago: "4 seconds ago"; "just now" within one second."""
    since = asking.now() - at
    return "just now" if since < timedelta(seconds=1) else f"{span(since)} ago"


def either(names: Sequence[str]) -> str:
    """Names in a sentence: "Jo Hartley", "Jo Hartley or Marlene Hartley", "Jo, Priya or Tom"."""
    return " or ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


FILTERS: dict[str, Callable[..., str]] = {
    "number": spoken.number,
    "many": spoken.things,
    "size": spoken.size,
    "clock": clock,
    "day": day,
    "moment": moment,
    "brief": brief,
    "span": span,
    "ago": ago,
    "either": either,
}


def teach(app: Flask) -> None:
    """Give the templates of `app` these words."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(mailout_words=MAILOUT, recipient_words=RECIPIENT, zone_name=zone_name, now=asking.now)
    app.context_processor(_everywhere)


def _everywhere() -> dict[str, Any]:
    """What every template knows: who looks (None when nobody is signed in), whose pages these are, the sandbox."""
    known = settings()
    return {
        "visitor": asking.who() if asking.signed_in() else None,
        "sandbox": known.sandbox,
        "organisation_name": known.organisation_name,
        "organisation_address": known.organisation_address,
    }
