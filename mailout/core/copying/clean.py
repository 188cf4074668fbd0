"""clean -- HTML that came in a letter, made safe to look at: nothing in it runs, loads, submits or leads anywhere.

Owns     the allow-lists of tags, attributes and styles, and the document that a sandboxed frame may show
Never    lets a tag, an attribute or an address through because it is unknown; takes long over any markup
Fails    never: whatever the markup, there is a document

Pictures are shown when they came with the letter (their `cid:` becomes a `data:`); links keep their words, and where
they lead is their title. The document carries a Content-Security-Policy of its own, should a mistake be in here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from ..reading.charset import unescaped

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
MOST = 2_000_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _names(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn"
    " dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label legend li main"
    " mark menu nav ol p pre q rp rt ruby s samp section small span strike strong sub sup table tbody td tfoot th thead"
    " time tr tt u ul var wbr"
)
_VOID = _names("br hr img col wbr")
_DROPPED_WITH_CONTENT = _names(
    "script title textarea xmp iframe noembed noframes noscript object applet audio video canvas svg math template"
    " select button"
)
_ATTRIBUTES = _names(
    "align alt bgcolor border cellpadding cellspacing class color cols colspan dir face height hspace lang noshade"
    " nowrap reversed rowspan rules size span start summary title type valign value vspace width"
)
_MARK = re.compile(r"<(?=[A-Za-z/!?])")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_-]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"([^\s=/>\"']+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+)))?")
_STYLE_FAULT = re.compile(r"\\|[<>]|@|//|expression|behaviou?r|-moz-binding|javascript", re.IGNORECASE)
_URL = re.compile(r"url\s*\([^)]*\)?|image-set\s*\([^)]*\)?|src\s*\([^)]*\)?", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_AT_RULE = re.compile(r"@(?!media\b)[^;{}]*(?:;|\{[^{}]*\}|\Z)", re.IGNORECASE)
_LINK = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_FAILURES_MOST = 50
_NESTED_MOST = 300

Picture = Callable[[str], str]


def document(markup: str, picture: Picture, *, language: str = "") -> str:
    """A whole document that shows `markup` safely; `picture` gives the data: URI for a content id, or ""."""
    body = fragment(markup, picture)
    lang = f' lang="{html.escape(language)}"' if language else ""
    return (
        f'<!DOCTYPE html>\n<html{lang}>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        "<style>body{background:#fff;color:#000;margin:12px;font-family:sans-serif;overflow-wrap:anywhere}"
        "img{max-width:100%}a{color:#2743b3;text-decoration:underline}</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def fragment(markup: str, picture: Picture) -> str:
    """`markup` with nothing in it but what is allowed, every element closed in its order."""
    return _Cleaner(markup[:MOST], picture).run()


class _Cleaner:
    """One pass over markup, from one "<" to the next."""

    def __init__(self, markup: str, picture: Picture) -> None:
        self.markup, self.picture = markup, picture
        self.out: list[str] = []
        self.open: list[str] = []
        self.failures = 0

    def run(self) -> str:
        """The clean markup."""
        at = 0
        while at < len(self.markup):
            mark = _MARK.search(self.markup, at)
            if mark is None or self.failures > _FAILURES_MOST:
                self._say(self.markup[at:])
                break
            self._say(self.markup[at : mark.start()])
            at = self._markup_at(mark.start())
        self.out += [f"</{name}>" for name in reversed(self.open)]
        return "".join(self.out)

    def _say(self, text: str) -> None:
        """Text, with its references read and written anew."""
        self.out.append(html.escape(unescaped(text)))

    def _markup_at(self, at: int) -> int:
        """Deal with what begins with "<" at `at`; where to go on."""
        if self.markup.startswith("<!--", at):
            return self._after("-->", at + 2)
        if self.markup.startswith(("<!", "<?"), at):
            return self._after(">", at)
        found = _TAG.match(self.markup, at)
        if found is None:
            self.failures += 1
            self._say("<")
            return at + 1
        return self._tag(found)

    def _after(self, end: str, at: int) -> int:
        """The place after the next `end`; the end of all when there is none."""
        found = self.markup.find(end, at)
        return found + len(end) if found >= 0 else len(self.markup)

    def _tag(self, found: re.Match[str]) -> int:
        """Deal with a tag; where to go on, which is after its content if that is dropped too."""
        closes, name = bool(found[1]), found[2].lower()
        if name == "style" and not closes:
            end = self._content_end(name, found.end())
            self.out.append(f"<style>{stylesheet(self.markup[found.end() : end])}</style>")
            return self._after(">", end)
        if name in _DROPPED_WITH_CONTENT and not closes and not found[3].rstrip().endswith("/"):
            return self._after(">", self._content_end(name, found.end()))
        if name not in _TAGS:
            return found.end()
        if closes:
            self._close(name)
        elif len(self.open) < _NESTED_MOST:
            self._begin(name, found[3])
        return found.end()

    def _content_end(self, name: str, at: int) -> int:
        """Where the closing tag of a dropped element begins."""
        found = re.compile(f"</{name}", re.IGNORECASE).search(self.markup, at)
        return found.start() if found else len(self.markup)

    def _begin(self, name: str, attributes: str) -> None:
        said = "".join(f' {key}="{html.escape(value)}"' for key, value in self._kept(name, attributes))
        self.out.append(f"<{name}{said}>")
        if name not in _VOID:
            self.open.append(name)

    def _close(self, name: str) -> None:
        """Close an element that is open, and those in it that were forgotten."""
        if name not in self.open:
            return
        while self.open:
            last = self.open.pop()
            self.out.append(f"</{last}>")
            if last == name:
                return

    def _kept(self, name: str, attributes: str) -> list[tuple[str, str]]:
        """The attributes that are let through, with what is made of those that would load something."""
        kept: list[tuple[str, str]] = []
        for found in _ATTRIBUTE.finditer(attributes):
            key = found[1].lower()
            value = unescaped(next((said for said in found.groups()[1:] if said is not None), ""))
            if key == "style":
                kept.append((key, style(value)))
            elif key == "href" and name == "a" and _LINK.match(value.strip()):
                kept.append(("title", value.strip()))
            elif key == "src" and name == "img":
                kept += self._source(value.strip())
            elif key in _ATTRIBUTES:
                kept.append((key, value))
        return list({key: (key, value) for key, value in reversed(kept)}.values())[::-1]

    def _source(self, address: str) -> list[tuple[str, str]]:
        """A picture that came with the letter; none from elsewhere."""
        if address[:4].lower() == "cid:":
            found = self.picture(address[4:])
            return [("src", found)] if found else []
        inline = re.match(r"data:image/(?:png|jpe?g|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]*\Z", address, re.IGNORECASE)
        return [("src", address)] if inline else []


def style(value: str) -> str:
    """The declarations of a style attribute that load and run nothing."""
    plain = _CSS_COMMENT.sub(" ", value)
    kept = (one.strip() for one in _URL.sub("none", plain).split(";"))
    return ";".join(one for one in kept if one and not _STYLE_FAULT.search(one))


def stylesheet(css: str) -> str:
    """A style sheet without imports, addresses, escapes and anything that could end it."""
    plain = _CSS_COMMENT.sub(" ", css.replace("<!--", " ").replace("-->", " "))
    plain = _AT_RULE.sub(" ", _URL.sub("none", plain.replace("\\", "").replace("<", "")))
    return re.sub(r"//|expression|behaviou?r|-moz-binding|javascript", "none", plain, flags=re.IGNORECASE)
