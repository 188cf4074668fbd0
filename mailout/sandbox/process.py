"""process -- the sandbox as a process of its own: started, waited for, stopped.

Owns     the lock and the file `ports.json` in the sandbox's folder; the file is there while it serves
Never    serves by itself (that is `listening`, in the process that is started); loads what only a server needs
Fails    Fault when it does not come up

One sandbox serves one folder, for whoever asks first. It takes the ports that it had before where they are free, so
that processes that know them go on after it was started anew.
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
from typing import TextIO

from ..core.fault import Fault
from ..settings import ROOT, Settings
from ..wires.tls import Server
from . import HOST, PORTS, servers

BEFORE = "ports-before.json"
WAIT_SECONDS = 10.0
#: Whoever only puts old ports away holds the lock for less.
LOCK_SECONDS = 0.3


def spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the sandbox of these settings. What an earlier one left behind says nothing any more."""
    _forget(settings.instance_dir)
    environment = {**os.environ, "INSTANCE_DIR": str(settings.instance_dir.parent)}
    return subprocess.Popen(
        [sys.executable, "-m", __package__], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, process_group=0
    )


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """Start the sandbox of these settings and wait until it serves. Raises Fault when it does not."""
    child = spawn(settings)
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


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether no sandbox serves this folder; held until the block is left."""
    with (folder / "sandbox.lock").open("w") as lock:
        until = time.monotonic() + LOCK_SECONDS
        while not (mine := _locked(lock)) and time.monotonic() < until:
            time.sleep(0.05)
        yield mine


def _locked(lock: TextIO) -> bool:
    """Whether the lock is ours now; it goes with the process that holds it."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _forget(folder: Path) -> None:
    """Put away the ports of a sandbox that was killed."""
    with alone(folder) as mine:
        if mine:
            retire(folder)


def retire(folder: Path) -> None:
    """The ports are no longer served; the next sandbox takes them again where they are free."""
    with contextlib.suppress(FileNotFoundError):
        (folder / PORTS).replace(folder / BEFORE)


def _pid(settings: Settings) -> int:
    """Whose ports they are that `ports.json` names."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads((settings.instance_dir / PORTS).read_text())["pid"])
    return 0


def _answers(port: int) -> bool:
    """Whether something listens on `port`."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False
