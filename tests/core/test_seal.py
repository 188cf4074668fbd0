"""The seal: what each part was, before and after, and why it differs where it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailout.core.copying.seal import Seal, SealedPart, from_json
from mailout.core.reading import mime
from mailout.core.reading.head import cut
from mailout.core.reading.letter import read
from tests.core.copies import ABOUT, NO_LINE, body_of, crlf, digest, head_of, prepared

LETTERS = Path(__file__).parent.parent / "letters"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bare", "text"),
        ("related-picture", "text, 1 picture"),
        ("mutt", "text, 1 PDF"),
        ("text-around-files", "text, 1 picture, 1 text file, 1 HTML file"),
        ("calendar", "text, 2 calendar invitations"),
        ("forwarded", "text, 1 enclosed letter"),
        ("pgp-signed", "text, 1 signature"),
        ("pgp-encrypted", "2 files"),
    ],
)
def test_a_seal_says_what_the_letter_is_made_of(name: str, words: str) -> None:
    assert prepared((LETTERS / f"{name}.eml").read_bytes()).seal.words() == words


def test_several_of_a_kind_are_counted() -> None:
    pictures = "".join("--b\nContent-Type: image/png\n\nx\n" for _ in range(3))
    raw = crlf(f"From: j@mail.test\nContent-Type: multipart/mixed; boundary=b\n\n{pictures}--b--\n")

    assert prepared(raw).seal.words() == "3 pictures"
    assert Seal().words() == "nothing"


def test_without_the_line_all_is_identical_and_hashed_from_what_it_decodes_to() -> None:
    raw = (LETTERS / "related-picture.eml").read_bytes()
    made = prepared(raw, NO_LINE)

    letter = read(raw)
    hashes = [digest(mime.decoded(part, letter.body)) for part in mime.leaves(mime.tree(letter.fields, letter.body))]
    assert made.seal.identical
    assert [part.before for part in made.seal.parts] == hashes == [part.after for part in made.seal.parts]
    assert {part.why for part in made.seal.parts} == {""}


def test_with_the_line_the_text_differs_and_says_why_and_the_rest_is_identical() -> None:
    made = prepared((LETTERS / "related-picture.eml").read_bytes())

    plain, html, picture = made.seal.parts
    assert plain.lined
    assert html.lined
    assert plain.why == html.why == "The unsubscribe line stands at its end."
    assert picture.identical
    assert picture.why == ""
    assert not made.seal.identical
    assert made.seal.untouched


def test_the_hash_after_is_that_of_the_part_in_a_copy() -> None:
    for name in ("related-picture", "flowed-signature", "alternative-quoted-printable", "apple-split", "utf-16"):
        made = prepared((LETTERS / f"{name}.eml").read_bytes())
        specimen = "https://mailout.invalid/u/specimen"
        body = body_of(made, specimen)
        root = mime.tree(cut(head_of(made))[0], body)
        copies = [mime.decoded(part, body) for part in mime.leaves(root)]
        assert [part.after for part in made.seal.parts] == [digest(octets) for octets in copies]


def test_a_part_that_was_encoded_anew_is_identical_and_one_written_in_utf_8_says_so() -> None:
    long = prepared((LETTERS / "long-line.eml").read_bytes(), NO_LINE)
    recoded = prepared(crlf("From: j@mail.test\n\nHello\n"), replace(ABOUT, organisation_name="Müller"))

    assert long.seal.identical
    assert "UTF-8" in recoded.seal.parts[0].why
    assert recoded.seal.untouched


def test_a_seal_is_read_as_it_was_kept() -> None:
    for name in ("calendar", "bare", "pgp-signed"):
        made = prepared((LETTERS / f"{name}.eml").read_bytes())
        assert from_json(made.seal.as_json()) == made.seal
    assert from_json("") == Seal()


def test_a_seal_that_is_broken_shows() -> None:
    broken = Seal((SealedPart("picture", "pictures", "x.png", 3, "a", "b"),))

    assert not broken.identical
    assert not broken.untouched
