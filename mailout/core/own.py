"""own -- our own addresses, and the secrets in them: the key of a mail-out, the tokens of bounces and unsubscribing.

Owns     how a key and a token are made, what they look like, and what an address of ours says
Never    reads a clock or a random number: what must not be guessed is derived from a secret with HMAC
Fails    never: what can't be read is no address of ours, or a damaged one

A key is 26 characters of 5 bits (130 bits) and a check digit, in an alphabet that every mail program and every reader
survives: lower case, no i, l, o, u. A token is one or two numbers and 26 such characters. They are told apart by their
own form, so a list may be called "B" or "U" (RFC 5321 4.5.3.1.1: a local part has at most 64 octets).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
KEY_LENGTH = 27
CODE_LENGTH = 26
LOCAL_MOST = 64

_VALUE = {character: number for number, character in enumerate(ALPHABET)}
#: Two characters at a time: tokens are made for every single copy.
_PAIRS = [ALPHABET[number & 31] + ALPHABET[number >> 5] for number in range(1024)]
_BOUNCE, _UNSUBSCRIBE, _MESSAGE = b"bounce", b"unsubscribe", b"message-id"


class What(StrEnum):
    """What an address of ours says."""

    KEY = "key"
    DAMAGED = "damaged"
    BOUNCE = "bounce"
    UNSUBSCRIBE = "unsubscribe"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Said:
    """What an address of ours says: a key, the numbers of a token (recipient; or list and customer), or nothing."""

    what: What
    key: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """Our addresses as patterns: `mailout` holds "{key}", `bounce` and `unsubscribe` hold "{token}" or are fixed.

    `sender` is the From of what we write ourselves.
    """

    mailout: str
    bounce: str
    unsubscribe: str
    sender: str

    @property
    def domain(self) -> str:
        """The domain that keys are received at: Message-IDs are made in it."""
        return self.mailout.rpartition("@")[2]

    @property
    def domains(self) -> frozenset[str]:
        """All domains that an address of ours can be in."""
        return frozenset(a.rpartition("@")[2].lower() for a in (self.mailout, self.bounce, self.unsubscribe))

    @property
    def plain(self) -> str:
        """The mailbox behind the key addresses where they are sub-addresses of one; else ""."""
        plain = _plain(self.mailout)
        return plain if "{" not in plain else ""

    def key_address(self, key: str, list_name: str = "") -> str:
        """The address that a letter for this key is written to; the list's name in it is for people."""
        bare = self.mailout.replace("{key}", key)
        room = LOCAL_MOST - len(bare.rpartition("@")[0]) - 1
        name = slug(list_name)[: max(0, room)].strip("-")
        return self.mailout.replace("{key}", f"{name}-{key}" if name else key)

    def return_path(self, token: str) -> str:
        """The envelope sender of a copy (VERP)."""
        return self.bounce.replace("{token}", token)

    def unsubscribe_address(self, token: str) -> str:
        """The address to which a customer writes to leave a list."""
        return self.unsubscribe.replace("{token}", token)

    def covers(self, address: str) -> bool:
        """Whether letters to `address` reach our mailbox or are from us: it can be no customer's (RFC 5321 6.3)."""
        return address.lower() == self.sender.lower() or self.receives(address)

    def receives(self, address: str) -> bool:
        """Whether letters to `address` reach our mailbox. FROM_ADDRESS may be a person's, whose letters do not."""
        same = address.lower()
        plain = {_plain(pattern) for pattern in self._patterns()}
        return same in plain or any(_variable(pattern, same) is not None for pattern in self._patterns())

    def read(self, address: str, secret: bytes) -> Said | None:
        """What `address` says; None when it is not ours. A blank or "%2B" where a plus was is read as the plus.

        `secret` is the one kept in the database, which signs tokens. A key is not checked against anything here.
        """
        same = address.strip().lower().replace("%2b", "+").replace(" ", "+")
        for pattern, kind, what in (
            (self.bounce, _BOUNCE, What.BOUNCE),
            (self.unsubscribe, _UNSUBSCRIBE, What.UNSUBSCRIBE),
        ):
            token = _variable(pattern, same)
            numbers = read_token(secret, kind, token) if token else None
            if numbers is not None or (token == "" and "{token}" not in pattern):
                return Said(what, numbers=numbers or ())
        if same in self._plain_ones():
            return Said(What.PLAIN)
        variable = _variable(self.mailout, same)
        return None if variable is None else _key_said(variable)

    def _plain_ones(self) -> set[str]:
        """The mailboxes behind our patterns, and the address that we write from: letters to them carry no secret."""
        return {_plain(pattern) for pattern in self._patterns()} | {self.sender.lower()}

    def _patterns(self) -> tuple[str, str, str]:
        return (self.mailout, self.bounce, self.unsubscribe)


def _key_said(variable: str) -> Said:
    """A key by its form, or a damaged one: whatever stands where a key should be."""
    key = variable.rpartition("-")[2]
    return Said(What.KEY, key=key) if is_key(key) else Said(What.DAMAGED)


def _plain(pattern: str) -> str:
    """The mailbox behind a pattern with a detail: "mailout@x" for "mailout+{key}@x"."""
    local, _, domain = pattern.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _variable(pattern: str, address: str) -> str | None:
    """What stands in `address` where the pattern has its braces; "" for a fixed one that is equal; None when not so."""
    found = re.fullmatch(r"(.*?)\{(?:key|token)\}(.*)", pattern.lower())
    if found is None:
        return "" if address == pattern.lower() else None
    before, after = found.groups()
    fits = len(address) > len(before) + len(after) and address.startswith(before) and address.endswith(after)
    return address[len(before) : len(address) - len(after)] if fits else None


def slug(name: str) -> str:
    """A list's name as it stands in an address: ASCII letters, digits and single dashes; may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> hmac.HMAC:
    """An HMAC that has taken in the secret: each copy of a letter has three codes."""
    return hmac.new(secret, digestmod="sha256")


def code(secret: bytes, *parts: bytes) -> str:
    """130 bits that nobody can guess who does not know `secret`, as 26 characters of ALPHABET."""
    mac = _keyed(secret).copy()
    mac.update(b"\0".join(parts))
    number = int.from_bytes(mac.digest(), "big") >> (256 - 5 * CODE_LENGTH)
    return "".join([_PAIRS[(number >> place) & 1023] for place in range(0, 5 * CODE_LENGTH, 10)])


def make_key(secret_key: str, mailout_id: int, nonce: bytes) -> str:
    """The key of a mail-out; the same arguments give the same key, so that its page can show it again."""
    return key_of(code(secret_key.encode(), b"key", str(mailout_id).encode(), nonce))


def key_of(body: str) -> str:
    """A code of CODE_LENGTH characters in the form of a key: with its check digit."""
    return body + _check(body)


def is_key(text: str) -> bool:
    """Whether `text` has the form of a key, check digit included."""
    whole = len(text) == KEY_LENGTH and all(character in _VALUE for character in text)
    return whole and text[-1] == _check(text[:-1])


def _check(body: str) -> str:
    """The check digit: weights that are odd, so any single wrong character shows, and most swapped neighbours do."""
    return ALPHABET[sum((2 * place + 1) * _VALUE[character] for place, character in enumerate(body)) % 32]


def digest(key: str) -> str:
    """What the database holds of a key (SHA-256; at 130 bits no salt is needed)."""
    return hashlib.sha256(key.encode()).hexdigest()


def bounce_token(secret: bytes, recipient_id: int) -> str:
    """The token in the envelope sender of a recipient's copy."""
    return _token(secret, _BOUNCE, recipient_id)


def unsubscribe_token(secret: bytes, list_id: int, customer_id: int) -> str:
    """The token with which a customer leaves a list; it never expires."""
    return _token(secret, _UNSUBSCRIBE, list_id, customer_id)


def read_unsubscribe_token(secret: bytes, token: str) -> tuple[int, int] | None:
    """The list and the customer that `token` was made for; None when we did not make it."""
    numbers = read_token(secret, _UNSUBSCRIBE, token)
    return (numbers[0], numbers[1]) if numbers and len(numbers) == 2 else None


def _token(secret: bytes, kind: bytes, *numbers: int) -> str:
    body = "-".join(map(str, numbers))
    return f"{body}-{code(secret, kind, body.encode())}"


def read_token(secret: bytes, kind: bytes, token: str) -> tuple[int, ...] | None:
    """The numbers of a token of this kind, if we made it; compared in constant time."""
    body, _, mac = token.lower().rpartition("-")
    if not re.fullmatch(r"[0-9]{1,18}(-[0-9]{1,18})?", body):
        return None
    if not hmac.compare_digest(code(secret, kind, body.encode()).encode(), mac.encode("utf-8", "replace")):
        return None
    return tuple(map(int, body.split("-")))


def message_id(secret: bytes, recipient_id: int, domain: str) -> str:
    """The Message-ID of a recipient's copy, with its angle brackets: stable, so a repeated copy can be recognised."""
    return f"<{_token(secret, _MESSAGE, recipient_id)}@{domain}>"


def read_message_ids(secret: bytes, text: str, domain: str) -> list[int]:
    """The recipients whose Message-IDs stand in `text`, in order, each once."""
    pattern = rf"([0-9]{{1,18}}-[{ALPHABET}]{{{CODE_LENGTH}}})@{re.escape(domain.lower())}"
    found = (read_token(secret, _MESSAGE, token) for token in re.findall(pattern, text.lower()))
    return list(dict.fromkeys(numbers[0] for numbers in found if numbers))


def blank_keys(raw: bytes, keys: Iterable[str]) -> bytes:
    """`raw` with these keys made unreadable, in any case, at the same length: what is stored once a letter is handled.

    Only keys that stood in an address are named here: any other word of that form is the letter's own.
    """
    for key in keys:
        raw = re.sub(re.escape(key.encode()), b"*" * len(key), raw, flags=re.IGNORECASE)
    return raw
