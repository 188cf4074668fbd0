"""looks -- by what letters show themselves that say in words for people what they are.

Owns     the signs of a bounce, of a complaint, of a receipt and of a challenge
Never    takes one word of a text for proof: a customer may write "my parcel was not delivered"
Fails    never
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..reading.letter import Letter
from ..reading.opened import Opened
from ..reading.phrases import one_of
from . import automatic, bounces, diagnosis
from .dsn import Told

_SUBJECT = one_of(
    r"""
    undeliver|deliver\w* .{0,30}(?:fail|problem|error|status|notif|delay|report)|deliver(?:y|ies)? (?:fail|delay)
    fail(?:ed|ure)? (?:mail|notice|deliver)|returned? (?:mail|to sender)|(?:e-?mail|system|smtp) error|non.?deliver
    not (?:be )?(?:been )?(?:delivered|sent|deliverable)|message (?:status|delayed|not)|mail (?:status|delayed|failure)
    bounced?\b|warning: (?:message|could not|mail)|delayed mail|postmaster notify|user unknown|unknown user|rejected
    (?:message|mail) .{0,20}(?:blocked|refused)
    unzustell|zustell|übermittl|nicht (?:zugestellt|gesendet)|non (?:remis|d[ée]livr|recapitat|consegnat)|[ée]chec
    retour de|devuelto|devoluci|fallo|error (?:de|en)|falha|mancata|impossibile|onbestelbaar|niet (?:be|af)|oleverer
    leverans|kunde inte|niedostarcz|zwrot|недостав|не доставл|возврат|配信|不達|エラー|退信|失败|失敗|投递|반송
    """,
    re.IGNORECASE,
)
_ANSWERS = re.compile(r"\s*(?:re|aw|sv|fw|fwd|wg|antw|tr|rv)\s*[:：]", re.IGNORECASE)
_SUCCESS = re.compile(r"success|\(relay|delivered to|return receipt|zustellbest[äa]tigung|receipt", re.IGNORECASE)
_DAEMON_NAME = re.compile(r"mail(?:er)?[ -]?(?:daemon|delivery|administrator)|delivery (?:sub)?system|postmaster", re.I)
_REFUSED = re.compile(
    r"automatically rejected|(?:could|can) ?not be delivered|undeliverable|unzustellbar", re.IGNORECASE
)
_CHALLENGE = one_of(
    r"""
    \b(?:boxbe|bluebottle|spam ?arrest|tmda|mailblocks|choicemail|qurb|sendio|vanquish|spamlion|0spam|digiportal)\b
    not pre-?approved|(?:guest|allowed|white|approved).?(?:senders?.?)?list
    (?:confirm|verify|prove) (?:that )?(?:you(?:r)?|this) .{0,60}(?:human|person|sender|not (?:a )?spam|address)
    (?:message|mail|e-mail) .{0,200}(?:held|on hold|waiting|waitlisted|pending|protected|quarantined)
    """,
    re.IGNORECASE | re.DOTALL,
)
_TO_DO = re.compile(r"\bclick (?:on |here|below|the|this)|link below|following\s+(?:link|url)|action\s+required", re.I)
_COMPLAINT_SUBJECT = re.compile(
    r"complaint about (?:message|e-?mail)|(?:spam|abuse|feedback) (?:report|complaint)", re.I
)
_COMPLAINT_AUTHOR = re.compile(r"staff@hotmail\.com", re.IGNORECASE)


def is_bounce(letter: Letter, opened: Opened, *, to_return_path: bool) -> bool:
    """Whether the letter is a report of a mail server that a letter is late or has come back.

    By its author, the null sender, its subject, its words; any one of them alone is not enough.
    `to_return_path`: it came to an address that nothing but reports should come to.
    """
    daemon, null = from_daemon(letter), automatic.is_null(letter.return_path)
    answers = letter.is_reply or bool(letter.references)
    subject = bool(_SUBJECT.search(letter.subject)) and not _ANSWERS.match(letter.subject)
    if (automatic.is_away(letter.subject) and not daemon) or (is_receipt(opened) and not _refuses(opened)):
        return False
    if (daemon and (null or subject)) or (null and subject) or opened.of_kind("delivery-status"):
        return True
    said = "\n".join(opened.said)
    if not (bounces.says_failure(said) or bounces.says_delay(said)):
        return False
    if daemon:
        return _refuses(opened) or not answers
    if subject and not answers:
        return to_return_path or _refuses(opened) or any(piece.returned for piece in opened.pieces)
    if null or answers or not to_return_path:
        return null and _quotes_reply(said)
    return _quotes_reply(said) or (bounces.has_known_form(letter, opened) and not is_challenge(letter, opened))


def is_success(letter: Letter, opened: Opened) -> bool:
    """Whether a report in words says that the letter has arrived."""
    failed = bounces.says_failure(letter.subject + "\n" + "\n".join(opened.said))
    return bool(_SUCCESS.search(letter.subject)) and not failed


def from_daemon(letter: Letter) -> bool:
    """Whether a mail server wrote the letter, by its author's address or name."""
    author = letter.author
    return author is not None and (automatic.is_machine(author.address) or bool(_DAEMON_NAME.search(author.name)))


def is_receipt(opened: Opened) -> bool:
    """Whether the letter is a receipt in the form of RFC 8098."""
    return bool(opened.of_kind("disposition-notification"))


def is_challenge(letter: Letter, opened: Opened, told: Iterable[Told] = ()) -> bool:
    """Whether the letter asks its reader to prove that they are a person; `told`: what it says in a report's form."""
    if any(_CHALLENGE.search(one.diagnosis) for one in told):
        return True
    short = letter.subject + "\n" + "\n".join(opened.said)[:4000]
    return not told and bool(_CHALLENGE.search(short)) and bool(_TO_DO.search(short))


def is_complaint(letter: Letter, opened: Opened) -> bool:
    """Whether the letter is a complaint in no RFC's form, with the letter in it that it complains about."""
    if not any(piece.returned for piece in opened.pieces):
        return False
    author = letter.author.address if letter.author else ""
    return bool(_COMPLAINT_AUTHOR.fullmatch(author) or _COMPLAINT_SUBJECT.search(letter.subject))


def _refuses(opened: Opened) -> bool:
    """Whether the text refuses something: with a server's reply, or as a mailbox's own filter says it."""
    said = "\n".join(opened.said)[:8000]
    return bool(_REFUSED.search(said)) or _quotes_reply(said)


def _quotes_reply(said: str) -> bool:
    """Whether `said` quotes a mail server that said no."""
    return diagnosis.status_in(said).startswith(("4", "5")) or 400 <= diagnosis.code_in(said) < 600
