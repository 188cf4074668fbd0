"""preview -- a letter as its recipients will see it, safe to show on a page.

Owns     which parts are shown, in which order, and what is listed as a file
Never    loads anything from outside, runs anything, shows a picture that did not come with the letter
Fails    never: what can't be read is shown as empty
"""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass

from ..reading.charset import unescaped
from ..reading.displayed import TEXTS, is_attachment, texts
from ..reading.head import Field, first, readable
from ..reading.mailbox import mailboxes
from ..reading.mime import Part, Unreadable, decoded, leaves, text, tree
from . import clean

PICTURES_MOST = 12_000_000
TEXT_MOST = 1_000_000

_PICTURE_TYPES = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
    "image/bmp": "image/bmp",
}
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h[1-6]|/li)\b[^<>]*>", re.IGNORECASE)
_STYLE_SHEET = re.compile(r"<style>[^<]*</style>")
_ANY_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with the letter; `size` in octets, as it is when saved."""

    name: str
    size: int
    type: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a reader sees: `html` is a whole document for a sandboxed frame, "" when the letter is text alone.

    `pictures` are those that are seen in it; a picture that is not is one of the `attachments`.
    """

    subject: str
    from_: str
    text: str
    html: str
    pictures: tuple[Attachment, ...]
    attachments: tuple[Attachment, ...]


def preview(fields: tuple[Field, ...], body: bytes) -> Preview:
    """A letter with these fields and this body (line ends CRLF) as its reader sees it."""
    try:
        shown = _Shown(tree(fields, body), body)
    except Unreadable:
        return Preview(_subject(fields), _from(fields), "", "", (), ())
    has_html = any(part.type == "text/html" for part in texts(shown.root))
    document = clean.document(shown.markup(shown.root), shown.picture) if has_html else ""
    return Preview(
        subject=_subject(fields),
        from_=_from(fields),
        text=shown.plain(),
        html=document,
        pictures=tuple(shown.listed(pictures=True)),
        attachments=tuple(shown.listed(pictures=False)),
    )


def _subject(fields: tuple[Field, ...]) -> str:
    field = first(fields, "subject")
    return readable(field.value) if field else ""


def _from(fields: tuple[Field, ...]) -> str:
    """The sender as programs show them."""
    field = first(fields, "from")
    box = next(iter(mailboxes(field.value)), None) if field else None
    if box is None:
        return ""
    return f"{box.name} <{box.address}>" if box.name else box.address


class _Shown:
    """A letter's parts while its preview is made; pictures are counted, so that a page stays of ordinary size."""

    def __init__(self, root: Part, body: bytes) -> None:
        self.root, self.body = root, body
        self.room = PICTURES_MOST
        self.seen: set[str] = set()

    def plain(self) -> str:
        """The displayed text; where there is only HTML, its words."""
        parts = list(texts(self.root))
        plain = [unflowed(part, text(part, self.body)) for part in parts if part.type == "text/plain"]
        words = plain or [words_of(text(part, self.body)) for part in parts]
        return "\n".join(one.replace("\r\n", "\n").strip("\n") for one in words)[:TEXT_MOST].strip("\n")

    def markup(self, part: Part) -> str:
        """The letter as one stretch of HTML, in the order in which a program that shows HTML shows it."""
        if part.type == "multipart/alternative" and part.children:
            return self.markup(_best(part))
        if part.type == "multipart/related" and part.children:
            start = part.content.get("start").strip("<> ")
            root = next((child for child in part.children if start and child.content_id == start), part.children[0])
            return self.markup(root)
        if part.is_multipart:
            return "\n".join(self.markup(child) for child in part.children)
        if part.type in TEXTS and not is_attachment(part, self.root):
            said = text(part, self.body)[:TEXT_MOST]
            if part.type == "text/html":
                return said
            return f'<div style="white-space:pre-wrap">{html.escape(unflowed(part, said))}</div>'
        inline = part.type in _PICTURE_TYPES and part.disposition != "attachment"
        return f'<img src="cid:{html.escape(part.number)}" alt="{html.escape(part.filename)}">' if inline else ""

    def picture(self, name: str) -> str:
        """The data: URI of the picture with this content id (or part number); "" when it is none or too much."""
        wanted = name.strip("<> ")
        for part in leaves(self.root):
            kind = _PICTURE_TYPES.get(part.type)
            if kind and wanted and wanted in (part.content_id, part.number):
                octets = decoded(part, self.body)
                self.room -= len(octets)
                if self.room < 0:
                    return ""
                self.seen.add(part.number)
                return f"data:{kind};base64,{base64.b64encode(octets).decode()}"
        return ""

    def listed(self, *, pictures: bool) -> list[Attachment]:
        """The pictures that are seen in the letter, or the files: whatever else came with it, pictures too."""
        return [
            Attachment(part.filename, len(decoded(part, self.body)), part.type)
            for part in leaves(self.root)
            if (part.number in self.seen) is pictures
            and (part.type.startswith("image/") or is_attachment(part, self.root))
        ]


def _best(part: Part) -> Part:
    """The alternative that a program that shows HTML shows: the last one with HTML, else the last one it knows."""
    kinds = [[leaf.type for leaf in leaves(child)] for child in part.children]
    for wanted in ("text/html", "text/plain"):
        for child, types in reversed(list(zip(part.children, kinds, strict=True))):
            if wanted in types:
                return child
    return part.children[-1]


def unflowed(part: Part, said: str) -> str:
    """A text with its soft line ends taken out, if it is flowed (RFC 3676 4.1)."""
    if part.content.get("format").lower() != "flowed":
        return said
    cut = 1 if part.content.get("delsp").lower() == "yes" else 0
    out: list[str] = []
    for line in said.replace("\r\n", "\n").split("\n"):
        line = line[1:] if line.startswith(" ") else line
        soft = line.endswith(" ") and line != "-- "
        out.append(line[: len(line) - cut] if soft else line + "\n")
    return "".join(out)


def words_of(markup: str) -> str:
    """The words of HTML, for where there is no text beside it."""
    safe = _STYLE_SHEET.sub("", clean.fragment(re.sub(r"\s+", " ", markup[:TEXT_MOST]), lambda _: ""))
    return unescaped(_ANY_TAG.sub("", _BREAK.sub("\n", safe))).strip()
