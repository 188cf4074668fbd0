"""What a careful colleague would notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailout.core.copying.checks import check
from mailout.core.reading.letter import read
from tests.core.copies import crlf, prepared
from tests.core.test_line import FILE, H, P, multi

LETTERS = Path(__file__).parent.parent / "letters"


def words(raw: bytes) -> str:
    """All that is noticed, on a line each; serious things end in an exclamation mark."""
    return "\n".join(one.words + ("!" if one.serious else "") for one in check(read(raw), prepared(raw)))


def letter(text: str = "Hello, come and see us.\n", subject: str = "News", kind: str = "text/plain") -> bytes:
    """A letter of one part."""
    return crlf(f"From: jane@mail.test\nSubject: {subject}\nContent-Type: {kind}; charset=utf-8\n\n{text}\n")


def test_nothing_is_noticed_in_an_ordinary_letter() -> None:
    assert words(letter()) == ""
    assert words(crlf("From: j@mail.test\nSubject: News\n" + multi("alternative", P, H))) == ""


@pytest.mark.parametrize(
    ("raw", "noticed"),
    [
        (crlf("From: j@mail.test\n\nx\n"), "The letter has no subject.!"),
        (letter(subject="  "), "The letter has no subject.!"),
        (letter(subject="Re: News"), 'The subject begins with "Re:".'),
        (letter(subject="AW: News"), 'The subject begins with "AW:".'),
        (letter(subject="Fwd: News"), 'The subject begins with "Fwd:".'),
        (letter(""), "There is no text in the letter.!"),
        (letter("<p></p>", kind="text/html"), "There is no text in the letter.!"),
        (letter("<p>Hello</p>", kind="text/html"), "no plain text beside its HTML"),
        (letter("See the attached list."), 'The text says "attached", but nothing is attached.!'),
        (letter("Im Anhang die Liste."), 'The text says "Im Anhang"'),
        (letter("Vous trouverez ci-joint la liste."), "ci-joint"),
        (letter("Dear {{first_name}},"), 'still has "{{first_name}}" in it. It goes out like that.!'),
        (letter("Dear [Name],"), 'still has "[Name]"'),
        (letter("Lorem ipsum dolor"), "Lorem ipsum"),
        (letter(subject="News for {{name}}"), 'The subject still has "{{name}}"'),
        (letter("Look:\n\n-----Original Message-----\nFrom: Bob\n"), "An older letter stands below"),
        (letter("Look:\n\nOn Tue, 24 Nov 2026, Bob <b@x.org> wrote:\n> hi\n"), "An older letter stands below"),
        (letter('<p>x<img src="https://x.org/a.png"></p>', kind="text/html"), "A picture is loaded from the web"),
        (letter('<p>x<img src="cid:none@x"></p>', kind="text/html"), "A picture is missing"),
        (letter("file:///C:/Users/jane/prices.pdf"), 'points to "file:///C:/Users/jane/prices.pdf"'),
        (letter("http://192.168.1.2/prices"), "only your own computer or network can open.!"),
        (letter("https://www.icloud.com/attachment/?u=x"), "Mail Drop link, which works for 30 days."),
        (letter("https://drive.google.com/file/d/1/view"), "may not be allowed to open https://drive.google.com/file"),
        (
            crlf("From: j@mail.test\nSubject: x\n" + multi("mixed", P, FILE.replace("x.txt", "setup.exe"))),
            '"setup.exe".!',
        ),
        (letter("x" * 70 + "\n" + ("y" * 70 + "\n") * 80_000), "Each copy has 5."),
        (letter(("y" * 70 + "\n") * 160_000), "take no letter of over 10 MB.!"),
    ],
)
def test_what_looks_like_a_mistake_is_noticed(raw: bytes, noticed: str) -> None:
    assert noticed in words(raw)


@pytest.mark.parametrize(
    "raw",
    [
        crlf("From: j@mail.test\nSubject: x\n" + multi("mixed", P.replace("\n\nplain", "\n\nSee attached."), FILE)),
        letter("Bye.\n\nOn Tue, 24 Nov 2026, Bob <b@x.org> wrote:\n> I attached it."),
        letter("Regular prices", subject="Reduced prices"),
        letter("x <y> {z} [1]"),
    ],
)
def test_what_is_no_mistake_is_not_called_serious(raw: bytes) -> None:
    assert "!" not in words(raw)


@pytest.mark.parametrize("file", sorted(LETTERS.glob("*.eml")), ids=lambda file: file.stem)
def test_our_letters_are_looked_at_without_a_fault(file: Path) -> None:
    raw = file.read_bytes()

    assert all(one.words.endswith(".") for one in check(read(raw), prepared(raw)))


def test_serious_things_come_first() -> None:
    found = check(read(raw := letter("Dear {{name}}", subject="Re: x")), prepared(raw))

    assert [one.serious for one in found] == [True, False]
