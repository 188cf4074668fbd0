"""arrival -- what a probe shows when it has arrived, and what it means when it has not.

Owns     the judgement of its head and its bytes, and the words that say what to change
Never    knows how it came or when: that is told
Fails    never: what can't be read is a finding
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..delivery import Reply, Stage
from ..own import Own
from ..reading.letter import Letter
from ..telling import spoken
from ..telling.spoken import things
from . import signs
from .domains import Answer, aligned, domain_of
from .finding import Finding, Part, failed, ok, warning
from .probe import BODY, Probe, Way

CLOCKS_APART = timedelta(minutes=5)

KINDS = {Way.KEY: "key", Way.BOUNCE: "bounce", Way.PLAIN: "plain"}
_PART = Part.ROUND_TRIP


@dataclass(frozen=True, slots=True)
class Got:
    """A probe that arrived: as it was sent and when, as it came, how many seconds later it was seen."""

    probe: Probe
    sent_at: datetime
    letter: Letter
    seconds: float


def judge(got: Got, receiving_host: str, organisation: str = "", key: Answer | None = None) -> list[Finding]:
    """What the head of a letter that arrived shows.

    `organisation`: where the DMARC record of its From is, or "". `key`: what DNS says of `key_name`, if it was asked.
    """
    found = [
        _return_path(got),
        _from(got),
        _signature(got, organisation, key),
        *_results(signs.results(got.letter.fields)),
        _host(got.letter, receiving_host),
    ]
    return [*filter(None, found), *_clock(got)]


def reached(got: Got) -> Finding:
    """One of our addresses reaches the mailbox."""
    seconds = things(max(1, round(got.seconds)), "second")
    return ok(_PART, f"A letter to a {KINDS[got.probe.way]} address reaches the mailbox, within {seconds}")


def body(arrived: Iterable[Got]) -> Finding:
    """Whether letters arrive as they were sent."""
    changed = [got for got in arrived if got.letter.body.rstrip(b"\r\n") != BODY.rstrip(b"\r\n")]
    if not changed:
        return ok(_PART, "What was sent arrived byte for byte")
    came = changed[0].letter.body
    footer = came.startswith(BODY.rstrip(b"\r\n")) or BODY.rstrip(b"\r\n") in came
    words = (
        "Something on the way adds a text to letters" if footer else "Something on the way changes the text of letters"
    )
    advice = (
        "Your customers' copies can be changed in the same way, and signatures in them break. Look for a disclaimer, "
        "a virus scanner or a rule at your mail provider, and switch it off for Mailout."
    )
    return warning(_PART, words, advice)


def _return_path(got: Got) -> Finding:
    """Whether the envelope sender, by which bounces are known, is kept."""
    came, sent = got.letter.return_path, got.probe.return_path
    if came is not None and came.lower() == sent.lower():
        return ok(_PART, "The return path is kept, so bounces find their recipient")
    if came is None:
        advice = "Bounces are known all the same, by the address that they come to. Nothing has to be changed."
        return ok(_PART, "The mailbox's server writes no Return-Path", advice)
    advice = (
        f"Bounces go to {came or 'nobody'} and Mailout does not see them: addresses that no longer exist are written "
        "to again and again. Ask your mail provider to keep the envelope sender (MAIL FROM); if it can't, take an "
        "address that it keeps, one that reaches this mailbox, and put it into BOUNCE_ADDRESS without {token}."
    )
    return warning(_PART, f"The return path was replaced by {came or '<>'}", advice)


def _from(got: Got) -> Finding | None:
    """Whether From is what we wrote."""
    author = got.letter.author.address if got.letter.author else ""
    if author.lower() == got.probe.sender.lower():
        return None
    advice = (
        f"Customers see {author or 'no sender'}, not {got.probe.sender}. Allow Mailout to send as {got.probe.sender} "
        f"at your mail provider, or put FROM_ADDRESS={author or 'an address that it keeps'} into .env."
    )
    return warning(_PART, f"The From of the letter was replaced by {author or 'nothing'}", advice)


def _mine(got: Got, organisation: str) -> signs.Signature | None:
    """The signature that counts for From; None when none does."""
    author = domain_of(got.probe.sender)
    found = signs.signatures(got.letter.fields)
    return next((one for one in found if aligned(one.domain, author, organisation)), None)


def key_name(got: Got, organisation: str = "") -> str:
    """The name in DNS where the key must be that fits the letter's signature (RFC 6376 3.6.2.1); "" without one."""
    mine = _mine(got, organisation)
    return f"{mine.selector}._domainkey.{mine.domain}" if mine and mine.selector else ""


def _signature(got: Got, organisation: str, key: Answer | None) -> Finding:
    """Whether somebody signed the letter whose signature counts for its From, and whether DNS has the key to it."""
    author, mine = domain_of(got.probe.sender), _mine(got, organisation)
    if mine and key is not None and not key.unknown and not any(map(signs.has_key, key.texts)):
        words = f"DKIM: the letter is signed for {mine.domain}, and DNS has no key at {key_name(got, organisation)}"
        advice = (
            "The signature counts for nothing then. Put the record there that your mail provider gave you for DKIM."
        )
        return warning(_PART, words, advice)
    if mine:
        return ok(_PART, f"DKIM: it is signed for {mine.domain}, which counts for From")
    signers = [one.domain for one in signs.signatures(got.letter.fields)]
    if not signers:
        advice = (
            f"Gmail, Yahoo and others ask for one. Switch DKIM on for {author} at your mail provider; where it signs "
            "only what leaves it, and this mailbox is its own too, nothing has to be changed."
        )
        return warning(_PART, "The letter arrived without a DKIM signature", advice)
    advice = (
        f"It does not count for {author} (DMARC). Switch DKIM on for {author} at your mail provider: it gives you a "
        "record to put into DNS."
    )
    return warning(_PART, f"DKIM: the letter is signed for {', '.join(dict.fromkeys(signers[:3]))} only", advice)


_MEANS = {
    "spf": "Put the servers of your mail provider into the SPF record of BOUNCE_ADDRESS's domain.",
    "dkim": "The signature does not fit: compare the DKIM record in DNS with what your mail provider gave you.",
    "dmarc": "Neither SPF nor DKIM counts for the domain of From: have your mail provider sign for it.",
}


def _results(results: signs.Results | None) -> list[Finding]:
    """What the receiving host itself found."""
    if results is None:
        return []
    known = [result for method in _MEANS if (result := results.best(method)) is not None]
    bad = [result for result in known if result.value not in ("pass", "none", "neutral", "bestguesspass")]
    if not known:
        return []
    said = ", ".join(f"{result.method}={result.value}" for result in known)
    if not bad:
        return [ok(_PART, f"{results.host} found {said}")]
    advice = " ".join(_MEANS[result.method] for result in bad)
    return [warning(_PART, f"{results.host} found {said}", advice)]


def _host(letter: Letter, receiving_host: str) -> Finding:
    """Which host's stamp says when a letter came."""
    by = letter.stamp.by if letter.stamp else ""
    if not by:
        advice = "A letter counts as received when Mailout reads it. Nothing has to be changed."
        return ok(_PART, "The mailbox's server does not stamp letters in a form that can be read", advice)
    if by == receiving_host:
        return ok(_PART, f"The receiving host is {by}, as RECEIVING_HOST says")
    put = f"Put RECEIVING_HOST={by} into .env"
    if receiving_host:
        advice = f"Its stamps are not believed, so a letter counts from when it is read. {put}."
        return warning(_PART, f"The receiving host is {by}, and RECEIVING_HOST is {receiving_host}", advice)
    advice = (
        f"{put}, if you like: then a letter counts from when it arrived there, also when Mailout was off meanwhile."
    )
    return ok(_PART, f"The receiving host is {by}", advice)


def _clock(got: Got) -> list[Finding]:
    """Whether this machine's clock is the world's, as far as the stamp shows."""
    stamp = got.letter.stamp
    if stamp is None or abs(stamp.at - got.sent_at) - timedelta(seconds=got.seconds) < CLOCKS_APART:
        return []
    apart = things(round(abs(stamp.at - got.sent_at) / timedelta(minutes=1)), "minute")
    advice = (
        "Keys run out and sign-ins end at the wrong time. Switch time synchronisation on (timedatectl set-ntp true)."
    )
    return [warning(_PART, f"The clocks of this machine and of {stamp.by} are {apart} apart", advice)]


# -- what did not arrive -----------------------------------------------------------------------------------------------


def way_out(probe: Probe, own: Own, mailbox: str) -> str:
    """How to make an address of this kind reach the mailbox."""
    domain = domain_of(probe.to)
    if "+" not in probe.to:
        name = "BOUNCE_ADDRESS" if probe.way is Way.BOUNCE else "MAILOUT_ADDRESS"
        return (
            f"Have every address in {domain} delivered to {mailbox} (catch-all), and look whether {name} has the right "
            "domain in it."
        )
    return (
        f"Switch sub-addresses on (in Postfix: recipient_delimiter = +), or take a sub-domain: give it an MX record, "
        f"have every address in it delivered to {mailbox} (catch-all), and put "
        f"MAILOUT_ADDRESS={{key}}@mailout.{own.domain} into .env."
    )


def refused(probe: Probe, reply: Reply, own: Own, mailbox: str) -> Finding:
    """The relay did not take the letter."""
    said = _masked(spoken.reply(reply.code, reply.enhanced, reply.text) or "no answer", probe, own)
    if _is_of_sender(probe, reply):
        words = f"The relay does not let us send as {own.sender} with returns to {own.bounce}: {said}"
        advice = (
            "Allow both addresses for Mailout at your mail provider; or take an address that it lets you send as into "
            "FROM_ADDRESS, and one that reaches this mailbox into BOUNCE_ADDRESS, without {token} if it must be fixed."
        )
        return failed(_PART, words, advice)
    words = f"The relay does not take a letter to the {KINDS[probe.way]} address {_shown(probe, own)}: {said}"
    return failed(_PART, words, f"If it says that there is no such address: {way_out(probe, own, mailbox)}")


def _is_of_sender(probe: Probe, reply: Reply) -> bool:
    """Whether a refusal is about who sends. Many servers keep one of MAIL back until RCPT, or until the dot."""
    text = reply.text.lower()
    named = probe.return_path.lower() in text and probe.return_path != probe.to
    return reply.stage is Stage.MAIL or "sender" in text or named


def came_back(probe: Probe, said: str, own: Own, mailbox: str) -> Finding:
    """The letter bounced; `said` is what the report says."""
    words = f"A letter to the {KINDS[probe.way]} address {_shown(probe, own)} came back"
    advice = f"If there is no such address: {way_out(probe, own, mailbox)}"
    return failed(_PART, f"{words}: {_masked(said, probe, own)}", advice)


def _masked(said: str, probe: Probe, own: Own) -> str:
    """What a server said, its secret taken out of the address."""
    for address, shown in ((probe.to, _shown(probe, own)), (probe.return_path, own.bounce)):
        said = shown.join(re.split(re.escape(address), said, flags=re.IGNORECASE))
    return said


def lost(probe: Probe, seconds: float, own: Own, mailbox: str, arrived: frozenset[Way]) -> Finding:
    """The letter did not arrive within so many `seconds`; `arrived` are those that did."""
    waited = things(round(seconds), "second")
    words = f"A letter to the {KINDS[probe.way]} address {_shown(probe, own)} did not arrive within {waited}"
    if arrived == {Way.PLAIN}:
        return failed(
            _PART, words, f"One to {own.plain} did: sub-addresses do not reach it. {way_out(probe, own, mailbox)}"
        )
    if arrived:
        name = "BOUNCE_ADDRESS" if probe.way is Way.BOUNCE else "MAILOUT_ADDRESS"
        return failed(_PART, words, f"Others did. Look whether the address in {name} reaches {mailbox}.")
    domain = domain_of(probe.to)
    advice = (
        f"Look into the junk folder of {mailbox} (POP3 shows only the inbox), at whether the MX record of {domain} "
        "leads to the server of this mailbox, and into your mail provider's log. A slow provider needs longer: "
        "--wait 600."
    )
    return failed(_PART, words, advice)


def _shown(probe: Probe, own: Own) -> str:
    """The address without its secret."""
    return {Way.KEY: own.mailout, Way.BOUNCE: own.bounce, Way.PLAIN: own.plain}[probe.way]
