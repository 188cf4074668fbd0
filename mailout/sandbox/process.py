"""process -- the sandbox as a process of its own: started, waited for, stopped.

Owns     the lock and the file `ports.json` in the sandbox's folder
Never    listens on anything but the loopback address; outlives whoever started it for long
Fails    Fault when it does not come up

One sandbox serves one folder, whoever asks first; it takes the ports that it had before where they are free, so that
processes that know them go on after it was started anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from twisted.internet import reactor as twisted_reactor
from twisted.internet import task

from ..core.fault import Fault
from ..settings import ROOT, Settings
from ..wires.tls import Server
from . import HOST, WAIT_SECONDS, maildirs, servers
from .server import Incoming, Outgoing, authenticate

ORPHAN_SECONDS = 1.0

#: Its type says that it may be any of a dozen reactors.
reactor: Any = twisted_reactor


def serve(settings: Settings) -> None:
    """Serve until a signal comes or whoever started us is gone; return at once where a sandbox serves already."""
    folder = settings.instance_dir
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((folder / "sandbox.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
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
        reactor.listenTCP(pop3_port, Outgoing(kept), interface=HOST)
        ports = {"smtp": smtp_port, "pop3": pop3_port, "pid": os.getpid()}
        reactor.callWhenRunning(_write, folder / "ports.json", ports)  # signals are taken care of by then
        task.LoopingCall(_stop_when_orphaned, os.getppid()).start(ORPHAN_SECONDS)
        reactor.run()


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the sandbox of these settings and wait until it serves. Raises Fault when it does not."""
    environment = {**os.environ, "INSTANCE_DIR": str(settings.instance_dir.parent)}
    child = subprocess.Popen(
        [sys.executable, "-m", __package__], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, process_group=0
    )
    wait(settings, child)
    return child


def wait(settings: Settings, child: subprocess.Popen[bytes] | None = None) -> tuple[Server, Server]:
    """Wait until the sandbox serves. Raises Fault when it does not within WAIT_SECONDS."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        found = servers(settings)
        ended = child.poll() if child else None
        ours = child is None or ended == 0 or _pid(settings) == child.pid  # 0: another sandbox serves this folder
        if found is not None and ours and all(_answers(server.port) for server in found):
            return found
        if ended:
            break
        time.sleep(0.05)
    raise Fault(
        "The sandbox did not start. Its log is above; the folder must be writable and this machine not too busy."
    )


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[tuple[Server, Server]]:
    """The sandbox of these settings, stopped when the block is left; its POP3 and SMTP server."""
    child = start(settings)
    try:
        yield wait(settings, child)
    finally:
        child.terminate()
        child.wait(10)


def _ports(folder: Path) -> tuple[int, int]:
    """The ports for SMTP and POP3: the ones before, where they are free."""
    try:
        before = json.loads((folder / "ports.json").read_text())
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


def _pid(settings: Settings) -> int:
    """Whose ports they are that `ports.json` names."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads((settings.instance_dir / "ports.json").read_text())["pid"])
    return 0


def _answers(port: int) -> bool:
    """Whether something listens on `port`."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


def _stop_when_orphaned(parent: int) -> None:
    """Stop when whoever started us is gone."""
    if os.getppid() != parent and reactor.running:
        reactor.stop()
