"""What each letter is, by its addresses and by what it shows; and whom it is about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core import own
from mailout.core.reading.letter import read
from mailout.core.returning.triage import Answer, AutoReply, Bounced, Complaint, Keyed, Leaves, Other, Verdict, triage
from tests.core.returning import COPY, FIXED, KEY, KEYED, LEAVING, MESSAGE_ID, OWN, RETURN_PATH, SECRET, letter, report
from tests.core.test_automatic import AWAY, BULK, PROGRAMS

FAILED = "Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; jo@a.test\nAction: failed\nStatus: 5.1.1\n"
JO = "From: Jo <jo@a.test>\nSubject: Re: Spring news"
OTHER_KEY = own.make_key("a secret", 8, b"m" * 16)


def what(raw: bytes, ours: own.Own = OWN) -> Verdict:
    return triage(read(raw), ours, SECRET)


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_letter_to_a_key_is_keyed() -> None:
    assert what(letter("From: jane@mail.test\nSubject: News", "Hello", to=KEYED)) == Keyed((KEY,), damaged=False)


def test_two_keys_and_a_damaged_one_are_told() -> None:
    other, damaged = OWN.key_address(OTHER_KEY), KEYED.replace(KEY, KEY[:-1] + ("0" if KEY[-1] != "0" else "1"))
    both = what(letter(f"From: jane@mail.test\nCc: {other}", "Hello", to=KEYED))

    assert both == Keyed((KEY, OTHER_KEY), damaged=False)
    assert what(letter("From: jane@mail.test", "Hello", to=damaged)) == Keyed((), damaged=True)


@pytest.mark.parametrize("header", BULK)
def test_bulk_or_list_headers_make_a_letter_to_a_key_no_less_a_letter(header: str) -> None:
    assert what(letter(f"From: jane@mail.test\n{header}", "Hello", to=KEYED)) == Keyed((KEY,), damaged=False)


@pytest.mark.parametrize("subject", ["Out of office over Christmas", "Automatic reply: x", "Undeliverable goods"])
def test_a_subject_makes_a_letter_to_a_key_no_less_a_letter(subject: str) -> None:
    raw = letter(f"From: jane@mail.test\nSubject: {subject}\nX-Failed-Recipients: x@y.test", "550 5.1.1 x", to=KEYED)

    assert what(raw) == Keyed((KEY,), damaged=False)


@pytest.mark.parametrize("header", PROGRAMS)
def test_what_a_program_wrote_to_a_key_is_never_a_mail_out(header: str) -> None:
    verdict = what(letter(f"From: jane@mail.test\nSubject: News\n{header}", "Hello", to=KEYED))

    assert isinstance(verdict, AutoReply | Other)


def test_a_report_to_a_key_is_a_bounce() -> None:
    assert isinstance(what(report(FAILED, to=KEYED)), Bounced)


def test_our_own_copy_that_comes_back_whole_is_no_mail_out() -> None:
    assert isinstance(what(letter(f"From: jane@mail.test\nMessage-ID: {MESSAGE_ID}", "Hello", to=KEYED)), Other)


def test_a_key_quoted_in_a_letter_is_none() -> None:
    raw = letter("From: jane@mail.test\nSubject: News", f"I wrote to {KEYED}", to="mailout@mail.test")

    assert isinstance(what(raw), Other)


# -- bounces -----------------------------------------------------------------------------------------------------------


def test_a_bounce_is_about_whom_the_token_names() -> None:
    verdict = what(report(FAILED, copy="Subject: x\n\nx\n"))

    assert isinstance(verdict, Bounced)
    (found,) = verdict.reports
    assert (found.recipient_ids, found.address, found.action, found.status) == ((7,), "jo@a.test", "failed", "5.1.1")
    assert (found.permanent, found.address_fault, found.mailbox_full, verdict.delayed) == (True, True, False, False)
    assert found.in_words == "The address does not exist."


def test_without_a_token_it_is_about_whom_the_returned_copy_names() -> None:
    for copy in (COPY, COPY.replace(MESSAGE_ID, "<rewritten@relay.test>")):
        verdict = what(report(FAILED, to="bounces@mail.test", copy=copy), FIXED if MESSAGE_ID in copy else OWN)
        assert isinstance(verdict, Bounced)
        assert verdict.reports[0].recipient_ids == (7,)


def test_the_copys_message_id_is_found_wherever_the_report_has_it() -> None:
    refers = report(FAILED, to="bounces@mail.test", head=f"In-Reply-To: {MESSAGE_ID}", copy="x: y\n\n")
    status = report(f"X-Original-Message-ID: {MESSAGE_ID}\n\n{FAILED}", to="bounces@mail.test", copy="x: y\n\n")
    words = letter(
        "From: MAILER-DAEMON@a.test\nSubject: failure notice", f"<jo@a.test>:\n550 no\n\n{COPY}", to="mailout@mail.test"
    )

    for raw in (refers, status, words):
        verdict = what(raw, FIXED)
        assert isinstance(verdict, Bounced)
        assert verdict.reports[0].recipient_ids == (7,)


def test_a_report_of_nothing_of_ours_names_nobody() -> None:
    forged = RETURN_PATH.replace("b-7-", "b-8-")
    copy = COPY.replace(MESSAGE_ID, MESSAGE_ID.replace("<7-", "<8-")).replace(RETURN_PATH, forged)

    for to in ("mailout@mail.test", "postmaster@mail.test", forged):
        verdict = what(report(FAILED, to=to, copy=copy))
        assert isinstance(verdict, Bounced)
        assert verdict.reports[0].recipient_ids == ()


def test_a_letter_that_the_copy_quotes_is_not_taken_for_it() -> None:
    quoted = own.message_id(SECRET, 99, OWN.domain)

    verdict = what(report(FAILED, to="bounces@mail.test", copy=COPY + f"\n> Message-ID: {quoted}\n"), FIXED)

    assert isinstance(verdict, Bounced)
    assert verdict.reports[0].recipient_ids == (7,)


def test_a_delay_has_failed_nobody() -> None:
    verdict = what(report(FAILED.replace("failed", "delayed").replace("5.1.1", "4.4.1")))

    assert isinstance(verdict, Bounced)
    assert verdict.delayed
    assert not verdict.reports[0].permanent
    assert not verdict.reports[0].address_fault


def test_failed_and_delayed_in_one_report_are_told_apart() -> None:
    late = "\nFinal-Recipient: rfc822; al@a.test\nAction: delayed\nStatus: 4.2.2\n"
    verdict = what(report(FAILED + late))

    assert isinstance(verdict, Bounced)
    assert [(one.address, one.permanent) for one in verdict.reports] == [("jo@a.test", True), ("al@a.test", False)]
    assert not verdict.delayed


def test_the_report_that_a_copy_arrived_is_an_automatic_answer() -> None:
    arrived = FAILED.replace("failed", "relayed").replace("5.1.1", "2.1.5")
    in_words = letter(
        "From: postmaster@a.test\nReturn-Path: <>\nSubject: Successful Mail Delivery Report", "It was handed on.\n"
    )

    assert isinstance(what(report(arrived)), AutoReply)
    assert isinstance(what(in_words), AutoReply)


def test_a_bounce_that_names_nobody_is_still_one() -> None:
    raw = letter(
        "From: MAILER-DAEMON@a.test\nReturn-Path: <>\nSubject: Mail could not be delivered", "Attempts used up.\n"
    )

    verdict = what(raw)

    assert isinstance(verdict, Bounced)
    (found,) = verdict.reports
    assert (found.recipient_ids, found.address, found.permanent, found.address_fault) == ((7,), "", True, False)


def test_a_report_whose_parts_are_broken_is_read_as_text() -> None:
    raw = report(FAILED).replace(b'boundary="b/1"', b'boundary="other"')

    verdict = what(raw)

    assert isinstance(verdict, Bounced)
    assert (verdict.reports[0].address, verdict.reports[0].status) == ("jo@a.test", "5.1.1")


# -- people and programs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "Lovely, see you on Monday!\n",
        "My parcel was not delivered, the delivery failed!\n",
        "> The following address failed:\n> user unknown, 550 5.1.1\n\nWhat is this?\n",
        "Please write to jo@a.test instead, al@a.test, is no longer used\n",
    ],
)
def test_a_person_who_answers_a_copy_is_a_person(body: str) -> None:
    assert what(letter(f"{JO}\nIn-Reply-To: {MESSAGE_ID}", body, to="mailout@mail.test")) == Answer((7,))
    assert what(letter(f"{JO}\nReferences: <x@y> {MESSAGE_ID}", body)) == Answer((7,))
    assert what(letter(f"{JO}\nIn-Reply-To: <x@y>", body)) == Answer((7,))


@pytest.mark.parametrize("header", [*PROGRAMS, *BULK])
def test_a_program_that_answers_a_copy_is_a_program(header: str) -> None:
    for to, reference in ((RETURN_PATH, "<x@y>"), ("mailout@mail.test", MESSAGE_ID)):
        assert isinstance(what(letter(f"{JO}\nIn-Reply-To: {reference}\n{header}", "I got it.", to=to)), AutoReply)


@pytest.mark.parametrize("subject", AWAY)
def test_a_vacation_notice_is_an_automatic_answer(subject: str) -> None:
    assert isinstance(what(letter(f"From: Jo <jo@a.test>\nSubject: {subject}", "Back on Monday.")), AutoReply)
    null = f"From: Jo <jo@a.test>\nReturn-Path: <>\nSubject: {subject}"
    assert isinstance(what(letter(null, "This mailbox is no longer in use. Mail is not delivered.")), AutoReply)


def test_an_answer_with_the_null_sender_is_no_bounce() -> None:
    raw = letter(
        "From: Jo <jo@a.test>\nReturn-Path: <>\nSubject: Spring news", "I am away; nobody is able to reach me.\n"
    )

    assert isinstance(what(raw), AutoReply)


def test_receipts_are_automatic_answers() -> None:
    mdn = report(
        "Final-Recipient: rfc822; jo@a.test\nDisposition: manual-action/MDN-sent-manually; displayed",
        kind="disposition-notification",
    )
    tnef = letter("From: Jo <jo@a.test>\nSubject: Read: Spring news\nContent-Type: application/ms-tnef", "x")

    assert isinstance(what(mdn), AutoReply)
    assert isinstance(what(tnef), AutoReply)


@pytest.mark.parametrize(
    "body",
    [
        "Your message is being held. Please click the link below to confirm that you are a person: https://x.test/1\n",
        "This account is protected by SpamArrest. Click here to have your address added to the allowed list.\n",
    ],
)
def test_who_asks_for_proof_that_a_person_wrote_is_a_program(body: str) -> None:
    assert isinstance(what(letter(JO, body)), AutoReply)


def test_a_challenge_in_the_form_of_a_bounce_is_none() -> None:
    fields = FAILED.replace(
        "5.1.1", "4.7.0\nDiagnostic-Code: X-Notice; Sender not pre-approved. Follow the instructions"
    )

    assert isinstance(what(report(fields)), AutoReply)


@pytest.mark.parametrize("to", ["mailout@mail.test", "stranger@other.test"])
def test_the_rest_is_left_alone(to: str) -> None:
    assert isinstance(what(letter("From: Jo <jo@a.test>\nSubject: Hello", "Hello", to=to)), Other)
    assert isinstance(what(letter("From: news@shop.test\nList-Id: <x>\nSubject: Sale", "Buy", to=to)), Other)


# -- leaving and complaining -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head", [JO, "From: Jo <jo@a.test>", JO + "\nAuto-Submitted: auto-generated", "Subject: unsubscribe"]
)
def test_a_letter_to_the_unsubscribe_address_leaves_the_list(head: str) -> None:
    assert what(letter(head, "", to=LEAVING)) == Leaves(3, 9)
    assert what(letter(head, "", to=LEAVING.upper().replace("+", "%2B"))) == Leaves(3, 9)


def test_a_forged_unsubscribe_address_leaves_nothing() -> None:
    forged = OWN.unsubscribe_address(own.unsubscribe_token(b"another secret", 3, 9))

    assert not isinstance(what(letter(JO, "", to=forged)), Leaves)
    assert not isinstance(what(letter(JO, f"unsubscribe {LEAVING}", to="mailout@mail.test")), Leaves)


def test_a_bounce_of_an_unsubscribe_address_leaves_nothing() -> None:
    assert isinstance(what(report(FAILED, to=LEAVING)), Bounced)


@pytest.mark.parametrize("kind", ["abuse", "Abuse", "fraud", "opt-out", "other", "miscategorized"])
def test_a_complaint_is_about_whom_the_returned_copy_names(kind: str) -> None:
    fields = f"Feedback-Type: {kind}\nUser-Agent: x/1\nOriginal-Rcpt-To: jo@a.test"

    verdict = what(report(fields, kind="feedback-report", to="abuse@mail.test"))

    assert verdict == Complaint((7,), ("jo@a.test",), ((3, 9),))


def test_a_complaint_with_everything_blacked_out_is_known_by_its_unsubscribe_link() -> None:
    copy = COPY.replace(RETURN_PATH, "redacted").replace(MESSAGE_ID, "<redacted>")

    verdict = what(report("Feedback-Type: abuse", kind="feedback-report", to="mailout@mail.test", copy=copy))

    assert verdict == Complaint((), (), ((3, 9),))


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dkim"])
def test_a_report_that_complains_of_nothing_is_no_complaint(kind: str) -> None:
    assert isinstance(what(report(f"Feedback-Type: {kind}", kind="feedback-report")), Other)


def test_hotmail_complains_with_the_letter_and_no_form() -> None:
    body = f"--b\nContent-Type: message/rfc822\n\n{COPY}\n--b--\n"
    head = "From: <staff@hotmail.com>\nSubject: complaint about message\nContent-Type: multipart/mixed; boundary=b"

    assert what(letter(head, body, to="abuse@mail.test")) == Complaint((7,), (), ((3, 9),))


# -- whatever it is ----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [f"To: {KEYED}", f"To: {RETURN_PATH}", f"Cc: {LEAVING}", "From: MAILER-DAEMON@a.test", "Return-Path: <>", "",
     "Auto-Submitted: auto-replied", "Content-Type: multipart/report; boundary=b", "--b", "--b--",
     "Content-Type: message/delivery-status", "Content-Type: message/feedback-report", "Content-Type: message/rfc822",
     "Final-Recipient: rfc822; jo@a.test", "Action: failed", "Feedback-Type: abuse", "Subject: failure notice",
     f"Message-ID: {MESSAGE_ID}", "Content-Transfer-Encoding: base64", "<jo@a.test>:", "550 5.1.1 unknown"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(st.one_of(PIECES, st.text(max_size=9)), max_size=40).map(
    lambda lines: "\r\n".join(lines).encode("utf-8", "surrogatepass"))))  # fmt: skip
def test_any_bytes_get_a_verdict(raw: bytes) -> None:
    verdict = what(raw)

    if isinstance(verdict, Bounced):
        assert all(set(one.recipient_ids) <= {7} for one in verdict.reports)
