"""mail_hosts -- where letters to a domain go (RFC 5321 5.1).

Owns     the judgement of MX records
Never    asks DNS
"""

from __future__ import annotations

from .domains import Answer, Found
from .finding import Finding, Part, ok, warning


def judge(domain: str, mail: Answer, hosts: Answer) -> list[Finding]:
    """Whether letters to `domain`, where our mailbox is, find a server.

    `mail` has the MX records as "10 mail.example.org", `hosts` the addresses of the domain itself.
    """
    if mail.unknown:
        return []
    servers = [text.split()[-1].lower().rstrip(".") for text in sorted(mail.texts, key=_preference)]
    if servers == [""]:
        advice = "No letter arrives there (RFC 7505). Put the MX record of your mailbox's provider in its place."
        return [warning(Part.DNS, f"The MX record of {domain} says that it takes no mail", advice)]
    if servers:
        return [ok(Part.DNS, f"Letters to {domain} go to {' or '.join(servers[:3])}")]
    if hosts.found is Found.YES:
        advice = (
            "Letters go to the host of that name itself then, which is often the web server. Put the MX record there "
            "that the provider of your mailbox names."
        )
        return [warning(Part.DNS, f"{domain} has no MX record", advice)]
    if hosts.unknown:
        return []
    advice = (
        "Letters to it can't arrive. Look at the domain in MAILOUT_ADDRESS, BOUNCE_ADDRESS and UNSUBSCRIBE_ADDRESS, or "
        "put the MX record there that the provider of your mailbox names."
    )
    return [warning(Part.DNS, f"DNS knows no mail server for {domain}", advice)]


def _preference(text: str) -> int:
    """How early a server is tried."""
    first = text.split()[0]
    return int(first) if first.isdigit() else 0
