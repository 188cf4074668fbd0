"""A letter is read whatever its bytes are, and every address that it is for is found wherever it hides."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core import own
from mailout.core.own import Own, Said, What
from mailout.core.reading.letter import Stamp, read

KEY = own.make_key("a secret", 7, b"n" * 16)
SECRET = b"s" * 32
OWN = Own("mailout+{key}@mail.test", "mailout+b-{token}@mail.test", "mailout+u-{token}@mail.test", "mailout@mail.test")
SUBDOMAIN = Own("{key}@mailout.test", "b-{token}@mailout.test", "u-{token}@mailout.test", "mail@mailout.test")
ADDRESS = f"mailout+{KEY}@mail.test"


def keys(raw: bytes, ours: Own = OWN) -> set[str]:
    """The keys that the letter is addressed to."""
    said = [ours.read(address, SECRET) for address in read(raw).named]
    return {one.key for one in said if one and one.what is What.KEY}


def letter(*head: str, body: str = "Hello\r\n") -> bytes:
    return "".join(f"{line}\r\n" for line in ("From: Jane <jane@mail.test>", *head, "", body)).encode("utf-8")


PLACES = [
    "To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To",
    "X-Delivered-To", "X-Forwarded-To", "Apparently-To",
]  # fmt: skip


@pytest.mark.parametrize("place", [*PLACES, *map(str.upper, PLACES), *map(str.lower, PLACES)])
def test_the_key_is_found_in_every_place(place: str) -> None:
    assert keys(letter(f"{place}: {ADDRESS}")) == {KEY}


FORMS = {
    "bare": ADDRESS,
    "in angle brackets": f"<{ADDRESS}>",
    "with a name": f"Newsletter <{ADDRESS}>",
    "its own name": f"{ADDRESS} <{ADDRESS}>",
    "single quotes": f"'{ADDRESS}' <{ADDRESS}>",
    "both quotes": f"\"'{ADDRESS}'\" <{ADDRESS}>",
    "double quotes": f'"{ADDRESS}" <{ADDRESS}>',
    "double quotes alone": f'"{ADDRESS}"',
    "single quotes alone": f"'{ADDRESS}'",
    "a group": f"Undisclosed: {ADDRESS};",
    "a group with a name": f"Friends: Jo <jo@other.test>, List <{ADDRESS}>;",
    "a semicolon": f"{ADDRESS};jo@other.test",
    "second in a list": f"jo@other.test, {ADDRESS}",
    "after a comma in a name": f'"Smith, Jo" <jo@other.test>, {ADDRESS}',
    "after a quote that never ends": f'"Smith <jo@other.test>, {ADDRESS}',
    "quoted local part": f'"mailout+{KEY}"@mail.test',
    "mailto": f"mailto:{ADDRESS}",
    "mailto in brackets": f"<mailto:{ADDRESS}?subject=News>",
    "capitals": ADDRESS.upper(),
    "mixed case": ADDRESS.title(),
    "a blank for the plus": f"<mailout {KEY}@mail.test>",
    "a blank for the plus, bare": f"mailout {KEY}@mail.test",
    "percent for the plus": f"mailout%2B{KEY}@mail.test",
    "percent for the plus, small": f"<mailout%2b{KEY}@mail.test>",
    "folded before": f"\r\n {ADDRESS}",
    "folded after the name": f"Newsletter of the spring\r\n\t<{ADDRESS}>",
    "folded in the middle": f"<mailout+{KEY[:10]}\r\n {KEY[10:]}@mail.test>",
    "folded over a line of white space": f"Newsletter\r\n \r\n <{ADDRESS}>",
    "an encoded name": f"=?utf-8?q?Fr=C3=BChling?= <{ADDRESS}>",
    "encoded altogether": f"=?utf-8?q?mailout+{KEY}=40mail.test?=",
    "encoded in base64": "=?utf-8?b?" + __import__("base64").b64encode(ADDRESS.encode()).decode() + "?=",
    "an 8-bit name": f"Frühling <{ADDRESS}>",
    "a comment behind": f"{ADDRESS} (Newsletter)",
    "a route": f"<@relay.test:{ADDRESS}>",
    "a full stop": f"{ADDRESS}.",
    "the list's name in it": f"mailout+newsletter-{KEY}@mail.test",
    "no closing bracket": f"<{ADDRESS}",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_key_is_found_in_every_form(form: str) -> None:
    assert keys(letter(f"To: {FORMS[form]}")) == {KEY}


@pytest.mark.parametrize(
    "stamp",
    [
        f"from a.test by mx.test with ESMTPS id 4711 for <{ADDRESS}>; Wed, 25 Nov 2026 03:00:00 +0000",
        f"by mx.test for {ADDRESS}; Wed, 25 Nov 2026 03:00:00 +0000",
        f"from a.test (a.test [192.0.2.1]) by mx.test (Postfix)\r\n\tfor <mailout {KEY}@mail.test>; now",
        f"from a.test by mx.test FOR <{ADDRESS.upper()}>",
    ],
)
def test_the_key_is_found_in_a_stamp(stamp: str) -> None:
    assert keys(letter("Received: from elsewhere by there; now", f"Received: {stamp}", "To: undisclosed:;")) == {KEY}


def test_the_key_is_found_at_a_domain_of_its_own() -> None:
    assert keys(letter(f"To: spring-news-{KEY}@mailout.test"), SUBDOMAIN) == {KEY}


@pytest.mark.parametrize(
    "raw",
    [
        letter(f'To: "{ADDRESS}" <jo@other.test>'),
        letter(f"To: {ADDRESS} <jo@other.test>"),
        letter(f"To: =?utf-8?q?mailout+{KEY}=40mail.test?= <jo@other.test>"),
        letter(f"To: jo@other.test ({ADDRESS})"),
        letter(f"Subject: {ADDRESS}", "To: jo@other.test"),
        letter(f"Reply-To: {ADDRESS}", f"X-To: {ADDRESS}", f"In-Reply-To: <{ADDRESS}>", "To: jo@other.test"),
        letter("To: jo@other.test", body=f"To: {ADDRESS}\r\n"),
        letter("To: jo@other.test", "", f"To: {ADDRESS}"),
        letter(f"Received: from {KEY}.test (for <{ADDRESS}>) by mx.test; now", "To: jo@other.test"),
        letter(f"To: mailout+{KEY}@mail.test.evil.test"),
        letter(f"To: xmailout+{KEY}@mail.test"),
        letter(f"Subject: a\rDelivered-To: {ADDRESS}", "To: jo@other.test"),
        letter(f"Subject: a\x0bDelivered-To: {ADDRESS}", "To: jo@other.test"),
        letter(f"Subject: a\x0cDelivered-To: {ADDRESS}", "To: jo@other.test"),
        letter(f"Subject: a\x1cTo: {ADDRESS}\x1dCc: {ADDRESS}\x1eBcc: {ADDRESS}", "To: jo@other.test"),
        letter(f"Subject: a\x85To: {ADDRESS}\u2028To: {ADDRESS}", "To: jo@other.test"),
    ],
)
def test_a_key_that_is_not_addressed_does_not_count(raw: bytes) -> None:
    assert keys(raw) == set()


def test_a_return_path_that_a_relay_has_tagged_is_known() -> None:
    address = OWN.return_path(own.bounce_token(SECRET, 12))

    said = [OWN.read(one, SECRET) for one in read(letter(f"To: <prvs=1234abcdef={address}>")).named]

    assert Said(What.BOUNCE, numbers=(12,)) in said


def test_all_that_our_addresses_say_is_found() -> None:
    token = own.bounce_token(SECRET, 12)
    raw = letter(f"To: {OWN.return_path(token)}", f"Cc: {ADDRESS}, mailout@mail.test, stranger@other.test")

    said = [OWN.read(address, SECRET) for address in read(raw).named]

    assert said == [Said(What.BOUNCE, numbers=(12,)), Said(What.KEY, KEY), Said(What.PLAIN), None]


def test_a_letter_is_read() -> None:
    raw = letter(
        "Return-Path: <jane@mail.test>",
        "Received: from phone by MX.mail.test. (Postfix); Wed, 25 Nov 2026 14:00:00 +1100 (AEDT)",
        "Received: from forged by old.test; Mon, 1 Jan 2024 00:00:00 +0000",
        "Subject: =?utf-8?q?Fr=C3=BChling?= am Meer",
        "Message-ID: <1@mail.test>",
    )

    found = read(raw)

    assert found.author is not None
    assert (found.author.name, found.author.address, found.authors) == ("Jane", "jane@mail.test", 1)
    assert (found.subject, found.message_id, found.is_reply) == ("Frühling am Meer", "<1@mail.test>", False)
    assert (found.return_path, found.automatic, found.references) == ("jane@mail.test", "", "")
    assert found.stamp == Stamp("mx.mail.test", datetime(2026, 11, 25, 3, 0, tzinfo=UTC))
    assert (found.body, found.raw_size) == (b"Hello\r\n\r\n", len(raw))
    assert found.digest == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", None), ("Return-Path: <>", ""), ("Return-Path:", ""), ("Return-Path: <a@b.test>", "a@b.test")],
)
def test_no_return_path_is_not_the_null_one(header: str, expected: str | None) -> None:
    assert read(letter(*filter(None, [header]), "To: a@b.test")).return_path == expected


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        ("Subject: Frühling".encode(), "Frühling"),
        ("Subject: Frühling".encode("latin-1"), "Frühling"),
        ("Subject: Привет\r\nContent-Type: text/plain; charset=koi8-r".encode("koi8-r"), "Привет"),
        (
            'Subject: 春のお知らせ\r\nContent-Type: text/plain;\r\n charset="shift_jis"'.encode("shift_jis"),
            "春のお知らせ",
        ),
    ],
)
def test_an_8_bit_subject_is_read_in_the_charset_of_the_text(head: bytes, subject: str) -> None:
    assert read(b"From: a@b.test\r\n" + head + b"\r\n\r\nHello\r\n").subject == subject


def test_several_authors_are_counted_and_the_first_counts() -> None:
    found = read(b"From: a@one.test, b@two.test\r\nFrom: c@three.test\r\n\r\n")

    assert (found.author and found.author.address, found.authors) == ("a@one.test", 3)


def test_an_answer_names_what_it_answers_once_and_oldest_first() -> None:
    found = read(letter("References: <1@a> <2@a>", "In-Reply-To: <2@a> (yours of Monday)"))

    assert (found.is_reply, found.references) == (True, "<1@a> <2@a>")


def test_two_deliveries_of_one_letter_have_one_content() -> None:
    body = ("Subject: News", "Message-ID: <1@mail.test>", f"To: {ADDRESS}")
    one = read(letter("Received: by one.test; now", "Delivered-To: jane@mail.test", "Return-Path: <a@b>", *body))
    two = read(letter("X-Original-To: other@mail.test", "Received: by two.test; now", "Status: RO", *body))
    other = read(letter(*body, body="Hello again\r\n"))

    assert one.digest != two.digest
    assert one.content_digest == two.content_digest != other.content_digest


def test_an_mbox_line_is_no_part_of_the_letter() -> None:
    raw = letter("Subject: News", f"To: {ADDRESS}")

    assert read(b"From jane@mail.test Wed Nov 25 03:00:00 2026\r\n" + raw).body == read(raw).body
    assert keys(b">From jane@mail.test Wed Nov 25 03:00:00 2026\n" + raw.replace(b"\r\n", b"\n")) == {KEY}


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_line_ends_of_every_kind_are_read(end: bytes) -> None:
    found = read(letter("Subject: News", f"To: {ADDRESS}", body="one\r\ntwo\r\n").replace(b"\r\n", end))

    assert (found.subject, found.body) == ("News", b"one\r\ntwo\r\n\r\n")


def test_a_bare_cr_ends_a_line_of_a_body_and_begins_no_header() -> None:
    found = read(b"From: a@b.test\r\nSubject: one\rCc: forged@b.test\r\n\r\none\rtwo\nthree\r\r\nfour")

    assert [field.name for field in found.fields] == ["from", "subject"]
    assert (found.subject, found.body) == ("one Cc: forged@b.test", b"one\r\ntwo\r\nthree\r\n\r\nfour\r\n")


def test_space_before_the_colon_and_folds_of_white_space_hide_no_header() -> None:
    assert keys(letter("Subject: a", " ", "\t", f"To : {ADDRESS}")) == {KEY}
    assert keys(letter("Subject : a", f"TO\t: {ADDRESS}")) == {KEY}


@pytest.mark.parametrize("date", ["", "; never", "; 99 Foo 2026 99:99:99 +9999", "; Wed, 25 Nov 2026 03:00:00", "; 0"])
def test_a_stamp_with_an_odd_date_is_no_reason_to_stumble(date: str) -> None:
    stamp = read(letter(f"Received: from a by mx.mail.test{date}")).stamp

    assert stamp is None or stamp.at.tzinfo is UTC


def test_a_huge_head_is_read_in_no_time() -> None:
    for piece in (b"a@b.c, ", b'"', b"(", b"<", b"=?", b"\\", b"a@", b"@", b" "):
        read(b"From: a@b.c\r\nTo: " + piece * (250_000 // len(piece)) + b"\r\n\r\nx")


PIECES = st.sampled_from(
    [b"To: ", b"From: ", b"Received: ", b"\r\n", b"\n", b"\r", b"\r\r\n", b" ", b"\t", b":", b"<", b">", b'"', b"(",
     b")", b",", b";", b"@", ADDRESS.encode(), b"=?utf-8?q?=40?=", b"=?", b"\\", b"\x00", b"\xff", b"for ", b"mailto:",
     b"Content-Type: text/plain; charset=\"x", b"References: <", b"Return-Path: <", b"From x\n", b"Auto-Submitted: "]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=400), st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=60).map(b"".join))
)
def test_any_bytes_are_read(raw: bytes) -> None:
    found = read(raw)

    assert found.raw_size == len(raw)
    assert all("\n" not in address and "@" in address for address in found.named)
    assert found.body.replace(b"\r\n", b"").count(b"\n") == 0
