"""Times, numbers, sheets, and the words of notices."""

from __future__ import annotations

import csv
import email
import email.policy
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailout.core import rhythm
from mailout.core.phase import Counts
from mailout.core.problem import HOLDS, Problem
from mailout.core.rhythm import OpenKey
from mailout.core.telling import completion, notices, refusals, sheet, spoken
from mailout.core.telling.completion import Outcome
from mailout.core.telling.notices import Occasion, Row, Written

NOW = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
SYDNEY = ZoneInfo("Australia/Sydney")
ABOUT = Occasion("Newsletter", "Spring\r\nBcc: x@y", "https://m.test/mailouts/7", "<a@b>")


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(0), "2:04 pm"),
        (timedelta(hours=-13), "1:04 am"),
        (timedelta(days=1), "tomorrow, 2:04 pm"),
        (timedelta(days=-1), "yesterday, 2:04 pm"),
        (timedelta(days=5), "30 November, 2:04 pm"),
        (timedelta(days=90), "23 February 2027"),
    ],
)
def test_a_moment_is_said_as_near_as_it_is(ahead: timedelta, words: str) -> None:
    assert spoken.moment(NOW + ahead, SYDNEY, NOW) == words


def test_a_dated_time_names_its_zone() -> None:
    assert spoken.dated(NOW, SYDNEY) == "25 November 2026, 2:04 pm AEDT"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (40, "40 seconds"),
        (60, "1 minute"),
        (300, "5 minutes"),
        (6000, "about 1 h 40 min"),
        (259_200, "3 days"),
    ],
)
def test_lengths(seconds: int, words: str) -> None:
    assert spoken.length(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_499, "1 KB"),
        (999_600, "1.0 MB"),
        (26_214_400, "26.2 MB"),
        (999_960_000, "1.0 GB"),
        (2_100_000_000, "2.1 GB"),
        (1_234_000_000_000, "1,234.0 GB"),
    ],
)
def test_sizes(octets: int, words: str) -> None:
    assert spoken.size(octets) == words


def test_each_problem_has_its_few_words() -> None:
    assert set(refusals.BRIEFLY) == set(Problem)
    assert all(refusals.briefly(problem).startswith("held") == (problem in HOLDS) for problem in Problem)
    assert refusals.briefly("passed on") == "passed on"


@pytest.mark.parametrize(
    ("keys", "times"),
    [
        ([], 30),
        ([OpenKey(NOW - timedelta(hours=2), None)], 6),
        ([OpenKey(NOW - timedelta(hours=2), NOW - timedelta(seconds=5))], 1),
        ([OpenKey(NOW - timedelta(hours=2), None), OpenKey(NOW - timedelta(minutes=29), None)], 1),
        ([OpenKey(NOW - timedelta(hours=2), NOW - timedelta(minutes=2))], 6),
    ],
)
def test_the_mailbox_is_read_as_often_as_somebody_waits(keys: list[OpenKey], times: int) -> None:
    base = timedelta(seconds=10)

    assert rhythm.interval(base, keys, NOW) == base * times


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("Jane", '"Jane"'),
        ('=HYPERLINK("http://x")', '"\'=HYPERLINK(""http://x"")"'),
        ("+61 2 5550 1234", '"+61 2 5550 1234"'),
        ("-12.50", '"-12.50"'),
        ("-cmd|' /C calc'!A0", "\"'-cmd|' /C calc'!A0\""),
        ("@SUM(A1)", '"\'@SUM(A1)"'),
        ("\t=1", '"\'\t=1"'),
        ("\uff1d1+1", '"\'\uff1d1+1"'),
        ("'=1", "\"''=1\""),
        (None, '""'),
    ],
)
def test_a_cell_runs_no_formula(value: object, cell: str) -> None:
    assert sheet.cell(value) == cell


@pytest.mark.parametrize(
    "text",
    ["Jo", "", "'", "o'x", "'x", "=1", "'=1", "''=1", "+61 4", "'+61 4", "-5", "@x", "\uff1dx", "'\uff1dx", "\tx"],
)
def test_what_was_disarmed_is_read_as_it_was(text: str) -> None:
    (cell,) = next(csv.reader(io.StringIO(sheet.cell(text), newline="")))

    assert sheet.typed(cell) == text


def test_every_problem_has_its_words() -> None:
    for problem in Problem:
        texts = refusals.HOLDING if problem in HOLDS else refusals.ERRORS
        what, then = texts[problem]
        assert what.endswith(".")
        assert then.endswith(".")
    assert not set(refusals.ERRORS) & set(refusals.HOLDING)


def test_what_stands_where_it_may_not_is_said_once() -> None:
    what, then = refusals.told(Problem.KEY_IN_TEXT, "Another customer's address stands in Reply-To.")

    assert what == "Another customer's address stands in Reply-To."
    assert then.startswith("Take it out")
    assert refusals.told(Problem.UNREADABLE, "It ends in the middle.")[0].endswith(
        "changing it. It ends in the middle."
    )
    assert refusals.told(Problem.KEY_IN_TEXT, "")[0] == refusals.ERRORS[Problem.KEY_IN_TEXT][0]


def read(written: Written) -> email.message.EmailMessage:
    pieces = notices.message(
        written,
        sender=("Happy Paws", "mailout@m.test"),
        to=("Jané, \r\nDoe", "jane@m.test"),
        message_id="<n@m.test>",
        date=NOW,
        own_mail="mark",
    )
    raw = b"".join(pieces)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, email.message.EmailMessage)
    return mail


def test_a_notice_is_marked_as_automatic_and_threads_under_the_letter() -> None:
    mail = read(refusals.waiting(ABOUT, Problem.REPLY, 1204))

    assert mail["Subject"] == "Mail-out waiting"
    assert (mail["Auto-Submitted"], mail["In-Reply-To"], mail["References"]) == ("auto-replied", "<a@b>", "<a@b>")
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == "jane@m.test"
    assert "1,204 customers" in mail.get_content()
    assert "https://m.test/mailouts/7" in mail.get_content()


def test_a_notice_that_answers_nothing_says_that_it_was_generated() -> None:
    assert read(notices.reset("Jo", "https://m.test/reset/x"))["Auto-Submitted"] == "auto-generated"


def test_the_complete_mail_puts_those_who_did_not_get_it_first() -> None:
    rows = [Row("sent", "Ann <ann@c.test>"), Row("failed", "gone@c.test", "550 5.1.1 no such user")]
    text = completion.complete(ABOUT, Outcome(Counts(sent=1200, failed=4), rows)).text

    assert "1,200 copies of 1,204 accepted by your mail provider." in text
    assert text.index("gone@c.test") < text.index("ann@c.test")
    assert "1,202 more are in the attached file recipients.csv" in text
    assert "delivered" not in text


def test_the_complete_mail_for_a_stranger_names_nobody() -> None:
    assert "@c.test" not in completion.complete_without_names(ABOUT, Outcome(Counts(sent=2))).text


def test_a_stranger_hears_too_that_it_was_cancelled_or_is_not_over() -> None:
    cancelled = completion.complete_without_names(ABOUT, Outcome(Counts(sent=2, cancelled=3), cancelled=True)).text
    waits = completion.complete_without_names(ABOUT, Outcome(Counts(sent=2, deferred=1))).text

    assert "was cancelled while it was being sent" in cancelled
    assert "you hear again when they are settled" in waits
    assert "is complete" not in cancelled + waits
