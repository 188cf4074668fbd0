"""spoken -- times, numbers and replies as they are said aloud.

Owns     the form of a time, a number and a server's reply for people, on pages and in notices
Never    asks for the clock or the zone: both are arguments
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


def clock(at: datetime, zone: tzinfo) -> str:
    """The time of day: "2:04 pm"."""
    local = at.astimezone(zone)
    return f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"


def moment(at: datetime, zone: tzinfo, now: datetime) -> str:
    """A time as near as it is: "2:04 pm", "tomorrow, 2:04 pm", "2 September, 2:04 pm", "2 September 2024"."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    if days == 0:
        return clock(at, zone)
    if abs(days) == 1:
        return f"{'tomorrow' if days == 1 else 'yesterday'}, {clock(at, zone)}"
    day = f"{local.day} {local:%B}"
    return f"{day}, {clock(at, zone)}" if local.year == today.year else f"{day} {local.year}"


def dated(at: datetime, zone: tzinfo) -> str:
    """A time that stays true in a letter read later: "25 November 2026, 2:04 pm AEDT"."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B} {local.year}, {clock(at, zone)} {local:%Z}"


def reply(code: int | None, enhanced: str, text: str) -> str:
    """What a server replied, as it is shown: "550 5.1.1 no such user"; "" when it said nothing."""
    return " ".join([word for word in (str(code or ""), enhanced, text) if word])


def number(count: int) -> str:
    """A count with commas: "1,204"."""
    return f"{count:,}"


def things(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 copy", "1,204 copies"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def length(span: timedelta) -> str:
    """A length of time, rounded as one would say it: "40 seconds", "5 minutes", "about 1 h 40 min", "3 days"."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return things(seconds, "second")
    minutes = round(seconds / 60)
    if minutes < 60:
        return things(minutes, "minute")
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"about {hours} h" + (f" {rest} min" if rest else "")
    return things(round(hours / 24), "day")


def size(octets: int) -> str:
    """A size: "800 bytes", "12 KB", "3.4 MB", "1.2 GB"."""
    if octets < 1000:
        return things(octets, "byte")
    if octets < 999_500:
        return f"{round(octets / 1000)} KB"
    if octets < 999_950_000:
        return f"{octets / 1_000_000:.1f} MB"
    return f"{octets / 1_000_000_000:,.1f} GB"
