"""arrivals -- customers whom an import is bringing: written bit by bit, unseen until all of them are there.

Owns     the lock that lets one import at a time work, across threads and processes; clearing what a dead one left
Never    shows or mails anybody before their import is applied (`Customer.here`); holds the database for longer than
         a few hundred rows take
Fails    Fault when another import is at work
Commits  `clear` does, bit by bit

The lock is the operating system's: it goes with the process that holds it. Whoever gets it knows that nobody is at
work, so unseen customers are what a process that died has left behind.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete, select, update

from ..core.fault import Fault
from ..current import settings
from ..models import Customer, Import, ImportRow, changed, db
from . import numbers

BIT = 250
#: Seconds that the database is left to others after a bit of work, at most.
LEAVE_MOST = 0.05
_LOCK = "import.lock"


@contextmanager
def alone() -> Iterator[None]:
    """Be the one import at work; raises Fault when another one is."""
    with (settings().instance_dir / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Fault("Another import is being worked on just now. Wait until it is done, then try again.") from None
        yield


def clear() -> int:
    """Remove the unseen customers that an import left behind. Returns how many. To be called while `alone`."""
    unseen = Customer.unseen().order_by(Customer.id).limit(BIT)
    cleared = 0
    while ids := db.session.scalars(unseen).all():
        with politely():
            changed(update(ImportRow).where(ImportRow.customer_id.in_(ids)).values(customer_id=None))
            numbers.keep()
            db.session.execute(delete(Customer).where(Customer.id.in_(ids)))
            db.session.commit()
        cleared += len(ids)
    return cleared


def make_way(email_same: str) -> bool:
    """Remove an unseen customer of that address, unless somebody is bringing them just now.

    Returns whether the address is free then.
    """
    try:
        with alone():
            mine = (Customer.email_same == email_same) & Customer.came_with.in_(Import.under_way())
            ids = select(Customer.id).where(mine)
            changed(update(ImportRow).where(ImportRow.customer_id.in_(ids)).values(customer_id=None))
            numbers.keep()
            db.session.execute(delete(Customer).where(mine))
    except Fault:
        return False
    return db.session.scalar(select(Customer.id).where(Customer.email_same == email_same)) is None


@contextmanager
def politely() -> Iterator[None]:
    """Do a bit of work on the database, and then leave it to others for half as long as that took.

    Whoever waits for SQLite's lock looks for it now and then only; back to back, the bits would lock others out.
    """
    begun = time.monotonic()
    yield
    time.sleep(min(LEAVE_MOST, (time.monotonic() - begun) / 2))
