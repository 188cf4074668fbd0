"""diagnosis -- what a server's words about one address mean: whose fault it was that a copy did not arrive.

Owns     the causes, how they are recognised by words and by status, the sentence that says each to a person
Never    reads a letter; a word that could mean the letter or the sender is never taken for the address's own fault
Fails    never: what says nothing that we know is UNKNOWN

Words win over numbers: servers answer "550 5.1.1 blocked as spam" and "550 5.7.1 user unknown" (RFC 3463 is a wish).
Where words speak of several things, the one that spares the customer wins.
"""

from __future__ import annotations

import re
from enum import StrEnum

from ..reading.phrases import one_of


class Cause(StrEnum):
    """Why a copy came back."""

    NO_SUCH_ADDRESS = "no-such-address"
    NO_SUCH_DOMAIN = "no-such-domain"
    CLOSED = "closed"
    MOVED = "moved"
    FULL = "full"
    TOO_LARGE = "too-large"
    CONTENT = "content"
    SENDER = "sender"
    POLICY = "policy"
    TOO_MUCH = "too-much"
    NOT_THEIRS = "not-theirs"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


#: The causes that lie in the address itself: writing to it again can only fail again.
ADDRESS_FAULTS = frozenset({Cause.NO_SUCH_ADDRESS, Cause.NO_SUCH_DOMAIN, Cause.CLOSED, Cause.MOVED})

WORDS = {
    Cause.NO_SUCH_ADDRESS: "The address does not exist.",
    Cause.NO_SUCH_DOMAIN: "The part of the address after the @ does not exist, or takes no mail.",
    Cause.CLOSED: "The mailbox has been closed.",
    Cause.MOVED: "The mailbox has moved to another address.",
    Cause.FULL: "The mailbox is full.",
    Cause.TOO_LARGE: "The letter was too large for the mailbox.",
    Cause.CONTENT: "The customer's mail provider did not like what is in the letter, or took it for spam.",
    Cause.SENDER: "The customer's mail provider does not trust the address that the letter came from.",
    Cause.POLICY: "The customer's mail provider does not take such mail from us.",
    Cause.TOO_MUCH: "The customer's mail provider was sent more mail than it wants at a time.",
    Cause.NOT_THEIRS: "The mail server that was asked is not in charge of the address.",
    Cause.UNREACHABLE: "The customer's mail server could not take it in time.",
    Cause.UNKNOWN: "It came back without a reason that we understand.",
}

_MOST = 2000
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-#:,;)]|$)")
_NOISE = re.compile(
    r"https?://\S+|<?[^\s<>@]{1,64}@[^\s<>@]{1,255}>?|(?<![\w.])(?=[\w.-]*[a-z])[a-z0-9-]+(?:\.[a-z0-9-]+)+(?![\w.])"
)

#: Reasons of Exchange and of Oracle that look like the names of hosts.
_DOTTED = re.compile(r"\b(resolver\.\w+|err|storedrv)\.")

_WHO = r"(?:users?|recipients?|mailbox(?:es)?|accounts?|address(?:es)?|alias|addressee|local.?part|e?-?mail.?box)"
_NOT_THERE = (
    r"(?:unknown|not (?:be )?(?:found|known|exists?|recogni[sz]ed|listed|valid|local|our customer|located)"
    r"|(?:does|do|did|could)(?: not|n'?t) (?:exist|match)|has ?n'?t|invalid|undeliverable|non.?existent|unavailable)"
)


#: In the order in which they are asked; the first that is found is the cause.
_BY_WORDS: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (
        Cause.SENDER,
        one_of(r"""
            \b(?:spf|dkim|dmarc|dkim-?signature|rdns|ptr)\b
            sender (?:policy|address|verif|domain|id\b)
            sender .{0,30}(?:rejected|unknown|invalid|denied|not (?:exist|found))
            (?:unroute?able|unknown|invalid|bad|envelope) sender|domain of sender|from (?:header|address)
            reverse dns|reverse lookup|originator|purported responsible|sender'?s? (?:ip|server|host)
            after mail from|in reply to mail from|use the smtp server of your isp
        """),
    ),
    (
        Cause.TOO_MUCH,
        one_of(r"""
            too many (?:messages|mails|e-?mails|connections|recipients|errors|concurrent|sessions)
            (?:rate|frequency|connection|sending|hourly|daily).{0,20}(?:limit|exceed|quota|throttl)|throttl
            receiving (?:mail|messages|email) (?:at a rate|too quickly)
        """),
    ),
    (
        Cause.FULL,
        one_of(r"""
            (?:mail\s?box|inbox|mail ?folder|message store|user|account|recipient|maildir)\b.{0,50}\bfull
            (?:mail\s?box|user|recipient|account|disk|disc|storage|their).{0,60}(?:quota|storage)
            over.?quota|quota (?:has been |is )?(?:exceeded|violation|full|reached)
            exceed\w* .{0,30}(?:quota|storage)
            (?:mail\s?box|mail directory).{0,40}(?:size|space|limit).{0,40}(?:exceed|reached|full|limit)
            insufficient (?:disk|storage|space)|out of (?:disk |storage )?(?:space|quota)
            not enough (?:storage |disk )?space|\bfull (?:mail|in)box|mailbox.?full
            speicherplatz|postfach (?:ist )?voll|boîte .{0,30}(?:pleine|saturée)|buz[oó]n .{0,20}lleno
            casella .{0,20}piena|mailbox .{0,20}vol\b|caixa .{0,30}cheia|skrzynka .{0,30}pełna
            ящик .{0,30}(?:переполнен|полон)|容量|已满|空間不足|사서함.{0,20}(?:가득|초과)
        """),
    ),
    (
        Cause.TOO_LARGE,
        one_of(r"""
            too (?:large|big)|size (?:limit|exceed)|exceed\w* .{0,40}\bsize|maximum .{0,20}(?:size|length)
            message (?:size|length)|zu gro(?:ß|ss)|trop (?:volumineux|grand)|demasiado grande|大きすぎ
        """),
    ),
    (
        Cause.CONTENT,
        one_of(r"""
            \bspam|virus|malware|phish|\bcontent|attachment|embedded image|suspicious|unsolicited
            \bjunk\b|\bube\b|\bbulk\b|message (?:was |has been )?(?:rejected|refused|blocked|filtered)
            rejected by .{0,20}(?:filter|scan)|header rejected
        """),
    ),
    (
        Cause.POLICY,
        one_of(r"""
            black.?list|block.?list|\brbl\b|dnsbl|\bblocked|reputation|policy|policies|prohibited|banned
            administrative|not (?:pre-?)?approved|restricted|permission|gr[ae]y-?list|challenge
            not accepting (?:mail|messages|e-?mail)|do(?:es)? not accept (?:mail|messages) from
            not (?:allowed|authori[sz]ed|permitted) to (?:send|post|write|mail)
        """),
    ),
    (
        Cause.NOT_THEIRS,
        one_of(r"""
            relay(?:ing)? (?:access )?(?:is |was )?(?:denied|not |prohibited|forbidden)|relay (?:operation )?rejected
            (?:unable|cannot|not allowed|refused?) to relay|allowed rcpthosts
            not (?:an? )?(?:open )?relay|we do(?: not|n't) relay
        """),
    ),
    (Cause.UNREACHABLE, one_of("try again|temporar(?:y|ily)|deferred|please retry")),
    (
        Cause.CLOSED,
        one_of(rf"""
            {_WHO}.{{0,60}}\b(?:disabled|suspended|deactivated|inactive|discontinued)
            {_WHO}.{{0,60}}\b(?:closed|terminated|deleted|cancel+ed|removed|expired|not active)
            (?:disabled|suspended|deactivated|inactive|closed|dormant) (?:user|recipient|mailbox|account|address)
            {_WHO}.{{0,40}}no longer|no longer (?:active|valid|in use|available|work|employed|accept|on (?:our )?server)
            no longer with (?:us|the)|has left the (?:company|organi[sz]ation)
        """),
    ),
    (
        Cause.NO_SUCH_DOMAIN,
        one_of(r"""
            (?:host|domain|mail ?server)(?: name)?s? (?:is |was |could )?(?:unknown|invalid|does(?: not|n't) exist)
            (?:host|domain|mail ?server)(?: name)?s? (?:is |was |could )?not (?:be )?found(?!,? ?try again)
            (?:unknown|no such|illegal|invalid|unroute?able|bad|nonexistent|unresolvable) (?:host|(?:mail )?domain)
            bad destination|nxdomain|null ?mx|name or service not known|couldn'?t find any host
            does(?: not|n't) accept (?:e?-?)?mail\b|point to non-?existent hosts|no (?:valid )?mx (?:record|host)
        """),
    ),
    (
        Cause.MOVED,
        one_of("has (?:been )?moved|mailbox moved|changed (?:his|her|their|its) (?:e-?mail )?address|new address is"),
    ),
    (
        Cause.NO_SUCH_ADDRESS,
        one_of(rf"""
            \b{_WHO}\b.{{0,60}}\b{_NOT_THERE}
            (?:unknown|no such|no valid|no|wrong|not a valid) (?:virtual |local |smtp |e-?mail |mail |or \w+ )*{_WHO}
            (?:invalid|bad|illegal|non-?existent|unroute?able|undeliverable) (?:local |e?-?mail )?{_WHO}
            no mailbox here|no (?:account|mailbox|user|one|body|person) (?:here )?(?:by|with|of|called|named)
            there is no (?:such )?user|no such (?:person|\S+ here)|not on file|did not exactly match
            not (?:an?|our|one of our) (?:known |valid |local |current )?(?:user|customer|recipient)
            does(?: not|n't) have an? .{{0,30}}account|is(?: not|n't) a (?:valid|known)|unknown or illegal
            not listed in .{{0,40}}(?:address book|directory)|no matches to nameserver
            (?:recip|recipient)notfound|nosuchuser|\bunknown (?:in|at)\b
            unbekannt|existiert nicht|nicht (?:gefunden|vorhanden)|inconnue?\b|n['’]existe (?:pas|plus)|introuvable
            desconocid|no existe|inexistente|sconosciut|non esiste|desconhecid|não existe|bestaat niet|onbekend
            nie istnieje|nieznan|не существует|не найден|неизвестн|存在しま|見つかりま|不明|不存在|找不到|존재하지
        """),
    ),
    (
        Cause.UNREACHABLE,
        one_of(r"""
            time[d]?.?out|expired|unreachable|not reachable|(?:could|can)(?: not|n'?t) (?:be )?(?:connect|reach|contact)
            connection (?:refused|lost|reset|closed|dropped|failed|was)|no route|not respond|retry time|too many hops
            mail loop|in the queue|did not accept our requests|maximum delivery attempts|no answer
        """),
    ),
)

#: What the detail of a status says where no words do (RFC 3463, RFC 7505, RFC 7372); class 5 alone.
_BY_STATUS = {
    "1.0": Cause.NO_SUCH_ADDRESS,
    "1.1": Cause.NO_SUCH_ADDRESS,
    "1.2": Cause.NO_SUCH_DOMAIN,
    "1.3": Cause.NO_SUCH_ADDRESS,
    "1.4": Cause.NO_SUCH_ADDRESS,
    "1.6": Cause.MOVED,
    "1.7": Cause.SENDER,
    "1.8": Cause.SENDER,
    "1.10": Cause.NO_SUCH_DOMAIN,
    "2.1": Cause.CLOSED,
    "2.2": Cause.FULL,
    "2.3": Cause.TOO_LARGE,
    "3.4": Cause.TOO_LARGE,
    "4.5": Cause.TOO_MUCH,
    "7.13": Cause.CLOSED,
    "7.17": Cause.CLOSED,
    "7.18": Cause.NO_SUCH_DOMAIN,
}
_BY_SUBJECT = {"4": Cause.UNREACHABLE, "6": Cause.CONTENT, "7": Cause.POLICY}
_EXCHANGE_UNKNOWN = re.compile(r"5\.4\.1\b.{0,20}recipient address rejected: access denied")


def status_in(text: str) -> str:
    """The first enhanced status code in `text`, as "5.1.1"; "" when there is none (RFC 3463)."""
    found = _STATUS.search(text[:_MOST])
    return found[0] if found else ""


def code_in(text: str) -> int:
    """The first three-digit reply code of SMTP in `text`; 0 when there is none."""
    found = _CODE.search(text[:_MOST])
    return int(found[1]) if found else 0


def status_of(status: str, diagnosis: str) -> str:
    """The status that says most: one that says nothing ("5.0.0") gives way to the one in the server's words."""
    inner = status_in(diagnosis)
    vague = not status or status.endswith(".0.0") or (inner[:1] == "5" and status[:1] == "4")
    return inner if inner and vague and not (inner.endswith(".0.0") and status) else status


def cause_of(status: str, diagnosis: str) -> Cause:
    """Why an address was refused, from the status of a report and the server's words for it."""
    words = " ".join(diagnosis[:_MOST].lower().split())
    telling = status_of(status, words)
    if _EXCHANGE_UNKNOWN.search(f"{telling} {words}"):
        return Cause.NO_SUCH_ADDRESS
    plain = _NOISE.sub(" ", _DOTTED.sub(r"\1 ", words))
    for cause, pattern in _BY_WORDS:
        if pattern.search(plain):
            return cause
    return _by_status(telling, code_in(words))


def _by_status(status: str, code: int) -> Cause:
    """The cause by numbers alone; a temporary status never blames the address."""
    if not status:
        return {552: Cause.FULL, 556: Cause.NO_SUCH_DOMAIN}.get(code, Cause.UNKNOWN)
    kind, _, detail = status.partition(".")
    cause = _BY_STATUS.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0], Cause.UNKNOWN)
    return cause if kind == "5" or cause not in ADDRESS_FAULTS else Cause.UNKNOWN


def is_address_fault(status: str, diagnosis: str) -> bool:
    """Whether the address itself is at fault for good, so that writing to it again is of no use.

    A report whose last word is temporary (4.y.z) never is: servers give up after days of being misconfigured.
    """
    telling = status_of(status, diagnosis)
    lasting = telling.startswith("5") or (not telling and not 400 <= code_in(diagnosis) < 500)
    return lasting and cause_of(status, diagnosis) in ADDRESS_FAULTS


def in_words(status: str, diagnosis: str) -> str:
    """The cause as a sentence for a person."""
    return WORDS[cause_of(status, diagnosis)]
