"""What is an address of a customer, and which two are the same."""

from __future__ import annotations

import time

import pytest

from mailout.book import address
from mailout.core.fault import Fault
from mailout.core.own import Own

OWN = Own("mailout+{key}@mail.test", "mailout+b-{token}@mail.test", "mailout+u-{token}@mail.test", "news@mail.test")

GOOD = [
    "jo.smith@example.org",
    "JO@EXAMPLE.ORG",
    "o'brien@example.org",
    "a+b@example.org",
    "x@localhost",
    "a@b.co",
    "zoë@example.org",
    "jo@bücher.example",
    "jo@xn--bcher-kva.example",
    "用户@例子.广告",
    "!#$%&*/=?^_`{|}~-@example.org",
    "a" * 64 + "@example.org",
]

BAD = [
    "",
    " ",
    "jo",
    "@example.org",
    "jo@",
    "jo@@example.org",
    "jo@a@example.org",
    "jo@example",
    "jo@example,org",
    "jo@.example.org",
    "jo@example..org",
    "jo@example.org.",
    "jo@-example.org",
    "jo@example-.org",
    "jo@exam_ple.org",
    "jo@example.123",
    "jo@192.0.2.1",
    "jo@[192.0.2.1]",
    "jo smith@example.org",
    "jo@exam ple.org",
    ".jo@example.org",
    "jo.@example.org",
    "jo..smith@example.org",
    '"jo smith"@example.org',
    "Jo <jo@example.org>",
    "<jo@example.org>",
    "jo@example.org>",
    "jo@example.org> NOTIFY=NEVER",
    "jo@example.org, ann@example.org",
    "jo@example.org;ann@example.org",
    "jo@example.org\r\nBcc: eve@example.org",
    "jo\n@example.org",
    "jo\0@example.org",
    "jo\t@example.org",
    "jo@example.org\x7f",
    "jo\u200b@example.org",
    "jo\u202e@example.org",
    "mailto:jo@example.org",
    "jo(comment)@example.org",
    "jo\\@example.org",
    "a" * 65 + "@example.org",
    "jo@" + "a" * 64 + ".org",
    "jo@" + "a." * 125 + "org",
    "ë" * 33 + "@example.org",
    "jo@xn--.org",
]


@pytest.mark.parametrize("typed", GOOD)
def test_an_address_is_kept_as_it_was_typed(typed):
    assert address.check(f" {typed} ", OWN) == typed


@pytest.mark.parametrize("typed", BAD)
def test_what_is_no_address_is_refused_in_words(typed):
    with pytest.raises(Fault) as refused:
        address.check(typed, OWN)

    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "ours",
    [
        "mailout@mail.test",
        "MAILOUT@MAIL.TEST",
        "mailout+anything@mail.test",
        "news@mail.test",
        "postmaster@mail.test",
        "mailer-daemon@mail.test",
    ],
)
def test_an_address_of_our_own_is_no_customers(ours):
    with pytest.raises(Fault, match="Mailout itself"):
        address.check(ours, OWN)


def test_with_a_domain_for_keys_everything_in_it_is_ours():
    own = Own("{key}@mailout.test", "b-{token}@mailout.test", "u-{token}@mailout.test", "news@mail.test")

    with pytest.raises(Fault, match="Mailout itself"):
        address.check("anybody@mailout.test", own)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jo@Example.ORG", "jo@example.org"),
        (" jo@example.org", "jo@example.org"),
        ("jo@bücher.example", "JO@XN--BCHER-KVA.example"),
        ("zoe\u0308@example.org", "zoë@example.org"),
        ("ZOË@example.org", "zoë@example.org"),
    ],
)
def test_two_ways_to_write_an_address_are_the_same(one, other):
    assert address.same(one) == address.same(other)


def test_nothing_that_can_be_typed_takes_long_to_refuse():
    begun = time.process_time()

    for hostile in ("a." * 50_000, "(" * 100_000, "a" * 100_000 + "@", "@" * 100_000, "a@" + "a-" * 50_000):
        with pytest.raises(Fault):
            address.check(hostile, OWN)

    assert time.process_time() - begun < 1
