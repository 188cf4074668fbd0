"""in_use -- who works with the data at this moment: web and worker for their life, a command while it runs.

Owns     the lock file "in-use.lock" in INSTANCE_DIR: shared by whoever works with the data, and held alone by who
         exchanges it
Never    is asked between two statements: the lock is taken before the database is opened
Fails    Fault, in words, for a command; the processes that live on wait instead

The operating system takes a dead process's lock away at once, so none is ever left behind. The web process takes it
before it forks: its children share it, and it is held as long as one of them lives.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..core.fault import Fault

NAME = "in-use.lock"

log = logging.getLogger(__name__)

#: What this process holds until it ends.
_held: dict[Path, IO[bytes]] = {}


def for_life(folder: Path) -> None:
    """Hold the data of `folder` until this process ends, after whoever exchanges it has done."""
    if folder in _held:
        return
    file = _opened(folder)
    if not _taken(file, fcntl.LOCK_SH):
        log.warning("waits: a backup is being restored")
        fcntl.flock(file, fcntl.LOCK_SH)
    _held[folder] = file


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Hold the data of `folder` while a command works with it. Raises Fault while it is exchanged."""
    with _opened(folder) as file:
        if not _taken(file, fcntl.LOCK_SH):
            raise Fault("A backup is being restored at this moment. Try again when that is done.")
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the data of `folder` alone. Raises Fault when anybody else works with it."""
    with _opened(folder) as file:
        if not _taken(file, fcntl.LOCK_EX):
            raise Fault(
                "Mailout is at work with its data (web, worker or another command), so nothing was changed. "
                "Stop web and worker, then restore; start them again afterwards."
            )
        yield


def _opened(folder: Path) -> IO[bytes]:
    """The lock file, made where there is none; to be read is enough, for another user may have made it."""
    return open(os.open(folder / NAME, os.O_RDONLY | os.O_CREAT, 0o644), "rb")


def _taken(file: IO[bytes], how: int) -> bool:
    """Whether the lock is ours now, without a wait."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
