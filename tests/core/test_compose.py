"""Letters into copies: the head is ours, the body theirs."""

from __future__ import annotations

import base64
import email
import email.policy
import email.utils
import random
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.copying.compose import Circumstances, Personal, Prepared, Refused, Shared, copy_head, prepare
from mailout.core.own import message_id
from mailout.core.problem import Problem
from mailout.core.reading.head import Field, Mailbox, cut, every, first, mailboxes, readable
from mailout.core.reading.letter import read
from tests.core.copies import (
    ABOUT,
    LINK,
    NO_LINE,
    OWN,
    RECEIVED,
    body_of,
    copy_of,
    crlf,
    faults,
    head_of,
    prepared,
    wire_faults,
)

GOLDEN = Path(__file__).parent / "golden"
LETTERS = Path(__file__).parent.parent / "letters"
NAMES = sorted(file.name for file in LETTERS.glob("*.eml"))

KEEP, REWRITE = replace(ABOUT, from_policy="keep"), replace(ABOUT, from_policy="rewrite")
STRANGER = replace(ABOUT, author_is_user=False)


def head(text: str | bytes, about: Circumstances = ABOUT) -> tuple[Field, ...]:
    """The fields of a copy of a letter with these header lines."""
    raw = crlf(text) + crlf(b"\nHello\n")
    assert faults(raw, about) == []
    return cut(head_of(prepared(raw, about)))[0]


def value(fields: tuple[Field, ...], name: str) -> str:
    """The value of the one field with this name."""
    (field,) = every(fields, name)
    return field.value.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_our_letters_is_the_golden_one(name: str) -> None:
    assert copy_of((LETTERS / name).read_bytes()) == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_our_letters_has_no_fault(name: str) -> None:
    raw = (LETTERS / name).read_bytes()

    for about in (ABOUT, KEEP, REWRITE, replace(ABOUT, organisation_name="Müller & 東京")):
        assert faults(raw, about) == []


@pytest.mark.parametrize("name", NAMES)
def test_without_the_line_the_body_is_the_same_bytes(name: str) -> None:
    raw = (LETTERS / name).read_bytes()
    made = prepared(raw, NO_LINE)

    if name != "long-line.eml":
        assert body_of(made) == read(raw).body
    assert made.seal.identical


def test_every_header_that_is_not_named_is_dropped() -> None:
    names = {field.name for field in cut(head_of(prepared((LETTERS / "odd-head.eml").read_bytes())))[0]}

    assert names == {
        *("from", "reply-to", "date", "mime-version", "subject", "content-type", "content-language", "list-id"),
        *("precedence", "to", "message-id", "list-unsubscribe", "list-unsubscribe-post"),
    }


def test_values_are_kept_byte_for_byte() -> None:
    fields = head(
        "From: jane@mail.test\nSUBJECT:  =?utf-8?Q?=C3=BC?=\n\t=?utf-8?q?_x?=   two  blanks \n"
        "Content-Type:text/plain;charset=us-ascii\nContent-Transfer-Encoding:\t7bit\nX-Priority:   1 (Highest)\n"
        "Content-Odd: kept\nOrganization: =?utf-8?q?P=C3=A4ws?=\n"
    )
    raws = {field.name: field.raw for field in fields}

    assert raws["subject"] == b"SUBJECT:  =?utf-8?Q?=C3=BC?=\r\n\t=?utf-8?q?_x?=   two  blanks \r\n"
    assert raws["content-type"] == b"Content-Type:text/plain;charset=us-ascii\r\n"
    assert raws["content-transfer-encoding"] == b"Content-Transfer-Encoding:\t7bit\r\n"
    assert raws["x-priority"] == b"X-Priority:   1 (Highest)\r\n"
    assert raws["content-odd"] == b"Content-Odd: kept\r\n"
    assert raws["organization"] == b"Organization: =?utf-8?q?P=C3=A4ws?=\r\n"


@pytest.mark.parametrize(
    ("line", "read_as"),
    [
        ("Subject: Grüße an alle".encode(), "Grüße an alle"),
        ("Subject: Grüße an alle".encode("latin-1"), "Grüße an alle"),
        ("Subject: =?utf-8?q?=C3=A4?= ö =?utf-8?q?=C3=BC?=".encode(), "ä ö ü"),
        (b"Subject: a\0b", "ab"),
        (b"Subject: " + b"x" * 1500, "x" * 1500),
        (b"Subject: " + b"word " * 300, "word " * 300),
        (b"Subject: " + "ü".encode() * 500, "ü" * 500),
        (b"Subject: a\n \n  b", "a   b"),
        (b"Subject : a", "a"),
        (b"Subject: one\nSubject: two", "one"),
        (b"Subject:", ""),
        (b"Subject: =?utf-8?q?=0ABcc:_x?=", " Bcc: x"),
    ],
)
def test_an_illegal_subject_is_made_legal_and_reads_the_same(line: bytes, read_as: str) -> None:
    fields = head(b"From: jane@mail.test\n" + line + b"\n")

    assert readable(first(fields, "subject").value).split() == read_as.split()  # type: ignore[union-attr]
    assert "bcc" not in {field.name for field in fields}


def test_an_eight_bit_subject_is_read_in_the_charset_of_the_text() -> None:
    text = "Привет"
    fields = head(b"From: j@mail.test\nContent-Type: text/plain; charset=koi8-r\nSubject: " + text.encode("koi8-r"))

    assert readable(first(fields, "subject").value) == text  # type: ignore[union-attr]


def test_no_subject_is_invented_and_the_rest_is() -> None:
    fields = head("X: y\n")

    assert first(fields, "subject") is None
    assert value(fields, "mime-version") == "1.0"
    assert value(fields, "from") == OWN.sender
    assert email.utils.parsedate_to_datetime(value(fields, "date")) == RECEIVED


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Wed, 25 Nov 2026 14:04:05 +1100", True),
        ("25 Nov 2026 03:04 +0000 (UTC)", True),
        ("Wed, 18 Nov 2026 03:04:05 +0000", True),
        ("Wed, 18 Nov 2026 03:04:04 +0000", False),
        ("Wed, 25 Nov 2026 03:04:06 +0000", False),
        ("Tue, 1 Jan 1980 00:00:00 +0000", False),
        ("nonsense", False),
        ("", False),
        ("Wed, 25 Nov 2026 99:04:06 +0000", False),
        ("Wed, 99999999999999999999999 Nov 2026 03:04:06 +0000", False),
    ],
)
def test_a_date_is_kept_in_the_week_before_receipt(said: str, kept: bool) -> None:
    fields = head(f"From: jane@mail.test\nDate: {said}\n")

    date = value(fields, "date")
    assert (date == said) is kept
    assert kept or email.utils.parsedate_to_datetime(date) == RECEIVED


def test_a_date_in_another_form_keeps_its_instant() -> None:
    fields = head("From: jane@mail.test\nDate: Tue, 24 Nov 26 10:00 EST\n")

    assert value(fields, "date") == "Tue, 24 Nov 2026 10:00:00 -0500"


@pytest.mark.parametrize(
    ("from_line", "about", "name", "address", "reply_to"),
    [
        ("Jane <jane@mail.test>", ABOUT, "Jane", "jane@mail.test", ""),
        ("Jane <jane@MAIL.test>", ABOUT, "Jane", "jane@MAIL.test", ""),
        ("Jane <jane@mail.test>", STRANGER, "Jane", OWN.sender, "jane@mail.test"),
        ("Jane <jane@else.test>", ABOUT, "Jane", OWN.sender, "jane@else.test"),
        ("Jane <jane@else.test>", KEEP, "Jane", "jane@else.test", ""),
        ("Jane <jane@mail.test>", REWRITE, "Jane", OWN.sender, "jane@mail.test"),
        ("jane@else.test", ABOUT, "", OWN.sender, "jane@else.test"),
        ("Jürgen <jane@mail.test>", ABOUT, "Jürgen", "jane@mail.test", ""),
        ('"Doe, Jane" <jane@else.test>', ABOUT, "Doe, Jane", OWN.sender, "jane@else.test"),
        ("=?utf-8?q?J=C3=BCrgen?= <jane@else.test>", ABOUT, "Jürgen", OWN.sender, "jane@else.test"),
        ("日本 <jane@else.test>", ABOUT, "日本", OWN.sender, "jane@else.test"),
        ("Jane <jane@mail.test>, Bob <bob@mail.test>", ABOUT, "Jane", "jane@mail.test", ""),
        ("Jane", ABOUT, "Jane", OWN.sender, ""),
        ("", ABOUT, "", OWN.sender, ""),
        ("<>", KEEP, "", OWN.sender, ""),
        ("jösé@mail.test", KEEP, "", OWN.sender, ""),
        ("boss@bank.test <thief@evil.test>", KEEP, "boss@bank.test", "thief@evil.test", ""),
        ("jane@exämple.test", KEEP, "", "jane@xn--exmple-cua.test", ""),
        ("J <" + "x" * 400 + "@mail.test>", KEEP, "J", OWN.sender, ""),
    ],
)
def test_from_is_kept_or_rewritten_by_the_policy(
    from_line: str, about: Circumstances, name: str, address: str, reply_to: str
) -> None:
    fields = head(f"From: {from_line}\n", about)

    (box,) = mailboxes(first(fields, "from").value)  # type: ignore[union-attr]
    assert (box.name, box.address) == (name, address)
    found = first(fields, "reply-to")
    assert (mailboxes(found.value)[0].address if found else "") == reply_to
    made = prepared(crlf(f"From: {from_line}\n\nx\n"), about)
    assert made.from_name == name
    assert made.from_address in (address, address.replace("xn--exmple-cua", "exämple"))
    assert (Problem.UNKNOWN_SENDER in made.holds) is ("@" not in from_line)


def test_the_composers_own_reply_to_is_kept_whatever_the_policy() -> None:
    for about in (KEEP, REWRITE, ABOUT):
        fields = head(
            "From: jane@else.test\nReply-To:  Front desk  <desk@mail.test>,\n x@mail.test\nReply-To: y@z\n", about
        )
        (field,) = every(fields, "reply-to")
        assert field.raw == b"Reply-To:  Front desk  <desk@mail.test>,\r\n x@mail.test\r\n"


def test_names_alone_are_encoded_in_an_eight_bit_reply_to() -> None:
    fields = head("From: jane@mail.test\nReply-To: Jürgen <j@mail.test>, Zoë <z@mail.test>\n")

    said = value(fields, "reply-to")
    assert "<j@mail.test>" in said
    assert [(box.name, box.address) for box in mailboxes(said.encode())] == [
        ("Jürgen", "j@mail.test"),
        ("Zoë", "z@mail.test"),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('Content-Disposition: attachment; filename="Grüße.pdf"', "Grüße.pdf"),
        ("Content-Type: application/pdf; name=Grüße.pdf", "Grüße.pdf"),
        ('Content-Type: application/pdf; name="' + "ü" * 300 + '.pdf"', "ü" * 300 + ".pdf"),
        ("Content-Type: application/pdf; name=" + "x" * 1200, "x" * 1200),
    ],
)
def test_a_files_name_is_made_legal_by_rfc_2231(line: str, name: str) -> None:
    raw = crlf(f"From: jane@mail.test\n{line}\nContent-Transfer-Encoding: base64\n\nAAAA\n")
    copy = copy_of(raw)

    assert faults(raw) == []
    assert email.message_from_bytes(copy, policy=email.policy.default).get_filename() == name


def test_mime_headers_stay_what_they_say() -> None:
    fields = head(
        'From: j@mail.test\nContent-Type: text/plain; charset="utf-8"; x=ä; name="a\\"b"\nContent-Length: 7\n'
    )

    assert first(fields, "content-length") is None
    assert 'charset="utf-8"' in value(fields, "content-type")
    assert 'name="a\\"b"' in value(fields, "content-type")


@pytest.mark.parametrize(
    ("name", "problem"),
    [("pgp-encrypted", Problem.ENCRYPTED), ("winmail", Problem.WINMAIL), ("pgp-signed", None), ("pgp-inline", None)],
)
def test_letters_that_a_person_must_look_at_are_held(name: str, problem: Problem | None) -> None:
    made = prepared((LETTERS / f"{name}.eml").read_bytes())

    assert made.holds == ((problem,) if problem else ())


@pytest.mark.parametrize("name", ["pgp-signed", "pgp-inline", "pgp-encrypted"])
def test_not_a_byte_of_a_signed_or_encrypted_body_changes(name: str) -> None:
    raw = (LETTERS / f"{name}.eml").read_bytes()
    made = prepared(raw)

    assert body_of(made) == read(raw).body
    assert "unsubscribe line is not put into it" in " ".join(made.changes)


CMS = {"signed-data": "2a864886f70d010702", "enveloped-data": "2a864886f70d010703"}


@pytest.mark.parametrize("kind", CMS)
@pytest.mark.parametrize("said", ["; smime-type={kind}", "", "; smime-type=wrong"])
def test_a_cms_object_is_known_by_its_own_bytes(kind: str, said: str) -> None:
    content = base64.b64encode(b"\x30\x80\x06\x09" + bytes.fromhex(CMS[kind])).decode()
    raw = crlf(
        f"From: j@mail.test\nContent-Type: application/pkcs7-mime{said.format(kind=kind)}; name=smime.p7m\n"
        f"Content-Transfer-Encoding: base64\n\n{content}\n"
    )

    assert (Problem.ENCRYPTED in prepared(raw).holds) is (kind == "enveloped-data")
    assert body_of(prepared(raw)) == read(raw).body


@pytest.mark.parametrize(
    ("link", "private"),
    [
        ("https://drive.google.com/file/d/1a2b/view?usp=drive_web", True),
        ("https://docs.google.com/document/d/1a2b/edit?usp=sharing", True),
        ("https://drive.google.com/drive/folders/1a2b", True),
        ("https://1drv.ms/w/s!Abc", True),
        ("https://paws-my.sharepoint.com/:w:/g/personal/jane/E1?e=x", True),
        ("https://onedrive.live.com/redir?resid=1", True),
        ("https://www.icloud.com/iclouddrive/0abc#x", True),
        ("https://docs.google.com/forms/d/e/1a2b/viewform", False),
        ("https://docs.google.com/document/d/e/2PACX/pub", False),
        ("https://docs.google.com/spreadsheets/d/1a2b/pubhtml", False),
        ("https://www.icloud.com/attachment/?u=x", False),
        ("https://example.org/drive.google.com", False),
        ("https://www.dropbox.com/scl/fi/x?rlkey=y", False),
    ],
)
def test_links_that_only_we_may_be_able_to_open_hold_a_letter(link: str, private: bool) -> None:
    for kind, text in (("text/plain", link), ("text/html", f'<a href="{link}">x</a>')):
        raw = crlf(f"From: jane@mail.test\nContent-Type: {kind}\n\n{text}\n")
        assert (Problem.PRIVATE_LINKS in prepared(raw).holds) is private


def test_a_head_belongs_to_one_customer_and_says_how_to_leave() -> None:
    made = prepared(crlf("From: jane@mail.test\n\nx\n"))
    own = message_id(b"x" * 32, 17, "mail.test")
    octets = copy_head(
        made, to=Mailbox("Zoë", "zoe@x.org"), message_id=own, unsubscribe_url=LINK, unsubscribe_address="u@mail.test"
    )
    fields, rest = cut(octets)

    assert rest == b""
    assert mailboxes(first(fields, "to").value) == (Mailbox("Zoë", "zoe@x.org"),)  # type: ignore[union-attr]
    assert value(fields, "message-id") == own
    assert value(fields, "list-unsubscribe") == f"<{LINK}>, <mailto:u@mail.test?subject=unsubscribe>"
    assert value(fields, "list-unsubscribe-post") == "List-Unsubscribe=One-Click"
    assert value(fields, "list-id") == "Newsletter <list-3.mail.test>"
    assert (made.eight_bit, made.smtputf8) == (False, False)


def test_a_list_of_any_name_has_one_identity() -> None:
    for name in ("日本語" * 30, 'a "b" <c>', "", "x" * 500):
        fields = head("From: jane@mail.test\n", replace(ABOUT, list_name=name))
        assert value(fields, "list-id").endswith("<list-3.mail.test>")


def test_segments_share_all_but_the_line() -> None:
    raw = (LETTERS / "related-picture.eml").read_bytes()
    made = prepared(raw)

    shared = sum(one.end - one.start for one in made.segments if isinstance(one, Shared))
    assert sum(isinstance(one, Personal) for one in made.segments) == 2
    assert shared > len(made.body) * 0.6
    assert prepared(raw, NO_LINE).segments == (Shared(0, len(made.body)),)


def test_stuffing_the_segments_apart_is_stuffing_the_whole() -> None:
    for name in NAMES:
        made = prepared((LETTERS / name).read_bytes())
        pieces = [made.body[one.start : one.end] if isinstance(one, Shared) else body_of(replace(made, segments=(one,)))
                  for one in made.segments]  # fmt: skip
        assert b"".join(map(stuffed, pieces)) == stuffed(b"".join(pieces))


def stuffed(octets: bytes) -> bytes:
    """Dot-stuffed, as RFC 5321 4.5.2 says."""
    return (b"." if octets.startswith(b".") else b"") + octets.replace(b"\r\n.", b"\r\n..")


@pytest.mark.parametrize(
    "end", [b"\n.\r\n", b"\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r.\r", b"\r\r\n.\r\r\n", b"\0\r\n.\r\n"]
)
def test_nothing_in_a_letter_can_end_it_early(end: bytes) -> None:
    raw = b"From: jane@mail.test\r\nSubject: x\r\n\r\nHello" + end + b"MAIL FROM:<evil@x>\r\n"
    copy = copy_of(raw)

    assert wire_faults(copy) == []
    assert b"\r\n.\r\n" not in stuffed(copy)


@pytest.mark.parametrize("bad", [b"\r", b"\0", b"\x0b", b"\x0c", b"\x1c", b"\x1e", b"\x85", b"\n\n", b"\xe2\x80\xa8"])
def test_no_character_makes_two_headers_of_one(bad: bytes) -> None:
    raw = b"From: jane@mail.test\r\nSubject: a" + bad + b"Bcc: evil@x.org\r\n\r\nx\r\n"
    copy = copy_of(raw)

    names = [line.partition(b":")[0].lower() for line in copy.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    assert b"bcc" not in names
    assert wire_faults(copy) == []


def test_bombs_are_refused_in_words_and_at_once() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(1000))
    started = time.process_time()

    with pytest.raises(Refused, match="nested more than 30 deep") as refused:
        prepared(crlf(b"From: jane@mail.test\n" + nested))

    assert refused.value.problem is Problem.UNREADABLE
    assert time.process_time() - started < 5


FIELD = st.one_of(
    st.sampled_from(["Subject: ", "From: ", "Reply-To: ", "Date: ", "Content-Type: ", "To: ", "MIME-Version: ", "X: "]),
    st.sampled_from(["Content-Transfer-Encoding: ", "Content-Disposition: ", "Content-: ", "Organization : ", ": "]),
)
SAID = st.lists(
    st.sampled_from(
        ["a", "@", "<", ">", '"', "(", ")", ";", ",", "=", " ", "\n ", "\n \n ", "ü", "\0", "=?utf-8?q?x?=", "x" * 1100,
         "multipart/mixed", "boundary=b", "text/html", "name=", "*0*=", "base64", "\r", "1.0", "日本", "\\"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(FIELD, SAID), max_size=8), st.sampled_from([ABOUT, KEEP, REWRITE]), st.booleans())
def test_any_head_makes_a_legal_one_or_is_refused(
    lines: list[tuple[str, str]], about: Circumstances, latin: bool
) -> None:
    text = "\n".join(name + said for name, said in lines) + "\n\nHello\n--b\n\nx\n--b--\n"
    raw = text.encode("latin-1", "ignore") if latin else text.encode()

    with suppress(Refused):
        assert faults(raw, about) == []


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.sampled_from([ABOUT, KEEP, NO_LINE]))
def test_any_bytes_are_prepared_or_refused(raw: bytes, about: Circumstances) -> None:
    with suppress(Refused):
        assert faults(raw, about) == []


def test_a_copy_costs_microseconds() -> None:
    made = prepared((LETTERS / "alternative-quoted-printable.eml").read_bytes())

    best = min(_seconds(made) for _ in range(20))

    assert best < 300e-6


def _seconds(made: Prepared) -> float:
    started = time.perf_counter()
    for _ in range(20):
        head_of(made)
    return (time.perf_counter() - started) / 20


def test_the_same_letter_is_prepared_the_same_twice() -> None:
    rng = random.Random(1)
    for name in rng.sample(NAMES, 5):
        raw = (LETTERS / name).read_bytes()
        assert prepare(read(raw), ABOUT) == prepare(read(raw), ABOUT)


def test_received_a_week_later_the_date_is_that_of_receipt() -> None:
    late = replace(ABOUT, received_at=RECEIVED + timedelta(days=30))
    fields = head("From: jane@mail.test\nDate: Wed, 25 Nov 2026 03:04:05 +0000\n", late)

    assert email.utils.parsedate_to_datetime(value(fields, "date")) == datetime(2026, 12, 25, 3, 4, 5, tzinfo=UTC)
