"""The whole corpus of real messages comes back to us: each gets its verdict, and the right recipient is meant.

The messages are other people's and stay where they are; without them these tests are skipped.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mailout.core import own
from mailout.core.reading.letter import read
from mailout.core.returning.triage import Answer, AutoReply, Bounced, Complaint, Keyed, Leaves, Other, Verdict, triage
from tests.core.returning import KEYED, LEAVING, MESSAGE_ID, OWN, RETURN_PATH, SECRET

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
SECONDS = 5

FILES: list[dict[str, Any]] = (
    json.loads((CORPUS / "MANIFEST.json").read_text())["files"] if (CORPUS / "MANIFEST.json").exists() else []
)
pytestmark = pytest.mark.skipif(not FILES, reason="the corpus of real messages is not there (../shared/corpus)")

#: What a message of each class is when it comes to the return path of a copy, and when it comes to our plain address.
EXPECTED: dict[str, tuple[type | tuple[type, ...], type | tuple[type, ...]]] = {
    "bounce": (Bounced, Bounced),
    "bounce-noaddr": (Bounced, Bounced),
    "delay": (Bounced, Bounced),
    "success": (AutoReply, AutoReply),
    "vacation": (AutoReply, AutoReply),
    "challenge": (AutoReply, AutoReply),
    "mdn": (AutoReply, AutoReply),
    "auto": (AutoReply, AutoReply),
    "complaint": (Complaint, Complaint),
    "notification": (AutoReply, Other),
    "newsletter": (AutoReply, Other),
    "list": (AutoReply, Other),
    "report": (AutoReply, Other),
    "human": (Answer, Other),
    "unsubscribe": (Answer, Other),
    "message": ((Answer, AutoReply), Other),
    "spam": ((Answer, AutoReply), (Other, AutoReply)),
    "malformed": ((Answer, Bounced), (Other, Bounced)),
}


def of(*categories: str) -> list[Any]:
    return [pytest.param(one, id=one["id"]) for one in FILES if one["category"] in categories]


def addressed(one: dict[str, Any], to: str) -> bytes:
    """The message as the mailbox gives it when it came to `to`: a field is put before it, no byte of it is changed."""
    raw = (CORPUS / one["file"]).read_bytes()
    if "mbox-from-line" in one["tags"]:
        raw = raw[raw.index(b"\n") + 1 :]
    end = b"\r\n" if b"\r\n" in raw else b"\n" if b"\n" in raw else b"\r"
    return b"Delivered-To: " + to.encode() + end + raw


def verdict_of(one: dict[str, Any], to: str) -> Verdict:
    began = time.process_time()
    verdict = triage(read(addressed(one, to)), OWN, SECRET)
    assert time.process_time() - began < SECONDS
    return verdict


@pytest.mark.parametrize("one", of("bounces", "autoreplies", "messages", "hostile"))
def test_every_message_gets_its_verdict(one: dict[str, Any]) -> None:
    to_token, to_plain = EXPECTED[one["expected"]["class"]]

    assert isinstance(verdict_of(one, RETURN_PATH), to_token)
    assert isinstance(verdict_of(one, "mailout@mail.test"), to_plain)


@pytest.mark.parametrize("one", of("bounces"))
def test_every_bounce_means_the_right_addresses(one: dict[str, Any]) -> None:
    said = one["expected"]["bounce"]
    verdict = verdict_of(one, RETURN_PATH)
    if not isinstance(verdict, Bounced):
        assert said.get("delivered")
        return
    also = {address.lower() for address in said.get("also_acceptable", [])}
    for word, permanent in (("permanent", True), ("temporary", False)):
        meant = {name.lower() for found in verdict.reports if found.permanent is permanent
                 for name in (found.address, *found.also) if name}  # fmt: skip
        expected = {address.lower() for address in said[word]}
        blurred = one["id"] == "sisimai-lhost-apachejames-01"  # made anonymous inconsistently by its collectors
        assert blurred or expected <= meant, word
        assert blurred or meant <= expected | also | {m for m in meant if "@" in m and m in _finals(verdict)}, word
    assert {found.recipient_ids for found in verdict.reports} == {(7,)}
    assert verdict.delayed is (one["expected"]["class"] == "delay")


def _finals(verdict: Bounced) -> set[str]:
    """Where a letter was forwarded to, beside the address that it was written to."""
    return {name.lower() for found in verdict.reports for name in found.also}


@pytest.mark.parametrize("one", of("bounces"))
def test_only_an_addresss_own_fault_is_one(one: dict[str, Any]) -> None:
    """By another reader of bounces, where it has read the same file: what it calls the letter's or our fault, or a full
    mailbox, never blames the address; what it calls an unknown user does, unless the server said "later"."""
    verdict = verdict_of(one, RETURN_PATH)
    told = {found["address"].lower(): found["reason"] for found in one["expected"]["bounce"].get("sisimai", [])}
    for found in verdict.reports if isinstance(verdict, Bounced) else ():
        reason = told.get(found.address.lower())
        if reason in ("userunknown", "hostunknown") and found.status.startswith("5.1"):
            assert found.address_fault
        if reason in ("mailboxfull", "spamdetected", "mesgtoobig", "blocked", "norelaying", "toomanyconn", "expired"):
            assert not found.address_fault
        if reason == "mailboxfull" and found.permanent:
            assert found.mailbox_full


#: Nothing in their heads tells these from a person's letter. Their authors are no users, so they would be held.
LIKE_A_PERSON = {
    "flufl-groupwise_03", "flufl-dumbass_01", "sisimai-lhost-amazonses-12", "bparser-warning-6", "bparser-bluebottle",
    "discourse-auto_generated_precedence", "discourse-mailinglist", "discourse-unsubscribe_subject",
    "discourse-mailinglist_unsubscribe", "chatwoot-notification", "zbateson-m4006", "simplelogin-hotmail_complaint",
    "mox-dmarc-reports-google", "webklex-github-notification", "rspamd-transactional", "rspamd-newsletter",
}  # fmt: skip


@pytest.mark.parametrize("one", of("bounces", "autoreplies"))
def test_nothing_that_comes_back_by_itself_becomes_a_mail_out(one: dict[str, Any]) -> None:
    """Even where it is addressed to a key."""
    assert isinstance(verdict_of(one, KEYED), Keyed) is (one["id"] in LIKE_A_PERSON)


@pytest.mark.parametrize("one", of("autoreplies"))
def test_whoever_leaves_by_letter_has_left(one: dict[str, Any]) -> None:
    if one["expected"]["class"] == "unsubscribe":
        assert verdict_of(one, LEAVING) == Leaves(3, 9)


@pytest.mark.parametrize("one", of("bounces"))
def test_our_message_id_in_what_a_bounce_returns_is_enough(one: dict[str, Any]) -> None:
    """Where a fixed return path is used, it is all that there is to go by."""
    fixed = own.Own(OWN.mailout, "bounces@mail.test", OWN.unsubscribe, OWN.sender)
    raw = addressed(one, "bounces@mail.test").rstrip() + b"\n\nMessage-ID: " + MESSAGE_ID.encode() + b"\n"

    verdict = triage(read(raw), fixed, SECRET)

    if isinstance(verdict, Bounced) and b"multipart/" not in raw.lower():
        assert {found.recipient_ids for found in verdict.reports} == {(7,)}
