"""names -- asking DNS what it says of our domains.

Owns     the resolver, and that all questions together take no longer than SECONDS
Never    judges (that is `core.checking`); asks for a name that no DNS can know
Fails    never: what is not answered in time is unknown, and unknown is a warning
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from dns.exception import DNSException, Timeout
from dns.name import from_text
from dns.rdatatype import RdataType
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers, NoResolverConfiguration, Resolver

from ..core.checking import dmarc, mail_hosts, spf
from ..core.checking.domains import Answer, Found, domain_of, is_made_up
from ..core.checking.finding import Finding, Part, ok, warning
from ..settings import Settings

SECONDS = 6.0
ONE_SECONDS = 2.0

_SILENT = (
    "Nothing has to be wrong with your domains; it is only not known. Look at /etc/resolv.conf: a machine that finds "
    "no names finds no mail server either."
)


class Names:
    """The questions of one look, and how much time is left for them."""

    def __init__(self, resolver: Resolver | None, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self._until = time.monotonic() + seconds
        self._known: dict[tuple[str, RdataType], Answer] = {}

    def ask(self, name: str, kind: RdataType) -> Answer:
        """What DNS says of this name; asked once."""
        if (name, kind) not in self._known:
            self._known[name, kind] = self._asked(name, kind)
        return self._known[name, kind]

    def text(self, name: str) -> Answer:
        """The TXT records of a name."""
        return self.ask(name, RdataType.TXT)

    def hosts(self, name: str) -> Answer:
        """The addresses of a host."""
        four, six = self.ask(name, RdataType.A), self.ask(name, RdataType.AAAA)
        return six if six.found is Found.YES or four.found is Found.NO else four

    @property
    def answered(self) -> bool:
        """Whether any name server said anything at all."""
        return any(answer.found is not Found.SILENT for answer in self._known.values())

    @property
    def unknown(self) -> list[tuple[str, Answer]]:
        """The names of which it is not known what there is."""
        return [(name, answer) for (name, _), answer in self._known.items() if answer.unknown]

    def _asked(self, name: str, kind: RdataType) -> Answer:
        left = self._until - time.monotonic()
        if self._resolver is None or left <= 0:
            return Answer(Found.SILENT)
        try:
            found = self._resolver.resolve(from_text(name), kind, lifetime=min(left, ONE_SECONDS))
        except (NXDOMAIN, NoAnswer):
            return Answer(Found.NO)
        except Timeout:
            return Answer(Found.SILENT)
        except (NoNameservers, DNSException, OSError, ValueError):
            return Answer(Found.BROKEN)
        return Answer(Found.YES, tuple(_text(record) for record in found))


def _text(record: object) -> str:
    """A record as text; the pieces of a TXT record are one text (RFC 7208 3.3)."""
    pieces: tuple[bytes, ...] | None = getattr(record, "strings", None)
    return str(record) if pieces is None else b"".join(pieces).decode("utf-8", "replace")


def system() -> Resolver | None:
    """The system's resolver; None when it has none."""
    try:
        return Resolver()
    except (NoResolverConfiguration, DNSException, OSError):
        return None


def look(settings: Settings, resolver: Callable[[], Resolver | None] = system) -> Iterator[Finding]:
    """What DNS says of our domains; nothing of it is worse than a warning."""
    own = settings.own
    author, bounce = domain_of(own.sender), domain_of(own.bounce)
    kept = settings.aligned_domains if settings.from_policy == "aligned" else frozenset[str]()
    authors = [author, *sorted(kept - {author})][:5]
    known_by_dns = [domain for domain in (*sorted(own.domains), *authors) if not is_made_up(domain)]
    if not known_by_dns:
        yield ok(Part.DNS, f"Nothing is asked: {author} is a name that no DNS knows")
        return
    names = Names(resolver())
    found = [
        *_arriving(names, sorted(own.domains)),
        *_sending(names, bounce, settings.smtp.host if settings.smtp else ""),
    ]
    found += _authors(names, authors, bounce)
    if not names.answered:
        yield warning(Part.DNS, "No name server answers in time", _SILENT)
        return
    yield from found
    yield from _unknown(names)


def _arriving(names: Names, domains: list[str]) -> Iterator[Finding]:
    """Whether letters to us find a server."""
    for domain in domains:
        if not is_made_up(domain):
            mail = names.ask(domain, RdataType.MX)
            hosts = names.hosts(domain) if mail.found is Found.NO else Answer(Found.SILENT)
            yield from mail_hosts.judge(domain, mail, hosts)


def _sending(names: Names, bounce: str, relay: str) -> list[Finding]:
    """Whether our mail provider may send in the name of our return path."""
    if is_made_up(bounce):
        return []
    known = {bounce: names.text(bounce)}
    while missing := spf.missing(bounce, known):
        known |= {domain: names.text(domain) for domain in missing}
    return spf.judge(bounce, known, relay.lower())


def _authors(names: Names, authors: list[str], bounce: str) -> Iterator[Finding]:
    """What the domains of our From ask receivers to do."""
    for number, author in enumerate(authors):
        if is_made_up(author):
            continue
        known: dict[str, Answer] = {}
        for name in dmarc.names(author):
            known[name] = names.text(name)
            if known[name].unknown or dmarc.records(known[name]):
                break
        yield from dmarc.judge(author, known)
        if number == 0:
            yield dmarc.alignment(bounce, author, known)


def organisation(names: Names, author: str) -> str:
    """The domain at which the DMARC record of `author` stands; "" when there is none, or it is not known."""
    if is_made_up(author):
        return ""
    policy, _ = dmarc.find(author, {name: names.text(name) for name in dmarc.names(author)})
    return policy.at if policy else ""


def _unknown(names: Names) -> Iterator[Finding]:
    """What could not be found out, one line for all of it."""
    rows = names.unknown
    if rows:
        which = ", ".join(dict.fromkeys(name for name, _ in rows[:6]))
        broken = any(answer.found is Found.BROKEN for _, answer in rows)
        words = "fail" if broken else "do not answer in time"
        advice = "Try again; if it stays so, tell whoever runs the DNS of that domain."
        yield warning(Part.DNS, f"The name servers of {which} {words}", advice)
