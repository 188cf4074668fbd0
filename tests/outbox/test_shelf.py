"""Letters on the shelf: what is sent from there is what was prepared, and what is missing is made again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import delete, update

from mailout.core import own
from mailout.core.copying import compose
from mailout.core.reading.letter import read as read_letter
from mailout.core.reading.mailbox import Mailbox
from mailout.current import secret, settings
from mailout.models import LetterBytes, Mailout, Notice, blob, db
from mailout.outbox import cached, queue, shelf
from mailout.outbox.ledger import Claimed
from mailout.outbox.shelf import Shelf, Unfit
from mailout.wires.smtp import Copy
from mailout.wires.smtp_line import FilePart
from mailout.wires.smtp_open import Abilities
from tests.makers import Make
from tests.outbox.makers import letter, mailout

HTML = (
    b"From: Jane <jane@mail.test>\r\nSubject: News\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/alternative; boundary=cut\r\n\r\n"
    b"--cut\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"SGVsbG8sIG5laWdoYm91cnMhCg==\r\n"
    b"--cut\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<html><body><p>Hello=2C neighbours!</p>\r\n.a line with a dot\r\n</body></html>\r\n--cut--\r\n"
)


@pytest.fixture
def making(app: Flask, now: datetime) -> Make:
    return Make(now)


def octets(copy: Copy) -> bytes:
    """The message as it goes out, unstuffed."""
    parts = [b"".join(piece.blocks(999)) if isinstance(piece, FilePart) else bytes(piece) for piece in copy.pieces]
    return (b"\r\n" + b"".join(parts)).replace(b"\r\n.", b"\r\n")[2:]


def claimed(mailout_id: int, number: int = 7, name: str = "Ada") -> Claimed:
    return Claimed(number, mailout_id, None, 3, f"c{number}@customers.test", name, 0)


def direct(mailout_id: int, raw: bytes, who: Claimed) -> bytes:
    """The same copy, made without a shelf."""
    row = db.session.get_one(Mailout, mailout_id)
    about = shelf.circumstances(
        row, author_known=row.author_known, received_at=row.received_at or row.created_at, secret_words=("x" * 27,)
    )
    prepared = compose.prepare(read_letter(raw), about)
    token = own.unsubscribe_token(secret(), row.list_id, who.customer_id or 0)
    link = f"{settings().base_url}/u/{token}"
    head = compose.copy_head(
        prepared,
        to=Mailbox(who.name, who.address),
        message_id=own.message_id(secret(), who.id, settings().own.domain),
        unsubscribe_url=link,
        unsubscribe_address=settings().own.unsubscribe_address(token),
    )
    parts = [
        compose.personal(segment, link)
        if isinstance(segment, compose.Personal)
        else prepared.body[segment.start : segment.end]
        for segment in prepared.segments
    ]
    return head + b"".join(parts)


LETTERS = {"plain": letter(), "long": letter(50_000), "html": HTML, "large": letter(3_000_000)}


@pytest.mark.parametrize("raw", LETTERS.values(), ids=LETTERS)
@pytest.mark.parametrize("line", [True, False], ids=["line", "no line"])
def test_a_copy_from_the_shelf_is_the_copy_that_compose_makes(making: Make, raw: bytes, line: bool) -> None:
    sent = mailout(making.user(), making.list(line=line), raw, (), datetime.now(UTC))

    copy = Shelf().copy_for(claimed(sent))

    assert octets(copy) == direct(sent, raw, claimed(sent))
    assert copy.size == sum(map(len, copy.pieces))
    assert copy.address == "c7@customers.test"
    assert settings().own.read(copy.return_path, secret()) == own.Said(own.What.BOUNCE, numbers=(7,))


def test_every_copy_has_links_of_its_own_and_the_same_body(making: Make) -> None:
    sent = mailout(making.user(), making.list(), HTML, (), datetime.now(UTC))
    made = Shelf()

    first, second = (made.copy_for(claimed(sent, number)._replace(customer_id=number)) for number in (1, 2))

    links = [re.findall(rb"/u/(1-\d+-[0-9a-z]+)", octets(copy)) for copy in (first, second)]
    assert links[0][0].startswith(b"1-1-")
    assert links[1][0].startswith(b"1-2-")
    shared = [[piece for piece in copy.pieces if isinstance(piece, memoryview)] for copy in (first, second)]
    assert all(one is other for one, other in zip(*shared, strict=True))
    parsed = message_from_bytes(octets(first))
    assert b"/u/1-1-" in parsed.get_payload()[0].get_payload(decode=True)  # type: ignore[index, union-attr]
    assert b"/u/1-1-" in parsed.get_payload()[1].get_payload(decode=True)  # type: ignore[index, union-attr]


def test_lines_that_begin_with_a_dot_are_stuffed_once_wherever_they_are(making: Make) -> None:
    raw = letter().replace(b"\r\n\r\n", b"\r\n\r\n.first\r\n..second\r\n.\r\n", 1)
    sent = mailout(making.user(), making.list(), raw, (), datetime.now(UTC))

    copy = Shelf().copy_for(claimed(sent))

    wire = b"".join(bytes(piece) for piece in copy.pieces)
    assert b"\r\n\r\n..first\r\n...second\r\n..\r\n" in wire
    assert b"\r\n.\r\n" not in wire
    assert wire.endswith(b"\r\n")


LINES = [b".", b"..", b"", b"a", b"..a", b"x" * 40]


@given(body=some.lists(some.sampled_from(LINES), max_size=30), block=some.integers(1, 9))
def test_stuffing_block_by_block_is_stuffing_at_once(body: list[bytes], block: int) -> None:
    whole = b"\r\n".join(body)
    before, cached.BLOCK = cached.BLOCK, block
    try:
        stuffed = b"".join(cached._stuffed(whole, 0, len(whole), True))
    finally:
        cached.BLOCK = before

    assert stuffed == (b"\r\n" + whole).replace(b"\r\n.", b"\r\n..")[2:]


def test_the_file_is_made_again_when_it_is_missing_or_broken(making: Make) -> None:
    sent = mailout(making.user(), making.list(), letter(), (), datetime.now(UTC))
    good = octets(Shelf().copy_for(claimed(sent)))
    (file,) = settings().cache_dir.glob(f"{sent}-*")

    for damage in (lambda: file.unlink(), lambda: file.write_bytes(b""), lambda: file.write_bytes(b"x" * 500)):
        damage()
        assert octets(Shelf().copy_for(claimed(sent))) == good
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_what_was_stored_when_the_letter_was_looked_at_is_what_goes(making: Make) -> None:
    raw = letter()
    place = making.list()
    sent = mailout(making.user(), place, raw, (), datetime.now(UTC))
    row = db.session.get_one(Mailout, sent)
    about = shelf.circumstances(row, author_known=True, received_at=row.created_at, secret_words=("x" * 27,))
    prepared = compose.prepare(read_letter(raw), about)
    shelf.store(sent, replace(prepared, head=prepared.head.replace(b"Spring news", b"As it was seen")))

    assert b"As it was seen" in octets(Shelf().copy_for(claimed(sent)))


def test_a_file_of_another_letter_with_the_same_number_is_not_taken(making: Make) -> None:
    sent = mailout(making.user(), making.list(), letter(), (), datetime.now(UTC))
    Shelf().copy_for(claimed(sent))
    row = db.session.get_one(Mailout, sent)
    assert row.letter is not None
    row.letter.digest = "another"
    db.session.execute(update(LetterBytes).values(raw=letter().replace(b"Spring", b"Autumn")))
    db.session.commit()

    assert b"Autumn news" in octets(Shelf().copy_for(claimed(sent)))


def test_a_letter_that_is_not_kept_any_more_is_unfit(making: Make) -> None:
    sent = mailout(making.user(), making.list(), letter(), (), datetime.now(UTC))
    db.session.execute(delete(LetterBytes))
    db.session.commit()

    with pytest.raises(Unfit, match="not kept any more"):
        Shelf().copy_for(claimed(sent))


def test_what_the_relay_can_not_do_is_remembered_for_the_next_letter(making: Make) -> None:
    sent = mailout(making.user(), making.list(line=False), _eight_bit(), (), datetime.now(UTC))
    made = Shelf()
    assert made.copy_for(claimed(sent)).eight_bit

    made.learn(Abilities(eight_bit=False))
    assert not made.copy_for(claimed(sent)).eight_bit
    made.remember_abilities()

    assert not shelf.relay_takes_eight_bit()
    assert not Shelf().copy_for(claimed(sent)).eight_bit


def test_files_of_mailouts_that_are_over_are_cleared_away(making: Make, now: datetime) -> None:
    user, place = making.user(), making.list()
    over = mailout(user, place, letter(), (), now)
    open_one = mailout(user, place, letter(), (), now + timedelta(seconds=1))
    for one in (over, open_one):
        Shelf().copy_for(claimed(one))
    Path(settings().cache_dir / "99-deadbeef.8bit").write_bytes(b"of no mail-out")
    db.session.execute(update(Mailout).where(Mailout.id == over).values(finished_at=now))
    db.session.commit()

    shelf.clear_away()

    assert [path.name.partition("-")[0] for path in settings().cache_dir.iterdir()] == [str(open_one)]


def _eight_bit() -> bytes:
    eight = letter().replace(b"utf-8\r\n", b"utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", 1)
    return eight + "Grüße\r\n".encode()


@pytest.mark.parametrize("lines", [3, 60_000], ids=["small", "large"])
@pytest.mark.parametrize("end", [b"\r\n", b""], ids=["ended", "open"])
def test_a_notice_goes_out_as_it_was_written_a_large_one_from_a_file(
    making: Make, lines: int, end: bytes, now: datetime
) -> None:
    written = b"Subject: x\r\n\r\n" + b".a line that begins with a dot\r\n" * lines + b".the end" + end
    notice = Notice(name="n", kind="error", subject="x", raw=b"", created_at=now)
    assert queue.put_notice(notice, [("ada@mail.test", "Ada")])
    blob.fill(Notice.raw, Notice.id, notice.id, (written[at : at + 31] for at in range(0, len(written), 31)))
    db.session.commit()
    assert notice.raw == written

    copy = Shelf().copy_for(Claimed(1, None, notice.id, None, "ada@mail.test", "Ada", 0))

    assert octets(copy) == written + (b"" if end else b"\r\n")
    assert copy.size == sum(map(len, copy.pieces)) == len(octets(copy)) + lines + 1
    assert isinstance(copy.pieces[0], FilePart) == (lines > 3)
    assert not copy.eight_bit
