"""Whose fault it was, by a server's words: a customer is spared wherever the words could mean something else."""

from __future__ import annotations

import pytest

from mailout.core.returning.diagnosis import (
    ADDRESS_FAULTS,
    WORDS,
    Cause,
    cause_of,
    code_in,
    in_words,
    is_address_fault,
    status_of,
)

GONE = [
    ("5.1.1", "550 5.1.1 <jo@a.test>: Recipient address rejected: User unknown in virtual mailbox table"),
    (
        "5.1.1",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking",
    ),
    ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient jo@a.test not found by SMTP address lookup"),
    ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [AM5EUR02FT012.eop-EUR02.prod.protection.test]"),
    ("5.0.0", "550 Requested action not taken: mailbox unavailable"),
    ("5.7.1", "550 5.7.1 <jo@a.test>... User unknown"),
    ("", "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)"),
    ("", "554 delivery error: dd This user doesn't have a yahoo.test account (jo@a.test) [0]"),
    ("", "511 sorry, no mailbox here by that name"),
    ("", "spamfilter.a.test said: 550 No such user here"),
    ("", "550 rcpt to spam-list@a.test: user unknown"),
    ("", "The recipient name is not recognized"),
    ("", "550 unknown or illegal alias: jo@a.test"),
    ("5.1.0", "550 5.1.0 Address rejected."),
    ("5.1.3", ""),
    ("", "550 5.1.1 Empfänger unbekannt"),
    ("", "550 L'adresse n'existe pas"),
    ("", "550 El usuario no existe"),
    ("", "550 宛先のメールアドレスは存在しません"),
    ("", "550 Mailbox not found: нет такого; пользователь не найден"),
    ("5.1.2", "550 5.1.2 Host or domain name not found. Name service error for name=a.invalid type=MX: Host not found"),
    ("5.1.2", "550 Host unknown"),
    ("5.4.4", "Illegal host/domain name found"),
    ("", "556 5.1.10 Domain a.test does not accept mail (nullMX)"),
    ("5.2.1", "550 5.2.1 The email account that you tried to reach is disabled."),
    ("", "554 This account has been disabled or discontinued [#102]"),
    ("", "550 User's mailbox is inactive"),
    ("", "550 5.7.1 Mailbox closed; the person is no longer with us"),
    ("5.1.6", "551 5.1.6 The mailbox has moved"),
]


@pytest.mark.parametrize(("status", "words"), GONE)
def test_an_address_at_fault_is_told(status: str, words: str) -> None:
    assert is_address_fault(status, words), cause_of(status, words)


FULL = [
    ("5.2.2", "550 5.2.2 STOREDRV.Deliver: mailbox full."),
    ("5.2.2", ""),
    ("4.2.2", "452 4.2.2 The email account that you tried to reach is over quota."),
    ("", "552 Quota violation for jo@a.test"),
    ("", "552 5.2.2 Mailbox size limit exceeded"),
    ("", "maildir delivery failed: error writing message: Disk quota exceeded"),
    ("", "Recipient's mailbox is full, message returned to sender. (#5.2.2)"),
    ("5.1.1", "550 5.1.1 user mailbox is full"),
    ("", "452 Das Postfach ist voll"),
    ("", "552 La boîte aux lettres est pleine"),
    ("", "メールボックスの容量を超えています"),
]


@pytest.mark.parametrize(("status", "words"), FULL)
def test_a_full_mailbox_is_told(status: str, words: str) -> None:
    assert cause_of(status, words) is Cause.FULL
    assert not is_address_fault(status, words)


SPARED = [
    (Cause.SENDER, "5.1.1", "553 Sender Policy Framework (SPF) fail 550 5.1.1 jo@a.test... User unknown"),
    (Cause.SENDER, "5.7.26", "550 5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy."),
    (Cause.SENDER, "", "550 Unroutable sender address"),
    (Cause.SENDER, "5.1.8", "550 5.1.8 <a@b.test>: Sender address rejected: Domain not found"),
    (Cause.SENDER, "5.1.7", ""),
    (Cause.CONTENT, "5.7.1", "550 5.7.1 Message rejected as spam by Content Filtering."),
    (Cause.CONTENT, "5.1.1", "550 5.1.1 This message looks like spam to us"),
    (Cause.CONTENT, "", "554 Your attachment contains a virus"),
    (Cause.POLICY, "", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
    (Cause.POLICY, "5.7.606", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"),
    (Cause.POLICY, "5.7.1", "550 5.7.1 Command rejected"),
    (Cause.POLICY, "5.0.0", "530 5.7.0 Must issue a STARTTLS command first"),
    (Cause.TOO_LARGE, "5.3.4", "552 5.3.4 Message size exceeds fixed limit"),
    (Cause.TOO_LARGE, "5.2.3", ""),
    (Cause.TOO_LARGE, "", "Mail size limit exceeded."),
    (Cause.TOO_MUCH, "5.0.0", "550 Connection frequency limited"),
    (Cause.TOO_MUCH, "5.4.5", "550 5.4.5 Daily sending quota exceeded"),
    (Cause.TOO_MUCH, "5.4.5", ""),
    (Cause.NOT_THEIRS, "5.7.1", "550 5.7.1 Unable to relay for jo@a.test"),
    (Cause.NOT_THEIRS, "", "554 <jo@a.test>: Relay access denied"),
    (Cause.UNREACHABLE, "4.4.7", "connect to a.test[192.0.2.1]:25: Connection timed out"),
    (Cause.UNREACHABLE, "5.4.7", ""),
    (Cause.UNREACHABLE, "", "Envelope expired"),
    (Cause.UNREACHABLE, "4.4.3", "Name service error for name=a.test: Host not found, try again"),
    (Cause.UNREACHABLE, "", "550 Mailbox temporarily disabled, try again later"),
    (Cause.UNKNOWN, "", ""),
    (Cause.UNKNOWN, "5.0.0", ""),
    (Cause.UNKNOWN, "5.5.0", "550 rejected"),
    (Cause.UNKNOWN, "4.1.1", ""),
    (Cause.UNKNOWN, "2.1.5", ""),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "status", "words"), SPARED)
def test_what_is_not_the_addresss_fault_never_blames_it(cause: Cause, status: str, words: str) -> None:
    assert not is_address_fault(status, words)
    assert cause_of(status, words) is cause


def test_a_server_that_gave_up_after_a_temporary_reply_blames_nobody() -> None:
    assert not is_address_fault("4.1.1", 'unknown user: "jo"')
    assert is_address_fault("4.0.0", "550 5.1.1 unknown user")


@pytest.mark.parametrize(
    ("status", "words", "telling"),
    [
        ("5.0.0", "550 5.1.1 no such user", "5.1.1"),
        ("", "550 5.1.1 no such user", "5.1.1"),
        ("5.2.2", "550 5.1.1 no such user", "5.2.2"),
        ("5.0.0", "550 no such user", "5.0.0"),
        ("5.1.1", "host 10.5.1.1 said: 550", "5.1.1"),
        ("", "connect to 5.1.1.5", ""),
    ],
)
def test_the_status_that_says_most_counts(status: str, words: str, telling: str) -> None:
    assert status_of(status, words) == telling


def test_a_code_is_no_part_of_a_larger_number() -> None:
    assert code_in("host 192.0.2.550 said: 452 4.2.2") == 452
    assert code_in("SIZE=1550 refused") == 0


def test_every_cause_has_a_sentence() -> None:
    assert set(WORDS) == set(Cause)
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in WORDS.values())
    assert in_words("5.1.1", "") == "The address does not exist."
    assert Cause.FULL not in ADDRESS_FAULTS
