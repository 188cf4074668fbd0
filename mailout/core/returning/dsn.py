"""dsn -- delivery status notifications, complaints and other reports that machines write for machines.

Owns     how the fields of RFC 3464 (with the status codes of RFC 3463) and of RFC 5965 are read, as programs write them
Never    believes that a report keeps to its RFC: words for Action that none has, groups run together, fields without a
         type, addresses in any dress are all met with
Fails    never: what can't be read says nothing
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ..reading.opened import Opened
from ..reading.phrases import words
from . import diagnosis


class Action(StrEnum):
    """What became of an address, in one of three words."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says of one address. `also`: other addresses in the same breath (where it was forwarded to)."""

    address: str
    action: Action
    status: str = ""
    diagnosis: str = ""
    also: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    """The fields of one recipient, the first of each name."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, *names: str) -> str:
        return next((self.values[name] for name in names if self.values.get(name)), "")


#: A copy has one recipient; of a report with more groups than this the rest is not read.
GROUPS_MOST = 200
DIAGNOSIS_MOST = 1000
ADDRESS_MOST = 254

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*)")
_RECIPIENTS = ("original-recipient", "final-recipient", "x-actual-recipient")
_TYPED = re.compile(r"[ \t]*([A-Za-z0-9_.-]{1,30})[ \t]*;[ \t]*(.*)", re.DOTALL)
_ANGLE = re.compile(r"<([^<>]+)>")
_NEVER = r"\s<>()\[\]:;,\"\\@：；，、。（）「」＜＞"
_LOCAL = rf"\"[^\"\r\n]{{1,62}}\"|(?<![^{_NEVER}])[^{_NEVER}]{{1,64}}"
_ADDRESS = re.compile(rf"(?:{_LOCAL})@(?:[^{_NEVER}]{{1,253}}|\[[0-9A-Fa-f.:IPv]+\])")
_COMMENT = re.compile(r"\([^()]*\)")
_FAILED = words("failed fail failure error undeliverable undelivered bounced bounce rejected reject permanent expired")
_DELAYED = words("delayed delay deferred temporary transient retrying retry warning queued pending")
_DELIVERED = words("delivered success successful relayed expanded displayed ok")


def read(opened: Opened) -> tuple[Told, ...]:
    """What the delivery status parts of a letter say, address by address (RFC 3464)."""
    return tuple(told for text in opened.of_kind("delivery-status") for told in read_text(text))


def read_text(text: str) -> tuple[Told, ...]:
    """What the fields of a delivery status say; other lines between them are passed over."""
    told = (_told(group) for group in _groups(text)[:GROUPS_MOST])
    return tuple(one for one in told if one)


def has_fields(text: str) -> bool:
    """Whether `text` holds the fields of a delivery status among its lines."""
    names = {name for name, _ in _fields(text)}
    return "final-recipient" in names and bool(names & {"action", "status", "diagnostic-code"})


def complaint(opened: Opened) -> tuple[str, tuple[str, ...]] | None:
    """The kind of a feedback report and the addresses it names; None when the letter is none (RFC 5965 3)."""
    texts = opened.of_kind("feedback-report")
    if not texts:
        return None
    group = _Group()
    named: list[str] = []
    for name, value in _fields(texts[0]):
        group.values.setdefault(name, value)
        if name in ("original-rcpt-to", "removal-recipient", "redacted-address"):
            named.append(address_in(value))
    kind = group.get("feedback-type").lower().strip()
    return kind or "abuse", tuple(dict.fromkeys(filter(None, named)))


def address_in(text: str) -> str:
    """The address in `text`, without its dress; "" when there is none that could be one (RFC 5321 4.1.2, 6531 3.3)."""
    angle = _ANGLE.search(text)
    plain = (angle[1] if angle else text).strip(" \t'`")
    found = _ADDRESS.search(re.sub(r"(?i)^(?:mailto|smtp)[:=]", "", plain))
    if not found:
        return ""
    address = found[0].strip("'`").rstrip(".")
    fits = len(address.encode("utf-8", "replace")) <= ADDRESS_MOST and address.isprintable()
    return address if fits and not address.startswith("@") and not address.endswith("@") else ""


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """The fields of `text`, unfolded; ("", "") for each empty line between them."""
    name, value = "", ""
    for line in text.split("\n"):
        found = _FIELD.match(line)
        if not found and line[:1] in (" ", "\t") and line.strip() and name:
            value = f"{value} {line.strip()}"[:4000]
            continue
        if name:
            yield name, value.strip()
            name = ""
        if found:
            name, value = found[1].lower(), found[2]
        elif not line.strip():
            yield "", ""
    if name:
        yield name, value.strip()


def _groups(text: str) -> list[_Group]:
    """The fields of each recipient. What stands in a group without a recipient belongs to the one before it.

    The first group is of the whole message: some programs put there what every recipient's group lacks.
    """
    common = current = _Group()
    groups: list[_Group] = []
    for name, value in _fields(text):
        if name in _RECIPIENTS and (current is common or _begins_anew(current, name)):
            current = _Group()
            groups.append(current)
        if name:
            current.values.setdefault(name, value)
    for group in groups:
        for name in ("action", "status", "diagnostic-code"):
            if name in common.values:
                group.values.setdefault(name, common.values[name])
    return groups


def _begins_anew(group: _Group, name: str) -> bool:
    """Whether a recipient field is that of the next recipient, and not a second field of this one."""
    return name in group.values or ("action" in group.values and "final-recipient" in group.values)


def _told(group: _Group) -> Told | None:
    """What a group says; None when it names nobody."""
    addresses = tuple(dict.fromkeys(filter(None, (_recipient(group.get(name)) for name in _RECIPIENTS))))
    if not addresses:
        return None
    words_of_it = _diagnosis(group)
    status = diagnosis.status_in(group.get("status"))
    return Told(
        address=addresses[0],
        action=_action(group.get("action"), status, words_of_it),
        status=diagnosis.status_of(status, words_of_it),
        diagnosis=words_of_it,
        also=addresses[1:],
    )


def _recipient(value: str) -> str:
    """The address in a recipient field, "rfc822; a@b" as a rule; xtext is read (RFC 3461 4, RFC 6533 3)."""
    typed = _TYPED.match(value)
    text = typed[2] if typed else value
    text = re.sub(r"\\x\{([0-9A-Fa-f]{2,6})\}", lambda found: chr(min(int(found[1], 16), 0x10FFFF)), text)
    text = re.sub(r"\+(2B|3D|40)", lambda found: chr(int(found[1], 16)), text)
    return address_in(text)


def _action(said: str, status: str, words_of_it: str) -> Action:
    """The action, by its word, else by the status, else by the server's reply; what says nothing has failed."""
    bare = re.findall(r"[a-z]+", _COMMENT.sub(" ", said.lower()))[:3]
    if "not" in bare:
        return Action.FAILED
    for known, action in ((_DELAYED, Action.DELAYED), (_DELIVERED, Action.DELIVERED), (_FAILED, Action.FAILED)):
        if any(word in known for word in bare):
            return action
    kind = status[:1] or str(diagnosis.code_in(words_of_it))[:1]
    return {"2": Action.DELIVERED, "4": Action.DELAYED}.get(kind, Action.FAILED)


def _diagnosis(group: _Group) -> str:
    """The server's words for what happened: its reply, or what stands beside the status."""
    value = group.get("diagnostic-code", "x-supplementary-info", "x-notes", "smtp-remote-recipient-reply")
    typed = _TYPED.match(value)
    text = typed[2] if typed and not typed[1].isdigit() else value
    if not text.strip():
        beside = re.search(r"\(([^()]+)\)", group.get("status"))
        text = beside[1] if beside else ""
    return " ".join(text.split())[:DIAGNOSIS_MOST]
