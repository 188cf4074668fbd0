"""What SMTP can't carry is encoded anew, once, and decodes to the same bytes; or the letter is refused in words."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.copying.carry import has_long_line
from mailout.core.copying.compose import Refused
from mailout.core.problem import Problem
from mailout.core.reading import mime
from mailout.core.reading.head import cut
from mailout.core.reading.letter import read
from tests.core.copies import ABOUT, NO_LINE, body_of, crlf, faults, head_of, prepared, wire_faults

SEVEN = replace(NO_LINE, eight_bit=False)
LONG = "x" * 999


def mixed(*parts: str) -> bytes:
    """A letter of parts."""
    inner = "".join(f"--b\n{part}\n" for part in parts)
    return crlf(f"From: jane@mail.test\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{inner}--b--\n")


@pytest.mark.parametrize(
    ("part", "encoding"),
    [
        (f"Content-Type: text/plain\n\n{LONG}", "quoted-printable"),
        (f"Content-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n<p>{LONG}", "quoted-printable"),
        (f"\n{LONG}", "quoted-printable"),
        ("Content-Type: text/plain\n\na\0b", "quoted-printable"),
        ("Content-Type: text/plain\nContent-Transfer-Encoding: binary\n\nplain", "quoted-printable"),
        (f"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\na=3D{LONG}", "quoted-printable"),
        (f"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n{'AAAA' * 500}", "base64"),
        (f"Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n{'AAAA' * 249}AA==", "base64"),
        ("Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nAA\0AA", "base64"),
        ("Content-Type: image/png\nContent-Transfer-Encoding: binary\n\n\0\x01\x02", "base64"),
        (f"Content-Type: text/csv\n\n{'日本' * 400}", "base64"),
    ],
)
def test_a_part_is_encoded_anew_and_decodes_to_the_same(part: str, encoding: str) -> None:
    raw = mixed("\nfirst", part, "Content-Type: image/gif\n\nlast")

    made = prepared(raw, NO_LINE)

    assert faults(raw) == []
    one = mime.tree(cut(head_of(made))[0], made.body).children[1]
    assert one.encoding == encoding
    before = read(raw)
    was = mime.tree(before.fields, before.body).children[1]
    if was.encoding != "base64" or "\0" not in part:
        assert mime.decoded(one, made.body) == mime.decoded(was, before.body)
    assert any("decodes to the same bytes" in change for change in made.changes)
    assert not made.kept_whole
    assert made.seal.identical


def test_the_other_parts_stay_octet_for_octet() -> None:
    raw = mixed("\nfirst", f"\n{LONG}", "Content-Type: image/gif\n\nlast")

    body = prepared(raw, NO_LINE).body

    assert body.startswith(b"--b\r\n\r\nfirst\r\n--b\r\n")
    assert body.endswith(b"\r\n--b\r\nContent-Type: image/gif\r\n\r\nlast\r\n--b--\r\n")


def test_a_letter_of_one_part_changes_its_encoding_in_the_head() -> None:
    raw = crlf(
        f"From: jane@mail.test\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n{LONG}\n"
    )

    head = head_of(prepared(raw, NO_LINE))

    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in head
    assert b"Content-Type: text/plain; charset=utf-8\r\n" in head
    assert head.count(b"Transfer-Encoding") == 1


def test_lines_of_998_go_as_they_are() -> None:
    raw = mixed(f"\n{'x' * 998}")

    assert prepared(raw, NO_LINE).kept_whole
    assert body_of(prepared(raw, NO_LINE)) == read(raw).body


@pytest.mark.parametrize(
    ("octets", "long"),
    [
        (b"", False),
        (b"x" * 998, False),
        (b"x" * 999, True),
        (b"x" * 998 + b"\r\n", False),
        (b"x" * 999 + b"\r\n", True),
        (b"x\r\n" * 500 + b"x" * 998 + b"\r\n", False),
        (b"x\r\n" * 500 + b"x" * 999, True),
        (b"\r\n" * 3000, False),
        (b"x" * 998 + b"\r\n" + b"x" * 999 + b"\r\n", True),
    ],
)
def test_a_long_line_is_one_of_over_998_octets(octets: bytes, long: bool) -> None:
    assert has_long_line(octets, 0, len(octets)) is long


def test_eight_bit_goes_as_it_is_where_the_relay_takes_it_and_is_encoded_where_not() -> None:
    raw = mixed("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße")

    with_it, without = prepared(raw, NO_LINE), prepared(raw, SEVEN)

    assert with_it.eight_bit
    assert body_of(with_it) == read(raw).body
    assert not without.eight_bit
    assert b"Gr=C3=BC=C3=9Fe" in without.body
    assert without.body.isascii()
    assert faults(raw, replace(ABOUT, eight_bit=False)) == []


def test_eight_bit_before_the_first_part_and_after_the_last_is_made_harmless() -> None:
    raw = crlf(
        "From: jane@mail.test\nContent-Type: multipart/mixed; boundary=b\n\nMehrteilig: ü\n--b\n\nx\n--b--\nEnde ü\0\n"
    )

    body = prepared(raw, SEVEN).body

    assert body == b"Mehrteilig: ??\r\n--b\r\n\r\nx\r\n--b--\r\nEnde ???\r\n"


@pytest.mark.parametrize(
    ("raw", "about", "where"),
    [
        (mixed(f"Content-Type: image/png; name={LONG}\n\nx"), NO_LINE, "head of the picture"),
        (mixed("Content-Type: image/png; name=ü.png\n\nx"), SEVEN, "head of the picture"),
        (mixed("Content-Type: image/png\nX: \0\n\nx"), NO_LINE, "head of the picture"),
        (mixed(f"Content-Type: message/rfc822\n\nSubject: x\n\n{LONG}"), NO_LINE, "enclosed letter"),
        (mixed("Content-Type: message/rfc822\n\nSubject: ü\n\nx"), SEVEN, "enclosed letter"),
        (mixed(f"Content-Type: message/delivery-status\n\n{LONG}"), NO_LINE, "longer than mail can carry"),
        (
            crlf(f"From: j@mail.test\nContent-Type: multipart/mixed; boundary={LONG}\n\n--{LONG}\n\nx\n--{LONG}--\n"),
            NO_LINE,
            "parts",
        ),
        (crlf("From: j@mail.test\nContent-Type: multipart/mixed; boundary=ü\n\n--ü\n\nx\n--ü--\n"), SEVEN, "parts"),
        (
            crlf("From: j@mail.test\nContent-Type: multipart/mixed; boundary=ü\n\n--ü\n\nx\n--ü--\n"),
            NO_LINE,
            "Content-Type",
        ),
    ],
)
def test_where_nothing_can_be_encoded_the_letter_is_refused(raw: bytes, about: object, where: str) -> None:
    with pytest.raises(Refused) as refused:
        prepared(raw, about)  # type: ignore[arg-type]

    assert refused.value.problem is Problem.UNREADABLE
    assert where in refused.value.detail


def test_a_signed_letter_that_would_have_to_be_encoded_is_held_and_prepared() -> None:
    part = f"Content-Type: multipart/signed; boundary=c\n\n--c\nContent-Type: text/plain\n\n{LONG}\n--c\n\nsig\n--c--\n"
    raw = mixed(part)

    made = prepared(raw)

    assert made.holds == (Problem.SIGNATURE_WOULD_BREAK,)
    assert wire_faults(head_of(made) + body_of(made)) == []
    assert b"quoted-printable" in made.body


def test_the_names_of_containers_are_put_right() -> None:
    raw = crlf(
        "From: j@mail.test\nContent-Transfer-Encoding: binary\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
        "Content-Type: multipart/mixed; boundary=c\nContent-Transfer-Encoding: 8bit\n\n--c\n\nx\n--c--\n--b--\n"
    )

    seven = prepared(raw, SEVEN)

    assert b"Content-Transfer-Encoding: 8bit\r\n" in head_of(prepared(raw, NO_LINE))
    assert b"Content-Transfer-Encoding: 7bit\r\n" in head_of(seven)
    assert b"8bit" not in seven.body


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["text/plain", "text/html", "image/png", "multipart/mixed; boundary=b", "message/rfc822", "bogus"]),
    st.sampled_from(["7bit", "8bit", "binary", "quoted-printable", "base64", "bogus"]),
    st.booleans(),
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from(
                [b"--b\r\n", b"--b--\r\n", b"\0", b"x" * 1000, b"\r\n", b"AAAA" * 300, b"Content-Type: x\r\n\r\n"]
            ),
        ),
        max_size=12,
    ).map(b"".join),
)
def test_any_body_is_carried_or_refused(kind: str, encoding: str, eight_bit: bool, body: bytes) -> None:
    raw = f"From: j@mail.test\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body

    with suppress(Refused):
        assert faults(raw, replace(ABOUT, eight_bit=eight_bit)) == []
