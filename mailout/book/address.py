"""address -- what an email address is to the address book: one addr-spec, and how two of them are compared.

Owns     the one check that forms, imports and commands share, and the form in which addresses are unique
Never    asks DNS, lets through what a mail server or a header could read as something else (S 4.31, 4.32, 10.37)
Fails    Fault, in words, for what is no address of a customer

The address is kept as it was typed (NFC, RFC 6532 3.1); the compared form is in small letters, its domain as ASCII.
"""

from __future__ import annotations

import re
import unicodedata

import idna

from ..core.fault import Fault
from ..core.own import Own

MOST, LOCAL_MOST, LABEL_MOST = 254, 64, 63

#: The quick way: an address of plain ASCII whose domain is a plain host name (RFC 5321 4.1.2, RFC 1123 2.1).
_PLAIN = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
)
_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_SERVERS = ("postmaster", "mailer-daemon")
_EXAMPLE = "write it like jo.smith@example.org"


def same(email: str) -> str:
    """`email` in the form in which addresses are compared. Never raises: what is no address is just made small."""
    local, at, domain = unicodedata.normalize("NFC", email.strip()).rpartition("@")
    if domain.isascii():
        return f"{local}{at}{domain}".lower()
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        ascii_domain = domain
    return f"{local}{at}{ascii_domain}".lower()


def check(email: str, own: Own, *, of_user: bool = False) -> str:
    """`email` as it is kept: without blanks around it, in NFC.

    Raises Fault, in words, unless it is one address (RFC 5321 4.1.2, RFC 6531 3.3; no quoted local part, no address
    literal) of at most 254 octets, and one that is not Mailout's own (`own`), which would send mail round and round.
    A user's may be the one that our letters are from: in a small firm they are one person's.
    """
    address = unicodedata.normalize("NFC", email.strip())
    plain = _PLAIN.fullmatch(address)
    if not plain or len(address) > MOST or address.index("@") > LOCAL_MOST or "xn--" in address.lower():
        _check_slowly(address)
    compared = same(address)
    ours = own.receives(compared) if of_user else own.covers(compared)
    if ours or _is_server(compared, own):
        raise Fault(f"{address} is an address of Mailout itself; mail to it would go round and round.")
    return address


def _is_server(compared: str, own: Own) -> bool:
    """Whether it is the mailbox of a mail server that is ours."""
    local, _, domain = compared.rpartition("@")
    return local in _SERVERS and domain in own.domains


def _check_slowly(address: str) -> None:
    """Raise Fault with what exactly is wrong, if anything is."""
    if not address:
        raise Fault(f"There is no address here: {_EXAMPLE}.")
    if any(not character.isprintable() for character in address):
        raise Fault("The address has a character in it that can't be seen; type it anew.")
    shown = address if len(address) <= 80 else address[:77] + "..."
    if " " in address or any(character in '<>()[]",;:\\' for character in address):
        raise Fault(f"{shown!r} is not one address alone: {_EXAMPLE}, with no name, brackets, commas or blanks.")
    local, at, domain = address.rpartition("@")
    if not at or "@" in local or not local or not domain:
        raise Fault(f"{shown!r} needs one @ with something on both sides: {_EXAMPLE}.")
    if len(address.encode()) > MOST or len(local.encode()) > LOCAL_MOST:
        raise Fault(f"{shown!r} is too long: {MOST} characters at most, and {LOCAL_MOST} before the @ (RFC 5321).")
    if not all(local.split(".")):
        raise Fault(f"{shown!r} has a dot too many before the @.")
    for character in local.replace(".", ""):
        if character.isascii() and not _ATEXT.fullmatch(character):
            raise Fault(f"{shown!r} has {character!r} in it, which no address has.")
    _check_domain(domain, shown)


def _check_domain(domain: str, shown: str) -> None:
    """Raise Fault unless `domain` is a host name, if need be in its ASCII form (RFC 5890, UTS 46)."""
    try:
        labels = idna.encode(domain, uts46=True).decode().lower().split(".")
    except (idna.IDNAError, UnicodeError):
        raise Fault(f"What stands after the @ in {shown!r} is no domain: {_EXAMPLE}.") from None
    bad = [label for label in labels if len(label) > LABEL_MOST or not _LABEL.fullmatch(label)]
    if bad or (len(labels) == 1 and labels != ["localhost"]) or labels[-1].isdigit():
        raise Fault(f"What stands after the @ in {shown!r} is no domain: {_EXAMPLE}.")
