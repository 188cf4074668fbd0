"""domains -- names in DNS, what was answered when they were asked for, and which of them belong together.

Owns     `Answer`; which names are nobody's; the alignment of two domains (RFC 7489 3.1)
Never    asks DNS; knows the list of public suffixes: a domain's own DMARC record says where its organisation begins
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

#: Names that no DNS knows, for tests and for one machine (RFC 6761, RFC 6762).
MADE_UP = frozenset({"test", "example", "invalid", "localhost", "local", "internal", "localdomain"})


class Found(StrEnum):
    """How it went: there is something, there is nothing, the name servers failed, nobody answered in time."""

    YES = "yes"
    NO = "no"
    BROKEN = "broken"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS said of one name and type; `texts` are the records, the pieces of a TXT record joined."""

    found: Found
    texts: tuple[str, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether it is not known if there is anything."""
        return self.found in (Found.BROKEN, Found.SILENT)


def domain_of(address: str) -> str:
    """The domain of an address or of a pattern of ours, in lower case."""
    return address.rpartition("@")[2].lower().rstrip(".")


def is_made_up(domain: str) -> bool:
    """Whether no DNS can know this name."""
    return "." not in domain or domain.rpartition(".")[2] in MADE_UP


def upwards(domain: str) -> Iterator[str]:
    """The domain and those above it, down to two labels."""
    labels = domain.split(".")
    yield from (".".join(labels[start:]) for start in range(max(1, len(labels) - 1)))


def is_under(domain: str, parent: str) -> bool:
    """Whether `domain` is `parent` or one of its sub-domains."""
    return domain == parent or domain.endswith("." + parent)


def aligned(domain: str, author: str, organisation: str = "", *, strict: bool = False) -> bool:
    """Whether what `domain` vouches for counts for a letter whose From is in `author` (RFC 7489 3.1).

    `organisation` is the domain at which their DMARC record was found, "" when there is none: then one must lie in the
    other.
    """
    if strict or domain == author:
        return domain == author
    if organisation:
        return is_under(domain, organisation) and is_under(author, organisation)
    return is_under(domain, author) or is_under(author, domain)
