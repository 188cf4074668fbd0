"""spf -- whom a domain lets send in its name (RFC 7208), judged as a receiving server would.

Owns     the grammar of a record, the count of what a receiver must look up, what is wrong in words
Never    asks DNS: `Known` holds what was answered; `missing` says what to ask next
Fails    never: what can't be read is a fault of the record

Whether a mail provider's servers are among those that are let in only the provider knows: it is said carefully.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from .domains import Answer, Found
from .finding import Finding, Part, ok, warning

LOOKUPS_MOST = 10
#: So many domains are looked at for one record at most.
DOMAINS_MOST = 25

Known = Mapping[str, Answer]

_DIRECTIVE = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(\S*))?", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(\S*)", re.IGNORECASE)
_LENGTHS = re.compile(r"(/\d{1,2})?(//\d{1,3})?")
_ASKS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})

#: What well-known providers ask their customers to let in, by the end of the relay's name.
PROVIDERS = {
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "office365.com": "spf.protection.outlook.com",
    "amazonaws.com": "amazonses.com",
    "sendgrid.net": "sendgrid.net",
    "mailgun.org": "mailgun.org",
    "mailjet.com": "spf.mailjet.com",
    "fastmail.com": "spf.messagingengine.com",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a record: `name` is a mechanism or a modifier, `value` what stands behind it."""

    name: str
    value: str
    qualifier: str = "+"

    @property
    def leads_to(self) -> str:
        """The domain whose record counts too; "" when there is none, or when it is made anew for every letter."""
        leads = self.name in ("include", "redirect") and "%" not in self.value
        return self.value.lower().rstrip(".") if leads else ""

    def __str__(self) -> str:
        sign = "=" if self.name == "redirect" else ":"
        return self.name + (self.value if self.value.startswith("/") else f"{sign}{self.value}" if self.value else "")


def records(answer: Answer) -> tuple[str, ...]:
    """The SPF records among the TXT records of a domain (RFC 7208 4.5)."""
    return tuple(text for text in answer.texts if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE))


def parse(record: str) -> tuple[tuple[Term, ...], str]:
    """The terms of a record, and the first word in it that is no term ("" when all are)."""
    terms: list[Term] = []
    for word in record.split()[1:]:
        term = _term(word)
        if term is None:
            return tuple(terms), word
        terms.append(term)
    return tuple(terms), ""


def _term(word: str) -> Term | None:
    """A directive or a modifier; None when it is neither."""
    found = _DIRECTIVE.fullmatch(word)
    if found:
        name, value = found[2].lower(), found[4] or ""
        value = "/" + value if found[3] == "/" else value
        return Term(name, value, found[1] or "+") if _is_value(name, value, found[3] or "") else None
    modifier = _MODIFIER.fullmatch(word)
    if modifier is None or (modifier[1].lower() == "redirect" and not modifier[2]):
        return None
    if modifier[1].lower() in _MECHANISMS:
        # a receiver passes over a modifier that it does not know, and over this slip of the pen too
        return None
    return Term(modifier[1].lower(), modifier[2])


def _is_value(name: str, value: str, sign: str) -> bool:
    """Whether `value` can stand behind a mechanism (RFC 7208 5)."""
    if name == "all":
        return not sign
    if name in ("include", "exists"):
        return sign == ":" and bool(value)
    if name in ("ip4", "ip6"):
        return sign == ":" and _is_network(name, value)
    domain, slash, lengths = value.partition("/")
    return (bool(domain) or sign != ":") and (name != "ptr" or not slash) and _is_lengths(slash + lengths)


def _is_lengths(text: str) -> bool:
    return bool(_LENGTHS.fullmatch(text))


def _is_network(name: str, value: str) -> bool:
    try:
        (IPv4Network if name == "ip4" else IPv6Network)(value, strict=False)
    except ValueError:
        return False
    return True


def terms_of(domain: str, known: Known) -> tuple[Term, ...]:
    """The terms of a domain's one record; empty when there is none or it can't be read. After "all" nothing counts."""
    found = records(known[domain]) if domain in known else ()
    terms = parse(found[0])[0] if len(found) == 1 else ()
    if any(term.name == "all" for term in terms):
        terms = tuple(term for term in terms if term.name != "redirect")
    return terms


def missing(domain: str, known: Known) -> list[str]:
    """The domains whose records count for that of `domain` and were not asked for yet."""
    if len(known) >= DOMAINS_MOST:
        return []
    wanted = (term.leads_to for one in _reached(domain, known) for term in terms_of(one, known))
    return [one for one in dict.fromkeys(wanted) if one and one not in known]


def _reached(domain: str, known: Known) -> Iterator[str]:
    """The domain and all that its record leads to, as far as they are known, each once."""
    seen, todo = {domain}, [domain]
    while todo:
        one = todo.pop()
        yield one
        further = {term.leads_to for term in terms_of(one, known)} - seen - {""}
        seen |= further
        todo.extend(sorted(further))


def lookups(domain: str, known: Known, way: tuple[str, ...] = ()) -> int:
    """How many questions to DNS a receiver has to ask to read the record (RFC 7208 4.6.4); a circle is endless."""
    if domain in way:
        return LOOKUPS_MOST + 1
    count = 0
    for term in terms_of(domain, known):
        count += term.name in _ASKS
        if term.leads_to and count <= LOOKUPS_MOST:
            count += lookups(term.leads_to, known, (*way, domain))
    return count


def judge(domain: str, known: Known, relay: str) -> list[Finding]:
    """What the SPF record of `domain`, the envelope sender's, is worth. `relay` is the host that we send through."""
    answer = known.get(domain, Answer(Found.SILENT))
    if answer.unknown:
        return []
    found = records(answer)
    if not found:
        return [_warn(f"{domain} has no SPF record", _NONE, _put(domain, relay))]
    if len(found) > 1:
        return [_warn(f"{domain} has {len(found)} SPF records", _SEVERAL, "Make one record of them.")]
    terms, wrong = parse(found[0])
    if wrong:
        word = f'The SPF record of {domain} holds "{wrong[:60]}", which is no term of SPF'
        return [_warn(word, _IGNORED, "Put that word right in the TXT record.")]
    return _troubles(domain, known, terms, relay) or [ok(Part.DNS, _well(domain, terms, lookups(domain, known)))]


_NONE = "Receiving servers can't tell who may send for you, and many put such letters into junk."
_IGNORED = "Receiving servers then ignore the record or refuse the letters (RFC 7208 4.6)."
_SEVERAL = "Receiving servers then ignore all of them (RFC 7208 4.5)."


def _troubles(domain: str, known: Known, terms: tuple[Term, ...], relay: str) -> list[Finding]:
    """What is wrong with a record that can be read."""
    found = []
    nobody = not any(term.name != "all" and term.name in _MECHANISMS for term in terms)
    last = next((term for term in terms if term.name == "all"), None)
    if last and last.qualifier == "+":
        found.append(_warn(f"The SPF record of {domain} lets everybody send", _ANYBODY, "End it in ~all or -all."))
    elif nobody and not any(term.name == "redirect" for term in terms):
        found.append(_warn(f"The SPF record of {domain} lets nobody send", _REFUSED, _put(domain, relay)))
    for one in _reached(domain, known):
        if one != domain and not _readable(known.get(one)):
            words = f"The SPF record of {domain} leads to {one}, which has no SPF record that can be read"
            found.append(_warn(words, _IGNORED, f"Take include:{one} out, or put the name right."))
    count = lookups(domain, known)
    if count > LOOKUPS_MOST:
        words = f"The SPF record of {domain} needs more than {LOOKUPS_MOST} look-ups in DNS"
        found.append(_warn(words, _IGNORED, "Take out what no longer sends for you (RFC 7208 4.6.4)."))
    return found + _provider(domain, known, relay)


_MECHANISMS = frozenset({"include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
_ANYBODY = "Whoever forges your address passes the check then, and the record is worth nothing."
_REFUSED = "Receiving servers may refuse every copy."


def _readable(answer: Answer | None) -> bool:
    """Whether a domain that is led to has one record that can be read; one that was not answered for may have."""
    if answer is None or answer.unknown:
        return True
    found = records(answer)
    return len(found) == 1 and not parse(found[0])[1]


def _provider(domain: str, known: Known, relay: str) -> list[Finding]:
    """A well-known provider whose servers the record does not seem to let in."""
    wanted = _wanted(relay)
    if not wanted or wanted in set(_reached(domain, known)):
        return []
    words = f"The SPF record of {domain} does not name {wanted}, which {relay} asks its customers to let in"
    return [_warn(words, "Copies may fail the check.", f"Put include:{wanted} before the word that ends in all.")]


def _wanted(relay: str) -> str:
    """What the provider behind `relay` asks to let in; "" for one that we don't know."""
    return next((spf for end, spf in PROVIDERS.items() if relay == end or relay.endswith("." + end)), "")


def _put(domain: str, relay: str) -> str:
    """The record to put."""
    wanted = _wanted(relay)
    inside = f"include:{wanted}" if wanted else "include:NAME"
    known = "" if wanted else " with the name that your mail provider tells you in place of NAME"
    return f'Put this TXT record at {domain}: "v=spf1 {inside} ~all"{known}.'


def _well(domain: str, terms: tuple[Term, ...], count: int) -> str:
    """A record in which nothing is wrong, in words."""
    inside = [str(term) for term in terms if term.name in _MECHANISMS or term.name == "redirect"]
    named = ", ".join(inside[:6]) + (", ..." if len(inside) > 6 else "")
    return f"SPF of {domain} lets in {named} ({count} of {LOOKUPS_MOST} look-ups)"


def _warn(text: str, meaning: str, then: str) -> Finding:
    return warning(Part.DNS, text, f"{meaning} {then}")
