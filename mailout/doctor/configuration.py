"""configuration -- what the settings say, and what of it is legal but unwise.

Owns     these warnings: what each means, and which variable to set to what
Never    shows a secret; opens a connection; warns of a matter of taste
Fails    never: settings that are wrong stopped the start, and `broken` tells of them
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..core.checking.domains import domain_of
from ..core.checking.finding import Finding, Part, failed, ok, warning
from ..settings import LOOPBACK, ROOT, Settings
from ..wires.tls import Server

SECRET_LEAST = 32
#: How alike a word in `.env` is to a setting's name before it is taken for a slip of the pen.
ALIKE = 0.8

_PUT = "Put {} into .env and start Mailout again."


def broken(faults: Sequence[str]) -> list[Finding]:
    """Settings that stop the start: each fault names its variable and has an example."""
    parted = (fault.partition(" For example: ") for fault in faults)
    return [
        failed(Part.CONFIGURATION, what, f"Put it into .env, for example: {example}") for what, _, example in parted
    ]


def look(settings: Settings, root: Path = ROOT) -> Iterator[Finding]:
    """What the settings say."""
    if settings.sandbox:
        words = "This is the sandbox: neither POP3_HOST nor SMTP_HOST is set, and no letter leaves this machine"
        yield ok(Part.CONFIGURATION, words)
    else:
        own = settings.own
        yield ok(
            Part.CONFIGURATION, f"Letters come to {own.mailout}, returns to {own.bounce}, ours are from {own.sender}"
        )
        yield from _reach(settings)
        yield from _lines(settings)
    yield from _people(settings)
    yield from _addresses(settings)
    yield from _safety(settings)
    yield from _slips(root)


def _reach(settings: Settings) -> Iterator[Finding]:
    """Whether customers reach the pages that links lead to."""
    host = urlsplit(settings.base_url).hostname or ""
    if LOOPBACK.fullmatch(host):
        words = f"BASE_URL is {settings.base_url}, which leads every customer to their own machine"
        yield _warn(
            words, "Unsubscribe links do not work.", "BASE_URL=https://mailout.example.org, with your own name,"
        )
    elif settings.trust_proxy == 0:
        words = "BASE_URL is https, and TRUST_PROXY is 0"
        means = "All visitors then seem to be the proxy, so that one who guesses passwords locks everybody out."
        yield _warn(words, means, "TRUST_PROXY=1 (one reverse proxy that speaks https)")


def _lines(settings: Settings) -> Iterator[Finding]:
    """Whether letters are read by others on the way."""
    servers: tuple[tuple[str, Server | None], ...] = (("POP3", settings.pop3), ("SMTP", settings.smtp))
    for prefix, server in servers:
        if server and server.security == "none" and not LOOPBACK.fullmatch(server.host):
            words = f"{prefix}_SECURITY is none, and {server.host} is another machine"
            means = "Letters and your customers' addresses can be read on the way."
            yield _warn(words, means, f"{prefix}_SECURITY={'tls' if prefix == 'POP3' else 'starttls'}")


def _people(settings: Settings) -> Iterator[Finding]:
    """What keeps a letter from going to everybody by mistake."""
    if settings.start_delay.total_seconds() == 0:
        means = "A letter that was sent by mistake can't be stopped: its first copies go at once."
        yield _warn("START_DELAY_SECONDS is 0", means, "START_DELAY_SECONDS=30")
    if settings.sender_policy == "key":
        means = "Whoever sees a key, by a forwarded letter or a Cc, can write to all your customers."
        yield _warn("SENDER_POLICY is key", means, "SENDER_POLICY=known")


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Whose addresses stand in the copies."""
    own, author = settings.own, domain_of(settings.own.sender)
    if settings.from_policy == "keep":
        means = "A copy whose From your mail provider does not sign for goes to junk, or is refused (DMARC)."
        yield _warn("FROM_POLICY is keep", means, "FROM_POLICY=aligned")
    elif author not in settings.aligned_domains:
        words = f"ALIGNED_DOMAINS does not hold {author}, the domain of FROM_ADDRESS"
        means = "Letters that come from FROM_ADDRESS are then not signed, and go to junk."
        yield _warn(words, means, f"ALIGNED_DOMAINS={','.join(sorted({author, *settings.aligned_domains}))}")
    if "{token}" not in own.bounce:
        means = "A bounce that does not quote the copy's Message-ID, as many do not, marks nobody."
        yield _warn("BOUNCE_ADDRESS has no {token}", means, f"BOUNCE_ADDRESS={_with_token(own.bounce)}")


def _with_token(address: str) -> str:
    """A fixed address as one with a token."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}+b-{{token}}@{domain}"


def _safety(settings: Settings) -> Iterator[Finding]:
    """What protects sessions and outcomes."""
    if len(settings.secret_key) < SECRET_LEAST:
        means = "Who guesses it signs in as anybody."
        yield warning(
            Part.CONFIGURATION,
            f"SECRET_KEY has fewer than {SECRET_LEAST} characters",
            f"{means} Take SECRET_KEY out of .env, and one is made and kept; everybody signs in again then.",
        )
    if settings.durability == "process":
        means = "After a loss of power the last copies before it may be sent a second time."
        yield _warn("DURABILITY is process", means, "DURABILITY=power")


def _slips(root: Path) -> Iterator[Finding]:
    """Names in `.env` that are no settings and look like one: what they say is not heard."""
    known = _names(root / ".env.example")
    for name in sorted(_names(root / ".env") - known):
        meant = difflib.get_close_matches(name, sorted(known), 1, ALIKE)
        if meant:
            words = f"{name} in .env is no setting of Mailout, so what it says is not heard"
            yield warning(Part.CONFIGURATION, words, f"Perhaps {meant[0]} is meant: write it so, and start again.")


def _names(path: Path) -> set[str]:
    """The variables that a file of settings names, also those that a # keeps out of an example."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    sign = "#?" if path.name.endswith(".example") else ""
    found = (re.match(rf"\s*(?:export\s+)?{sign}([A-Z][A-Z0-9_]+)\s*=", line) for line in lines)
    return {match[1] for match in found if match}


def _warn(text: str, means: str, put: str) -> Finding:
    return warning(Part.CONFIGURATION, text, f"{means} {_PUT.format(put)}")
