"""compose -- a letter into its copies: prepared once, completed for each recipient.

Owns     what all copies share (head, body, the seal) and what differs (To, Message-ID, the link)
Never    parses a letter while it is sent; writes a letter's body again: `carry` and `line` change what they must, and
         say so
Fails    Refused, before anything is sent to anybody

`prepare` takes these steps:
1. find the parts, and what kind of letter it is; 2. encode anew what SMTP can't carry; 3. put the unsubscribe line into
the displayed text, unless it is signed or encrypted; 4. make the new head; 5. search all of it for the key; 6. seal it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..own import Own
from ..problem import Problem
from ..reading.displayed import texts
from ..reading.head import Field, cut, mailbox_field
from ..reading.mailbox import Mailbox, ascii_domain, named_field
from ..reading.mime import Part, Unreadable, tree, walk
from ..reading.naming import called
from ..reading.nature import Nature, nature
from ..reading.transfer import pieces
from . import carry, gate, line, wording
from .heading import Heading, Sender, heading
from .line import Personal, personal
from .refused import Refused
from .seal import Seal, sealed
from .splice import Splice

__all__ = [
    "Circumstances",
    "Personal",
    "Prepared",
    "Refused",
    "Shared",
    "copy_head",
    "personal",
    "prepare",
]

#: Stands for a customer's link where only the length and place of the line matter.
SPECIMEN = "https://mailout.invalid/u/specimen"
_NOT_THE_SAME = "The letter's parts can't be encoded for mail so that they stay the same."
_ONE_CLICK = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


class Written(Protocol):
    """What is needed of a letter."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its header fields."""

    @property
    def body(self) -> bytes:
        """Its body, line ends CRLF."""

    @property
    def author(self) -> Mailbox | None:
        """Who wrote it: the first address in From."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a letter's copies depend on besides the letter.

    `secret_words` must not leak: the key and its address. `line` is the wording of the list's unsubscribe line, "" for
    none. `eight_bit` says whether the relay offers 8BITMIME. `aligned_domains` are in lower case.
    """

    own: Own
    secret_words: tuple[str, ...]
    from_policy: str
    aligned_domains: tuple[str, ...]
    author_is_user: bool
    received_at: datetime
    list_id: int
    list_name: str
    line: str
    organisation_name: str
    organisation_address: str
    eight_bit: bool
    other_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """Octets of the prepared body that all copies have: `body[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A letter ready to be copied. A copy is `copy_head` and then the segments, in order.

    `head` are the shared fields. `holds` are reasons to wait for a person, `changes` what differs from the letter, in
    sentences. `from_name` and `from_address` are what recipients see. `kept_whole`: nothing was encoded anew to be
    carried.
    """

    head: bytes
    body: bytes
    segments: tuple[Shared | Personal, ...]
    eight_bit: bool
    smtputf8: bool
    subject: str
    from_name: str
    from_address: str
    holds: tuple[Problem, ...]
    changes: tuple[str, ...]
    seal: Seal
    kept_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Draft:
    """A letter on its way through `prepare`."""

    fields: tuple[Field, ...]
    body: bytes
    root: Part
    why: tuple[tuple[str, str], ...] = ()
    changes: tuple[str, ...] = ()


def prepare(letter: Written, about: Circumstances) -> Prepared:
    """`letter` as all its copies will be; raises Refused when it can't be copied."""
    root = _tree(letter.fields, letter.body)
    kind = nature(root, letter.body)
    carried = _carried(_Draft(letter.fields, letter.body, root), about)
    draft, splices = (carried, ()) if kind.closed or not about.line else _lined(carried, about)
    head = _head(letter, draft, about)
    octets = head.octets + _list_fields(about)
    secret = gate.secrets(about.secret_words, about.other_addresses)
    gate.check_head(cut(octets)[0], secret)
    gate.check_body(draft.root, draft.body, secret)
    seal = _seal(letter, root, draft, splices)
    if not seal.untouched:
        raise Refused(Problem.UNREADABLE, _NOT_THE_SAME)
    segments = _segments(draft.body, splices)
    lines = (segment for segment in segments if isinstance(segment, Personal))
    return Prepared(
        head=octets,
        body=draft.body,
        segments=segments,
        eight_bit=not (draft.body.isascii() and all(map(_is_ascii, lines))),
        smtputf8=not head.octets.isascii(),
        subject=head.subject,
        from_name=head.author.name,
        from_address=head.author.address,
        holds=_holds(letter, kind, carried),
        changes=(*head.changes, *draft.changes, *_about_the_line(kind, about, splices)),
        seal=seal,
        kept_whole=carried.body is letter.body and carried.fields is letter.fields,
    )


def _tree(fields: tuple[Field, ...], body: bytes) -> Part:
    try:
        return tree(fields, body)
    except Unreadable as error:
        raise Refused(Problem.UNREADABLE, str(error)) from error


def _carried(draft: _Draft, about: Circumstances) -> _Draft:
    """The letter as the relay can be given it."""
    done = carry.carried(draft.fields, draft.root, draft.body, eight_bit=about.eight_bit)
    return _again(draft, done)


def _again(draft: _Draft, done: carry.Carried) -> _Draft:
    """The draft after it was written anew, its parts found again; the same one when it was not."""
    if done.body is draft.body and done.fields is draft.fields:
        return draft
    root = _tree(done.fields, done.body)
    if [(part.number, part.type) for part in walk(root)] != [(part.number, part.type) for part in walk(draft.root)]:
        raise Refused(Problem.UNREADABLE, _NOT_THE_SAME)
    return _Draft(done.fields, done.body, root, (*draft.why, *done.why), (*draft.changes, *done.changes))


def _holds(letter: Written, kind: Nature, draft: _Draft) -> tuple[Problem, ...]:
    """Why a person must look first."""
    questions = (
        (letter.author is None, Problem.UNKNOWN_SENDER),
        (kind.encrypted, Problem.ENCRYPTED),
        (kind.signed and draft.body is not letter.body, Problem.SIGNATURE_WOULD_BREAK),
        (kind.winmail, Problem.WINMAIL),
        (bool(kind.private_links), Problem.PRIVATE_LINKS),
    )
    return tuple(problem for holds, problem in questions if holds)


def _lined(draft: _Draft, about: Circumstances) -> tuple[_Draft, tuple[Splice, ...]]:
    """The letter with a place for the line in each displayed text, and the pieces that go there."""
    said = wording.wording(about.line, about.organisation_name, about.organisation_address)
    wanted = line.wanted(draft.root, draft.body, said, eight_bit=about.eight_bit)
    if wanted:
        anew = tuple((one.part, one.octets, one.charset) for one in wanted)
        draft = _again(draft, carry.rewritten(draft.fields, draft.root, draft.body, anew))
    splices, left = line.spliced(draft.root, draft.body, said, eight_bit=about.eight_bit)
    changes = tuple(f"The unsubscribe line could not be put into {called(part)}." for part in left)
    return _Draft(draft.fields, draft.body, draft.root, draft.why, (*draft.changes, *changes)), splices


def _about_the_line(kind: Nature, about: Circumstances, splices: tuple[Splice, ...]) -> tuple[str, ...]:
    """What to say of the line on the page."""
    if not about.line:
        return ()
    if kind.closed:
        word = "signed" if kind.signed else "encrypted"
        return (
            f"The letter is {word}, so the unsubscribe line is not put into it. Mail programs still offer a button.",
        )
    if not splices:
        return ("There is no text to put the unsubscribe line under. Mail programs still offer a button.",)
    return ("The unsubscribe line stands at the end of the text.",)


def _head(letter: Written, draft: _Draft, about: Circumstances) -> Heading:
    """The new head."""
    charset = next((part.charset for part in texts(draft.root) if part.charset), "")
    sender = Sender(about.own, about.from_policy, about.aligned_domains, about.author_is_user)
    return heading(draft.fields, letter.author, sender, about.received_at, charset)


def _list_fields(about: Circumstances) -> bytes:
    """What says which list it is (RFC 2919), the same as long as there is the list; and that no vacation answers."""
    identity = f"list-{about.list_id}.{ascii_domain(about.own.domain)}".encode()
    return named_field("List-Id", about.list_name, identity) + b"Precedence: bulk\r\n"


def _segments(body: bytes, splices: tuple[Splice, ...]) -> tuple[Shared | Personal, ...]:
    """The body as shared stretches and personal pieces, in order."""
    segments: list[Shared | Personal] = []
    at = 0
    for splice in sorted(splices, key=lambda splice: splice.start):
        segments += [Shared(at, splice.start)] if splice.start > at else []
        segments.append(splice.piece)
        at = splice.end
    return (*segments, Shared(at, len(body))) if at < len(body) or not segments else tuple(segments)


def _is_ascii(piece: Personal) -> bool:
    return personal(piece, SPECIMEN).isascii()


def _seal(letter: Written, root: Part, draft: _Draft, splices: tuple[Splice, ...]) -> Seal:
    """The seal over the letter as it came and as it goes out."""
    places = {part.number: part for part in texts(draft.root)}
    lined = {splice.piece.number: _with_line(places[splice.piece.number], draft.body, splice) for splice in splices}
    return sealed((root, letter.body), (draft.root, draft.body), lined, dict(draft.why))


def _with_line(part: Part, body: bytes, splice: Splice) -> Iterator[bytes]:
    """The decoded content of a part with the line in it; its piece begins and ends between two of its lines."""
    view = memoryview(body)
    piece = personal(splice.piece, SPECIMEN)
    yield from pieces(view[part.start : splice.start], part.encoding)
    yield from pieces(memoryview(piece if splice.end <= part.end else piece[:-2]), part.encoding)
    yield from pieces(view[splice.end : max(splice.end, part.end)], part.encoding)


def copy_head(
    prepared: Prepared, *, to: Mailbox, message_id: str, unsubscribe_url: str, unsubscribe_address: str
) -> bytes:
    """The head of one recipient's copy, with the empty line after it (RFC 5322 3.6; RFC 8058 3.1).

    ASCII unless the local part of the address is not, which needs SMTPUTF8.
    """
    ways = f"List-Unsubscribe: <{unsubscribe_url}>,\r\n <mailto:{unsubscribe_address}?subject=unsubscribe>\r\n"
    own = mailbox_field("To", to) + f"Message-ID: {message_id}\r\n{ways}".encode()
    return prepared.head + own + _ONE_CLICK + b"\r\n"
