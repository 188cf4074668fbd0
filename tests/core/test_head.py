"""Header fields: cut by the grammar, read for people, written so that nobody reads them as anything else."""

from __future__ import annotations

import email.header
import email.utils
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailout.core.reading.head import (
    HEAD_MOST,
    Mailbox,
    canonical,
    cut,
    encoded_words,
    every,
    first,
    mailbox_field,
    mailboxes,
    parted,
    readable,
)
from mailout.core.reading.mailbox import ascii_domain, is_legal, written_address

BYTES = st.lists(
    st.sampled_from(
        [
            b"\r",
            b"\n",
            b"\r\n",
            b" ",
            b"\t",
            b":",
            b"a",
            b"From",
            b"To: x",
            b"\0",
            b"\xff",
            b"=?",
            b"?=",
            b"(",
            b'"',
            b"<",
        ]
    ),
    max_size=60,
).map(b"".join)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb", b"a\r\nb\r\n"),
        (b"a\rb\r", b"a\r\nb\r\n"),
        (b"a\r\r\nb", b"a\r\n\r\nb\r\n"),
        (b"a\n\rb", b"a\r\n\r\nb\r\n"),
        (b"", b"\r\n"),
        (b"From jane@mail.test Mon Jan  1 00:00:00 2026\nSubject: x\n", b"Subject: x\r\n"),
        (b">From - Sat Apr 14 14:01:30 2018\r\nSubject: x\r\n", b"Subject: x\r\n"),
        (b"From : jane@mail.test\r\n", b"From : jane@mail.test\r\n"),
        (b"From: jane@mail.test\r\n", b"From: jane@mail.test\r\n"),
    ],
)
def test_line_ends_become_crlf_once(raw: bytes, expected: bytes) -> None:
    assert canonical(raw) == expected
    assert canonical(expected) == expected


def test_a_letter_that_is_canonical_is_not_copied() -> None:
    raw = b"Subject: x\r\n\r\ntext\r\n"

    assert canonical(raw) is raw


@given(BYTES)
def test_what_was_made_canonical_stays_so(raw: bytes) -> None:
    once = canonical(raw)

    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", once)
    assert canonical(once) == once or once.startswith((b"From ", b">From "))


@given(BYTES)
@example(b"\n\nx\rA")
def test_a_letter_is_parted_as_it_is_cut(raw: bytes) -> None:
    assert parted(raw) == cut(canonical(raw))


@pytest.mark.parametrize(
    ("raw", "names", "body"),
    [
        ("To: a\r\nCc: b\r\n\r\ntext\r\n", ["to", "cc"], "text\r\n"),
        ("To: a\r\n \r\n\t\r\n b\r\nCc: c\r\n\r\ntext\r\n", ["to", "cc"], "text\r\n"),
        ("Bcc : a\r\nbCC\t: b\r\n\r\nx\r\n", ["bcc", "bcc"], "x\r\n"),
        ("Bcc\r\n : a\r\nTo: b\r\n\r\nx\r\n", ["bcc", "to"], "x\r\n"),
        ("To: a\r\nno field\r\nCc: b\r\n\r\nx\r\n", ["to"], "no field\r\nCc: b\r\n\r\nx\r\n"),
        ("To: a\r\n: nameless\r\nCc: b\r\n\r\nx\r\n", ["to", "cc"], "x\r\n"),
        (" a fold of nothing\r\nTo: a\r\n\r\nx\r\n", ["to"], "x\r\n"),
        ("\r\nTo: a\r\n", [], "To: a\r\n"),
        ("To: a\r\n", ["to"], ""),
        ("just words\r\n", [], "just words\r\n"),
        ("Bètreff: a\r\nTo: b\r\n\r\nx\r\n", ["bã¨treff", "to"], "x\r\n"),
        ("Subject\0: a\r\n\r\nx\r\n", [], "Subject\0: a\r\n\r\nx\r\n"),
    ],
)
def test_a_head_is_cut_by_the_grammar(raw: str, names: list[str], body: str) -> None:
    fields, rest = cut(raw.encode())

    assert [field.name for field in fields] == names
    assert rest == body.encode()


def test_a_field_keeps_its_bytes_and_has_its_value_unfolded() -> None:
    fields, _ = cut(b"X: 1\r\nSubject:  one \r\n\ttwo \r\nsubject: three\r\n\r\n")

    subject = first(fields, "subject")
    assert subject is not None
    assert (subject.raw, subject.value) == (b"Subject:  one \r\n\ttwo \r\n", b"one \ttwo")
    assert [field.value for field in every(fields, "subject")] == [b"one \ttwo", b"three"]
    assert first(fields, "to") is None


def test_a_head_of_megabytes_costs_no_more_than_its_bound() -> None:
    fields, body = cut(b"a: b\r\n" * 1_000_000 + b"\r\ntext\r\n")

    assert sum(len(field.raw) for field in fields) <= HEAD_MOST + 10
    assert body == b"text\r\n"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?B?R3LDvMOfZQ==?= und mehr", "Grüße und mehr"),
        ("=?utf-8?q?a=C3?= =?utf-8?q?=BCb?=", "aüb"),
        ("=?utf-8?q?a?=\t =?iso-8859-1?q?=FC?=", "aü"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?b?R3LDvMOfZ?=", "Grüß"),
        ("=?bogus?q?a=FC?=", "aü"),
        ("=?hex?q?61?=", "61"),
        ("=?utf-8?q?a=0Ab?=", "a b"),
        ("=?iso-2022-jp?B?GyRCNmJNS0Z8GyhC?=", "金曜日"),
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("=?gb2312?b?suLK1A===?=", "测试"),
    ],
)
def test_encoded_words_are_read_as_people_read_them(value: str, read: str) -> None:
    assert readable(value.encode()) == read


@pytest.mark.parametrize(
    ("value", "charset", "read"),
    [
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("latin-1"), "", "Grüße"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        (b"=?iso-8859-1?q?Fr\xf6sche?=", "", "Frösche"),
        (b"dashes \x96 and \x81", "", "dashes – and �"),
        (b"nothing\0 here\x07", "", "nothing here"),
        (b"a\x0b\x0cb\x85", "latin-1", "a b…"),
    ],
)
def test_raw_eight_bit_is_read_as_utf8_else_the_texts_charset_else_windows_1252(
    value: bytes, charset: str, read: str
) -> None:
    assert readable(value, charset) == read


def test_a_value_made_to_be_slow_is_read_at_once() -> None:
    started = time.process_time()

    for value in (b"=?x?q?", b"=?x?q? ", b"=?", b"(", b'"\\', b"<", b"a@", b"a", b"@"):
        readable(value * (100_000 // len(value)))
        mailboxes(value * (100_000 // len(value)))

    assert time.process_time() - started < 9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("jane@x.org", [("", "jane@x.org")]),
        ("Jane <jane@x.org>", [("Jane", "jane@x.org")]),
        ('"Doe, Jane" <jane@x.org>, bob@x.org', [("Doe, Jane", "jane@x.org"), ("", "bob@x.org")]),
        ("jane@x.org (Jane Doe)", [("Jane Doe", "jane@x.org")]),
        ("Staff: jane@x.org, Bob <bob@x.org>;", [("", "jane@x.org"), ("Bob", "bob@x.org")]),
        ("undisclosed-recipients:;", []),
        ("Jane", []),
        ("<>", []),
        ("jane @ x . org", [("", "jane@x.org")]),
        ('"a b"@x.org', [("", '"a b"@x.org')]),
        ("<@a.org,@b.org:jane@x.org>", [("", "jane@x.org")]),
        ("<mailto:jane@x.org>", [("", "jane@x.org")]),
        ("boss@bank.example <thief@evil.example>", [("boss@bank.example", "thief@evil.example")]),
        ('"boss@bank.example" <thief@evil.example>', [("boss@bank.example", "thief@evil.example")]),
        ("=?utf-8?q?J=C3=B6rg?= <j@x.org>", [("Jörg", "j@x.org")]),
        ('"=?utf-8?q?J=C3=B6rg?=" <j@x.org>', [("Jörg", "j@x.org")]),
        ("Jörg <j@x.org>", [("Jörg", "j@x.org")]),
        ('"open <j@x.org>', [("open", "j@x.org")]),
        ("(open <j@x.org>", [("open", "j@x.org")]),
        ("Jane <jane@x.org", [("Jane", "jane@x.org")]),
        ("a@x.org b@x.org", [("", "a@x.org"), ("", "b@x.org")]),
        (r'"J \"the\" D" <j@x.org>', [('J "the" D', "j@x.org")]),
        ("Jane (in the (inner) office) Doe <j@x.org>", [("Jane Doe", "j@x.org")]),
        ("jösé@exämple.org", [("", "jösé@exämple.org")]),
    ],
)
def test_address_lists_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    assert [(box.name, box.address) for box in mailboxes(value.encode())] == expected


@given(st.text(max_size=300))
def test_encoded_words_read_as_what_was_written(text: str) -> None:
    written = encoded_words(text)

    assert written.isascii()
    assert readable(written.replace(b"\r\n", b"")) == readable(text.encode("utf-8", "replace")) or "=?" in text
    for line in written.split(b"\r\n"):
        assert len(line.strip()) <= 75 or b"=?" not in line
    for word in re.findall(rb"=\?utf-8\?.\?[^?]*\?=", written):
        email.header.decode_header(word.decode())[0][0].decode("utf-8")  # type: ignore[union-attr]


HOSTILE = [
    "x\r\nBcc: evil@z.org",
    '"',
    "\\",
    ",",
    "a, b <c@d.org>",
    "=?utf-8?q?=0ABcc:?=",
    "(comment",
    "\0",
    " ",
    "x" * 3000,
    "日本語テキスト" * 100,
    "J. Doe",
    "…\u2028Bcc: x",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_customers_name_makes_one_field_with_one_address(name: str) -> None:
    field = mailbox_field("To", Mailbox(name, "jane@x.org"))

    assert field.isascii()
    assert field.endswith(b"\r\n")
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))
    assert not re.search(rb"\r\n(?![ \t]|\Z)|(?<!\r)\n|\r(?!\n)|\0", field)
    fields, body = cut(field + b"\r\n")
    assert ([one.name for one in fields], body) == (["to"], b"")
    read = mailboxes(fields[0].value)
    assert [box.address for box in read] == ["jane@x.org"]
    assert " ".join(read[0].name.split()) == " ".join(readable(name.encode()).split()) or "=?" in name
    assert email.utils.getaddresses([fields[0].value.decode()])[0][1] == "jane@x.org"


@given(st.text(max_size=120))
def test_any_name_survives_its_field(name: str) -> None:
    fields, _ = cut(mailbox_field("To", Mailbox(name, "jane@x.org")) + b"\r\n")

    (box,) = mailboxes(fields[0].value)
    assert box.address == "jane@x.org"
    assert box.name.split() == _clean(name).split()


def _clean(name: str) -> str:
    """A name as one line, as it is shown."""
    line = re.sub("[\n-\r\x85\u2028\u2029]+", " ", name)
    return re.sub("[\x00-\x08\x0e-\x1f\x7f-\x9f]", "", line.encode("utf-8", "replace").decode()).replace("\ud800", "")


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("jane@x.org", b"jane@x.org"),
        ("jane@exämple.org", b"jane@xn--exmple-cua.org"),
        ("a b@x.org", b'"a b"@x.org'),
        ("b@y.org> NOTIFY=NEVER", b"b@y.orgNOTIFY=NEVER"),
        ("a\r\nRCPT TO:<c@d>@x.org", b'"a RCPT TO:<c@d>"@x.org'),
        ("jösé@x.org", "jösé@x.org".encode()),
    ],
)
def test_an_address_is_written_as_exactly_one(address: str, written: bytes) -> None:
    assert written_address(address) == written


@pytest.mark.parametrize("address", ["jane@x..org", "a@.x", "jösé@x.org", "a@x>y.org", "a@" + "x" * 400])
def test_what_can_not_stand_in_a_field_is_not_legal(address: str) -> None:
    assert not is_legal(address)


def test_ordinary_addresses_and_idn_domains_are_legal() -> None:
    assert is_legal("jane.doe+x@mail.example.org")
    assert is_legal("jane@exämple.org")
    assert ascii_domain("exämple.org") == "xn--exmple-cua.org"
