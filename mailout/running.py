"""running -- everything at once, as `python3 app.py` starts it: the Procfile's processes under honcho.

Owns     what is said before they start, and when one of them stops: then all stop
Never    does the work of one of them; starts beside a program that has the port already
Fails    with one line for each thing that is wrong

The sandbox is asked for (SANDBOX=1) where there are no real servers; the web process starts it (`serving`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
from pathlib import Path

import honcho.manager
from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message

from . import settings as mailout_settings
from .settings import ROOT, Misconfigured, Settings

STOP_SECONDS = 30
#: A worker that says what it does is for a server's log; here the last lines are the address and how to sign in.
QUIET = {"web": "", "worker": " --quiet"}


class Printer:
    """Prints what the processes say, and of honcho's own words only that it stops."""

    width = 0

    def __init__(self) -> None:
        self.stopped = False

    def write(self, message: Message) -> None:
        """Print one message."""
        text = message.data.decode("utf-8", "replace") if isinstance(message.data, bytes) else message.data
        if message.name != honcho.manager.SYSTEM_PRINTER_NAME:
            print(text.rstrip("\n"), flush=True)
        elif "received" in text:
            self.stopped = True
            print("\nStopping ...", flush=True)
        elif "stopped" in text and not self.stopped:
            print(f"{text.partition(' ')[0]} ended by itself, so everything stops.", file=sys.stderr, flush=True)
            self.stopped = True


def main() -> int:
    """Run web, worker and, without real servers, the sandbox, until Ctrl-C; the exit code."""
    try:
        settings = mailout_settings.read()
    except Misconfigured as wrong:
        print(wrong, file=sys.stderr)
        return 1
    fault = port_fault(settings)
    if fault:
        print(fault, file=sys.stderr)
        return 1
    return run(settings)


def run(settings: Settings) -> int:
    """Run the Procfile's processes until a signal comes or one of them ends."""
    honcho.manager.KILL_WAIT = STOP_SECONDS
    printer = Printer()
    manager = Manager(printer)
    for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        manager.add_process(name, command + QUIET.get(name, ""), env=environment(settings), cwd=str(ROOT))
    signal.signal(signal.SIGHUP, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    manager.loop()
    asked = manager.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    return 0 if asked else manager.returncode or 1


def environment(settings: Settings) -> dict[str, str]:
    """What the processes find in their environment."""
    return {
        **os.environ,
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", os.defpath),
        "PYTHONUNBUFFERED": "1",
        "GUNICORN_CMD_ARGS": "--log-level warning",
        "SANDBOX": "1" if settings.sandbox else "",
    }


def port_fault(settings: Settings) -> str:
    """Why nothing can listen on HOST and PORT; "" when all is well."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return f"HOST is {settings.host!r}, which no address is known for. For example: HOST=127.0.0.1"
    family, kind, _, _, address = found[0]
    with contextlib.closing(socket.socket(family, kind)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return _bind_fault(settings, error)
    return ""


def _bind_fault(settings: Settings, error: OSError) -> str:
    """What a failed bind means."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is in use, perhaps by a Mailout that runs already. "
            f"Stop that, or choose another port: PORT={settings.port + 1} python3 app.py"
        )
    if error.errno == errno.EACCES:
        return f"PORT is {settings.port}, which only root may listen on. For example: PORT=5000"
    return f"Nothing can listen on {settings.host} port {settings.port}: {error.strerror}. For example: HOST=127.0.0.1"


if __name__ == "__main__":
    sys.exit(main())
