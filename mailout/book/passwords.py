"""passwords -- how a password is kept, checked, and what is no password.

Owns     argon2id and its parameters, the rules for a new password
Never    keeps, logs or shows a password; says whether an account exists, by a word or by the time it takes
Fails    Fault, in words, for a password that won't do

What is tried first is known from the list that zxcvbn brings.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import import_module

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..core.fault import Fault

LEAST, MOST = 8, 1024
#: S 10.01: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def check_new(password: str, *about: str) -> None:
    """Raise Fault, in words, unless `password` will do; `about` are words of its owner: address, name."""
    if len(password) > MOST:
        raise Fault(f"A password has at most {MOST} characters.")
    if len(password) < LEAST:
        raise Fault(f"A password needs {LEAST} characters or more. A few words in a row are good and easy to keep.")
    plain = password.casefold()
    letters = plain.strip("0123456789!?.,;:-_#*$@ ")
    if plain in _common() or letters in _common() or len(set(plain)) < 3 or _is_a_run(plain):
        raise Fault("This is one of the first passwords that anybody tries. A few words in a row are better.")
    own = {word for text in about for word in _words(text)}
    if plain in own or letters in own:
        raise Fault("A name or an address is no password: anybody knows it. A few words in a row are better.")


def make_hash(password: str) -> str:
    """The hash that is kept of `password` (argon2id with its salt and parameters)."""
    return _HASHER.hash(_plain(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether `password` is the one that was hashed; takes as long when there is none (S 10.05)."""
    if len(password) > MOST:
        return False
    try:
        right = _HASHER.verify(kept or _nobodys(), _plain(password))
    except (VerificationError, InvalidHashError):
        return False
    return right and kept is not None


def is_old(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def _plain(password: str) -> str:
    """One form of what can be typed in several (RFC 8265 4.2.1)."""
    return unicodedata.normalize("NFC", password)


@cache
def _common() -> frozenset[str]:
    """The passwords that are tried first, in small letters.

    The lists take 13 MB: they are loaded where somebody chooses a password, and not in the worker.
    """
    return frozenset(import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS["passwords"])


@cache
def _nobodys() -> str:
    """A hash that no password has, to be checked where there is no account."""
    return _HASHER.hash("no account has this one")


def _words(text: str) -> set[str]:
    """A text and its parts, those long enough to be taken for a password."""
    whole = text.casefold().strip()
    local, _, domain = whole.partition("@")
    parts = {whole, local, domain.partition(".")[0], whole.replace(" ", ""), *whole.split()}
    return {part for part in parts if len(part) >= 4}


def _is_a_run(plain: str) -> bool:
    """Whether it is a row of keys or of neighbours in the alphabet, forwards or backwards."""
    rows = (
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890",
        "qwertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "qwertzuiop",
        "azertyuiop",
    )
    return any(plain in row or plain in row[::-1] for row in rows)
