"""refusals -- why a letter is not sent at once, in words.

Owns     one text for every problem: what happened, and what to do next; the same on the page and in the mail
Never    says more about a key than that it was used, late or wrong
"""

from __future__ import annotations

from dataclasses import dataclass

from ..problem import Problem
from .notices import Occasion, Written, line
from .spoken import things

_NEW = "Open Mail-out, press Create, and send your letter to the new address."
_AGAIN = "The key is still good: when that is put right, send your letter to the same address again."

ERRORS: dict[Problem, tuple[str, str]] = {
    Problem.KEY_UNKNOWN: ("The address that you wrote to holds a key that Mailout never gave out.", _NEW),
    Problem.KEY_DAMAGED: (
        "The address that you wrote to is damaged: a letter or digit of its key is missing or wrong.",
        "Open the mail-out's page, copy the address again, and send your letter to it.",
    ),
    Problem.KEY_USED: ("The key that you wrote to was used before. A key works once.", _NEW),
    Problem.KEY_EXPIRED: ("The key that you wrote to had expired when your letter came.", _NEW),
    Problem.TWO_KEYS: (
        "Your letter holds the addresses of two mail-outs, so it is not clear which list it is for.",
        "Neither key is used up. Send the letter to one of the addresses at a time.",
    ),
    Problem.CANCELLED: ("The mail-out that you wrote to was cancelled.", _NEW),
    Problem.NOT_PERMITTED: (
        "The user who made this mail-out may not send mail-outs any more.",
        "An Administrator can give the permission Send Mailout back, on the page Users. " + _AGAIN,
    ),
    Problem.LIST_ARCHIVED: (
        "The list of this mail-out is archived.",
        "Bring the list back on the page Lists. " + _AGAIN,
    ),
    Problem.LIST_EMPTY: (
        "Nobody is included in the list of this mail-out, so there is nobody to send it to.",
        "Include customers in the list on the page Customers. " + _AGAIN,
    ),
    Problem.TOO_LARGE: (
        "Your letter is larger than a mail-out may be.",
        "Make the pictures and attachments smaller, or put them on your web site and link to them. " + _AGAIN,
    ),
    Problem.UNREADABLE: (
        "Your letter can't be read safely, so it could not be sent on without changing it.",
        "Write it anew as a new message (not as a forwarded one). " + _AGAIN,
    ),
    Problem.KEY_IN_TEXT: (
        "The key or its address stands in the letter itself.",
        "Take it out of the text. " + _AGAIN,
    ),
}

HOLDING: dict[Problem, tuple[str, str]] = {
    Problem.CHECK_FIRST: (
        "It was to be checked first.",
        "Look at it as your customers will see it, then press Release, or Discard.",
    ),
    Problem.UNKNOWN_SENDER: (
        "It came from an address that belongs to no user of Mailout.",
        "If it was you, say so on its page; the address is remembered then.",
    ),
    Problem.REPLY: (
        "It is an answer to another letter, and answers are rarely meant for all customers.",
        "If it is meant for them, press Release.",
    ),
    Problem.ENCRYPTED: (
        "It is encrypted, so your customers could not read it.",
        "Discard it and send it without encryption, or press Release all the same.",
    ),
    Problem.SIGNATURE_WOULD_BREAK: (
        "It is signed, and mail can't carry it without a change that breaks the signature.",
        "Discard it and send it without the signature; or press Release, and it goes with the signature broken.",
    ),
    Problem.PRIVATE_LINKS: (
        "It links to files that were shared only with Mailout's address, so your customers could not open them.",
        "Share the files with everybody who has the link, then press Release; or attach them instead.",
    ),
    Problem.WINMAIL: (
        "Outlook packed it into a winmail.dat file, which most of your customers can't open.",
        "Discard it, set the format of the message to HTML in Outlook, and send it again.",
    ),
    Problem.VERY_LARGE: (
        "It is large, and the list is long: together over 2 GB would go out.",
        "Make the attachments smaller, or press Release if it is meant so.",
    ),
}


#: The same in a few words, for a list.
BRIEFLY: dict[Problem, str] = {
    Problem.KEY_UNKNOWN: "with a key that was never given out",
    Problem.KEY_DAMAGED: "the key in its address is damaged",
    Problem.KEY_USED: "with a key that was used before",
    Problem.KEY_EXPIRED: "after its key had expired",
    Problem.TWO_KEYS: "with the keys of two mail-outs",
    Problem.CANCELLED: "after its mail-out was cancelled",
    Problem.NOT_PERMITTED: "its user may not send mail-outs any more",
    Problem.LIST_ARCHIVED: "its list is archived",
    Problem.LIST_EMPTY: "nobody is included in its list",
    Problem.TOO_LARGE: "larger than a mail-out may be",
    Problem.UNREADABLE: "can’t be read safely",
    Problem.KEY_IN_TEXT: "the key stands in its text",
    Problem.CHECK_FIRST: "held, to be checked first",
    Problem.UNKNOWN_SENDER: "held, from an address that is no user’s",
    Problem.REPLY: "held, an answer to another letter",
    Problem.ENCRYPTED: "held, encrypted",
    Problem.SIGNATURE_WOULD_BREAK: "held, its signature would break",
    Problem.PRIVATE_LINKS: "held, links to files that are not shared with customers",
    Problem.WINMAIL: "held, packed into a winmail.dat",
    Problem.VERY_LARGE: "held, very large for so many customers",
}


def told(problem: Problem, detail: str) -> tuple[str, str]:
    """What happened, with what more is known of it, and what to do next; `problem` is one of ERRORS."""
    what, then = ERRORS[problem]
    if problem is Problem.KEY_IN_TEXT and detail:
        return detail, then  # it says what stands where, and more would say it twice
    return f"{what} {detail}".strip(), then


def briefly(reason: str) -> str:
    """Why a letter was refused or held, in a few words; what is no `Problem` is said as it stands."""
    return BRIEFLY[Problem(reason)] if reason in set(Problem) else reason


@dataclass(frozen=True, slots=True)
class Refused:
    """What an error mail tells: `detail` is more words, `late_url` is set where it can be sent after all."""

    problem: Problem
    letter: str
    mailout: str = ""
    detail: str = ""
    late_url: str = ""
    answers: str = ""
    references: str = ""


def error(refused: Refused) -> Written:
    """The error mail: what went wrong, which mail-out it was, what to do next."""
    what, then = told(refused.problem, refused.detail)
    parts = [what, "Nothing was sent to any customer."]
    parts.append(f"Your letter: {refused.letter}" + (f"\nThe mail-out: {refused.mailout}" if refused.mailout else ""))
    if refused.late_url:
        after_all = f"Your letter is kept for 30 days. Send it after all:\n{refused.late_url}"
        then = f"{after_all}\n\nOr make a new mail-out: {_lower(_NEW)}"
    parts.append(then)
    return Written("Mail-out error", "\n\n".join(parts) + "\n", refused.answers, refused.references)


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def waiting(about: Occasion, problem: Problem, recipients: int, detail: str = "") -> Written:
    """A letter is held: why, and where it is released or discarded."""
    why, then = HOLDING[problem]
    text = "\n\n".join(
        [
            f"{about.letter} for {line(about.list_name)} has come, and waits for you. Nothing has been sent yet.",
            f"{why} {line(detail)}".strip(),
            f"{then} It would go to {things(recipients, 'customer')}.",
            f"{about.url}",
            "If nobody does anything, it is discarded after 7 days.",
        ]
    )
    return Written("Mail-out waiting", text + "\n", about.answers, about.references)
