"""Real messages of all sorts into copies: each goes out true, or is refused or held for a reason in words.

The messages are other people's and stay where they are; without them these tests are skipped.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mailout.core.copying import checks
from mailout.core.copying.compose import Circumstances, Refused, prepare
from mailout.core.copying.preview import preview
from mailout.core.reading import mime
from mailout.core.reading.head import cut, first, mailboxes, readable
from mailout.core.reading.letter import read
from tests.core.copies import ABOUT, KEY, KEY_ADDRESS, NO_LINE, REMOTE, body_of, copy_of, faults, head_of, prepared

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
FILES = [file for part in ("messages", "hostile", "clients") for file in sorted((CORPUS / part).glob("*.eml"))]
ALL = [file for part in ("bounces", "autoreplies") for file in sorted((CORPUS / part).glob("*.eml"))]
SECONDS_MOST = 5
pytestmark = pytest.mark.skipif(not FILES, reason="the corpus of real messages is not there (../shared/corpus)")

each = pytest.mark.parametrize("file", FILES or [None], ids=lambda file: file.stem if file else "none")
SEVEN = replace(ABOUT, eight_bit=False, organisation_name="Müllers Hütte")


@each
@pytest.mark.parametrize("about", [ABOUT, SEVEN], ids=["8-bit", "7-bit"])
def test_every_message_has_true_copies_or_a_reason(file: Path, about: Circumstances) -> None:
    started = time.process_time()

    try:
        assert faults(file.read_bytes(), about) == []
    except Refused as refused:
        assert refused.detail.endswith(".")  # noqa: PT017 - either is right, and both are checked
        assert file.parent.name != "messages" or about is SEVEN

    assert time.process_time() - started < SECONDS_MOST


@each
def test_without_the_line_body_subject_name_and_attachments_are_the_same(file: Path) -> None:
    letter = read(file.read_bytes())
    try:
        made = prepare(letter, replace(NO_LINE, from_policy="keep"))
    except Refused:
        return

    body, (fields, _) = body_of(made), cut(head_of(made))
    assert body == letter.body or made.changes
    assert _read(fields, "subject") == _read(letter.fields, "subject").strip() or "�" in _read(letter.fields, "subject")
    if letter.author is not None:
        assert mailboxes(first(fields, "from").value)[0].name == letter.author.name  # type: ignore[union-attr]
    before, after = mime.tree(letter.fields, letter.body), mime.tree(fields, body)
    assert [_file(part, letter.body) for part in mime.leaves(before)] == [
        _file(part, body) for part in mime.leaves(after)
    ]


def _read(fields: tuple[object, ...], name: str) -> str:
    """A field as people read it, without NULs and blanks at its ends."""
    field = first(fields, name)  # type: ignore[arg-type]
    return readable(field.value).strip() if field else ""


def _file(part: mime.Part, body: bytes) -> tuple[str, str, bytes]:
    return part.type, part.filename, mime.decoded(part, body)


@each
def test_a_key_in_a_real_message_is_found_wherever_it_is_put(file: Path) -> None:
    letter = read(file.read_bytes())
    for at in range(0, len(letter.body), max(1, len(letter.body) // 5)):
        body = letter.body[:at] + f"<{KEY_ADDRESS}>".encode() + letter.body[at:]
        try:
            made = prepare(replace(letter, body=body), ABOUT)
        except Refused:
            continue
        assert KEY.encode() not in (head_of(made) + body_of(made)).lower()


@each
def test_every_message_can_be_looked_at(file: Path) -> None:
    letter = read(file.read_bytes())

    shown = preview(letter.fields, letter.body)

    assert not REMOTE.search(shown.html)
    try:
        copy = copy_of(file.read_bytes())
    except Refused:
        return
    assert not REMOTE.search(preview(*cut(copy)).html)
    assert all(one.words.endswith(".") for one in checks.check(letter, prepared(file.read_bytes())))


@pytest.mark.parametrize("file", ALL or [None], ids=lambda file: file.stem if file else "none")
def test_what_only_machines_write_is_prepared_or_refused_too(file: Path) -> None:
    try:
        assert faults(file.read_bytes()) == []
    except Refused as refused:
        assert refused.detail  # noqa: PT017 - either is right, and both are checked


def test_of_the_ordinary_messages_none_is_refused_and_few_are_encoded_anew() -> None:
    made = [prepared(file.read_bytes(), NO_LINE) for file in FILES if file.parent.name in ("messages", "clients")]

    anew = [one for one in made if not one.kept_whole]
    assert len(made) > 40
    assert len(anew) <= 1
