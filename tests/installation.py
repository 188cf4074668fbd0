"""An installation as its owner runs it: processes from the Procfile, the `flask` command, a database in a folder.

What a journey test needs besides real mail servers. Every process that is started here is ended here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = 90, what: str = "") -> T:
    """Ask again and again until the answer is true, and return it; fail after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {seconds} s: {what or found}"
        time.sleep(0.05)


class Installation:
    """One installation; `environment` is all that it knows."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
        self.environment = {"PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT)} | environment
        self.folder = folder

    def flask(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `flask` command."""
        done = subprocess.run(
            [str(BIN / "flask"), *words],
            cwd=ROOT, env=self.environment, input=stdin, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"flask {' '.join(words)}: {done.stderr}"
        return done

    def json(self, *words: str) -> Any:
        """What a command prints with --json: one object."""
        return json.loads(self.flask(*words, "--json").stdout)

    def lines(self, *words: str) -> list[Any]:
        """What a command prints with --json: one object a line."""
        return [json.loads(line) for line in self.flask(*words, "--json").stdout.splitlines()]

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start the worker as the Procfile does."""
        log = (self.folder / "worker.log").open("ab")
        command = next(
            line.partition(":")[2]
            for line in (ROOT / "Procfile").read_text().splitlines()
            if line.startswith("worker:")
        )
        return subprocess.Popen(
            ["/bin/sh", "-c", command], cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """The worker, until the block is left; then it must end by itself within 25 seconds of SIGTERM."""
        process = self.start_worker()
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)

    @property
    def worker_log(self) -> str:
        """What the worker said."""
        return (self.folder / "worker.log").read_text()
