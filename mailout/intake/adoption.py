"""adoption -- whose mailbox it is: Mailout removes what it reads, so the mailbox must be its own.

Owns     the table `mailbox`
Never    opens a connection; adopts a mailbox that holds mail without being told to
Commits  objection(); the rest leaves that to the caller

A mailbox is the same one while its host and user name are. An empty one is adopted silently; one that holds mail when
it is met waits for an Administrator, and nothing in it is read or removed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from ..core.fault import Fault
from ..core.telling.spoken import things
from ..models import Mailbox, changed, db
from ..settings import Settings
from ..wires.tls import Server

NO_MAILBOX = "There is no mailbox: the sandbox is not running, and POP3_HOST is not set."


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the mailbox: whether it was ever reached, whether it is ours, how many letters it held."""

    host: str
    username: str
    met: bool
    letters: int
    adopted_at: datetime | None

    @property
    def adopted(self) -> bool:
        """Whether letters in it are read and removed."""
        return self.adopted_at is not None


def server(settings: Settings) -> Server:
    """The mailbox's server. Raises Fault when there is none: the sandbox does not run."""
    if settings.pop3 is None:
        raise Fault(NO_MAILBOX)
    return settings.pop3


def standing(server: Server) -> Standing:
    """What is known of the mailbox."""
    row = _row(server)
    if row is None:
        return Standing(server.host, server.username, False, 0, None)
    return Standing(server.host, server.username, True, row.letters_then, row.adopted_at)


def objection(server: Server, letters: int, now: datetime) -> str:
    """Why nothing may be read from the mailbox, which holds so many letters now; "" when it is ours."""
    row = _row(server)
    if row is None:
        db.session.add(_met(server, letters, now, adopted=not letters))
    elif row.adopted_at is None:
        changed(
            update(Mailbox)
            .where(Mailbox.id == row.id, Mailbox.adopted_at.is_(None))
            .values(letters_then=letters, adopted_at=None if letters else now)
        )
    db.session.commit()
    if not letters or (row is not None and row.adopted_at is not None):
        return ""
    return (
        f"The mailbox {server.username} holds {things(letters, 'letter')} that Mailout did not put there. Nothing is "
        "read or removed until an Administrator confirms, on the System page or with `flask mailbox adopt`, that it "
        "is Mailout's own."
    )


def confirm(server: Server, letters: int, now: datetime) -> None:
    """Take the mailbox for ours, whatever it holds."""
    row = _row(server)
    if row is None:
        db.session.add(_met(server, letters, now, adopted=True))
        return
    mine = update(Mailbox).where(Mailbox.id == row.id, Mailbox.adopted_at.is_(None))
    changed(mine.values(letters_then=letters, adopted_at=now))


def _row(server: Server) -> Mailbox | None:
    """The mailbox's row, as it is now."""
    query = select(Mailbox).where(Mailbox.host == server.host, Mailbox.username == server.username)
    return db.session.scalar(query.execution_options(populate_existing=True))


def _met(server: Server, letters: int, now: datetime, *, adopted: bool) -> Mailbox:
    """A new row for a mailbox."""
    return Mailbox(
        host=server.host,
        username=server.username,
        met_at=now,
        letters_then=letters,
        adopted_at=now if adopted else None,
    )
