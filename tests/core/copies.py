"""What tests of copies share: circumstances, a whole copy, and everything that must be true of any copy of any letter.

The parts of a copy are read by Python's `email` as well, as a second opinion, wherever it reads the letter as we do.
"""

from __future__ import annotations

import email
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime

from mailout.core import own
from mailout.core.copying.compose import Circumstances, Personal, Prepared, Shared, copy_head, personal, prepare
from mailout.core.copying.markup import content_end
from mailout.core.own import Own
from mailout.core.reading import mime
from mailout.core.reading.head import Mailbox, cut
from mailout.core.reading.letter import Letter, read

OWN = Own("mailout+{key}@mail.test", "mailout+b-{token}@mail.test", "mailout+u-{token}@mail.test", "mailout@mail.test")
TEXTS = ("text/plain", "text/html")
KEY = own.make_key("a secret for tests", 7, b"0123456789abcdef")
KEY_ADDRESS = OWN.key_address(KEY, "Newsletter")
RECEIVED = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
SOMEBODY = Mailbox("Jörg Müller", "joerg@example.org")
LINK = "https://mail.test/u/3-17-abcdefghjkmnpqrstvwxyz0123"
ABOUT = Circumstances(
    own=OWN,
    secret_words=(KEY, KEY_ADDRESS),
    from_policy="aligned",
    aligned_domains=("mail.test",),
    author_is_user=True,
    received_at=RECEIVED,
    list_id=3,
    list_name="Newsletter",
    line="Leave this list",
    organisation_name="Happy Paws",
    organisation_address="12 High Street, Lismore NSW 2480",
    eight_bit=True,
)
NO_LINE = replace(ABOUT, line="")


def crlf(text: str | bytes) -> bytes:
    """A letter written with bare line ends, as POP3 brings it."""
    octets = text.encode() if isinstance(text, str) else text
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def prepared(raw: bytes, about: Circumstances = ABOUT) -> Prepared:
    """A letter as it is prepared."""
    return prepare(read(raw), about)


def body_of(made: Prepared, link: str = LINK) -> bytes:
    """The body of one copy."""
    return b"".join(
        made.body[one.start : one.end] if isinstance(one, Shared) else personal(one, link) for one in made.segments
    )


def head_of(made: Prepared, to: Mailbox = SOMEBODY) -> bytes:
    """The head of one copy."""
    return copy_head(
        made,
        to=to,
        message_id="<1-abc@mail.test>",
        unsubscribe_url=LINK,
        unsubscribe_address="mailout+u-1-abc@mail.test",
    )


def copy_of(raw: bytes, about: Circumstances = ABOUT) -> bytes:
    """One whole copy of a letter."""
    made = prepared(raw, about)
    return head_of(made) + body_of(made)


def wire_faults(octets: bytes) -> list[str]:
    """What must not be given to a relay."""
    faults = []
    pairs = octets.count(b"\r\n")
    if octets.count(b"\r") != pairs or octets.count(b"\n") != pairs or not octets.endswith(b"\r\n"):
        faults.append("a bare CR or LF, or no CRLF at the end")
    if b"\0" in octets:
        faults.append("a NUL")
    if any(len(line) > 998 for line in octets.split(b"\r\n")):
        faults.append("a line over 998")
    return faults


def faults(raw: bytes, about: Circumstances = ABOUT) -> list[str]:
    """Everything that is wrong with the copies of a letter; Refused is raised on."""
    letter = read(raw)
    without = prepare(letter, replace(about, line=""))
    made = prepare(letter, about)
    return [
        *_faults_without_line(letter, without),
        *_faults_of_pieces(made),
        *_faults_with_line(letter, made),
        *_second_opinion(letter, without, "without the line"),
        *_second_opinion(letter, made, "with the line"),
    ]


def _faults_without_line(letter: Letter, made: Prepared) -> list[str]:
    head, body = head_of(made), body_of(made)
    found = wire_faults(head + body)
    if not head.isascii() or not head.endswith(b"\r\n\r\n") or b"\r\n\r\n" in head[:-4]:
        found.append("a head that is not one, or not ASCII")
    if made.kept_whole and body != letter.body:
        found.append("another body")
    if not made.seal.identical:
        found.append("a seal that differs")
    if not body.isascii() and not made.eight_bit:
        found.append("8-bit that is not declared")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t", b"")]
    for name in (b"from", b"to", b"date", b"message-id", b"mime-version"):
        if names.count(name) != 1:
            found.append(f"{names.count(name)} {name.decode()}")
    if any(names.count(name) > 1 for name in names):
        found.append("a header twice")
    return found


def _faults_of_pieces(made: Prepared) -> list[str]:
    """Pieces and what is between them must be safe to stuff apart."""
    found, at_line_start = [], True
    for one in made.segments:
        octets = made.body[one.start : one.end] if isinstance(one, Shared) else personal(one, LINK)
        if not (at_line_start or octets.startswith(b"\r\n")):
            found.append("a segment that begins within a line")
        at_line_start = octets.endswith(b"\r\n")
    return found


def _faults_with_line(letter: Letter, made: Prepared) -> list[str]:
    """Each piece has one link in its part, and the text is there as it was."""
    body = body_of(made)
    found = wire_faults(head_of(made) + body)
    if not made.seal.untouched:
        found.append(f"touched: {[part for part in made.seal.parts if not part.identical]}")
    before = mime.tree(letter.fields, letter.body)
    after = mime.tree(cut(head_of(made))[0], body)
    old, new = list(mime.leaves(before)), list(mime.leaves(after))
    if [part.number for part in old] != [part.number for part in new]:
        return [*found, f"another structure: {[p.type for p in old]} {[p.type for p in new]}"]
    lined = {one.number for one in made.segments if isinstance(one, Personal)}
    for was, becomes in zip(old, new, strict=True):
        one, two = mime.decoded(was, letter.body), mime.decoded(becomes, body)
        if becomes.number not in lined:
            found += [f"part {was.number} {was.type} changed"] if one != two else []
        else:
            found += _faults_of_text(was, letter.body, becomes, body)
    return found


def _faults_of_text(was: mime.Part, old_body: bytes, becomes: mime.Part, new_body: bytes) -> list[str]:
    one, two = mime.decoded(was, old_body), mime.decoded(becomes, new_body)
    said = mime.text(becomes, new_body)
    links = said.count(LINK) or two.replace(b"\0", b"").count(LINK.encode())
    found = [f"{links} links in part {was.number}"] if links != 1 else []
    if was.type == "text/plain":
        same = two.startswith(one) or said.startswith(mime.text(was, old_body))
        found += [] if same else [f"the text of part {was.number} does not begin as it did"]
        last = two.rstrip().rpartition(b"\n")[2]
        found += (
            [] if LINK.encode() in last or b"\0" in two else [f"the link is not on the last line of part {was.number}"]
        )
    else:
        found += [] if _inserted_into(_bare(one), _bare(two)) else [f"the HTML of part {was.number} is not as it was"]
    return found


def _bare(octets: bytes) -> bytes:
    return octets.translate(None, b" \t\r\n\0")


def _inserted_into(old: bytes, new: bytes) -> bool:
    """Whether `new` is `old` with one insertion."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    rest = old[start:]
    return new.endswith(rest) if start + len(rest) == len(old) else False


def _second_opinion(letter: Letter, made: Prepared, when: str) -> list[str]:
    """What Python's reader sees in the letter and in the copy, where it sees the letter as we do."""
    raw = b"".join(field.raw for field in letter.fields) + b"\r\n" + letter.body
    before, after = python_leaves(raw), python_leaves(head_of(made) + body_of(made))
    root = mime.tree(letter.fields, letter.body)
    ours = [(part.type, mime.decoded(part, letter.body)) for part in mime.walk(root) if not part.children]
    if before is None or after is None or [_ended(leaf) for leaf in before] != [_ended(leaf) for leaf in ours]:
        return []
    if [kind for kind, _ in before] != [kind for kind, _ in after]:
        return [f"{when}: Python sees other parts"]
    lined = sum(isinstance(one, Personal) for one in made.segments)
    changed = [
        (one, two)
        for one, two in zip(before, after, strict=True)
        if _ended(one) != _ended(two) and not one[0].startswith(("multipart/", "message/"))
    ]
    found = [f"{when}: Python sees {len(changed)} parts changed"] if len(changed) > lined else []
    for (kind, one), (_, two) in changed:
        recoded = any("UTF-8" in change for change in made.changes)
        if kind not in TEXTS or (kind == "text/plain" and not two.startswith(one.rstrip(b"\r\n")) and not recoded):
            found.append(f"{when}: Python sees another {kind}")
    return found


def _ended(leaf: tuple[str, bytes]) -> tuple[str, bytes]:
    """A leaf without the line ends at its end: of those, readers think differently."""
    return leaf[0], leaf[1].rstrip(b"\r\n")


def python_leaves(raw: bytes) -> list[tuple[str, bytes]] | None:
    """The leaves as Python's `email` decodes them; None when it can't."""
    try:
        message = email.message_from_bytes(raw)
        parts = [part for part in message.walk() if not part.is_multipart()]
        return [(part.get_content_type(), _payload(part)) for part in parts]
    except Exception:
        return None


def _payload(part: email.message.Message) -> bytes:
    octets = part.get_payload(decode=True)
    return octets if isinstance(octets, bytes) else b""


def digest(octets: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(octets).hexdigest()


REMOTE = re.compile(r"""<[^<>]*\s(?:src|href|background|poster|action|data|srcset)\s*=\s*["']?(?!data:|["'])""", re.I)
__all__ = [name for name in dir() if not name.startswith("_")] + ["content_end"]
