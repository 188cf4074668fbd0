"""tabler -- makes static/css/tabler.css: of the vendored stylesheet, the rules that a page of ours can meet.

    python -m tests.tools.tabler

Owns     what counts as used: any word of a template, a script or a page's module could be a class
Never    looks a rule over that could match: only a selector that asks for a class which none of our files names goes

What a selector says inside `:not()`, `:is()`, `:where()` or `:has()` is never a reason to leave it out. The elements'
own rules, the custom properties, both themes and all states stay as they are, in their order. tests/web/test_vendor.py
makes the file again and compares.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FULL = ROOT / "static" / "vendor" / "tabler.min.css"
CUT = ROOT / "static" / "css" / "tabler.css"
#: Where a class of a page can be named.
SOURCES = ("templates/**/*.html", "static/*.js", "mailout/web/**/*.py")
HEAD = "/* Cut from ../vendor/tabler.min.css by `python -m tests.tools.tabler`: what no page uses is left out. */\n"
#: `class="btn-{{ tone }}"`: every class that begins so may be meant.
BEGUN = re.compile(r"([A-Za-z][\w-]*-)(?:\{\{|[\"'] ?[~+])")
NAME = re.compile(r"\.((?:\\.|[\w-])+)")
COMMENT = re.compile(r"/\*(?!!).*?\*/", re.DOTALL)
LICENCE = re.compile(r"/\*!.*?\*/", re.DOTALL)


def named(sources: Collection[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Every word of these texts that could be a class, and the beginnings that a template goes on with by itself."""
    text = "\n".join(sources)
    return frozenset(re.findall(r"[A-Za-z][\w-]*", text)), tuple(sorted(set(BEGUN.findall(text))))


def texts() -> list[str]:
    """What the pages are made from."""
    return [path.read_text() for pattern in SOURCES for path in sorted(ROOT.glob(pattern))]


def cut(css: str, words: frozenset[str], begun: tuple[str, ...]) -> str:
    """The stylesheet without the rules that match nothing of ours; its licence at the head."""
    licence = "\n".join(LICENCE.findall(css))
    bare = LICENCE.sub("", COMMENT.sub("", css)).replace('@charset "UTF-8";', "")
    kept = "".join(_rules(bare, words, begun))
    for name in sorted(set(re.findall(r"@keyframes ([\w-]+)", kept))):
        if len(re.findall(rf"[\s:,]{re.escape(name)}\b", kept)) == len(re.findall(rf"@keyframes {name}\b", kept)):
            kept = _without(kept, f"@keyframes {name}")
    return f'@charset "UTF-8";\n{licence}\n{HEAD}{kept}\n'


def blocks(css: str) -> Iterator[tuple[str, str]]:
    """The blocks of `css` on its outermost level: what stands before the brace, and what is between the two."""
    head, depth, start = 0, 0, 0
    for found in re.finditer(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{}]", css):
        if found[0] == "{":
            depth += 1
            start = found.end() if depth == 1 else start
        elif found[0] == "}":
            depth -= 1
            if depth == 0:
                yield css[head : start - 1].strip(), css[start : found.start()]
                head = found.end()


def parts(selectors: str) -> list[str]:
    """The selectors of a list, cut at the commas outside of brackets and quotes."""
    found, depth, start = [], 0, 0
    for mark in re.finditer(r"\"[^\"]*\"|'[^']*'|\\.|[(),\[\]]", selectors):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(mark[0], 0)
        if mark[0] == "," and depth == 0:
            found.append(selectors[start : mark.start()])
            start = mark.end()
    return [*found, selectors[start:]]


def needs(selector: str) -> list[str]:
    """The classes without which an element can't match: those outside of the brackets."""
    before = None
    while before != selector:
        before, selector = selector, re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", selector)
    return [re.sub(r"\\(.)", r"\1", name) for name in NAME.findall(selector)]


def _rules(css: str, words: frozenset[str], begun: tuple[str, ...]) -> Iterator[str]:
    """The rules that are kept, each with those of its selectors that can match."""
    for head, body in blocks(css):
        if head.startswith(("@media", "@supports", "@layer", "@container")):
            inside = "".join(_rules(body, words, begun))
            if inside:
                yield f"{head}{{{inside}}}"
        elif head.startswith("@"):
            yield f"{head}{{{body}}}"
        else:
            kept = [one for one in parts(head) if all(_used(name, words, begun) for name in needs(one))]
            if kept:
                yield f"{','.join(kept)}{{{body}}}"


def _used(name: str, words: frozenset[str], begun: tuple[str, ...]) -> bool:
    return name in words or name.startswith(begun)


def _without(css: str, head: str) -> str:
    return "".join(f"{one}{{{body}}}" for one, body in blocks(css) if one != head)


def asked(css: str) -> frozenset[frozenset[str]]:
    """What the selectors of `css` ask for: the classes of each."""
    found: set[frozenset[str]] = set()
    for head, body in blocks(LICENCE.sub("", COMMENT.sub("", css))):
        if head.startswith("@media"):
            found |= asked(body)
        elif not head.startswith("@"):
            found |= {frozenset(needs(one)) for one in parts(head)}
    return frozenset(found)


def missing() -> frozenset[str]:
    """The classes whose rules a page of ours may need, and which the cut has not (any more)."""
    words, begun = named(texts())
    lacking = asked(FULL.read_text()) - asked(CUT.read_text())
    return frozenset().union(*(names for names in lacking if all(_used(name, words, begun) for name in names)))


def made() -> str:
    """The cut as our files are now."""
    return cut(FULL.read_text(), *named(texts()))


if __name__ == "__main__":
    CUT.write_text(made())
    print(f"{CUT.relative_to(ROOT)}: {CUT.stat().st_size:,} bytes of {FULL.stat().st_size:,}")
