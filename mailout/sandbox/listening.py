"""listening -- what the sandbox's process does: serve SMTP and POP3 until a signal comes.

Owns     the ports that it listens on
Never    listens on anything but the loopback address; outlives whoever started it for long
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from twisted.internet import reactor as twisted_reactor
from twisted.internet import task

from ..settings import Settings
from . import HOST, PORTS, maildirs
from .process import BEFORE, alone, retire
from .server import Incoming, Outgoing, authenticate

ORPHAN_SECONDS = 1.0

#: Its type says that it may be any of a dozen reactors.
reactor: Any = twisted_reactor


def serve(settings: Settings) -> None:
    """Serve until a signal comes or whoever started us is gone; return at once where a sandbox serves already."""
    folder = settings.instance_dir
    with contextlib.ExitStack() as stack:
        if not stack.enter_context(alone(folder)):
            return
        kept = maildirs.of(settings)
        smtp_port, pop3_port = _ports(folder)
        smtp = Controller(
            Incoming(kept),
            hostname=HOST,
            port=smtp_port,
            authenticator=authenticate,
            auth_require_tls=False,
            ident="Mailout sandbox",
            data_size_limit=settings.max_message_bytes,
            enable_SMTPUTF8=True,
        )
        smtp.start()
        stack.callback(smtp.stop)
        stack.callback(retire, folder)
        reactor.listenTCP(pop3_port, Outgoing(kept), interface=HOST)
        ports = {"smtp": smtp_port, "pop3": pop3_port, "pid": os.getpid()}
        reactor.callWhenRunning(_write, folder / PORTS, ports)  # signals are taken care of by then
        task.LoopingCall(_stop_when_orphaned, os.getppid()).start(ORPHAN_SECONDS)
        reactor.run()


def _ports(folder: Path) -> tuple[int, int]:
    """The ports for SMTP and POP3: the ones before, where they are free."""
    try:
        before = json.loads((folder / BEFORE).read_text())
        wanted = [int(before["smtp"]), int(before["pop3"])]
    except (OSError, ValueError, KeyError, TypeError):
        wanted = [0, 0]
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(_bound(port)) for port in wanted)
        return first.getsockname()[1], second.getsockname()[1]


def _bound(port: int) -> socket.socket:
    """A socket bound to `port`, or to a free one."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except OSError:
        made.bind((HOST, 0))
    return made


def _write(path: Path, ports: dict[str, int]) -> None:
    """Write the file in one step: nobody reads half of it."""
    made = path.with_suffix(".new")
    made.write_text(json.dumps(ports) + "\n")
    made.replace(path)


def _stop_when_orphaned(parent: int) -> None:
    """Stop when whoever started us is gone."""
    if os.getppid() != parent and reactor.running:
        reactor.stop()
