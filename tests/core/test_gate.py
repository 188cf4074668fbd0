"""The leak gate: wherever a key hides in a letter, the letter is refused, and told where."""

from __future__ import annotations

import base64
import quopri
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.copying.compose import Refused
from mailout.core.problem import Problem
from tests.core.copies import ABOUT, KEY, KEY_ADDRESS, NO_LINE, copy_of, crlf, prepared
from tests.core.test_line import multi

HEAD = "From: jane@mail.test\nTo: x@mail.test\nSubject: Hello\nMIME-Version: 1.0\n"
B64, QP = "Content-Transfer-Encoding: base64\n", "Content-Transfer-Encoding: quoted-printable\n"


def b64(text: str | bytes) -> str:
    """Base64, in lines."""
    return base64.encodebytes(text if isinstance(text, bytes) else text.encode()).decode()


def stretched(text: str) -> str:
    """Quoted-printable with every character escaped, and soft breaks."""
    return "=\n".join(f"={octet:02X}" for octet in text.encode())


def utf7(letter: str) -> str:
    """A letter as UTF-7 writes what is not ASCII."""
    return base64.b64encode(letter.encode("utf-16-be")).decode().rstrip("=")


SOFT_HYPHENS, ZERO_WIDTH = "\u00ad".join(KEY), "\u200b".join(KEY)
HIDDEN = {
    "as it is": f"\nWrite to {KEY_ADDRESS}\n",
    "the key alone": f"\n{KEY}\n",
    "in capitals": f"\n{KEY_ADDRESS.upper()}\n",
    "percent-encoded": f"\nhttps://x/?to={quote(KEY_ADDRESS, safe='')}\n",
    "percent-encoded letter by letter": "\nhttps://x/?to=" + "".join(f"%{octet:02x}" for octet in KEY.encode()) + "\n",
    "folded": f"\n{KEY[:10]}\n  {KEY[10:]}\n",
    "in base64": f"{B64}\n{b64('Write to ' + KEY_ADDRESS)}",
    "in base64 of utf-16": f"Content-Type: text/plain; charset=utf-16\n{B64}\n{b64(KEY_ADDRESS.encode('utf-16'))}",
    "in quoted-printable": f"{QP}\n{stretched(KEY_ADDRESS)}\n",
    "in html between tags": f"Content-Type: text/html\n\n<p>{KEY[:5]}<wbr>{KEY[5:9]}<b>{KEY[9:]}</b>\n",
    "in html as references": "Content-Type: text/html\n\n" + "".join(f"&#{octet};" for octet in KEY.encode()) + "\n",
    "in html in hexadecimal": "Content-Type: text/html\n\n" + "".join(f"&#x{ord(c):x};" for c in KEY) + "\n",
    "with soft hyphens": f"Content-Type: text/plain; charset=utf-8\n\n{SOFT_HYPHENS}\n",
    "with zero-width spaces": f"Content-Type: text/plain; charset=utf-8\n\n{ZERO_WIDTH}\n",
    "in utf-7": "Content-Type: text/plain; charset=utf-7\n\n" + "".join(f"+{utf7(letter)}-" for letter in KEY) + "\n",
    "in a quoted letter": f"\n> From: Jane\n> To: {KEY_ADDRESS}\n> Subject: x\n",
    "in an attachment": multi("mixed", "\nhello\n", f"Content-Type: text/plain; name=a.txt\n{B64}\n{b64(KEY)}"),
    "in a pdf": multi("mixed", f"Content-Type: application/pdf\n{B64}\n{b64(bytes(range(256)) * 9000 + KEY.encode())}"),
    "in a calendar": f"Content-Type: text/calendar\n\nATTENDEE;CN=x:mailto:{KEY_ADDRESS[:20]}\n {KEY_ADDRESS[20:]}\n",
    "in a tnef": multi("mixed", f"Content-Type: application/ms-tnef\n{B64}\n{b64(KEY.encode('utf-16-le'))}"),
    "in the name of a file": multi("mixed", f"Content-Type: image/png; name={KEY}.png\n\nx\n"),
    "in an encoded name": multi("mixed", f"Content-Type: image/png; name=\"=?utf-8?b?{b64(KEY).strip()}?=\"\n\nx\n"),
    "in a name in pieces": multi("mixed", f"Content-Type: x/y;\n name*0={KEY[:9]};\n name*1={KEY[9:]}\n\nx\n"),
    "in a part's description": multi("mixed", f"Content-Description: {KEY}\n\nx\n"),
    "in a boundary": multi("mixed", "\nx\n", mark=KEY),
    "before the first part": multi("mixed", "\nx\n").replace("\n\n--b", f"\n\n{KEY}\n--b", 1),
    "after the last part": multi("mixed", "\nx\n") + f"\n{KEY}\n",
    "in an enclosed letter": multi("mixed", f"Content-Type: message/rfc822\n\nTo: {KEY_ADDRESS}\n\nx\n"),
    "in an enclosed letter's base64": multi("mixed", f"Content-Type: message/rfc822\n\nSubject: x\n{B64}\n{b64(KEY)}"),
    "in an encoded enclosed letter": multi("mixed", f"Content-Type: message/rfc822\n{B64}\n" + b64(f"To: {KEY}@x.org")),
    "twice encoded in an enclosed letter": multi(
        "mixed", f"Content-Type: message/rfc822\n{B64}\n" + b64("Subject: x\n" + B64 + "\n" + b64(KEY))
    ),
    "in an encoded subject of an enclosed letter": multi(
        "mixed", f"Content-Type: message/rfc822\n\nSubject: =?utf-8?b?{b64(KEY).strip()}?=\n\nx\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", HIDDEN)
def test_a_key_in_the_body_is_found(where: str) -> None:
    with pytest.raises(Refused) as refused:
        prepared(crlf(HEAD + HIDDEN[where]))

    assert refused.value.problem is Problem.KEY_IN_TEXT
    assert refused.value.detail.startswith("The key stands in ")


@pytest.mark.parametrize(
    ("header", "where"),
    [
        (f"Subject: {KEY}", "the subject"),
        (f"Subject: =?utf-8?q?{quopri.encodestring(KEY.encode()).decode().strip()}?=", "the subject"),
        (f"Subject: =?utf-8?b?{b64(KEY).strip()}?=", "the subject"),
        (f"Subject: {KEY[:9]}\n {KEY[9:]}", "the subject"),
        (f"Reply-To: {KEY_ADDRESS}", "Reply-To"),
        (f'From: "{KEY}" <jane@mail.test>', "the name in From"),
        (f"Organization: {KEY}", "the header organization"),
        (f"Content-Language: {KEY}", "the header content-language"),
    ],
)
def test_a_key_in_a_header_that_goes_out_is_found(header: str, where: str) -> None:
    with pytest.raises(Refused) as refused:
        prepared(crlf(f"{header}\nFrom: jane@mail.test\n\nx\n"))

    assert refused.value.problem is Problem.KEY_IN_TEXT
    assert where in refused.value.detail


def test_the_headers_in_which_a_key_belongs_do_not_go_out() -> None:
    raw = crlf(
        f"Delivered-To: {KEY_ADDRESS}\nReceived: from x for <{KEY_ADDRESS}>; Wed, 25 Nov 2026 00:00:00 +0000\n"
        f"To: {KEY_ADDRESS}\nCc : {KEY_ADDRESS}\nX-Original-To: {KEY_ADDRESS}\nFrom: jane@mail.test\n"
        f"References: <{KEY}@x>\nThread-Topic: {KEY}\n\nx\n"
    )

    assert KEY.encode() not in copy_of(raw).lower()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("as it is", "the text"),
        ("in html between tags", "the HTML"),
        ("in an attachment", 'the text file "a.txt"'),
        ("in a pdf", "the PDF"),
        ("in a calendar", "the calendar invitation"),
        ("in an encoded enclosed letter", "an enclosed letter"),
        ("after the last part", "outside of its text and its files"),
    ],
)
def test_the_place_is_told_in_words(where: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        prepared(crlf(HEAD + HIDDEN[where]))


def test_another_customers_address_in_a_header_is_found_and_in_the_text_is_not_looked_for() -> None:
    about = replace(NO_LINE, other_addresses=("bob@example.org",))

    with pytest.raises(Refused, match="Another customer's address stands in Reply-To"):
        prepared(crlf("From: jane@mail.test\nReply-To: Bob <BOB@example.org>\n\nx\n"), about)
    assert prepared(crlf("From: jane@mail.test\n\nAsk bob@example.org\n"), about)
    assert prepared(crlf("From: jane@mail.test\nSubject: notbob@example.org\n\nx\n"), about)


def test_what_is_no_key_passes() -> None:
    raw = crlf(f"{HEAD}\nAn almost-key: {KEY[:-2]}, {KEY[::-1]}; mailout@mail.test, newsletter\n")

    assert prepared(raw)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", B64, QP]),
    st.integers(0, 300),
    st.sampled_from([KEY, KEY.upper(), KEY_ADDRESS, quote(KEY_ADDRESS, safe="")]),
    st.binary(max_size=300),
)
def test_a_key_anywhere_in_any_content_is_found(encoding: str, at: int, key: str, octets: bytes) -> None:
    content = octets[:at] + b" " + key.encode() + b" " + octets[at:]
    if encoding:
        content = base64.encodebytes(content) if encoding == B64 else quopri.encodestring(content)

    with pytest.raises(Refused):
        prepared(f"{HEAD}{encoding}\n".encode() + content, ABOUT)
