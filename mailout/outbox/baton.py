"""baton -- of the threads that send, one computes at a time; whoever waits hands it on.

Owns     the one lock that all senders of a pump hold while they compute, and lay down while they wait
Never    is held across a wait for the network, for a disk that must be asked, for a letter to be made ready

Python runs one thread at a time whatever we do, but it lets them quarrel about it at every system call: with four
connections on two processors each copy cost six switches of threads and half as much processor time again. With the
baton it is one switch, when the answer comes.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType


class Baton:
    """Hold it with `with baton:`; wait with `with baton.laid_down:`."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._lock = lock
        self.laid_down: AbstractContextManager[object] = _LaidDown(lock)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


class _LaidDown:
    """The time in which its holder waits for something else."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.release()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.acquire()
