"""The whole corpus of real messages through the product, and the table of what became of each.

    python -m tests.corpus            prints the table

Every message that a person could have submitted is sent to a fresh key and goes out to a relay that records it; the
copies are compared octet by octet. The messages are other people's and are not in the repository: they are read from
MAILOUT_CORPUS, or from where the project keeps them beside a checkout.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask

from mailout import database
from mailout import settings as mailout_settings
from mailout.book import customers, lists, users
from mailout.core.copying import seal as seals
from mailout.core.reading.head import canonical, cut, first, readable
from mailout.intake import handle, submission
from mailout.journal import COMMAND
from mailout.models import Letter, LetterBytes, Mailout, Recipient, db
from mailout.outbox.pump import Pump
from mailout.web import create_app
from tests.conftest import environment
from tests.relay import Relay

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("MAILOUT_CORPUS") or ROOT.parent / "shared" / "corpus")
#: The pump goes by the real clock, and pauses what lay about for half a day.
NOW = datetime.now(UTC)
SUBMITTED = ("messages", "hostile", "clients")
ANN = "ann@customers.test"


@dataclass(frozen=True)
class Went:
    """What became of one message; capitals are for what must not be."""

    file: str
    became: str
    why: str = ""


def files() -> list[Path]:
    """The messages that a person could have submitted."""
    return sorted(path for part in SUBMITTED for path in (FOLDER / part).glob("*.eml"))


def addressed(path: Path, address: str) -> bytes:
    """The message as a mail server would hand it over, addressed to the key by bytes; nothing else is changed."""
    raw = path.read_bytes()
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    if b"\r\n" not in raw and b"\r" not in raw:
        raw = raw.replace(b"\n", b"\r\n")
    end = re.search(rb"\r?\n\r?\n", raw)
    head, body = (raw[: end.start()], raw[end.start() :]) if end else (raw, b"")
    head = re.sub(rb"(?im)^(to|cc|delivered-to|x-original-to|return-path|auto-submitted)(\s*:)", rb"X-Was-\1\2", head)
    return b"To: " + address.encode() + b"\r\n" + head + body


@contextmanager
def product(folder: Path, relay: Relay, *, line: bool) -> Iterator[Flask]:
    """The product with one customer in one list, sending to the relay."""
    values = environment(folder, SENDER_POLICY="key", FROM_POLICY="keep", START_DELAY_SECONDS="0")
    settings = replace(mailout_settings.read(values), smtp=relay.server())
    app = create_app(settings)
    database.migrate(app, settings)
    with app.app_context():
        users.create(
            "jane@mail.test", "Jane", administrator=False, may_send=True, password=None, actor=COMMAND, now=NOW
        )
        lists.create("Newsletter", unsubscribe_line=line, actor=COMMAND, now=NOW)
        customers.add(ANN, "Ann", "", actor=COMMAND, now=NOW)
        db.session.commit()
        yield app
        db.session.remove()
        db.engine.dispose()


def submit(path: Path) -> tuple[Mailout, handle.Done, bytes]:
    """Send the message to a fresh key, as the mailbox would have brought it."""
    row = submission.open_mailout(
        lists.by_name("Newsletter").id, users.by_email("jane@mail.test"), check_first=False, now=NOW
    )
    db.session.commit()
    raw = addressed(path, submission.key_address(row))
    letter = Letter(digest=hashlib.sha256(raw).hexdigest(), received_at=NOW, size=len(raw))
    db.session.add(letter)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=letter.id, raw=raw))
    db.session.commit()
    done: list[handle.Done] = []
    for _ in range(handle.TRIES):
        done += handle.handle_new(lambda: NOW)
    assert len(done) == 1, f"{path.name} is stuck"
    return row, done[0], raw


def run(*, line: bool) -> list[Went]:
    """Every message through the product, and what became of it."""
    with tempfile.TemporaryDirectory() as folder, Relay() as relay, product(Path(folder), relay, line=line) as app:
        waiting: list[tuple[Path, Mailout, handle.Done, bytes]] = [(path, *submit(path)) for path in files()]
        ids = {row.id: row for _, row, _, _ in waiting}
        Pump(app, lambda: datetime.now(UTC), lambda: False).run()
        db.session.expire_all()
        sent = {row.id: copy for row, copy in _copies(relay, ids)}
        return [_became(path, row, done, raw, sent.get(row.id), line=line) for path, row, done, raw in waiting]


def _copies(relay: Relay, rows: dict[int, Mailout]) -> Iterator[tuple[Mailout, bytes]]:
    """The recorded copies with the mail-outs that they belong to, known by their envelope senders."""
    for message in relay.accepted:
        found = re.search(r"\+b-(\d+)-", message.return_path)
        if found:
            recipient = db.session.get_one(Recipient, int(found[1]))
            yield rows[recipient.mailout_id or 0], message.octets


def _became(path: Path, row: Mailout, done: handle.Done, raw: bytes, copy: bytes | None, *, line: bool) -> Went:
    """The verdict on one message, from what the relay recorded."""
    if copy is None:
        word = {"mail-out": "held", "refused": "refused"}.get(done.verdict, done.verdict)
        return Went(path.name, word if done.why else f"LOST ({word})", done.why)
    fields, body = cut(canonical(raw))
    out_fields, out_body = cut(copy)
    before, after = (readable(f.value) if (f := first(part, "subject")) else "" for part in (fields, out_fields))
    if before != after:
        return Went(path.name, "CHANGED SUBJECT", f"{before!r} -> {after!r}")
    if out_body == body:
        return Went(path.name, "identical")
    seal = seals.from_json(row.seal)
    if line and seal.parts and seal.untouched:
        return Went(path.name, "with the line", row.changes)
    if all(part.identical or part.why for part in seal.parts) and row.changes:
        return Went(path.name, "re-encoded", row.changes)
    return Went(path.name, "CHANGED", f"{len(body)} -> {len(out_body)} octets")


def main() -> None:
    """Print the table."""
    for line in (False, True):
        found = run(line=line)
        print(
            f"\nUnsubscribe line {'on' if line else 'off'}: "
            + ", ".join(f"{n} {w}" for w, n in Counter(g.became for g in found).items())
        )
        for went in found:
            print(f"  {went.file:<52} {went.became:<14} {' '.join(went.why.split())[:100]}")


if __name__ == "__main__":
    main()
