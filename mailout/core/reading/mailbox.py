"""mailbox -- people's names and addresses in header fields (RFC 5322 3.4, with the obsolete forms).

Owns     who is named in From, To and the like; the one field that we write with a person in it
Never    raises on what a letter says; writes an address that could be read as two
Fails    never: what is no address is left out
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import charset as charsets
from .encoded import encoded_words, readable


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person's name, "" where none is given, and address."""

    name: str
    address: str


@dataclass(slots=True)
class _Entry:
    """What was read of one entry of an address list so far."""

    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: str | None = None

    @property
    def said(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.words or self.comments or self.angle is not None)


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_QUOTED_STRING = re.compile(_QUOTED, re.DOTALL)
_ANGLE = re.compile(rf"<((?:{_QUOTED}|[^<>\"])*)>", re.DOTALL)
_OPEN_ANGLE = re.compile(r"<([^<>,;]*)")
_WORD = re.compile(r'[^\s"(<,;:>]+')
_NOT_IN_LOCAL = ' \t\r\n"@'
_AFTER_AT = re.compile(r'[^\s"@]+')
_SIDE_MOST = 320
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_DOT_ATOM = re.compile(r"[^\s()<>@,;:\\\".\[\]\x00-\x1f\x7f]+(?:\.[^\s()<>@,;:\\\".\[\]\x00-\x1f\x7f]+)*")
_NOT_IN_DOMAIN = re.compile(r"[\x00-\x20\x7f()<>@,;\\\"]")


def mailboxes(value: bytes, charset: str = "") -> tuple[Mailbox, ...]:
    """Everybody named in an address field's value, in order; entries without an address are left out.

    `charset` reads raw 8-bit names that are no UTF-8. An angle address counts, not an "@" in the name before it.
    """
    text = value.decode("latin-1")
    return tuple(box for entry in _entries(text) for box in _mailboxes_of(entry, charset))


def _entries(text: str) -> list[_Entry]:
    """The list cut at its commas, colons and semicolons; quotes and comments that don't end are taken for text."""
    entries, entry = [], _Entry()
    quotes = parens = angles = True
    at = 0
    while at < len(text):
        character, end = text[at], at + 1
        if character == '"' and quotes:
            found = _QUOTED_STRING.match(text, at)
            quotes = found is not None
            if found:
                entry.words.append(found[0])
                end = found.end()
        elif character == "(" and parens:
            end = _comment_end(text, at)
            parens = end > at + 1
            if parens:
                entry.comments.append(text[at + 1 : end - 1])
        elif character == "<":
            found = (_ANGLE.match(text, at) if angles else None) or _OPEN_ANGLE.match(text, at)
            angles = angles and found is not None and text[found.end() - 1] == ">"
            if found:
                if entry.angle is not None:
                    entries.append(entry)
                    entry = _Entry()
                entry.angle, end = found[1], found.end()
        elif character in ",;:":
            entries += [entry] if character != ":" and entry.said else []
            entry = _Entry()
        elif found := _WORD.match(text, at):
            entry.words.append(found[0])
            end = found.end()
        at = end
    return [*entries, entry]


def _comment_end(text: str, at: int) -> int:
    """Where the comment that begins at `at` ends, nested ones counted; `at` + 1 when it never does."""
    depth = 0
    for found in re.compile(r"\\.|[()]", re.DOTALL).finditer(text, at):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return at + 1


def _mailboxes_of(entry: _Entry, charset: str) -> list[Mailbox]:
    """The mailbox of an entry; several where commas are missing."""
    if entry.angle is not None:
        address = _address(entry.angle)
        return [Mailbox(_name(entry.words or entry.comments, charset), address)] if address else []
    joined = re.sub(r" ?([@.]) ?", r"\1", " ".join(entry.words))
    found = filter(None, map(_address, _bare_ones(joined)))
    names = (_name(entry.comments, charset), *[""] * len(entry.words))
    return [Mailbox(name, address) for name, address in zip(names, found, strict=False)]


def _bare_ones(text: str) -> Iterator[str]:
    """What stands around each "@", as far as an address can reach."""
    for at in re.finditer("@", text):
        before = _local_before(text, at.start())
        after = _AFTER_AT.match(text, at.end(), at.end() + _SIDE_MOST)
        if before and after:
            yield f"{before}@{after[0]}"


def _local_before(text: str, at: int) -> str:
    """The local part that ends at `at`: a quoted string, or what stands since the last blank."""
    least = max(0, at - _SIDE_MOST)
    if text.endswith('"', least, at):
        begin = text.rfind('"', least, at - 1)
        return text[begin:at] if begin >= 0 else ""
    begin = at
    while begin > least and text[begin - 1] not in _NOT_IN_LOCAL:
        begin -= 1
    return text[begin:at]


def _address(text: str) -> str:
    """An addr-spec out of what stood in angle brackets; "" when it is none. A route and "mailto:" are left out."""
    text = re.sub(r"^\s*(?:mailto:|(?:@[^:,\s]+,?\s*)+:)", "", text, flags=re.IGNORECASE)
    local, at, domain = text.strip().rpartition("@")
    local, domain = local.strip(), re.sub(r"\(.*|[\s>]", "", domain)
    if not local.startswith('"'):
        local = re.sub(r"\s", "", local)
    if not (at and local and domain):
        return ""
    return charsets.tidy(charsets.guessed(f"{local}@{domain}".encode("latin-1")))


def _name(words: list[str], charset: str) -> str:
    """The words of a phrase, without their quotes, as a person reads them."""
    plain = [re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL) if word[:1] == '"' else word for word in words]
    value = re.sub(r"\r\n", "", " ".join(plain)).encode("latin-1")
    return readable(value, charset).strip()


def phrase_name(value: bytes, charset: str = "") -> str:
    """The name in a From field that has no address; "" when there is nothing but an address in it."""
    entries = _entries(value.decode("latin-1"))
    first = next((entry for entry in entries if entry.words or entry.comments), _Entry())
    return "" if any("@" in word for word in first.words) else _name(first.words or first.comments, charset)


def mailbox_field(name: str, mailbox: Mailbox) -> bytes:
    """A whole field `name` with one mailbox in it, folded, ending in CRLF.

    ASCII unless the address's local part is not (then it needs SMTPUTF8, RFC 6532 3.2); a domain is written in its
    A-labels.
    """
    address = written_address(mailbox.address)
    if not mailbox.name:
        return name.encode() + b": " + address + b"\r\n"
    return named_field(name, mailbox.name, address)


def named_field(name: str, phrase: str, inside: bytes) -> bytes:
    """A whole field `name` with a phrase and something in angle brackets, folded, ending in CRLF."""
    words = _phrase(phrase, len(name) + 2)
    before = name.encode() + b": " + words + (b" " if words else b"")
    fold = b"\r\n " if words and len(before) - before.rfind(b"\n") + len(inside) > 76 else b""
    return before.rstrip() + (fold or b" ") + b"<" + inside + b">\r\n"


def _phrase(name: str, after: int) -> bytes:
    """A name as a phrase, `after` so many octets: atoms as they are, specials in quotes, the rest in encoded words."""
    name = charsets.tidy(name).replace("\t", " ").strip()
    if name.isascii() and "=?" not in name and len(name) <= 64:
        if _ATOMS.fullmatch(name) and "  " not in name:
            return name.encode()
        return b'"' + re.sub(r'(["\\])', r"\\\1", name).encode() + b'"'
    return encoded_words(name, after=after, always=True)


def written_address(address: str) -> bytes:
    """An address as exactly one addr-spec: an odd local part in quotes, the domain in A-labels where it has them."""
    local, _, domain = charsets.tidy(address).strip().rpartition("@")
    if not _DOT_ATOM.fullmatch(local) and not (len(local) > 2 and _QUOTED_STRING.fullmatch(local)):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local.replace("\t", " ")) + '"'
    return f"{local}@{ascii_domain(_NOT_IN_DOMAIN.sub('', domain))}".encode()


def ascii_domain(domain: str) -> str:
    """A domain in its A-labels (RFC 5891); as it is when it has none."""
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except (UnicodeError, ValueError):
        return domain


def is_legal(address: str) -> bool:
    """Whether `address` can stand in a field as it is: ASCII after IDNA, of ordinary length, one addr-spec."""
    written = written_address(address)
    local, _, domain = written.decode().rpartition("@")
    whole = written == f"{local}@{ascii_domain(address.rpartition('@')[2])}".encode()
    dots = domain.strip(".") == domain and ".." not in domain
    return whole and written.isascii() and len(written) <= 320 and bool(domain) and dots
