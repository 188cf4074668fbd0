"""running -- everything at once, as `python3 app.py` starts it: the Procfile's processes, by name.

Owns     what is said before they start, and their end: when a signal comes, or one of them stops, all stop
Never    does the work of one of them; starts beside a program that has the port already; leaves one behind
Fails    with one line for each thing that is wrong

The Procfile is read by honcho, which runs it in production (`honcho start web worker`). Here it is not honcho's manager
that runs it: that one prints inside its signal handler, and a Ctrl-C in the middle of a line would leave all running.
The sandbox is asked for (SANDBOX=1) where there are no real servers; the web process starts it (`serving`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from honcho.environ import parse_procfile

from . import settings as mailout_settings
from .settings import ROOT, Misconfigured, Settings

#: The worker hands back what it has in hand within 25 s (the Procfile's -t).
STOP_SECONDS = 30.0
#: A worker that says what it does is for a server's log; here the last lines are the address and how to sign in.
QUIET = {"worker": " --quiet"}


class Together:
    """Processes that live and end together; what they print is printed, line by line."""

    def __init__(self, commands: dict[str, str], environment: dict[str, str]) -> None:
        self._commands = commands
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._signals = 0
        self._printing = threading.Lock()

    def run(self) -> int:
        """Run them until a signal comes (0) or one of them ends (its exit code, or 1)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked)
        readers = [self._start(name, command) for name, command in self._commands.items()]
        while not self._signals and not self._ended():
            time.sleep(0.1)
        ended = self._ended()
        if ended:
            print(f"The {ended} process ended by itself, so everything stops.", file=sys.stderr)
        else:
            print("\nStopping ...", flush=True)
        code = self._running[ended].returncode if ended else 0
        self._stop()
        for reader in readers:
            reader.join(5)
        return max(code, 1) if ended else 0

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; nothing else is safe here."""
        self._signals += 1

    def _start(self, name: str, command: str) -> threading.Thread:
        """Start one of them in a group of its own, so that a Ctrl-C reaches it through us alone."""
        child = subprocess.Popen(
            command,
            shell=True,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running[name] = child
        reader = threading.Thread(target=self._print, args=(child,), daemon=True)
        reader.start()
        return reader

    def _print(self, child: subprocess.Popen[bytes]) -> None:
        """Print what one of them says."""
        assert child.stdout is not None
        for line in child.stdout:
            with self._printing, contextlib.suppress(OSError):
                print(line.decode("utf-8", "replace").rstrip("\r\n"), flush=True)

    def _ended(self) -> str:
        """The name of one that ended, or ""."""
        return next((name for name, child in self._running.items() if child.poll() is not None), "")

    def _stop(self) -> None:
        """End all: asked first, killed when they take too long or the person asks again."""
        self._signal_all(signal.SIGTERM)
        until, asked = time.monotonic() + STOP_SECONDS, self._signals
        while any(child.poll() is None for child in self._running.values()):
            if time.monotonic() > until or self._signals > asked:
                self._signal_all(signal.SIGKILL)
            time.sleep(0.05)

    def _signal_all(self, number: int) -> None:
        """Send a signal to the groups of those that run."""
        for child in self._running.values():
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)


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
    """Run the Procfile's processes until a signal comes or one of them ends; the exit code."""
    lines = parse_procfile((ROOT / "Procfile").read_text()).processes
    commands = {name: command + QUIET.get(name, "") for name, command in lines.items()}
    return Together(commands, environment(settings)).run()


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
