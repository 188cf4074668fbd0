"""Bounces in words for people, as many programs write them: who failed, and why, whatever flufl.bounce makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.reading.letter import read
from mailout.core.reading.opened import before_returned, take_apart
from mailout.core.returning import bounces, diagnosis
from mailout.core.returning.reasons import reason_for
from mailout.core.returning.triage import Bounced, triage
from tests.core.returning import COPY, KINDS, OWN, SECRET, Kind, letter


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("to", ["mailout@mail.test", None], ids=["without a token", "with a token"])
def test_every_kind_is_a_bounce_of_the_right_address(kind: Kind, to: str | None) -> None:
    raw = letter(kind.head, kind.body, to=to) if to else letter(kind.head, kind.body)

    verdict = triage(read(raw), OWN, SECRET)

    assert isinstance(verdict, Bounced), verdict
    assert {report.address for report in verdict.reports} == set(kind.addresses)
    assert verdict.delayed is kind.late
    assert all(report.permanent is not kind.late for report in verdict.reports)
    first = next(report for report in verdict.reports if report.address == "jo@a.test")
    assert diagnosis.cause_of(first.status, first.diagnosis) == kind.cause, first
    assert first.address_fault is (kind.cause == "no-such-address")
    if to is None:
        assert {report.recipient_ids for report in verdict.reports} == {(7,)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_behind_the_line_where_the_letter_begins_is_read(kind: Kind) -> None:
    opened = take_apart(read(letter(kind.head, kind.body)))

    assert "customer.test" not in "".join(opened.said)


def test_words_of_a_server_are_kept_as_they_are() -> None:
    said = """\
<jo@a.test>: host mx.a.test[192.0.2.25] said: 550 5.1.1
    <jo@a.test>... User unknown (in reply to
    RCPT TO command)

<al@a.test>: host mx.a.test[192.0.2.25] said: 452 4.2.2
    <al@a.test>... Mailbox full
"""
    both = ("jo@a.test", "al@a.test")

    assert reason_for("jo@a.test", said, both) == "550 5.1.1 <jo@a.test>... User unknown (in reply to RCPT TO command)"
    assert reason_for("al@a.test", said, both) == "452 4.2.2 <al@a.test>... Mailbox full"
    assert reason_for("who@a.test", "Nothing of the kind.") == "Nothing of the kind."
    assert reason_for("", "") == ""


@pytest.mark.parametrize(
    "head",
    [
        "Subject: failure notice",
        "From: \nSubject: failure notice",
        "From: @\nSubject: failure notice",
        "From: MAILER-DAEMON@yale.edu\nSubject: failure notice",
        "From: =?utf-8?q?MAILER-DAEMON?=\nX-Mailer: \xe9\xe9\nContent-Type: multipart/mixed\nSubject: failure notice",
        "From: mailer-daemon@yahoo.test\nSubject: failure notice\nContent-Type: multipart/mixed; boundary=x",
    ],
)
def test_what_flufl_raises_is_survived(head: str) -> None:
    raw = letter(head, "Sorry.\n\n<jo@a.test>:\n550 user unknown\n")

    found = bounces.read(read(raw), take_apart(read(raw)))

    assert [told.address for told in found] == ["jo@a.test"]


@pytest.mark.parametrize(
    "garbage", ['R"ZC`"#58j"E@4[F`', "@", "jo@", "@a.test", "jo@a@a.test", "jo @a.test", "j" * 300 + "@a.test"]
)
def test_garbage_is_no_address(garbage: str) -> None:
    raw = letter("From: MAILER-DAEMON@a.test\nSubject: failure notice", f"Your mail failed:\n\n<{garbage}>:\n550 no\n")

    found = bounces.read(read(raw), take_apart(read(raw)))

    assert garbage not in [told.address for told in found]
    assert all(told.address.count("@") == 1 for told in found)


def test_addresses_of_helpers_and_of_the_report_itself_have_not_failed() -> None:
    raw = letter(
        "From: MAILER-DAEMON@a.test\nSubject: Mail delivery failed",
        "Your message could not be delivered.\nAsk postmaster@a.test or abuse@a.test.\nmailout@mail.test\n",
        to="mailout@mail.test",
    )

    assert bounces.read(read(raw), take_apart(read(raw))) == ()


def test_the_returned_letter_is_cut_off_in_many_languages() -> None:
    for line in (
        "--- Below this line is a copy of the message.",
        "----- Original message -----",
        "Original message headers:",
        "------ This is a copy of the message, including all the headers. ------",
        "--- The header of the original message is following. ---",
        "   ----- Message header follows -----",
        "------- Returned Message --------",
        "-------- Ursprüngliche Nachricht --------",
        "Received: from a.test by b.test; now",
        "Return-Path: <jo@a.test>",
    ):
        assert before_returned(f"It failed.\n\n{line}\n\n{COPY}").strip() == "It failed.", line
    kept = "The original message was received at 3 o'clock\nOriginal message size: 12 kB\n"
    assert before_returned(kept) == kept


WORDS = st.sampled_from(
    ["From: MAILER-DAEMON@a.test", "X-Failed-Recipients: ", "Subject: failure notice", "Content-Type: multipart/mixed;",
     " boundary=x", "--x", "--x--", "Content-Type: message/rfc822", "", "<jo@a.test>:", "jo@a.test", "550 5.1.1 who",
     "Hi. This is the qmail", "could not be delivered", '{"notificationType":"Bounce","bounce":', "[{}]", "\x00", "é",
     "Content-Transfer-Encoding: base64", "====", "Final-Recipient: rfc822;", "Action: ", "<", "@", "Recipient: <"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(WORDS, st.text(max_size=12)), max_size=40))
def test_any_text_is_read(lines: list[str]) -> None:
    raw = "\r\n".join(lines).encode("utf-8", "surrogatepass")
    found = read(raw)

    for told in bounces.read(found, take_apart(found)):
        assert "@" in told.address
        assert "\n" not in told.address
        assert len(told.diagnosis) <= 1000
