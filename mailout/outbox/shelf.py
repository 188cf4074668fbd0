"""shelf -- prepared letters on disk, and the copy that is made of one for each customer.

Owns     the files in INSTANCE_DIR/cache, one for each mail-out and kind of relay; the copies of notices
Never    is a place where anything is kept: what is missing is made again from the letter in the database
Fails    Unfit, in words for a person, when of this letter no copy can be made; else as the database and the disk do

A copy is a head of its own and the same octets as everybody's: `[head, shared, personal, shared ...]`. The shared ones
are stuffed and encoded once, mapped, and never copied.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from flask import current_app

from ..core import own
from ..core.copying import compose
from ..core.copying.compose import Circumstances, Personal, Prepared, Refused
from ..core.problem import Problem
from ..core.reading.mailbox import named_field, written_address
from ..current import secret, settings
from ..models import LetterBytes, Mailout, Notice, Setting, db
from ..models.blob import pieces
from ..wires.smtp import Copy
from ..wires.smtp_line import Piece
from ..wires.smtp_open import Abilities
from .cached import ADDRESS, MESSAGE_ID, TO, URL, Cached, Head, Unreadable, read, spooled, stuffed, write
from .ledger import Claimed
from .loop import at_once
from .pressing import Broken, press

#: The row of Setting that remembers what the relay could not carry when we last met it.
RELAY = "relay without 8BITMIME"

#: The unsubscribe line of a list that has no wording of its own.
LINE = "Leave this list"

log = logging.getLogger(__name__)


Apart = Callable[[Callable[[], Any]], Any]


class Unfit(Exception):
    """No copy of this letter can be made, for nobody; the text says why, to a person."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A mail-out's letter and what of the mail-out its copies need."""

    letter: Cached
    head: Head
    list_id: int


class Shelf:
    """The letters that are being sent. Threads share it; made inside an application context."""

    def __init__(self, apart: Apart = at_once) -> None:
        """`apart` runs what makes a letter ready: that can take seconds."""
        self._apart = apart
        self._app = current_app._get_current_object()  # type: ignore[attr-defined]
        self._own = settings().own
        self._links = settings().base_url + "/u/"
        self._secret = secret()
        self._lock = threading.RLock()
        self._ready: dict[int, _Ready] = {}
        self._eight_bit = relay_takes_eight_bit()
        self._null_sender = True
        self._remembered = self._eight_bit

    def copy_for(self, claimed: Claimed) -> Copy:
        """The copy for this recipient. Raises Unfit."""
        if claimed.mailout_id is None:
            return self._notice(claimed)
        ready = self._ready.get(claimed.mailout_id)
        if ready is None:
            ready = self._apart(partial(self._fetch, claimed.mailout_id))
        return self._copy(ready, claimed)

    def learn(self, abilities: Abilities) -> None:
        """What the relay offers decides how letters are prepared from now on."""
        if abilities.eight_bit != self._eight_bit:
            with self._lock:
                self._eight_bit = abilities.eight_bit
                self._ready.clear()

    def remember_abilities(self) -> None:
        """Keep what was learned, so that the next letter is looked at in its light when it is accepted. Commits."""
        if self._remembered != self._eight_bit:
            self._remembered = self._eight_bit
            db.session.merge(Setting(name=RELAY, value="" if self._eight_bit else "yes"))
            db.session.commit()

    def without_null_sender(self) -> None:
        """The relay takes no null return path (S 6.02): notices get one of ours."""
        self._null_sender = False

    def keep_only(self, mailout_ids: Iterable[int]) -> None:
        """Let go of the letters of all other mail-outs; their files stay until the mail-outs are over."""
        with self._lock:
            for gone in self._ready.keys() - set(mailout_ids):
                del self._ready[gone]

    # -- copies ----------------------------------------------------------------------------------------------------

    def _copy(self, ready: _Ready, claimed: Claimed) -> Copy:
        """A customer's copy of a mail-out's letter."""
        letter, address = ready.letter, written_address(claimed.address)
        token = own.unsubscribe_token(self._secret, ready.list_id, claimed.customer_id or 0)
        link = self._links + token
        gaps = {
            TO: named_field("To", claimed.name, address) if claimed.name else b"To: " + address + b"\r\n",
            MESSAGE_ID: own.message_id(self._secret, claimed.id, self._own.domain).encode(),
            URL: link.encode(),
            ADDRESS: self._own.unsubscribe_address(token).encode(),
        }
        pieces: list[Piece] = [ready.head.filled(gaps)]
        for segment in letter.segments:
            if isinstance(segment, Personal):
                pieces.append(stuffed(compose.personal(segment, link), ended=True))
            else:
                pieces.append(segment)
        return Copy(
            self._own.return_path(own.bounce_token(self._secret, claimed.id)),
            address.decode(),
            pieces,
            sum(map(len, pieces)),
            letter.eight_bit,
            letter.smtputf8 or not address.isascii(),
        )

    def _notice(self, claimed: Claimed) -> Copy:
        """A letter of our own, as it stands in its row; with the null return path where the relay takes it."""
        with self._app.app_context():
            octets, plain = spooled(pieces(Notice.raw, Notice.id, claimed.notice_id or 0))
        address = written_address(claimed.address)
        token = "" if self._null_sender else own.bounce_token(self._secret, claimed.id)
        return Copy(
            return_path="" if self._null_sender else self._own.return_path(token),
            address=address.decode(),
            pieces=[octets],
            size=len(octets),
            eight_bit=not plain,
            smtputf8=not address.isascii(),
            notice=True,
        )

    # -- the files -------------------------------------------------------------------------------------------------

    def _fetch(self, mailout_id: int) -> _Ready:
        """The letter of a mail-out, from its file or made again."""
        with self._lock, self._app.app_context():
            if mailout_id not in self._ready:
                row = db.session.get(Mailout, mailout_id)
                assert row is not None, "a recipient has its mail-out"
                self._ready[mailout_id] = _ready(self._letter(row), row.list_id)
            return self._ready[mailout_id]

    def _letter(self, row: Mailout) -> Cached:
        """The prepared letter that this relay can carry, as little changed as there is one."""
        for variant in (True, False) if self._eight_bit else (False,):
            found = _opened(_file(row, variant))
            if found and (variant == self._eight_bit or found.kept_whole):
                return found
        _prepare_again(row, eight_bit=self._eight_bit)
        return read(_file(row, self._eight_bit))


def _ready(letter: Cached, list_id: int) -> _Ready:
    return _Ready(letter, Head(letter.head), list_id)


def store(mailout_id: int, prepared: Prepared) -> None:
    """Put a letter on the shelf as it was prepared when it was looked at. What can't be stored is made again later."""
    row = db.session.get_one(Mailout, mailout_id)
    try:
        write(_file(row, prepared.eight_bit or relay_takes_eight_bit()), prepared)
    except OSError as error:
        log.warning("not on the shelf mailout=%s: %s", mailout_id, error.strerror)


def clear_away() -> None:
    """Remove the files of mail-outs that are over, or that there are not."""
    for path in settings().cache_dir.glob("*bit*"):
        number = path.name.partition("-")[0]
        row = db.session.get(Mailout, int(number)) if number.isdigit() else None
        if row is None or row.finished_at or row.cancelled_at:
            path.unlink(missing_ok=True)


def circumstances(
    row: Mailout,
    *,
    author_known: bool,
    received_at: datetime,
    secret_words: tuple[str, ...],
    eight_bit: bool | None = None,
) -> Circumstances:
    """What of the installation, the list and the mail-out its copies depend on.

    `author_known`: the author is an active user. `eight_bit`: whether the relay has 8BITMIME; None for what is
    remembered of it.
    """
    about = settings()
    return Circumstances(
        own=about.own,
        secret_words=secret_words,
        from_policy=about.from_policy,
        aligned_domains=tuple(about.aligned_domains),
        author_is_user=author_known,
        received_at=received_at,
        list_id=row.list_id,
        list_name=row.list.name,
        line=(row.list.unsubscribe_wording or LINE) if row.list.unsubscribe_line else "",
        organisation_name=about.organisation_name,
        organisation_address=about.organisation_address,
        eight_bit=relay_takes_eight_bit() if eight_bit is None else eight_bit,
    )


def relay_takes_eight_bit() -> bool:
    """What is remembered of the relay: that it has 8BITMIME, until it showed that it does not."""
    row = db.session.get(Setting, RELAY)
    return row is None or not row.value


def _prepare_again(row: Mailout, *, eight_bit: bool) -> None:
    """Prepare the letter anew from what is kept of it, into its file. Raises Unfit."""
    key = own.make_key(settings().secret_key, row.id, row.key_nonce)
    about = circumstances(
        row,
        author_known=row.author_known,
        received_at=row.received_at or row.created_at,
        secret_words=(key, settings().own.key_address(key, row.list.name)),
        eight_bit=eight_bit,
    )
    file = _file(row, eight_bit)
    with tempfile.NamedTemporaryFile(dir=file.parent) as spool:
        if not _copy_raw(row.letter_id, spool):
            raise Unfit("The letter itself is not kept any more, so no copies can be made of it.")
        try:
            holds = press(Path(spool.name), about, file)
        except Refused as error:
            raise Unfit(f"Your mail provider can't carry this letter as it is. {error.detail}") from error
        except (Broken, OSError) as error:
            raise Unfit(f"The letter could not be made ready: {error}. Resume tries once more.") from error
    if Problem.SIGNATURE_WOULD_BREAK in holds and row.released_at is None:
        file.unlink()
        raise Unfit("Your mail provider carries this letter only with its signature broken. Resume sends it so.")


def _copy_raw(letter_id: int | None, spool: IO[bytes]) -> int:
    """Write the raw letter into `spool`, piece by piece; how many octets it has, 0 when it is not kept."""
    written = 0
    for octets in pieces(LetterBytes.raw, LetterBytes.letter_id, letter_id or 0):
        written += spool.write(octets)
    spool.flush()
    return written


def _file(row: Mailout, eight_bit: bool) -> Path:
    """Where the letter of a mail-out lies, as prepared for relays with or without 8BITMIME.

    The letter is in the name: after a restore the same number can be another mail-out.
    """
    assert row.letter is not None, "a mail-out that is prepared has its letter"
    return settings().cache_dir / f"{row.id}-{row.letter.digest[:16]}.{8 if eight_bit else 7}bit"


def _opened(path: Path) -> Cached | None:
    """The file's letter; None when there is none that can be used."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (Unreadable, OSError) as error:
        log.warning("made again: %s: %s", path.name, error)
        return None
