"""markup -- where the displayed content of an HTML document ends.

Owns     that one place: before the closing tags, outside of comments, scripts and tags that never end
Never    parses a document: it looks from the end, and at what is left open
Fails    never

What is added after an unclosed comment, style or tag would be swallowed by it, and in an unclosed table it would be
shown above it (HTML 13.2.6.4.9), so the place is before the former, and the latter are closed.
"""

from __future__ import annotations

import re

_BLANKS = b" \t\r\n\x0c"
_CLOSING = re.compile(rb"</(?:body|html)\s*>\Z", re.IGNORECASE)
_RAW_TEXT = re.compile(
    rb"<(/?)(?:style|script|title|textarea|xmp|iframe|noframes|noembed|noscript|template|head)\b", re.IGNORECASE
)
_TABLE = re.compile(rb"<(/?)table\b", re.IGNORECASE)
_TAG = re.compile(rb"<[A-Za-z/!?]")
_CLOSING_MOST = 64
_TABLES_MOST = 20


def content_end(markup: bytes) -> int:
    """The offset in `markup` at which its displayed content ends; ASCII tags assumed."""
    end = _before_what_is_open(markup)
    place, at = end, end
    while True:
        while at and markup[at - 1] in _BLANKS:
            at -= 1
        closing = _CLOSING.search(markup, max(0, at - _CLOSING_MOST), at)
        if closing:
            place = at = closing.start()
        elif markup.endswith(b"-->", 0, at) and (comment := markup.rfind(b"<!--", 0, at - 2)) >= 0:
            at = comment
        else:
            return place


def _before_what_is_open(markup: bytes) -> int:
    """Where a comment, an element without markup in it, or a tag begins that never ends; else the end."""
    end = len(markup)
    comment = markup.rfind(b"<!--")
    if comment >= 0 and markup.find(b"-->", comment + 2) < 0:
        end = comment
    last = None
    for found in _RAW_TEXT.finditer(markup, 0, end):
        last = found
    if last and not last[1] and not _in_comment(markup, last.start()):
        end = last.start()
    tag = markup.rfind(b"<", 0, end)
    if tag >= 0 and markup.find(b">", tag, end) < 0 and _TAG.match(markup, tag):
        end = tag
    return end


def _in_comment(markup: bytes, at: int) -> bool:
    """Whether the offset `at` lies in a comment."""
    comment = markup.rfind(b"<!--", 0, at)
    return comment >= 0 and markup.find(b"-->", comment + 2) > at


def open_tables(markup: bytes, end: int) -> int:
    """How many tables are not closed where the content ends."""
    depth = 0
    for found in _TABLE.finditer(markup, 0, end):
        depth = max(0, depth + (-1 if found[1] else 1))
    return min(depth, _TABLES_MOST)
