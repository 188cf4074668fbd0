"""displayed -- which parts of a letter its reader sees as the letter, and which are files that came with it.

Owns     what counts as attachment, and the last displayed text and HTML, where a line can be added for everybody
Never    looks into an enclosed letter: what is in there is somebody else's
Fails    never

Alternatives are each displayed by somebody, so each counts (RFC 2046 5.1.4). What stands one after another is one
text to its reader: only the last piece counts (a program splits its text around pictures). Of related parts the root
is displayed (RFC 2387 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator

from .mime import Part, leaves

TEXTS = ("text/plain", "text/html")
_OPAQUE = ("multipart/signed", "multipart/encrypted", "multipart/digest", "multipart/appledouble")


def is_attachment(part: Part, root: Part) -> bool:
    """Whether a leaf is a file that came with the letter: it says so, or it is text that has a file's name."""
    if part.disposition == "attachment" or part.is_enclosed:
        return True
    if part.type in TEXTS:
        return bool(part.filename) and part is not root
    return not (part.type.startswith("image/") and part.content_id) and not part.type.startswith("multipart/")


def texts(root: Part) -> Iterator[Part]:
    """Every text and HTML part that is displayed, in order."""
    return (part for part in leaves(root) if part.type in TEXTS and not is_attachment(part, root))


def last_texts(root: Part) -> tuple[Part, ...]:
    """The displayed text and HTML parts after which nothing more of the letter is displayed, each kind's last."""
    return _last(root, root)


def _last(part: Part, root: Part) -> tuple[Part, ...]:
    """The same below `part`."""
    if not part.is_multipart:
        return (part,) if part.type in TEXTS and not is_attachment(part, root) else ()
    if part.type in _OPAQUE:
        return ()
    if part.type == "multipart/alternative":
        return tuple(one for child in part.children for one in _last(child, root))
    children = _related(part) if part.type == "multipart/related" else part.children
    return _in_sequence([_last(child, root) for child in children])


def _in_sequence(found: list[tuple[Part, ...]]) -> tuple[Part, ...]:
    """Of what is displayed one after another: the last that has a text, and the last that has HTML."""
    last: list[Part] = []
    for kind in TEXTS:
        of_kind = [[part for part in parts if part.type == kind] for parts in found]
        last += next((parts for parts in reversed(of_kind) if parts), [])
    return tuple(sorted(last, key=lambda part: part.start))


def _related(part: Part) -> tuple[Part, ...]:
    """The root of related parts, and texts beside it that nothing refers to."""
    start = part.content.get("start").strip("<> ")
    root = next((child for child in part.children if start and child.content_id == start), part.children[0])
    beside = (child for child in part.children if child is not root and child.type in TEXTS and not child.content_id)
    return (root, *beside)
