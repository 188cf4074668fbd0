"""sole -- one pump on a machine, known at once when it dies.

Owns     the lock file "pump.lock", and the part of a pump's name that says on which machine it runs
Never    replaces the lease: that one holds between machines, and for a while longer than a crash

The operating system takes a dead process's lock away at once. Whoever has it knows that a lease by the name of this
machine is a dead pump's, and need not wait for it to run out.
"""

from __future__ import annotations

import fcntl
import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex

from .. import lease
from ..models import Lease, db

PLACE_LENGTH = 8


def name(folder: Path) -> str:
    """A new name for a pump over the data in `folder`: where it runs, and which one it is."""
    return _place(folder) + token_hex(16)


def _place(folder: Path) -> str:
    """This machine and this folder, in few characters."""
    return hashlib.sha256(f"{socket.gethostname()}\0{folder}".encode()).hexdigest()[:PLACE_LENGTH]


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Hold the lock of `folder` if nobody on this machine does; whether we hold it."""
    with (folder / "pump.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def take(lease_name: str, me: str, now: datetime, length: timedelta) -> bool:
    """Take the lease for `me`, who is alone on this machine: from a dead pump of this machine at once. Commits."""
    if lease.take(lease_name, me, now, length):
        return True
    holder = db.session.get(Lease, lease_name, populate_existing=True)
    if holder is None or not holder.owner.startswith(me[:PLACE_LENGTH]):
        return False
    lease.give_back(lease_name, holder.owner)
    return lease.take(lease_name, me, now, length)
