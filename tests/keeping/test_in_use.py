"""Who works with the data holds it, and whoever would exchange it meanwhile is told so: with real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailout.core.fault import Fault
from mailout.keeping import in_use
from mailout.settings import Settings
from tests.conftest import environment
from tests.installation import ROOT, Installation, until
from tests.workers import Worker

REFUSED = "Mailout is at work with its data"
#: Seconds for what a machine with nothing else to do has done in one or two.
PATIENCE = 240


@pytest.fixture
def file(settings: Settings, outside: Installation, tmp_path: Path) -> Path:
    """A backup."""
    found = tmp_path / "backup.db"
    outside.flask("backup", str(found))
    return found


def is_held(settings: Settings) -> bool:
    """Whether somebody works with the data."""
    try:
        with in_use.alone(settings.instance_dir):
            return False
    except Fault:
        return True


def refused(outside: Installation, file: Path) -> None:
    """The restore is refused, in one line."""
    done = outside.flask("restore", str(file), "--yes", check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert REFUSED in done.stderr


def test_no_restore_while_the_worker_runs(
    settings: Settings, outside: Installation, file: Path, tmp_path: Path
) -> None:
    more = {"POP3_POLL_SECONDS": "3600"}
    with Worker(environment(settings.instance_dir, **more), tmp_path / "worker.log") as worker:
        until(lambda: is_held(settings), PATIENCE)
        refused(outside, file)
        worker.kill()
        outside.flask("restore", str(file), "--yes")


@contextmanager
def web(outside: Installation, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The web process, as the Procfile starts it."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    command = next(line.partition(":")[2] for line in lines if line.startswith("web:"))
    with log.open("ab") as said:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command], cwd=ROOT, env=outside.environment, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_dead(pid: int) -> bool:
    """Whether the process has ended, and has nothing open any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
def test_no_restore_while_web_runs_nor_while_one_of_its_children_does(
    settings: Settings, outside: Installation, file: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        outside.environment["PORT"] = str(free.getsockname()[1])
    with web(outside, tmp_path / "web.log") as process:
        (child,) = until(lambda: children(process.pid), PATIENCE)
        refused(outside, file)
        process.send_signal(signal.SIGSTOP)  # it can't start another child
        os.kill(child, signal.SIGKILL)
        until(lambda: is_dead(child), PATIENCE)
        assert is_held(settings)
        process.send_signal(signal.SIGCONT)
        (child,) = until(lambda: [pid for pid in children(process.pid) if not is_dead(pid)], PATIENCE)
        os.kill(child, signal.SIGSTOP)  # it can't see that its parent is gone
        process.kill()
        process.wait()
        assert is_held(settings)
        os.kill(child, signal.SIGKILL)
        until(lambda: not is_held(settings), PATIENCE)


@pytest.mark.slow
def test_who_starts_while_the_data_is_exchanged_waits_and_a_command_says_so(
    settings: Settings, outside: Installation, tmp_path: Path
) -> None:
    with Worker(environment(settings.instance_dir), tmp_path / "worker.log") as worker:
        with in_use.alone(settings.instance_dir):
            done = outside.flask("users", "list", check=False)
            assert (done.returncode, done.stderr) == (
                1, "A backup is being restored at this moment. Try again when that is done.\n"
            )  # fmt: skip
            worker.kill()
            worker.start()
            until(lambda: waits_for_a_lock(worker.pid), PATIENCE)
        until(lambda: is_held(settings), PATIENCE)
        assert worker.alive


def waits_for_a_lock(pid: int) -> bool:
    """Whether the process waits for a lock on a file."""
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(str(pid) in words for words in waiting)


def test_a_backup_keeps_a_restore_from_its_data(settings: Settings) -> None:
    with in_use.shared(settings.instance_dir), in_use.shared(settings.instance_dir):
        assert is_held(settings)
    assert not is_held(settings)
