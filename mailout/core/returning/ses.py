"""ses -- the notices of Amazon SES, which are JSON in a letter.

Owns     how a notice of a bounce, of a delivery and of a complaint is read
Never    believes that a field is there, or of the type that it should be of
Fails    never: what can't be read says nothing
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..reading.opened import Opened
from . import diagnosis
from .dsn import DIAGNOSIS_MOST, Action, Told, address_in


def read(opened: Opened) -> tuple[Told, ...]:
    """What a notice says of bounces and deliveries; empty when the letter is none."""
    found = _notice(opened)
    told = (_bounced(each, _part(found, "bounce")) for each in _entries(found, "bounce", "bouncedRecipients"))
    delivered = (Told(address_in(str(each)), Action.DELIVERED) for each in _entries(found, "delivery", "recipients"))
    return (*told, *delivered)


def complained(opened: Opened) -> tuple[str, ...] | None:
    """The addresses of a notice of a complaint; None when the letter is none."""
    found = _notice(opened)
    if not _part(found, "complaint"):
        return None
    named = (_text(each, "emailAddress") for each in _entries(found, "complaint", "complainedRecipients"))
    return tuple(filter(None, map(address_in, named)))


def _notice(opened: Opened) -> dict[str, Any]:
    """The notice in a letter's text; empty when there is none."""
    said = "\n".join(opened.said)
    start = said.find("{")
    if start < 0 or not ('"notificationType"' in said or '"eventType"' in said):
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(said, start)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The object `name` of a notice; empty when it is none."""
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _entries(found: dict[str, Any], name: str, entries: str) -> Iterator[Any]:
    """The entries of a list in the object `name`."""
    listed = _part(found, name).get(entries)
    yield from listed if isinstance(listed, list) else ()


def _text(entry: Any, name: str) -> str:
    """The text `name` of an entry."""
    found = entry.get(name) if isinstance(entry, dict) else ""
    return found if isinstance(found, str) else ""


def _bounced(entry: Any, bounce: dict[str, Any]) -> Told:
    """What is told of one address that bounced; a transient bounce has been given up too."""
    reason = (_text(entry, "diagnosticCode") or _text(bounce, "bounceSubType"))[:DIAGNOSIS_MOST]
    status = diagnosis.status_of(diagnosis.status_in(_text(entry, "status")), reason)
    return Told(address_in(_text(entry, "emailAddress")), Action.FAILED, status, reason)
