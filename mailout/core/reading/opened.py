"""opened -- a returning letter taken apart: what it says, and what it sends back.

Owns     how much of it is read, and its parts as text
Never    raises, whatever the parts are like: a letter that can't be taken apart is one piece of text
Fails    never

What a mail server says and the letter that it returns often stand in one text, with a line between them that every
program words differently. Only what stands before that line is the server's; behind it anybody may have written it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import charset as charsets
from . import mime
from .charset import unescaped
from .letter import Letter
from .phrases import one_of

#: Octets of a body that are read: a report says what it has to say long before the end of what it returns.
BODY_MOST = 1 << 20
TEXT_MOST = 200_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part as text. `returned`: it is of a letter that is enclosed (its head included), not of the report itself."""

    kind: str
    text: str
    returned: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """All pieces of a letter, in order."""

    pieces: tuple[Piece, ...]

    @property
    def said(self) -> tuple[str, ...]:
        """What the report says to a person, part by part, each up to where the returned letter begins."""
        own = [piece for piece in self.pieces if not piece.returned]
        plain = [before_returned(piece.text) for piece in own if piece.kind == "text/plain"]
        if any(text.strip() for text in plain):
            return tuple(plain)
        return tuple(before_returned(_without_tags(piece.text)) for piece in own if piece.kind == "text/html")

    @property
    def everything(self) -> str:
        """The text of all pieces, for what can only be ours wherever it stands."""
        return "\n".join(piece.text for piece in self.pieces)

    def of_kind(self, ending: str) -> tuple[str, ...]:
        """The texts of the report's own parts whose type is, or ends in, `ending`."""
        return tuple(piece.text for piece in self.pieces if not piece.returned and piece.kind.endswith(ending))

    def returned_head(self) -> str:
        """The head of the first enclosed letter; "" when none is enclosed as a part."""
        enclosed = (piece.text for piece in self.pieces if piece.returned)
        return next(enclosed, "").partition("\n\n")[0]


_RETURNED = one_of(
    r"""
    (?:(?:this|below|here|included) is )?(?:a )?cop(?:y|ies) of (?:the|your)(?: original)? (?:message|mail)
    (?:.{0,40}(?:below|next) (?:this|the next)? ?line is .{0,10}cop(?:y|ies) of)|below this line is a copy
    (?:the )?(?:header|headers|body|text|content)s? of (?:the|your) (?:original )?(?:message|mail)
    .{0,30}(?:header|message|mail|text)s? (?:of the original message )?(?:is |are )?follow(?:s|ing)?(?:\W|$)
    original message(?: headers?| details| as received| attached| text| begins)?\W*$|original mail\W*$
    original message.{0,40} follows?\W*$
    (?:your )?(?:returned|unsent|undelivered|old|bounced) (?:message|mail)s?(?: follows| below| attached)?\W*$
    start of returned message|forwarded message|message (?:text|headers?|body) follows|urspr[üu]ngliche nachricht
    message d['’]origine|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht
    исходное сообщение|(?:元の|原)(?:メール|メッセージ)|原始邮件|原信件|附件中的内容|.{0,30}原邮件
    begin (?:of )?(?:original|returned|message|header)|here is your returned mail|--=? ?rfc822
    """,
    re.IGNORECASE,
)
_HEADER = re.compile(r">? ?(?:Received|Return-Path|DKIM-Signature|Delivered-To)[ \t]*:", re.IGNORECASE)
_FENCE = " \t-=*>#_.:~"
_BLOCKS = re.compile(r"<(style|script|head|title)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_BREAKS = re.compile(r"<(?:br|/p|/div|/tr|/td|/li|/h\d|p|div|tr|li)\b[^<>]*>", re.IGNORECASE)
_TAGS = re.compile(r"<(?:/?[a-z][a-z0-9:]*(?:\s[^<>]*)?/?|![^<>]*)>", re.IGNORECASE)
_HEADS = ("text/rfc822-headers", "message/rfc822-headers", "text/rfc822", "message/global-headers")


def take_apart(letter: Letter) -> Opened:
    """The pieces of a letter, of at most BODY_MOST octets of it."""
    body = letter.body[:BODY_MOST]
    try:
        pieces = tuple(_pieces(mime.tree(letter.fields, body), body, returned=False))
    except mime.Unreadable:
        pieces = ()
    return Opened(pieces or (Piece("text/plain", _tidy(charsets.read(body[:TEXT_MOST], "")), returned=False),))


def _pieces(part: mime.Part, body: bytes, *, returned: bool) -> Iterator[Piece]:
    """The pieces of a part and of what is in it."""
    if part.is_multipart:
        for child in part.children:
            yield from _pieces(child, body, returned=returned)
    elif part.children:
        yield Piece(part.type, _text(part, body), returned=True)
        for child in part.children:
            yield from _pieces(child, body, returned=True)
    else:
        kind = "text/plain" if part.type.startswith("multipart/") else part.type
        yield Piece(kind, _text(part, body), returned or part.type in _HEADS or part.is_enclosed)


def _text(part: mime.Part, body: bytes) -> str:
    """A part as text; one that holds no text is empty."""
    if not part.type.startswith(("text/", "message/", "multipart/", "application/json")):
        return ""
    octets = mime.decoded(part, body)[:TEXT_MOST]
    return _tidy(charsets.read(octets, part.charset))


def _tidy(text: str) -> str:
    """`text` with one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_tags(markup: str) -> str:
    """HTML as the lines that a person sees; an address in angle brackets is no tag."""
    text = _TAGS.sub("", _BREAKS.sub("\n", _BLOCKS.sub(" ", markup)))
    return unescaped(text)


def before_returned(text: str) -> str:
    """The part of `text` that stands before the letter that it returns."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        bare = line.strip(_FENCE)
        if number and (_HEADER.match(line) or (len(bare) < 120 and _RETURNED.match(bare))):
            return "\n".join(lines[:number])
    return text
