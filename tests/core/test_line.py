"""The unsubscribe line: at the end of what is displayed, one link in each, and nothing else is touched."""

from __future__ import annotations

import base64
import quopri
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.copying import compose
from mailout.core.copying.compose import Circumstances, Personal, personal
from mailout.core.copying.line import Kind
from mailout.core.copying.markup import content_end, open_tables
from mailout.core.copying.wording import plain, wording
from mailout.core.reading import mime
from mailout.core.reading.head import cut
from mailout.core.reading.letter import read
from tests.core.copies import ABOUT, LINK, body_of, copy_of, crlf, faults, head_of, prepared

LINE = "Happy Paws, 12 High Street, Lismore NSW 2480 - Leave this list: " + LINK
MARKUP = f'<a\r\nhref="{LINK}">Leave this list</a></p>'
UMLAUT = replace(ABOUT, organisation_name="Müllers Hütte")
KANJI = replace(ABOUT, organisation_name="東京グルーミング")


def letter(kind: str, content: bytes | str, charset: str = "", encoding: str = "", more: str = "") -> bytes:
    """A letter of one part; `content` is encoded as is said."""
    octets = content if isinstance(content, bytes) else content.encode(charset or "ascii")
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets.replace(b"\r\n", b"\n"))
    said = (f"; charset={charset}" if charset else "") + more
    head = f"From: jane@mail.test\nTo: m@mail.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: {kind}{said}\n"
    head += f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
    return crlf(head.encode() + b"\n" + octets)


def said(raw: bytes, about: Circumstances = ABOUT) -> list[str]:
    """The texts of a copy, as they read, in order."""
    assert faults(raw, about) == []
    fields, body = cut(copy_of(raw, about))
    return [mime.text(part, body) for part in mime.leaves(mime.tree(fields, body)) if part.type.startswith("text/")]


TEXTS = [
    ("us-ascii", "7bit"),
    ("", ""),
    ("utf-8", "8bit"),
    ("utf-8", "quoted-printable"),
    ("utf-8", "base64"),
    ("iso-8859-1", "quoted-printable"),
    ("windows-1252", "8bit"),
    ("koi8-r", "base64"),
    ("iso-2022-jp", "7bit"),
    ("iso-2022-jp", "base64"),
    ("iso-2022-kr", "7bit"),
    ("shift_jis", "base64"),
    ("euc-jp", "8bit"),
    ("gb2312", "base64"),
    ("gb18030", "quoted-printable"),
    ("big5", "base64"),
    ("utf-16", "base64"),
    ("utf-16le", "base64"),
    ("utf-16be", "base64"),
    ("utf-32", "base64"),
    ("utf-7", "7bit"),
    ("hz", "7bit"),
]


@pytest.mark.parametrize(("charset", "encoding"), TEXTS)
def test_a_text_in_any_charset_and_encoding_gets_the_line_after_a_blank_one(charset: str, encoding: str) -> None:
    (text,) = said(letter("text/plain", "Hello,\r\nall of you.\r\n", charset, encoding))

    lines = text.removeprefix("\ufeff").splitlines()
    assert lines[:3] == ["Hello,", "all of you.", ""]
    assert lines[3] == LINE


@pytest.mark.parametrize(
    ("charset", "word"),
    [("iso-2022-jp", "金曜日"), ("shift_jis", "金曜日"), ("gb2312", "星期五"), ("koi8-r", "пятница"),
     ("utf-16", "пятница"), ("utf-7", "пятница"), ("hz", "星期五"), ("iso-2022-kr", "금요일"),
     ("euc-kr", "금요일"), ("utf-8", "🐕")],
)  # fmt: skip
def test_what_is_not_ascii_stays_what_it_was(charset: str, word: str) -> None:
    for encoding in ("base64", "quoted-printable"):
        if charset == "utf-16" and encoding == "quoted-printable":
            continue
        (text,) = said(letter("text/plain", f"{word}\r\n{word}\r\n", charset, encoding))
        assert text.removeprefix("\ufeff").splitlines() == [word, word, "", LINE]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", [LINE]),
        ("\n", ["", LINE]),
        ("one", ["one", "", LINE]),
        ("one\n\n", ["one", "", LINE]),
        ("one\n\n\n\n", ["one", "", "", "", LINE]),
        ("one\n-- \nJane\n", ["one", "-- ", "Jane", "", LINE]),
        ("one\n-- \n", ["one", "-- ", "", LINE]),
        ("> quoted\n", ["> quoted", "", LINE]),
    ],
)
@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
def test_one_blank_line_stands_between(content: str, lines: list[str], encoding: str) -> None:
    root, body = _alone(letter("text/plain", content, "us-ascii", encoding))

    text = mime.text(root, body)
    if encoding != "base64" and not content.endswith("\n"):
        lines = lines if content else ["", *lines] if text.startswith("\r\n") else lines
    assert text.splitlines() == lines


def _alone(raw: bytes, about: Circumstances = ABOUT) -> tuple[mime.Part, bytes]:
    assert faults(raw, about) == []
    fields, body = cut(copy_of(raw, about))
    return mime.tree(fields, body), body


@pytest.mark.parametrize("inside", ["one", "one\n", "one\n\n", "", "\n"])
def test_a_text_between_others_keeps_its_delimiters(inside: str) -> None:
    raw = crlf(
        "From: jane@mail.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n"
        f"{inside}\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
    )

    texts = said(raw)
    assert texts[0].endswith(LINE)
    assert texts[0].startswith(inside.replace("\n", "\r\n"))


@pytest.mark.parametrize("head", ["Content-Type: text/plain\n", "Content-Type: text/plain\n\n", "\n"])
def test_an_empty_part_gets_the_line_and_its_head_stays_one(head: str) -> None:
    raw = crlf(f"From: jane@mail.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{head}--b--\n")

    assert said(raw) == [LINE] if head != "\n" else faults(raw) == []


FLOWED = "; format=flowed"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("one \ntwo\n", ["one ", "two", "", LINE]),
        ("one \n", ["one ", "", "", LINE]),
        ("one \n\n", ["one ", "", "", LINE]),
        ("one\n-- \n", ["one", "-- ", "", LINE]),
    ],
)
def test_a_flowed_paragraph_ends_before_the_line(content: str, lines: list[str]) -> None:
    (text,) = said(letter("text/plain", content, "us-ascii", "7bit", FLOWED))

    assert text.splitlines() == lines


def test_a_line_that_flowed_text_would_read_as_quoted_is_stuffed() -> None:
    for name in ("> Paws", "From Paws"):
        (text,) = said(letter("text/plain", "x\n", "us-ascii", "7bit", FLOWED), replace(ABOUT, organisation_name=name))
        assert text.splitlines()[-1].startswith(f" {name}")


@pytest.mark.parametrize(
    "encoded",
    [
        b"SGVsbG8=",
        b"SGVsbG8",
        b"SGVs\r\nbG8=",
        b"SGVsbG8h",
        b"SGVs\r\nbG8h\r\n",
        b"SGVsb\r\nG8=",
        b"SGVs bG8=\r\nSGVsbG8=",
        b"S*GVsbG8=",
        b"SGVsbG8hSGVsbG8h\r\n" * 9 + b"SGV\r\nsbG8=",
        b"SGVsbG8=\r\n\r\n\r\n",
    ],
)
def test_base64_of_any_form_is_encoded_anew_from_a_group_of_three(encoded: bytes) -> None:
    raw = letter("text/plain", b"", "us-ascii").replace(
        b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded
    )

    (text,) = said(raw)
    assert text.startswith("Hello")
    assert text.endswith(LINE)


@pytest.mark.parametrize("encoded", [b"x=", b"x=\r\n", b"x =\r\n", b"x=4", b"x==", b"x  ", b"=", b"x=20"])
def test_quoted_printable_of_any_ending_gets_the_line(encoded: bytes) -> None:
    head = b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"

    (text,) = said(letter("text/plain", b"", "us-ascii").replace(b"\r\n\r\n", head + encoded))

    assert text.splitlines()[-1] == LINE


HTML = [
    ("<p>x</p>", "<p>x</p>", ""),
    ("<html><body><p>x</p></body></html>", "<html><body><p>x</p>", "</body></html>"),
    ("<BODY>x</BODY >\n</HTML>\n", "<BODY>x", "</BODY >\n</HTML>\n"),
    ("<body>x</body></html><!-- sent by me -->\n", "<body>x", "</body></html><!-- sent by me -->\n"),
    ("<body>x<!-- </body> --></body>", "<body>x<!-- </body> -->", "</body>"),
    ("<body>x</body></html>\nfooter", "<body>x</body></html>\nfooter", ""),
    ("<body>x<!-- never closed", "<body>x", "<!-- never closed"),
    ("<body>x<style>p{}", "<body>x", "<style>p{}"),
    ("<body>x<a href='", "<body>x", "<a href='"),
    ("<body>1 < 2", "<body>1 < 2", ""),
    ("<!--[if mso]><p>x</p><![endif]--></body>", "<!--[if mso]><p>x</p><![endif]-->", "</body>"),
    ("", "", ""),
]


@pytest.mark.parametrize(("markup", "before", "after"), HTML)
@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
def test_html_gets_the_line_where_its_content_ends(markup: str, before: str, after: str, encoding: str) -> None:
    (text,) = said(letter("text/html", markup, "us-ascii", encoding))

    assert content_end(markup.encode()) == len(before)
    assert MARKUP in text
    start, end = text.index("<p style"), text.index(MARKUP) + len(MARKUP)
    assert text[:start].split() == before.split()
    assert text[end:].split() == after.split()


def test_html_in_quoted_printable_is_cut_between_two_of_its_units() -> None:
    for tail in (
        b"=3C/body=3E=3C/html=3E",
        b"</bo=\r\ndy></ht=\r\nml>",
        b"caf=E9 = \r\n</body>",
        b"==</body>",
        b"a  \r\n</body>\r\n",
    ):
        octets = b'<html><body style=3D"x">G=E9n=\r\nial' + tail
        raw = letter("text/html", b"", "iso-8859-1").replace(
            b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + octets
        )

        (text,) = said(raw)
        assert "Génial" in text
        assert MARKUP in text


def test_tables_that_are_open_are_closed_before_the_line_or_it_would_stand_above_them() -> None:
    markup = "<body><table><tr><td>x<table></table>"

    (text,) = said(letter("text/html", markup, "us-ascii"))

    assert "</td></tr></table><p style" in text
    assert open_tables(markup.encode(), len(markup)) == 1


@pytest.mark.parametrize(("charset", "encoding"), [*TEXTS, ("utf-16", "base64"), ("big5", "8bit")])
def test_html_carries_any_name_in_references(charset: str, encoding: str) -> None:
    (text,) = (
        said(letter("text/html", "<body>x</body>", charset, encoding), KANJI) if charset != "hz" else ("&#26481;",)
    )

    assert "&#26481;" in text


def test_a_text_that_can_not_carry_the_name_is_written_in_utf_8() -> None:
    for about, charset, encoding in (
        (UMLAUT, "us-ascii", "7bit"),
        (UMLAUT, "", ""),
        (UMLAUT, "utf-8", "7bit"),
        (KANJI, "iso-8859-1", "quoted-printable"),
        (KANJI, "iso-8859-1", "8bit"),
        (KANJI, "koi8-r", "base64"),
    ):
        raw = letter("text/plain", "Hello\n", charset, encoding)
        (text,) = said(raw, about)
        assert text.splitlines() == ["Hello", "", LINE.replace("Happy Paws", about.organisation_name)]
        assert any("UTF-8" in change for change in prepared(raw, about).changes)


def test_a_text_that_can_and_may_carry_the_name_is_not_written_anew() -> None:
    for about, charset, encoding in (
        (UMLAUT, "utf-8", "8bit"),
        (UMLAUT, "iso-8859-1", "quoted-printable"),
        (KANJI, "iso-2022-jp", "7bit"),
        (KANJI, "utf-16", "base64"),
    ):
        raw = letter("text/plain", "Hello\n", charset, encoding)
        assert about.organisation_name in said(raw, about)[0]
        assert not any("UTF-8" in change for change in prepared(raw, about).changes)


def test_a_text_whose_charset_nobody_knows_gets_the_line_in_ascii() -> None:
    (text,) = said(letter("text/plain", b"Sch\xf6n\n", "bogus", "8bit"), UMLAUT)

    assert text.splitlines()[-1] == LINE.replace("Happy Paws", "Mullers Hutte")
    assert plain("„Groß“ – Æ 東京 ") == '"Gross" - Ae '


def test_text_is_eight_bit_only_where_the_relay_takes_it() -> None:
    seven = replace(UMLAUT, eight_bit=False)

    (text,) = said(letter("text/plain", "Hello\n", "utf-8", "8bit"), seven)

    assert "Müllers" in text
    assert copy_of(letter("text/plain", "Hello\n", "utf-8", "8bit"), seven).isascii()


PNG = "Content-Type: image/png\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\nAAAA\n"
P, H = "Content-Type: text/plain\n\nplain\n", "Content-Type: text/html\n\n<p>html</p>\n"
FILE = 'Content-Type: text/plain\nContent-Disposition: attachment; filename="x.txt"\n\nfile\n'
NAMED = 'Content-Type: text/plain; name="x.txt"\nContent-Disposition: inline\n\nfile\n'
ICS = "Content-Type: text/calendar\n\nBEGIN:VCALENDAR\n"
LETTER = "Content-Type: message/rfc822\n\nSubject: x\n\ninner\n"


def multi(kind: str, *parts: str, mark: str = "b") -> str:
    """A multipart out of parts."""
    inner = "".join(f"--{mark}\n{part}" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={mark}\n\n{inner}--{mark}--\n"


@pytest.mark.parametrize(
    ("whole", "lined"),
    [
        (multi("alternative", P, H), ["1.1", "1.2"]),
        (multi("mixed", P, PNG), ["1.1"]),
        (multi("mixed", P, PNG, P), ["1.3"]),
        (multi("mixed", H, PNG, H), ["1.3"]),
        (multi("mixed", P, FILE), ["1.1"]),
        (multi("mixed", P, NAMED), ["1.1"]),
        (multi("mixed", FILE), []),
        (multi("mixed", P, H), ["1.1", "1.2"]),
        (multi("mixed", P, LETTER), ["1.1"]),
        (multi("alternative", P, multi("mixed", H, PNG, H, mark="c")), ["1.1", "1.2.3"]),
        (multi("alternative", P, multi("related", H, PNG, mark="c")), ["1.1", "1.2.1"]),
        (multi("related", multi("alternative", P, H, mark="c"), PNG), ["1.1.1", "1.1.2"]),
        (multi("mixed", multi("alternative", P, H, ICS, mark="c"), FILE), ["1.1.1", "1.1.2"]),
        (multi("mixed", multi("mixed", P, mark="c"), multi("mixed", P, mark="d")), ["1.2.1"]),
        (multi("related; start=<h@x>", PNG, H.replace("\n\n", "\nContent-ID: <h@x>\n\n", 1)), ["1.2"]),
        (multi("digest", "\nSubject: x\n\ninner\n"), []),
        (multi("signed", P, PNG), []),
        (multi("mixed", multi("signed", P, PNG, mark="c"), P), []),
        (multi("encrypted", PNG, PNG), []),
        (multi("alternative", ICS), []),
        (multi("mixed", "Content-Type: text/plain; name=\" \"\n\nbody\n"), ["1.1"]),
    ],
)  # fmt: skip
def test_the_line_stands_under_what_is_displayed_last(whole: str, lined: list[str]) -> None:
    raw = crlf(f"From: jane@mail.test\nMIME-Version: 1.0\n{whole}")

    assert faults(raw) == []
    assert [one.number for one in prepared(raw).segments if isinstance(one, Personal)] == lined


def test_the_pieces_of_each_kind_are_completed_in_microseconds() -> None:
    for encoding, kind in (("7bit", Kind.PLAIN), ("quoted-printable", Kind.QUOTED_PRINTABLE), ("base64", Kind.BASE64)):
        made = prepared(letter("text/html", "<body>" + "<p>x</p>\n" * 5000 + "</body>", "us-ascii", encoding))
        (piece,) = (one for one in made.segments if isinstance(one, Personal))
        assert piece.kind is kind

        best = min(_took(piece) for _ in range(30))
        assert best < 60e-6


def _took(piece: Personal) -> float:
    started = time.perf_counter()
    for _ in range(20):
        personal(piece, LINK)
    return (time.perf_counter() - started) / 20


@pytest.mark.parametrize(
    ("line", "words", "anchor"),
    [
        ("Leave this list", "Paws, 1 High St - Leave this list: ", "Leave this list"),
        (
            "You hear from {organisation}. No more?",
            "1 High St - You hear from Paws. No more? ",
            "You hear from Paws. No more?",
        ),
        ("{organisation}, {address}. Leave:", "Paws, 1 High St. Leave: ", "Paws, 1 High St. Leave:"),
        ("{link}", "Paws, 1 High St - Unsubscribe: ", "Unsubscribe"),
        ("a\r\nb  {nothing}", "Paws, 1 High St - a, b {nothing} ", "a, b {nothing}"),
    ],
)
def test_the_wording_always_names_the_organisation(line: str, words: str, anchor: str) -> None:
    made = wording(line, "Paws", "1 High St")

    assert made.words == words
    assert made.markup_after.startswith(f'">{anchor}</a>')


def test_a_wording_of_any_length_and_script_stays_within_the_lines_of_mail() -> None:
    for name in ("長い名前" * 200, "<script>&" * 100, "word " * 400, "ü" * 900):
        about = replace(ABOUT, organisation_name=name, organisation_address="12 High Street\nLismore")
        for kind in ("text/plain", "text/html"):
            for encoding in ("7bit", "8bit", "quoted-printable", "base64"):
                assert faults(letter(kind, "Hello\n", "utf-8", encoding), about) == []


def test_a_link_is_escaped_in_html_and_in_quoted_printable() -> None:
    link = "https://mail.test/u/a?b=1&c=2"
    for encoding in ("7bit", "quoted-printable", "base64"):
        made = prepared(letter("text/html", "<p>x</p>", "us-ascii", encoding))
        body = body_of(made, link)
        root = mime.tree(cut(head_of(made))[0], body)
        assert 'href="https://mail.test/u/a?b=1&amp;c=2"' in mime.text(root, body)


PIECES = (b"a", b"=", b"\r\n", b" ", b"\xe4", b"<", b"</body>", b"<!--", b"-->", b"SGVs", b"\x1b$B", b"=41", b"-- ")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["text/plain", "text/html"]),
    st.sampled_from(["", "us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp", "utf-16", "bogus"]),
    st.sampled_from(["7bit", "8bit", "quoted-printable", "base64", "bogus"]),
    st.sampled_from([ABOUT, UMLAUT, KANJI]),
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
)
def test_any_text_gets_the_line_or_stays_as_it_is(
    kind: str, charset: str, encoding: str, about: Circumstances, content: bytes
) -> None:
    head = f"From: jane@mail.test\r\nContent-Type: {kind}{f'; charset={charset}' if charset else ''}\r\n"
    raw = f"{head}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + content

    assert faults(raw, about) == []
    assert compose.prepare(read(raw), about).seal.untouched
