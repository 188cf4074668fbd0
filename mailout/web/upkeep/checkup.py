"""checkup -- how the installation is, from what its parts noted: the System page's lines.

Owns     the judgement what is well, what could be better and what is broken, and the words for it
Never    opens a connection (the buttons of the page do), changes anything
Fails    never: what can't be found out is a line that says so
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from sqlalchemy import func, select

from ... import pulse
from ...core.checking.domains import domain_of
from ...core.delivery import State
from ...core.telling.spoken import number, size, things
from ...doctor.attempts import SECURED
from ...doctor.machine import LITTLE, NEARLY_NONE, SILENT, SURVIVED, letters_in, octets_of
from ...intake import adoption
from ...models import Letter, Pulse, Recipient, db
from ...settings import Settings
from .. import words
from ..story.pace import Pace

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `tone` is good, look, bad or faint; `trouble` stands on a sheet, first."""

    tone: str
    text: str
    why: str = ""
    side: str = ""
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one part; `name` is what the page calls its try-button's address by."""

    name: str
    title: str
    about: str
    lines: tuple[Line, ...]

    @property
    def ill(self) -> bool:
        """Whether anything here needs a person."""
        return any(line.trouble for line in self.lines)


@dataclass(frozen=True, slots=True)
class Checkup:
    """All parts at one moment."""

    sections: tuple[Section, ...]
    to_adopt: int | None

    def count(self, tone: str) -> int:
        """How many lines have this tone."""
        return sum(line.tone == tone for section in self.sections for line in section.lines)

    @property
    def verdict(self) -> tuple[str, str]:
        """A tone and a sentence for the head of the page."""
        broken, better = self.count("bad"), self.count("look")
        said = [
            f"{things(broken, 'thing')} {'is' if broken == 1 else 'are'} broken" if broken else "",
            f"{things(better, 'thing')} to look at" if better else "",
        ]
        tone = "bad" if broken else "look" if better else "good"
        return tone, ", ".join(part for part in said if part) or "All is well"


def look(settings: Settings, now: datetime) -> Checkup:
    """How everything is, as far as it is known at `now`."""
    mailbox = adoption.standing(settings.pop3) if settings.pop3 else None
    to_adopt = mailbox.letters if mailbox and mailbox.met and not mailbox.adopted else None
    return Checkup(
        (
            Section(
                "mailbox",
                "Mailbox",
                "Where your letters and the bounces arrive",
                tuple(_mailbox(settings, to_adopt, now)),
            ),
            Section("relay", "Relay", "Your mail provider, which carries the copies", tuple(_relay(settings, now))),
            *_domain(settings),
            Section(
                "machine",
                "This machine",
                f"Mailout {version()}",
                tuple(_machine(settings, now)),
            ),
        ),
        to_adopt,
    )


@cache
def version() -> str:
    """The version of Mailout."""
    return str(tomllib.loads(PYPROJECT.read_text())["project"]["version"])


def _mailbox(settings: Settings, to_adopt: int | None, now: datetime) -> Iterable[Line]:
    """The mailbox: reached, ours, read; and the letters that are not handled yet."""
    server, seen = settings.pop3, pulse.of(pulse.MAILBOX)
    if server is None:
        yield Line(
            "look",
            "There is no mailbox",
            "The sandbox is not running. Start everything with python3 app.py.",
            trouble=True,
        )
        return
    if to_adopt is not None:
        yield Line(
            "look",
            f"{server.username} holds {things(to_adopt, 'letter')} already",
            "Mailout removes what it has read, so the mailbox must be its own. Nothing in it is read or removed until "
            "you say that it is.",
            trouble=True,
        )
    elif seen.trouble and seen.trouble != adoption.NO_MAILBOX:  # that was before the sandbox served: it does now
        yield _trouble(seen, now, "Letters wait there unread until this is right; none are lost.")
    elif seen.well_at is None:
        yield Line("faint", "Not read yet", f"{server.host}, as {server.username}")
    else:
        about = f"{server.username}, port {server.port}, {SECURED[server.security]}"
        yield Line("good", f"Read at {server.host}", about, words.ago(seen.well_at))
    yield from _spool()


def _spool() -> Iterable[Line]:
    """Letters that came and are not handled, and those that could not be."""
    rows = db.session.execute(
        select(Letter.spool, func.count()).where(Letter.spool != "handled").group_by(Letter.spool)
    )
    left = {row[0]: row[1] for row in rows}
    if left.get("new"):
        yield Line(
            "faint", f"{things(left['new'], 'letter')} came and not looked at yet", "The worker takes them in turn"
        )
    if left.get("quarantined"):
        yield Line(
            "look",
            f"{things(left['quarantined'], 'letter')} could not be handled",
            "Kept as it came. The Inbox log says why.",
        )


def _trouble(seen: Pulse, now: datetime, meaning: str) -> Line:
    """What a pulse is in trouble with: since when, what it means, when it is tried again."""
    since = f" Since {words.moment(seen.trouble_since)}." if seen.trouble_since else ""
    again = f" The next try is at {words.clock(seen.again_at)}." if seen.again_at and seen.again_at > now else ""
    return Line("bad", seen.trouble, f"{meaning}{since}{again}", trouble=True)


def _relay(settings: Settings, now: datetime) -> Iterable[Line]:
    """The relay: reached, and at what pace it takes copies."""
    server, seen = settings.smtp, pulse.of(pulse.RELAY)
    if server is None:
        yield Line(
            "look",
            "There is no relay",
            "The sandbox is not running. Start everything with python3 app.py.",
            trouble=True,
        )
        return
    about = f"Port {server.port}, {SECURED[server.security]}" + (f", as {server.username}" if server.username else "")
    if seen.trouble:
        yield _trouble(seen, now, "Copies wait; nobody is lost, nobody is marked as failed, and nobody gets it twice.")
    elif seen.waits_until and seen.waits_until > now:
        meaning = f"Copies wait until {words.moment(seen.waits_until)}, then they go on; nobody is marked as failed."
        yield Line("look", seen.waits_for, meaning)
    elif seen.well_at is None:
        yield Line("faint", f"{server.host} has carried nothing yet", about)
    else:
        yield Line("good", f"{server.host} takes our letters", about, words.ago(seen.well_at))
    # what governs in the long run is the strictest limit
    limits = Pace(0.0, settings.rates).words(1_000_000) or "As fast as it takes them"
    left = db.session.scalar(
        select(func.count()).select_from(Recipient).where(Recipient.state.in_((State.QUEUED, State.DEFERRED)))
    )
    yield Line(
        "good",
        "Pace",
        f"{limits}, {things(settings.smtp_connections, 'connection')} at most",
        f"{number(left or 0)} waiting",
    )


def _domain(settings: Settings) -> Iterable[Section]:
    """Our domain, which is asked for when somebody presses the button; the sandbox has none."""
    if not settings.sandbox:
        why = (
            "Where letters to Mailout go, who may send for you (SPF), and what happens to letters that nobody vouches "
            "for (DMARC)."
        )
        lines = (_round_trip(), Line("faint", f"What DNS says of {domain_of(settings.own.sender)}", why))
        yield Section("domain", "Your domain", "So that letters do not land in junk", lines)


def _round_trip() -> Line:
    """What came of the last letters to ourselves."""
    seen, command = pulse.of(pulse.ROUND_TRIP), "python3 app.py doctor --round-trip"
    if seen.trouble and seen.tried_at:
        again = f"{seen.trouble.rstrip('.')}. When that is put right: {command}"
        return Line("look", "The last letters to ourselves did not come back", again, words.ago(seen.tried_at))
    if seen.well_at:
        why = "Letters to a key and bounces reach the mailbox."
        return Line("good", "The last letters to ourselves came back", why, words.ago(seen.well_at))
    why = f"{command}, on the server, tries whether letters to a key and bounces reach the mailbox, and signed."
    return Line("faint", "No letter to ourselves was tried yet", why)


def _machine(settings: Settings, now: datetime) -> Iterable[Line]:
    """The worker, the database, the disk."""
    seen = pulse.of(pulse.WORKER).well_at
    if seen is None or now - seen > SILENT:
        since = f"Not heard of since {words.moment(seen)}." if seen else "It was never heard of."
        meaning = (
            "No letter is fetched and no copy goes out until it runs. Start the worker again; it goes on where it was."
        )
        yield Line("bad", "The worker does not run", f"{since} {meaning}", trouble=True)
    else:
        yield Line("good", "Web and worker are alive", side=f"last beat {words.ago(seen)}")
    yield _database(settings)
    yield _disk(settings.instance_dir)


def _database(settings: Settings) -> Line:
    """The database and its size."""
    kept = f"Each outcome survives {SURVIVED[settings.durability]}"
    return Line("good", "Database", kept, size(octets_of(settings.database_file)))


def _disk(folder: Path) -> Line:
    """How much room there is."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return Line("look", "Disk", f"How much room {folder} has can't be found out")
    room = f"{free / 1e9:,.1f} GB free"
    if free < NEARLY_NONE:
        return Line("bad", "The disk is nearly full", "Letters wait at your mailbox until there is room.", room, True)
    if free < LITTLE:
        return Line("look", "The disk fills up", "Make room before it is full.", room)
    return Line("good", "Disk", f"Enough for about {number(letters_in(free))} more letters of 2 MB", room)
