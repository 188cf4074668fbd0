"""attempts -- going to the mailbox and to the relay, and coming back with words for a person.

Owns     what a try comes to, and what to do next about each fault; the System page and the `doctor` command use it
Never    removes or sends anything; waits longer than PATIENCE for a server, or reads the mailbox beside the worker
Commits  the turn at the mailbox, as `intake.turn` does; no transaction is open while a server is waited for
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass

from ..core.checking.finding import Status
from ..core.delivery import Stage
from ..core.telling.spoken import size, things
from ..intake.turn import Turn, TurnLost
from ..wires.pop3 import MailboxUnavailable, Pop3Mailbox, Trouble
from ..wires.smtp_open import Abilities, Opened, Patience, RelayUnavailable, open_line
from ..wires.tls import Server

#: How many seconds a server has for each answer.
PATIENCE = 15.0
SECURED = {"tls": "encrypted", "starttls": "encrypted", "none": "not encrypted, on this machine alone"}
PORTS = {
    "POP3": "POP3 is 995 with tls, 110 with starttls",
    "SMTP": "SMTP is 587 with starttls, 465 with tls",
}
#: What to do next, by what is wrong: {0} is POP3 or SMTP. What is not here passes by itself.
_LOOK = "Look at {0}_HOST, {0}_PORT and {0}_SECURITY in the settings. When you change them, start Mailout again."
_LOGIN = (
    "Most often the password was changed, or the provider wants an app password: put it into {0}_PASSWORD, and start "
    "Mailout again. Look at {0}_USERNAME too: most want the whole address."
)
_NEXT = {
    Trouble.UNREACHABLE: _LOOK,
    Trouble.NOT_SECURE: _LOOK,
    Trouble.GARBLED: _LOOK,
    Trouble.LOGIN: _LOGIN,
    Trouble.IN_USE: (
        "The mailbox must be Mailout's own: if a mail program or a phone reads it too, take it out there. Otherwise "
        "try again in a minute."
    ),
    Stage.CONNECT: _LOOK,
    Stage.TLS: _LOOK,
    Stage.LOGIN: _LOGIN,
}
_PASSES = (Trouble.IN_USE, Trouble.TOO_SOON, Trouble.LATER)

#: The faults of a certificate as OpenSSL numbers them.
_OTHER_NAME, _RUN_OUT = (62, 64), (9, 10)


@dataclass(frozen=True, slots=True)
class Came:
    """What an attempt came to: what happened, what it means and what to do, the server's own words.

    `letters` is how many are in the mailbox, `able` what the relay offers; None where that was not found out.
    """

    status: Status
    text: str
    why: str
    said: str = ""
    letters: int | None = None
    able: Abilities | None = None


def mailbox(server: Server, turn: Turn | None) -> Came:
    """Sign in to the mailbox and count its letters; what is in it stays.

    With `turn` it waits until the worker is not reading; None where no worker can be: there is no database.
    """
    if turn is not None and not turn.take(wait=True):
        return Came(Status.OK, f"Mailout is reading the mailbox at {server.host} at this moment", "So it answers.")
    try:
        return _look_in(server, turn)
    except TurnLost:
        return Came(Status.WARNING, f"{server.host} answers very slowly", "Try again in a minute.")
    finally:
        if turn is not None:
            turn.give_back()


def _look_in(server: Server, turn: Turn | None) -> Came:
    """One session in which nothing is fetched. Raises TurnLost."""
    try:
        with Pop3Mailbox.open(server, PATIENCE, turn.keep if turn else lambda: None) as box:
            letters = len(box.listing())
            box.close()
    except MailboxUnavailable as error:
        then = _advice("POP3", server, error.__cause__, _NEXT.get(error.kind, ""))
        why = f"Letters wait there unread until this is right; none are lost. {then}".strip()
        return Came(Status.WARNING if error.kind in _PASSES else Status.FAILED, error.words, why)
    words = f"{things(letters, 'letter')} in it now. Nothing was read or removed."
    return Came(Status.OK, f"Signed in to {server.host}", words, letters=letters)


def relay(server: Server, helo_name: str) -> Came:
    """Come to where a letter could be handed over, and send nothing."""
    try:
        line = open_line(server, helo_name, Patience(connect=PATIENCE, command=PATIENCE))
    except RelayUnavailable as error:
        then = _advice("SMTP", server, error.__cause__, _NEXT.get(error.reply.stage, ""))
        said = f"{error.reply.code or ''} {error.reply.text}".strip()
        return Came(
            Status.FAILED, error.words, f"Copies wait until this is right; nobody is lost. {then}".strip(), said
        )
    try:
        line.client.quit()
    except (OSError, smtplib.SMTPException):
        line.drop()
    text = f"Signed in to {server.host}" if server.username else f"{server.host} lets us in"
    return Came(Status.OK, text, _abilities(line), able=line.abilities)


def _abilities(line: Opened) -> str:
    """What the relay can do, in words."""
    able = line.abilities
    most = f"Takes letters up to {size(able.size)}" if able.size else "Says no limit to a letter's size"
    return f"{most}, {'one command after another without waiting' if able.pipelining else 'one command at a time'}."


def _advice(prefix: str, server: Server, cause: BaseException | None, usual: str) -> str:
    """What to change, as near as the fault itself shows it."""
    return f"{_of_fault(server, cause, PORTS[prefix])} {usual}".format(prefix).strip()


def _of_fault(server: Server, cause: BaseException | None, ports: str) -> str:
    """What a fault of the line most often comes from; "" when it says nothing."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _of_certificate(cause)
    if isinstance(cause, ssl.SSLError) and server.security == "tls":
        return f"Port {server.port} does not speak TLS from the first word: {ports}."
    if isinstance(cause, TimeoutError | ConnectionError):
        return f"{ports}; your machine's provider may block the port."
    return ""


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate."""
    if error.verify_code in _OTHER_NAME:
        return "Its certificate is made for another name: put the name into {0}_HOST that your provider tells you."
    if error.verify_code in _RUN_OUT:
        return "Its certificate is not valid at this time: whoever runs the server renews it, if your clock is right."
    return (
        "Its certificate is signed by nobody whom this machine trusts: install ca-certificates, or for a server of "
        "your own put the file with its authority into TLS_CA_FILE."
    )
