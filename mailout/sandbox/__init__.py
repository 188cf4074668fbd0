"""sandbox -- a small mail server of well-kept libraries, so that a newcomer sees the whole loop.

Owns     where the running sandbox is: the file `ports.json` in its folder
Never    is reached from another machine; touches the real data, for it has a folder of its own

The product speaks to it as to any mail server, over sockets: nothing in it knows that this one is ours.
"""

from __future__ import annotations

import json

from ..settings import Settings, environment
from ..wires.tls import Server

DOMAIN = "sandbox.test"
MAILBOX = f"mailout@{DOMAIN}"
PASSWORD = "sandbox"
GONE = f"gone@{DOMAIN}"
HOST = "127.0.0.1"
PORTS = "ports.json"


def servers(settings: Settings) -> tuple[Server, Server] | None:
    """The sandbox's POP3 and SMTP server; None with real servers, and when no sandbox runs."""
    if not settings.sandbox:
        return None
    try:
        ports = json.loads((settings.instance_dir / PORTS).read_text())
        pop3, smtp = int(ports["pop3"]), int(ports["smtp"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Server(HOST, pop3, MAILBOX, PASSWORD, "none"), Server(HOST, smtp, "", "", "none")


def is_asked_for() -> bool:
    """Whether SANDBOX=1 asks for a sandbox where none starts by itself: under the Procfile."""
    return environment().get("SANDBOX", "").strip().lower() in ("1", "yes", "true", "on")
