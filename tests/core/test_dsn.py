"""Reports that machines write for machines: as the RFCs have them, and as programs write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core.reading.letter import read as read_letter
from mailout.core.reading.opened import take_apart
from mailout.core.returning.dsn import Action, Told, address_in, complaint, has_fields, read, read_text
from tests.core.returning import report

FAILED = (
    "Final-Recipient: rfc822; jo@a.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\n"
)


def test_a_report_by_the_book_is_read() -> None:
    fields = "Reporting-MTA: dns; mx.a.test\nArrival-Date: Wed, 25 Nov 2026 03:00:00 +0000\n\n" + FAILED

    (told,) = read(take_apart(read_letter(report(fields))))

    assert told == Told("jo@a.test", Action.FAILED, "5.1.1", "550 5.1.1 user unknown")


def test_several_groups_say_several_things() -> None:
    fields = """\
Reporting-MTA: dns; mx.a.test

Final-Recipient: rfc822; jo@a.test
Action: failed
Status: 5.1.1

Final-Recipient: rfc822; al@a.test
Action: delayed
Status: 4.4.1
Will-Retry-Until: Fri, 27 Nov 2026 03:00:00 +0000

Final-Recipient: rfc822; mo@a.test
Action: delivered
Status: 2.1.5
"""
    told = read_text(fields)

    assert [(one.address, one.action) for one in told] == [
        ("jo@a.test", Action.FAILED),
        ("al@a.test", Action.DELAYED),
        ("mo@a.test", Action.DELIVERED),
    ]


ACTIONS = {
    Action.FAILED: ["failed", "Failed", "FAILED (expired)", "failure", "fail", "error", "undeliverable",
    "failed; x", "bounced"],
    Action.DELAYED: ["delayed", "Delayed (will retry)", "deferred", "delay", "transient-failure", "warning"],
    Action.DELIVERED: ["delivered", "relayed (to non-DSN-aware mailer)", "expanded", "success", "Delivered"],
}  # fmt: skip


@pytest.mark.parametrize(("action", "word"), [(action, word) for action, words in ACTIONS.items() for word in words])
def test_words_for_action_that_no_rfc_has_are_understood(action: Action, word: str) -> None:
    (told,) = read_text(f"Final-Recipient: rfc822; jo@a.test\nAction: {word}\nStatus: 5.0.0\n")

    assert told.action is action


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ("Status: 5.1.1", Action.FAILED),
        ("Status: 4.4.1", Action.DELAYED),
        ("Status: 2.0.0", Action.DELIVERED),
        ("Diagnostic-Code: smtp; 550 no", Action.FAILED),
        ("Diagnostic-Code: smtp; 451 later", Action.DELAYED),
        ("Action: \nStatus: 5.1.1", Action.FAILED),
        ("Action: gone fishing\nStatus: 4.0.0", Action.DELAYED),
        ("X-Other: 1", Action.FAILED),
    ],
)
def test_without_an_action_the_numbers_tell(fields: str, action: Action) -> None:
    (told,) = read_text(f"Final-Recipient: rfc822; jo@a.test\n{fields}\n")

    assert told.action is action


DRESSES = [
    "rfc822; jo@a.test", "RFC822;jo@a.test", "rfc822;<jo@a.test>", "jo@a.test", "<jo@a.test>", "rfc822; jo@a.test (Jo)",
    "unknown; jo@a.test", "utf-8; jo@a.test", "LOCAL; <jo@a.test>", "rfc822; 'jo@a.test'", "rfc822; mailto:jo@a.test",
    "smtp;jo@a.test", "rfc822; Jo <jo@a.test>", "rfc822;\n jo@a.test", "rfc822; jo@a.test.", "rfc822; SMTP:jo@a.test",
    "utf-8; \\x{6A}o@a.test",
]  # fmt: skip


@pytest.mark.parametrize("dress", DRESSES)
def test_an_address_is_found_in_any_dress(dress: str) -> None:
    (told,) = read_text(f"Final-Recipient: {dress}\nAction: failed\nStatus: 5.1.1\n")

    assert told.address == "jo@a.test"


@pytest.mark.parametrize(
    "text",
    ["", "rfc822;", "nobody", "@", "jo@", "@a.test", "jo at a.test", "j" * 65 + "@a.test", "jo@" + "a" * 300, "<>",
    "jo\x00@"],
)  # fmt: skip
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_in(text) == ""


def test_xtext_is_read() -> None:
    (told,) = read_text("Original-Recipient: rfc822;jo+2Bspring@a.test\nFinal-Recipient: rfc822;jo+spring@a.test\n")

    assert (told.address, told.also) == ("jo+spring@a.test", ())


def test_the_original_recipient_comes_first_and_the_final_one_is_kept_beside_it() -> None:
    (told,) = read_text("Final-Recipient: rfc822; old@b.test\nOriginal-Recipient: rfc822;jo@a.test\nAction: failed\n")

    assert (told.address, told.also) == ("jo@a.test", ("old@b.test",))


def test_groups_that_run_together_are_told_apart() -> None:
    fields = (
        FAILED + FAILED.replace("jo@", "al@") + "Original-Recipient: rfc822;mo@a.test\n" + FAILED.replace("jo@", "mo@")
    )

    assert [told.address for told in read_text("Reporting-MTA: dns; a\n" + fields)] == [
        "jo@a.test",
        "al@a.test",
        "mo@a.test",
    ]


def test_a_group_that_is_torn_apart_is_one() -> None:
    (told,) = read_text("Final-Recipient: rfc822; jo@a.test\n\nAction: delayed\n\nStatus: 4.2.2 (mailbox full)\n")

    assert told == Told("jo@a.test", Action.DELAYED, "4.2.2", "mailbox full")


def test_what_stands_in_the_first_group_holds_for_all() -> None:
    told = read_text("Reporting-MTA: dns; a\nAction: delayed\n\nFinal-Recipient: rfc822; jo@a.test\nStatus: 5.0.0\n")

    assert [one.action for one in told] == [Action.DELAYED]


def test_a_diagnosis_goes_on_over_lines() -> None:
    (told,) = read_text(
        "Final-Recipient: rfc822; jo@a.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: X-Postfix; host mx.a.test"
        "\n    said: 550 5.1.1 <jo@a.test>...\n\tUser unknown\nLast-Attempt-Date: now\n"
    )

    assert (told.status, told.diagnosis) == ("5.1.1", "host mx.a.test said: 550 5.1.1 <jo@a.test>... User unknown")


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_a_status_part_in_any_encoding_is_read(encoding: str) -> None:
    plain = "Final-Recipient: rfc822; jo@a.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    coded = {
        "7bit": plain,
        "base64": __import__("base64").encodebytes(plain.encode()).decode(),
        "quoted-printable": plain.replace("@", "=40"),
    }[encoding]
    raw = report("x").replace(
        b"Content-Type: message/delivery-status\r\n\r\nx",
        f"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{coded}".encode(),
    )

    (told,) = read(take_apart(read_letter(raw)))

    assert (told.address, told.status) == ("jo@a.test", "5.1.1")


def test_a_report_within_what_is_returned_is_none_of_ours() -> None:
    inner = report(FAILED).decode()

    told = read(take_apart(read_letter(report("Reporting-MTA: dns; a\n", copy=inner))))

    assert told == ()


def test_fields_among_words_are_noticed() -> None:
    assert has_fields(f"Technical report:\n\n{FAILED}")
    assert not has_fields("Status: fine\nAction: none\n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1", ("abuse", ())),
        ("Feedback-Type: Opt-Out\nOriginal-Rcpt-To: <jo@a.test>", ("opt-out", ("jo@a.test",))),
        ("User-Agent: x\nRemoval-Recipient: jo@a.test\nOriginal-Rcpt-To: rfc822;jo@a.test", ("abuse", ("jo@a.test",))),
        ("Feedback-Type: auth-failure", ("auth-failure", ())),
    ],
)
def test_a_complaint_is_read(fields: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert complaint(take_apart(read_letter(report(fields, kind="feedback-report")))) == expected


def test_a_letter_without_a_feedback_report_is_no_complaint() -> None:
    assert complaint(take_apart(read_letter(report(FAILED)))) is None


LINES = st.sampled_from(
    ["Final-Recipient: rfc822; jo@a.test", "Original-Recipient: rfc822;al@a.test", "Action: failed",
    "Action: delayed", "",
     "Status: 5.1.1", "Diagnostic-Code: smtp; 550 no", " folded", "\tfolded", "Reporting-MTA: dns; a", "garbage",
     ":", ": x",
     "Final-Recipient:", "Action:", "Status: 9.9.9", "X-Actual-Recipient: rfc822; mo@a.test", "\\x{110000}", "a;b;c"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=20)), max_size=30).map("\n".join))
def test_any_fields_are_read(text: str) -> None:
    for told in read_text(text):
        assert "@" in told.address
        assert told.action in Action
        assert len(told.diagnosis) <= 1000
