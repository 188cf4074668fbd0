"""triage -- what a letter is, and whom it is about.

Owns     the order in which it is asked what a letter is
Never    looks into a database: that a key or a recipient exists is for its caller to find out
Fails    never: a letter that is nothing else is OTHER

Our own addresses say most: a key, a bounce token, an unsubscribe token. What a program wrote is never a mail-out,
whatever it is addressed to (RFC 3834 2); list and bulk headers alone do not show that a program wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..checking import probe
from ..own import ALPHABET, CODE_LENGTH, Own, Said, What, read_message_ids, read_unsubscribe_token
from ..reading.letter import Letter
from ..reading.opened import Opened, take_apart
from . import automatic, bounces, diagnosis, dsn, looks, ses
from .dsn import Action, Told
from .verdict import Answer, AutoReply, Bounced, Complaint, Keyed, Leaves, Other, Report, Verdict

__all__ = [
    "Answer",
    "AutoReply",
    "Bounced",
    "Complaint",
    "Keyed",
    "Leaves",
    "Other",
    "Report",
    "Verdict",
    "triage",
]

#: Feedback reports that complain of nothing (RFC 5965 7.3, RFC 6591, RFC 6650).
_NO_COMPLAINT = {"not-spam", "auth-failure", "dkim", "virus", "identity"}
_TOKEN = re.compile(rf"\d{{1,18}}-\d{{1,18}}-[{ALPHABET}]{{{CODE_LENGTH}}}(?![0-9a-z])")


@dataclass(frozen=True, slots=True)
class _Case:
    """A letter with what its addresses say."""

    letter: Letter
    own: Own
    secret: bytes
    said: tuple[Said, ...]

    def numbers(self, what: What) -> tuple[tuple[int, ...], ...]:
        """The numbers of the tokens of one kind, each once."""
        return tuple(dict.fromkeys(said.numbers for said in self.said if said.what is what and said.numbers))

    def has(self, what: What) -> bool:
        """Whether one of the addresses says this."""
        return any(said.what is what for said in self.said)


def triage(letter: Letter, own: Own, secret: bytes) -> Verdict:
    """What the letter is.

    The doctor's own; a letter of ours that came back whole; a letter to keys; a complaint; a bounce; somebody who
    leaves; an answer by a program; an answer by a person; nothing of ours.
    """
    if probe.read(secret, letter.fields, letter.message_id):
        return Other("it is the doctor's own letter, which tries the way")
    said = tuple(filter(None, (own.read(address, secret) for address in letter.named)))
    case = _Case(letter, own, secret, said)
    if read_message_ids(secret, letter.message_id, own.domain):
        return Other("it is a letter of our own that came back")
    program = automatic.by_program(letter.marks)
    keyed = _keyed(case)
    if keyed and not program and not looks.from_daemon(letter):
        return keyed
    opened = take_apart(letter)
    if keyed and not program and not looks.is_bounce(letter, opened, to_return_path=False):
        return keyed
    return (
        _complaint(case, opened)
        or _bounced(case, opened)
        or _leaves(case)
        or _written_by_program(case, opened, program)
        or _answer(case)
        or Other("it is addressed to us, but belongs to no mail-out" if said else "it is from a stranger")
    )


def _keyed(case: _Case) -> Keyed | None:
    """The keys that the letter is addressed to. A damaged one beside a good token is no attempt at a mail-out."""
    keys = tuple(dict.fromkeys(said.key for said in case.said if said.what is What.KEY))
    damaged = case.has(What.DAMAGED)
    if keys or (damaged and not case.numbers(What.BOUNCE) and not case.numbers(What.UNSUBSCRIBE)):
        return Keyed(keys, damaged)
    return None


# --- complaints


def _complaint(case: _Case, opened: Opened) -> Complaint | Other | None:
    """A complaint in the form of RFC 5965, or as Hotmail writes it: a letter with the whole of ours in it."""
    found = dsn.complaint(opened)
    addresses = ses.complained(opened) if found is None else found[1]
    if addresses is None and not looks.is_complaint(case.letter, opened):
        return None
    kind = found[0] if found else "abuse"
    if kind in _NO_COMPLAINT:
        return Other(f"it is a report of another kind ({kind[:40]})")
    return Complaint(_recipients(case, opened), addresses or (), _members(case, opened))


def _members(case: _Case, opened: Opened) -> tuple[tuple[int, int], ...]:
    """The (list, customer) of the unsubscribe tokens in what a complaint returns; addresses are often blacked out."""
    tokens = dict.fromkeys(_TOKEN.findall(opened.everything.lower()))
    return tuple(filter(None, (read_unsubscribe_token(case.secret, token) for token in list(tokens)[:20])))


def _recipients(case: _Case, opened: Opened) -> tuple[int, ...]:
    """The recipients that a report is about.

    By the token of the address that it came to; else by what it refers to; else by what it returns, where only the
    first counts: behind it may stand anything that a letter quotes.
    """
    tokens = tuple(numbers[0] for numbers in case.numbers(What.BOUNCE))
    if tokens:
        return tokens
    domain = case.own.domain
    referred = read_message_ids(case.secret, case.letter.references, domain)
    if referred:
        return tuple(referred[-1:])
    everything = opened.everything
    for text in (opened.returned_head(), everything):
        found = read_message_ids(case.secret, text, domain) or _return_paths(case, text)
        if found:
            return tuple(found[:1])
    return ()


def _return_paths(case: _Case, text: str) -> list[int]:
    """The recipients whose return paths stand in `text`."""
    domain = re.escape(case.own.bounce.rpartition("@")[2])
    addresses = dict.fromkeys(re.findall(rf"[^\s<>\"'(),;:=]{{1,64}}@{domain}", text, re.IGNORECASE))
    said = (case.own.read(address, case.secret) for address in list(addresses)[:50])
    return [one.numbers[0] for one in said if one and one.what is What.BOUNCE and one.numbers]


# --- bounces


def _bounced(case: _Case, opened: Opened) -> Bounced | AutoReply | None:
    """A bounce, or the report that a copy arrived; None when it is neither."""
    told = dsn.read(opened)
    if told and looks.is_challenge(case.letter, opened, told):
        return AutoReply("it asks whether a person wrote to them")
    told = told or _told_in_words(case, opened)
    if not told:
        return None
    if all(one.action is Action.DELIVERED for one in told):
        return AutoReply("it says that the letter arrived")
    recipients = _recipients(case, opened)
    reports = tuple(_report(recipients, one) for one in told)
    return Bounced(reports, delayed=not any(report.permanent for report in reports))


def _told_in_words(case: _Case, opened: Opened) -> tuple[Told, ...]:
    """What a report in words for people says; empty when the letter does not look like one."""
    letter = case.letter
    named = any(field.name == "x-failed-recipients" for field in letter.fields)
    notice = ses.read(opened)
    if notice or not (named or looks.is_bounce(letter, opened, to_return_path=case.has(What.BOUNCE))):
        return notice
    if looks.is_success(letter, opened):
        return (Told("", Action.DELIVERED),)
    return bounces.read(letter, opened) or (bounces.without_address(letter, opened),)


def _report(recipients: tuple[int, ...], told: Told) -> Report:
    """A report out of what was told of one address."""
    failed = told.action is Action.FAILED
    cause = diagnosis.cause_of(told.status, told.diagnosis)
    return Report(
        recipient_ids=recipients,
        address=told.address,
        action=str(told.action),
        status=told.status,
        diagnosis=told.diagnosis,
        permanent=failed,
        address_fault=failed and diagnosis.is_address_fault(told.status, told.diagnosis),
        mailbox_full=failed and cause is diagnosis.Cause.FULL,
        also=told.also,
    )


# --- what is left


def _leaves(case: _Case) -> Leaves | None:
    """Somebody who leaves, by a letter to their own unsubscribe address; whoever or whatever wrote it for them."""
    numbers = next((numbers for numbers in case.numbers(What.UNSUBSCRIBE) if len(numbers) == 2), None)
    return Leaves(numbers[0], numbers[1]) if numbers else None


def _written_by_program(case: _Case, opened: Opened, program: str) -> AutoReply | Other | None:
    """An answer by a program, or mail for many; None when a person may have written it."""
    letter = case.letter
    if looks.is_receipt(opened) or (automatic.is_receipt(letter.subject) and not "".join(opened.said).strip()):
        return AutoReply("it is a receipt")
    if automatic.is_away(letter.subject):
        return AutoReply("it is an automatic answer")
    if looks.is_challenge(letter, opened):
        return AutoReply("it asks whether a person wrote to them")
    about_us = bool(case.numbers(What.BOUNCE) or _referred(case))
    if automatic.is_list_mail(letter.fields) and not about_us:
        return Other(letter.automatic)
    silent = automatic.is_null(letter.return_path) and program == "it has the null sender"
    if about_us or (program and not silent) or automatic.for_many(letter.marks):
        why = program or letter.automatic
        return AutoReply(why) if why else None
    return Other(program or letter.automatic) if program or letter.automatic else None


def _referred(case: _Case) -> list[int]:
    """The recipients whose copies the letter answers."""
    return read_message_ids(case.secret, case.letter.references, case.own.domain)


def _answer(case: _Case) -> Answer | None:
    """A person's answer to a copy: by what it refers to, or because it came to the return path of one."""
    recipients = tuple(_referred(case)[-1:]) or tuple(numbers[0] for numbers in case.numbers(What.BOUNCE))
    return Answer(recipients) if recipients else None
