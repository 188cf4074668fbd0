"""dmarc -- what a domain asks receivers to do with letters that nobody vouches for (RFC 7489), and who vouches.

Owns     the grammar of a record, where it is looked for, whether our return path counts for our From
Never    asks DNS: `Known` holds what was answered, by name
Fails    never: what can't be read is a fault of the record

Where a domain has no record, RFC 7489 6.6.3 asks at its organisational domain, which a list of public suffixes tells.
Here it is asked at each domain above it in turn: wherever one is published, that finds the same record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .domains import Answer, Found, aligned, upwards
from .finding import Finding, Part, ok, warning

Known = Mapping[str, Answer]

POLICIES = {
    "none": "letters that fail are delivered all the same",
    "quarantine": "letters that fail go to junk",
    "reject": "letters that fail are refused",
}
_TAG = re.compile(r"\s*([A-Za-z]+)\s*=\s*([^;]*?)\s*")


@dataclass(frozen=True, slots=True)
class Policy:
    """A record: at which domain it was found, what it asks for, whether alignment must be exact."""

    at: str
    asks: str
    strict_spf: bool = False
    strict_dkim: bool = False
    reports: bool = False


def names(domain: str) -> list[str]:
    """The names to ask for a TXT record, the nearest first."""
    return [f"_dmarc.{one}" for one in upwards(domain)]


def records(answer: Answer) -> tuple[str, ...]:
    """The DMARC records among the TXT records of a name (RFC 7489 6.6.3)."""
    return tuple(text for text in answer.texts if re.match(r"v\s*=\s*DMARC1\s*(?:;|$)", text))


def read(record: str, at: str, domain: str) -> Policy | None:
    """The policy that a record found at the domain `at` has for `domain`; None when it asks for nothing known."""
    tags: dict[str, str] = {}
    for part in record.split(";"):
        found = _TAG.fullmatch(part)
        if found:
            tags.setdefault(found[1].lower(), found[2])
    asks = tags.get("p", "").lower()
    if at != domain and tags.get("sp"):
        asks = tags["sp"].lower()
    if asks not in POLICIES:
        # a record that asks for nothing known but for reports counts as p=none (RFC 7489 6.6.3)
        asks = "none" if tags.get("rua") else ""
    strict_spf, strict_dkim = tags.get("aspf", "").lower() == "s", tags.get("adkim", "").lower() == "s"
    return Policy(at, asks, strict_spf, strict_dkim, bool(tags.get("rua"))) if asks else None


def find(domain: str, known: Known) -> tuple[Policy | None, str]:
    """The policy that holds for `domain`, or None and what is wrong: "none", "several", "unreadable", "unknown"."""
    for name in names(domain):
        answer = known.get(name, Answer(Found.SILENT))
        if answer.unknown:
            return None, "unknown"
        found = records(answer)
        if len(found) > 1:
            return None, "several"
        if found:
            policy = read(found[0], name.partition(".")[2], domain)
            return policy, "" if policy else "unreadable"
    return None, "none"


def judge(domain: str, known: Known) -> list[Finding]:
    """What the DMARC record of `domain`, which is in the From of our letters, is worth."""
    policy, wrong = find(domain, known)
    if policy:
        at = f" (found at {policy.at})" if policy.at != domain else ""
        reports = "" if policy.reports else ", no reports asked for"
        return [ok(Part.DNS, f"DMARC of {domain}{at} is p={policy.asks}: {POLICIES[policy.asks]}{reports}")]
    put = f'Put this TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:postmaster@{domain}".'
    if wrong == "several":
        return [_warn(f"{domain} has several DMARC records", "Receiving servers ignore all of them.", "Keep one.")]
    if wrong == "unreadable":
        words = f"The DMARC record of {domain} says neither p=none nor p=quarantine nor p=reject"
        return [_warn(words, "Receiving servers ignore it.", put)]
    if wrong == "none":
        means = "Gmail, Yahoo and others ask for one of everybody who writes to many."
        return [_warn(f"{domain} has no DMARC record", means, put)]
    return []


def alignment(bounce: str, author: str, known: Known) -> Finding:
    """Whether the domain of our return path counts for the domain of our From."""
    policy, _ = find(author, known)
    strict = policy.strict_spf if policy else False
    organisation = policy.at if policy else ""
    if aligned(bounce, author, organisation, strict=strict):
        return ok(Part.DNS, f"Returns go to {bounce}, which counts for letters from {author}")
    exact = " exactly, as its DMARC record asks for (aspf=s)" if strict else ""
    return _warn(
        f"Returns go to {bounce}, letters are from {author}",
        f"SPF does not count for them then: a copy passes DMARC only with a DKIM signature for {author}.",
        f"Have your mail provider sign for {author}, or take a BOUNCE_ADDRESS in {author}{exact}.",
    )


def _warn(text: str, meaning: str, then: str) -> Finding:
    return warning(Part.DNS, text, f"{meaning} {then}")
