"""checks -- what a careful colleague would notice before a letter goes to everybody.

Owns     the questions, in words for the page of a letter that is held
Never    changes or refuses a letter; finds fault with what is usual
Fails    never
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..reading.displayed import is_attachment, texts
from ..reading.mime import Part, Unreadable, leaves, text, tree
from ..reading.nature import Nature, nature
from .compose import Prepared, Written
from .preview import words_of

LARGE, TOO_LARGE = 5_000_000, 10_000_000
_TEXT_MOST = 300_000

_REPLY = re.compile(r"\s*((?:re|aw|sv|antw|fwd?|wg|vs|vl|tr|rv|enc|odp|ynt|i)(?:\[\d+\])?\s?[:：])", re.IGNORECASE)
_ATTACHED = re.compile(
    r"\b(?:attached|attachment|(?:i|we) (?:attach|enclose)|enclosed (?:is|are|you|please)|see enclosed"
    r"|im anhang|angehängt|beigefügt|anbei|anlage|ci-joint|pièces? jointes?|adjunto|adjunta|archivo adjunto"
    r"|in allegato|allegat[oai]|bijgevoegd|bijlage|em anexo|bifogad|vedhæftet|vedlagt|w załączeniu|załącznik)\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"\{\{\s*[\w .|-]{1,40}\}\}|\{(?:first|last|full)?_?name\}|\[\[[\w .-]{1,40}\]\]|«[\w .]{1,40}»"
    r"|\[(?:first |last )?name\]|%%[\w.]{1,40}%%|\*\|\w{1,40}\|\*|\blorem ipsum\b|<<[\w .]{1,40}>>",
    re.IGNORECASE,
)
_OLDER = re.compile(
    r"^-{2,} ?(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|message d'origine"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht) ?-{2,}"
    r"|^(?:on|am|le|el|il|op) .{5,120}(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef).{0,40}:\s*$"
    r"|^begin forwarded message:",
    re.IGNORECASE | re.MULTILINE,
)
_REMOTE = re.compile(r"<(?:img|input)\b[^<>]*\bsrc\s*=\s*[\"']?\s*https?://", re.IGNORECASE)
_OWN_PLACE = re.compile(
    r"(?:file:/{2,3}[^\s\"'<>]{1,60}|https?://(?:localhost|127\.0\.0\.1|192\.168\.\d+\.\d+|10\.\d+\.\d+\.\d+)[^\s\"'<>]{0,60})",
    re.IGNORECASE,
)
_CID = re.compile(r"\bsrc\s*=\s*[\"']?\s*cid:([^\"'\s<>]+)", re.IGNORECASE)
_MAIL_DROP = re.compile(r"https?://(?:www\.)?icloud\.com/attachment/", re.IGNORECASE)
_DANGEROUS = re.compile(r"\.(?:exe|bat|cmd|com|scr|pif|js|jse|vbs|vbe|msi|jar|ps1|hta|lnk|iso|img|apk|reg|cpl)$", re.I)


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at before Release; `serious` when it is almost surely a mistake.

    `elsewhere`: it says that pictures are loaded from the web.
    """

    words: str
    serious: bool
    elsewhere: bool = False


def check(letter: Written, prepared: Prepared) -> tuple[Check, ...]:
    """What should be looked at, serious things first; nothing when all is as usual."""
    try:
        root = tree(letter.fields, letter.body)
    except Unreadable:
        return ()
    shown = [(part.type, text(part, letter.body)[:_TEXT_MOST]) for part in texts(root)]
    files = [part for part in leaves(root) if is_attachment(part, root)]
    markup = "\n".join(said for kind, said in shown if kind == "text/html")
    plain = "\n".join(said for kind, said in shown if kind == "text/plain") or words_of(markup)
    kind = nature(root, letter.body)
    found = [
        *_of_the_subject(prepared.subject),
        *(() if kind.closed and not shown else _of_the_text(plain, markup, shown, root)),
        *_of_the_files(plain, files),
        *_of_links(plain + markup, markup, root),
        *_of_private_links(kind),
        *_of_the_size(len(prepared.head) + len(prepared.body)),
    ]
    return tuple(sorted(found, key=lambda one: not one.serious))


def _of_the_subject(subject: str) -> Iterator[Check]:
    if not subject.strip():
        yield Check("The letter has no subject.", True)
    elif reply := _REPLY.match(subject):
        yield Check(f'The subject begins with "{reply[1].strip()}".', False)
    if placeholder := _PLACEHOLDER.search(subject):
        yield Check(f'The subject still has "{placeholder[0]}" in it. It goes out like that.', True)


def _of_the_text(plain: str, markup: str, shown: list[tuple[str, str]], root: Part) -> Iterator[Check]:
    """What the words show."""
    kinds = {kind for kind, _ in shown}
    pictures = any(part.type.startswith("image/") for part in leaves(root)) or "<img" in markup.lower()
    if not plain.strip() and not pictures:
        yield Check("There is no text in the letter.", True)
    elif kinds == {"text/html"}:
        yield Check("The letter has no plain text beside its HTML. A few mail programs show text only.", False)
    if placeholder := _PLACEHOLDER.search(plain):
        yield Check(f'The text still has "{placeholder[0]}" in it. It goes out like that.', True)
    if _OLDER.search(plain):
        yield Check("An older letter stands below the text. Every customer can read it.", False)


def _of_the_files(plain: str, files: list[Part]) -> Iterator[Check]:
    """What the files show, and what is said of them."""
    if not files and (said := _ATTACHED.search(_own_words(plain))):
        yield Check(f'The text says "{said[0]}", but nothing is attached.', True)
    for part in files:
        if _DANGEROUS.search(part.filename):
            yield Check(f'Most mail providers refuse a letter with a file like "{part.filename}".', True)


def _own_words(plain: str) -> str:
    """A text without what it quotes."""
    older = _OLDER.search(plain)
    own = plain[: older.start()] if older else plain
    return "\n".join(line for line in own.splitlines() if not line.startswith(">"))


def _of_links(both: str, markup: str, root: Part) -> Iterator[Check]:
    """Where links and pictures lead."""
    if own := _OWN_PLACE.search(both):
        yield Check(f'The letter points to "{own[0]}", which only your own computer or network can open.', True)
    remote = len(_REMOTE.findall(markup))
    if remote:
        pictures = "A picture is" if remote == 1 else f"{remote:,} pictures are"
        yield Check(
            f"{pictures} loaded from the web when the letter is opened. Many programs ask first.", False, elsewhere=True
        )
    ids = {part.content_id for part in leaves(root) if part.content_id}
    if any(name not in ids for name in _CID.findall(markup)):
        yield Check("A picture is missing: the letter shows one that did not come with it.", True)
    if _MAIL_DROP.search(both):
        yield Check("A file is behind an iCloud Mail Drop link, which works for 30 days.", False)


def _of_private_links(kind: Nature) -> Iterator[Check]:
    for link in kind.private_links[:3]:
        yield Check(f"Your customers may not be allowed to open {link}. Share the file with everybody first.", True)


def _of_the_size(size: int) -> Iterator[Check]:
    if size > LARGE:
        more = " Many mailboxes take no letter of over 10 MB." if size > TOO_LARGE else ""
        yield Check(f"Each copy has {size / 1_000_000:.1f} MB.{more}", size > TOO_LARGE)
