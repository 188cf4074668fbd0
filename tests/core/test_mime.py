"""The parts of a letter, by where they stand."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailout.core.reading import mime, transfer
from mailout.core.reading.head import canonical, cut
from mailout.core.reading.mime import Part, Unreadable, decoded, leaves, text, tree, walk
from mailout.core.reading.parameters import parameterised
from tests.core.copies import crlf, python_leaves


def parts(raw: str | bytes) -> tuple[Part, bytes]:
    """The tree of a letter, and its body."""
    fields, body = cut(canonical(crlf(raw)))
    return tree(fields, body), body


def shape(part: Part) -> object:
    """The types of a tree."""
    return (part.type, [shape(child) for child in part.children]) if part.children else part.type


TWO = """Content-Type: multipart/mixed; boundary="b"

preamble
--b
Content-Type: text/plain; charset=utf-8

one
--b
Content-Type: application/pdf; name=x.pdf
Content-Transfer-Encoding: base64

SGVsbG8=
--b--
epilogue
"""


def test_parts_are_where_they_are_said_to_be() -> None:
    root, body = parts(TWO)

    one, two = root.children
    assert (one.number, one.type, one.charset, body[one.start : one.end]) == ("1.1", "text/plain", "utf-8", b"one")
    assert body[one.head_start : one.start] == b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    assert (two.number, two.filename, two.encoding, decoded(two, body)) == ("1.2", "x.pdf", "base64", b"Hello")
    assert (root.number, root.start, root.end) == ("1", 0, len(body))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("\nHello\n", "text/plain"),
        ("Content-Type: text\n\nx\n", "text/plain"),
        ("Content-Type: TEXT/HTML;\n\nx\n", "text/html"),
        ("Content-Type: text/html charset=utf-8\n\nx\n", "text/html"),
        ("Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n", "multipart/mixed"),
        ('Content-Type: multipart/mixed; boundary="b"\n\nno such line\n', "multipart/mixed"),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnever closed\n", ("multipart/mixed", ["text/plain"])),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b  \n\nx\n--b\t--\n", ("multipart/mixed", ["text/plain"])),
        ("Content-Type: multipart/mixed; boundary=b\n\n--bb\n\nx\n--b--\n", "multipart/mixed"),
        (
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nx\n--b--\n",
            ("multipart/digest", [("message/rfc822", ["text/plain"])]),
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n"
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--a--\n",
            ("multipart/mixed", [("multipart/mixed", ["text/plain"])]),
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=aa\n\n"
            "--aa\n\nx\n--aa--\n--a\n\ny\n--a--\n",
            ("multipart/mixed", [("multipart/mixed", ["text/plain"]), "text/plain"]),
        ),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b--\n--b\n\nx\n--b--\n", "multipart/mixed"),
    ],
)
def test_letters_of_every_shape_have_a_tree(raw: str, expected: object) -> None:
    assert shape(parts(raw)[0]) == expected


@pytest.mark.parametrize(
    ("inside", "gap"),
    [
        ("Content-Type: text/plain\n\n", b"\r\n"),
        ("Content-Type: text/plain\n", b"\r\n\r\n"),
        ("Content-Type: text/plain\n\n\n", b""),
        ("\n\n", b""),
        ("\n", b"\r\n"),
        ("", b"\r\n"),
    ],
)
def test_an_empty_part_tells_what_must_stand_before_content(inside: str, gap: bytes) -> None:
    root, body = parts(f"Content-Type: multipart/mixed; boundary=b\n\n--b\n{inside}--b--\n")

    (part,) = root.children
    assert part.start == part.end or gap == b""
    assert part.gap == gap
    if part.head_start < part.start or gap:
        whole = body[: part.end] + part.gap + b"NEW" + body[part.end :]
        assert decoded(tree(root.fields, whole).children[0], whole).startswith(b"NEW")


def test_leaves_do_not_look_into_an_enclosed_letter_and_walk_does() -> None:
    root, _ = parts(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: message/rfc822\n\n"
        "Subject: y\nContent-Type: text/html\n\nz\n--b--\n"
    )

    assert [part.type for part in leaves(root)] == ["text/plain", "message/rfc822"]
    assert [part.type for part in walk(root)] == ["multipart/mixed", "text/plain", "message/rfc822", "text/html"]


BOMBS = {
    "nested": b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(1000)),
    "many parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 5000,
    "enclosed": b"Content-Type: message/rfc822\n\n" * 1000,
    "headers": b"".join(b"X-%d: %s\n" % (n, b"x" * 900) for n in range(400)) + b"\nx\n",
    "one header": b"X: " + b"x" * 400_000 + b"\n\nx\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_in_words_at_once(bomb: str) -> None:
    started = time.process_time()

    with pytest.raises(Unreadable, match=r"The letter"):
        parts(BOMBS[bomb])

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/plain" + b"; a=b" * 40_000 + b"\n\nx\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--bx\n" * 200_000,
        b"Content-Type: text/plain; name=" + b'"' * 100_000 + b"\n\nx\n",
        b"Content-Type: text/plain; name*0=a" + b"; name*1*=''%" * 20_000 + b"\n\nx\n",
        b"Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n" + b" " * 2_000_000 + b"x",
    ],
)
def test_what_is_made_to_be_slow_is_read_at_once(raw: bytes) -> None:
    started = time.process_time()

    root, body = parts(raw)
    decoded(root, body)

    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        ('text/plain; charset="utf-8"', "charset", "utf-8"),
        ("text/plain; charset=us-ascii (plain text)", "charset", "us-ascii"),
        ("text/plain; CHARSET = UTF-8 ; x=y", "charset", "UTF-8"),
        ('a/b; name="a \\"b\\" c"', "name", 'a "b" c'),
        ("a/b; name=my file.txt; x=y", "name", "my file.txt"),
        ("a/b; name*=utf-8''Se%C3%AFte.html", "name", "Seïte.html"),
        ("a/b; name*0*=iso-8859-1'de'Gr%FC; name*1=sse; name*2*=%2Etxt", "name", "Grüsse.txt"),
        ('a/b; name*1="two"; name*0="one"', "name", "onetwo"),
        ('a/b; name="=?utf-8?q?Gr=C3=BC=C3=9Fe?="', "name", "Grüße"),
        ('a/b; name="Grüße.txt"', "name", "Grüße.txt"),
        ("a/b; name=plain; name*=utf-8''better", "name", "better"),
        ("a/b; boundary==?b?=", "boundary", "=?b?="),
        ('a/b; x="unfinished', "x", "unfinished"),
        ("a/b;; ;x=1;", "x", "1"),
        ("a/b; x=1; x=2", "x", "1"),
        ("a/b", "x", ""),
    ],
)
def test_parameters_are_read(value: str, name: str, expected: str) -> None:
    assert parameterised(value.encode()).get(name) == expected


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (b"SGVsbG8=", "base64", b"Hello"),
        (b"SGVs\r\nbG8", "base64", b"Hello"),
        (b"SGVs bG8=\r\nSGVsbG8=", "base64", b"HelloHello"),
        (b"S*G-Vs\xff\0bG8=", "base64", b"Hello"),
        (b"SGVsbG8hS", "base64", b"Hello!"),
        (b"", "base64", b""),
        (b"a=3Db =\r\nc", "quoted-printable", b"a=b c"),
        (b"a  \r\nb\t ", "quoted-printable", b"a\r\nb"),
        (b"a= \r\nb=", "quoted-printable", b"ab"),
        (b"=zz=4", "quoted-printable", b"=zz=4"),
        (b"plain", "x-unknown", b"plain"),
    ],
)
def test_contents_are_decoded_leniently(content: bytes, encoding: str, expected: bytes) -> None:
    assert transfer.decode(content, encoding) == expected
    assert b"".join(transfer.pieces(memoryview(content), encoding)) == expected


@given(st.binary(max_size=400))
def test_what_is_encoded_decodes_to_the_same_octets(octets: bytes) -> None:
    quoted, base = transfer.quoted_printable(octets), transfer.base64_lines(octets)

    assert transfer.decode(quoted, "quoted-printable") == octets
    assert b"".join(transfer.quoted_printable_pieces(octets)) == quoted
    assert transfer.decode(base, "base64") == octets == base64.b64decode(base)
    assert all(len(line) <= 76 for line in (*quoted.split(b"\r\n"), *base.split(b"\r\n")))
    assert not {*b"\0\xff"} & {*quoted}
    assert all(line[-1:] not in (b" ", b"\t") for line in quoted.split(b"\r\n"))


@pytest.mark.parametrize(
    "charset", ["bogus", "hex", "unicode_escape", "idna", "utf-8\0", "x" * 200, "", "utf-7", "undefined"]
)
def test_text_of_whatever_charset_is_read(charset: str) -> None:
    root, body = parts(f"Content-Type: text/plain; charset={charset}\n\n".encode() + "Grüße".encode())

    assert "Gr" in text(root, body)


def test_python_sees_the_same_parts() -> None:
    root, body = parts(TWO)

    mine = [(part.type, decoded(part, body)) for part in leaves(root)]
    assert mine == python_leaves(crlf(TWO))


def test_no_boundary_of_blanks_is_one() -> None:
    root, _ = parts('Content-Type: multipart/mixed; boundary="  "\n\n--  \n\nx\n')

    assert root.children == ()
    assert mime.PARTS_MOST == 200
