"""bounces -- mail that came back in words for people, by the hundred programs that keep to no RFC.

Owns     which addresses such a letter says have failed, and in which of its words
Never    believes an address that could be none; reads behind the line where the returned letter begins
Fails    never: flufl.bounce raises and returns garbage on real mail, so it reads behind a guard

In this order: the fields of RFC 3464 among the text, X-Failed-Recipients, flufl.bounce, the lines that name an address,
the only address that there is. What finds something ends the search.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterable, Iterator

from flufl.bounce import all_failures

from ..reading.head import every
from ..reading.letter import Letter
from ..reading.opened import Opened
from ..reading.phrases import one_of, words
from . import diagnosis, dsn
from .automatic import is_machine
from .dsn import Action, Told, address_in
from .reasons import reason_for

#: What flufl.bounce gets to read: its patterns are not made for more.
FLUFL_MOST, LINE_MOST = 32_768, 300
#: A copy has one recipient; what names more addresses than this is no report of it.
ADDRESSES_MOST = 100
LINES_MOST = 2000

_DELAY = one_of(
    r"""
    this is (?:just )?a warning|warning (?:message )?only|advisory-only|(?:has|have|was|is|been) delayed|delayed mail
    will (?:be retried|retry|continue|keep)|still (?:being|trying|be retried|retrying)|(?:has|have|could) not yet been
    not yet (?:been )?delivered|(?<!further )delivery attempts will|do not need to re-?send|keep trying
    no action is required|been postponed|verz[öo]gert|weiter(?:e|hin)? .{0,40}versuch|noch nicht zugestellt
    vor[üu]bergehendes problem|retard[ée]e?\b|diff[ée]r[ée]e?\b|nouvelle tentative|retrasad
    aplazad|demorad|seguir[áa] intentando
    ritardat|in ritardo|atrasad|vertraagd|f[öo]rsenad|forsinket|opóźnion|задерж|отложен|遅延|遅れ|再送(?:を|し)
    延迟|延遲|推迟|지연
    """,
    re.IGNORECASE,
)
_FAILURE = one_of(
    r"""
    undeliver|(?:not|n['’]t|unable to|cannot|never) (?:able to |be |been ){0,2}(?:deliver|relay|reach|sen[dt])
    delivery (?:problem|error)|(?:had|encountered) .{0,20}problems|invalid final delivery|error description
    deliver\w* .{0,40}(?:fail|abort)
    fail(?:ed|ure)|returned (?:mail|to sender)|permanent|fatal error|did(?: not|n['’]t) (?:reach|receive)|given up
    rejected|no such user|(?:user|recipient|address|mailbox|host) .{0,20}(?:unknown|not found|invalid|unavailable|full)
    unknown (?:user|recipient|address|host)|invalid (?:user|recipient|address)|was not relayed|not been delivered
    an error (?:has )?occurred|does not exist|bounced|nicht zugestellt|unzustellbar|nicht zustellbar
    konnte.{0,80}nicht|fehlgeschlagen|pas pu [êe]tre|impossible de|[ée]chec|non (?:remis|distribu|recapitat|consegnat)
    no (?:se )?(?:ha )?(?:podido|pudo|pude)|no entregad|devuelt|rechazad|n[ãa]o (?:foi|p[ôo]de)|falh(?:a|ou)|fallit
    impossibile|onbestelbaar|kon niet|niet bezorgd|kunde inte|kunne ikke|nie (?:może|mogła|został)|niedostarcz
    zwr[óo]con|не (?:может|удалось|доставлен|был)|недоставл|配信(?:でき|不能|不可)|送信でき|届けられ|配達でき|エラー
    无法|無法|退信|失败|失敗|投递|전달(?:되지|할 수)|반송
    """,
    re.IGNORECASE,
)
_DRESS = r"[\s>*#•·|\-]*"
_OF_ADDRESS = r"[^\s\"'<>\[\](),;:：；，、。（）「」]+"
_ADDRESS = rf"(?P<address>{_OF_ADDRESS}@{_OF_ADDRESS})"
_ALONE = re.compile(rf"{_DRESS}[\"'<\[(]*{_ADDRESS}")
_LABEL = one_of(
    r"""
    recipients?|rcpt to|address(?:es|ee)?|destination|intended|failed|undeliverable|mailbox|to
    empf[äa]nger|adresse|destinataire|destinatari[oa]|direcci[óo]n|indirizzo|ontvanger|geadresseerde|mottagare|odbiorca
    получател\w*|адрес\w*|宛先|受信者|收件人|收信人
    """
)
_LABELLED = re.compile(
    rf"{_DRESS}(?:.{{0,30}}\b)?(?:{_LABEL.pattern})[^:=<@]{{0,30}}[:=：]\s*[\[<\"']?(?:smtp:|rfc822;\s*)?{_ADDRESS}",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    rf"(?:deliver\w*|message|mail|e-?mail|sent|nachricht|zustellung|mensaje)\b.{{0,60}}?\b(?:to|for|an|à|a|para)\s+[<\"']?{_ADDRESS}",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"mail from|\bfrom\b|sender|contact|postmaster|abuse|help|support|assist|https?:|reply-to", re.IGNORECASE
)
_EXPANDED = re.compile(r"\(expanded from:? *<?([^\s<>()]+@[^\s<>()]+)")
_NO_PEOPLE = words("abuse support help helpdesk hostmaster webmaster info-noreply noreply no-reply")


def read(letter: Letter, opened: Opened) -> tuple[Told, ...]:
    """What the letter says has failed or is late; empty when it names no address that way."""
    said = "\n\n".join(opened.said)
    if dsn.has_fields(said):
        return dsn.read_text(said)
    action = Action.DELAYED if says_delay(f"{letter.subject}\n{said}") else Action.FAILED
    strangers = _strangers_to(letter)
    for addresses in (
        [address_in(part) for field in every(letter.fields, "x-failed-recipients") for part in _split(field.value)],
        _by_flufl(letter, opened),
        _by_lines(opened.said, strangers),
        _the_only_one(said, strangers),
    ):
        found = tuple(dict.fromkeys(filter(None, addresses)))[:ADDRESSES_MOST]
        if found:
            return tuple(_told(address, action, said, found) for address in found)
    return ()


def without_address(letter: Letter, opened: Opened) -> Told:
    """What a letter says that came back and names nobody."""
    said = "\n\n".join(opened.said)
    action = Action.DELAYED if says_delay(f"{letter.subject}\n{said}") else Action.FAILED
    return _told("", action, said, ())


def has_known_form(letter: Letter, opened: Opened) -> bool:
    """Whether flufl.bounce knows the form of the letter."""
    return bool(_by_flufl(letter, opened))


def says_failure(text: str) -> bool:
    """Whether `text` says, in one of many languages, that something was not delivered."""
    return bool(_FAILURE.search(text[:8000]))


def says_delay(text: str) -> bool:
    """Whether `text` says that delivery is still being tried."""
    return bool(_DELAY.search(text[:8000]))


def _split(value: bytes) -> list[str]:
    """The entries of a list of plain addresses."""
    return value.decode("utf-8", "replace").split(",")


def _strangers_to(letter: Letter) -> frozenset[str]:
    """Addresses that can't be the one that failed: whom the report is from and for."""
    author = letter.author.address if letter.author else ""
    return frozenset(address.lower() for address in (*letter.named, author) if address)


def _told(address: str, action: Action, said: str, all_of_them: tuple[str, ...]) -> Told:
    """What is told of one address, with the words that belong to it."""
    reason = reason_for(address, said, all_of_them)[: dsn.DIAGNOSIS_MOST]
    return Told(address, action, diagnosis.status_in(reason), reason)


# --- flufl.bounce, behind its guard


def _by_flufl(letter: Letter, opened: Opened) -> list[str]:
    """The addresses that flufl.bounce finds, in the letter as it is or in its text with the encodings taken off."""
    head = b"".join(field.raw for field in letter.fields)
    if not every(letter.fields, "from"):
        head += b"From: nobody@invalid\r\n"
    plain = b"\r\n\r\n".join(text.encode("ascii", "replace") for text in opened.said)
    kept = b"".join(field.raw for field in letter.fields if field.name in ("from", "subject", "x-mailer"))
    for data in (
        head + b"\r\n" + letter.body[:FLUFL_MOST],
        kept + b"From: nobody@invalid\r\n\r\n" + plain[:FLUFL_MOST],
    ):
        found = _guarded(data)
        if found:
            return found
    return []


def _guarded(data: bytes) -> list[str]:
    """What flufl.bounce makes of `data`, checked; empty whatever it raises."""
    lines = (line[:LINE_MOST] for line in data.decode("ascii", "replace").replace("\r\n", "\n").split("\n"))
    try:
        late, failed = all_failures(email.message_from_string("\n".join(lines)))
        found = [str(address, "ascii", "replace") for address in (*failed, *late)]
    except Exception:
        return []
    return sorted(address for address in found if address_in(address) == address.strip())


# --- our own readers


def _by_lines(texts: Iterable[str], strangers: frozenset[str]) -> list[str]:
    """The addresses that lines begin with or give under a label, in the first part of the report that has any."""
    for text in texts:
        lines = text.split("\n")[:LINES_MOST]
        start = next((number for number, line in enumerate(lines) if says_failure(line) or says_delay(line)), 0)
        for form in (_ALONE, _LABELLED, _WITHIN):
            found = [
                address
                for line in lines[start:]
                for address in _in_line(form, line)
                if address.lower() not in strangers
            ]
            if found:
                return found
    return []


def _in_line(form: re.Pattern[str], line: str) -> Iterator[str]:
    """The addresses that a line gives in this form."""
    if "@" not in line or len(line) > 2000 or (form is not _ALONE and re.search(r"mail from|sender|from:", line, re.I)):
        return
    found = form.match(line) if form is not _WITHIN else form.search(line)
    if found and not _no_person(found["address"]):
        yield address_in(found["address"].rstrip(":.,;"))
    expanded = _EXPANDED.search(line)
    if expanded:
        yield address_in(expanded[1])


def _no_person(address: str) -> bool:
    """Whether an address is one that reports name for help."""
    return is_machine(address) or address.lower().partition("@")[0] in _NO_PEOPLE


def _the_only_one(said: str, strangers: frozenset[str]) -> list[str]:
    """The address in the text, when there is but one that could be a customer's."""
    lines = [line for line in said.split("\n")[:LINES_MOST] if "@" in line and not _OTHERS.search(line)]
    found = {address_in(word) for line in lines for word in line[:2000].split() if "@" in word}
    people = {a.lower(): a for a in found if a and a.lower() not in strangers and not _no_person(a)}
    return list(people.values()) if len(people) == 1 else []
