"""The map as a test: who imports whom, what core may touch, how long things may be."""

from __future__ import annotations

import ast
import fnmatch
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mailout"

#: A module imports from rungs below its own, and from its own rung where that makes no cycle.
LADDER = (
    ("core.*", "setting_values", "bootstrap"),
    ("wires.*", "settings", "sandbox"),
    ("models.*",),
    ("current", "journal", "lease", "pulse", "doorbell", "database", "keeping.in_use"),
    ("outbox.queue",),
    ("book.*",),
    ("outbox.*", "book.exporting*"),
    ("intake.*",),
    ("doctor.*",),
    ("sandbox.*", "keeping.*"),
    ("worker", "demo", "commands.*", "running", "serving", "welcome"),
    ("web.asking", "web.words", "web.searching", "web.static_files", "web.turns"),
    ("web.access.*", "web.errors"),
    ("web.story.*",),
    ("web.mailouts.*", "web.customers.*", "web.public.*", "web.upkeep.*", "web.help.*", "web.sandbox_mail"),
    ("web",),
)

#: What core may import besides itself: of the standard library what touches nothing, and the reader of odd bounces.
IMPURE = {"os", "socket", "ssl", "smtplib", "poplib", "sqlite3", "time", "random", "secrets", "logging", "threading",
          "pathlib", "subprocess", "tempfile", "shutil", "asyncio", "select", "sys"}  # fmt: skip
PURE_LIBRARIES = {"flufl"}

MODULE_LINES = 300
FUNCTION_LINES = 60


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "migrations" not in path.parts:
            yield name_of(path), path


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, also inside functions."""
    base = ["mailout", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            root = base[: len(base) - node.level + 1] if node.level else []
            stem = ".".join([*root, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


KNOWN = {name for name, _ in modules()}


def ours(path: Path) -> set[str]:
    """The modules of ours that this one imports."""
    found = set()
    for target in imports(path):
        inner = target.removeprefix("mailout.")
        if target.startswith("mailout.") or target == "mailout":
            found.add(inner if inner in KNOWN else inner.rpartition(".")[0])
    return found - {name_of(path), ""}


def rung(name: str) -> int:
    """The last rung whose most telling pattern names the module: an exact name wins over a star."""
    exact = [level for level, patterns in enumerate(LADDER) if name in patterns]
    starred = [
        (len(pattern), level)
        for level, patterns in enumerate(LADDER)
        for pattern in patterns
        if fnmatch.fnmatch(name, pattern) or f"{name}.*" == pattern
    ]
    assert exact or starred, f"{name} stands on no rung of the ladder"
    return exact[0] if exact else max(starred)[1]


@pytest.mark.parametrize(("name", "path"), [pair for pair in modules() if pair[0]])
def test_imports_point_down_the_ladder(name: str, path: Path) -> None:
    wrong = [target for target in ours(path) if rung(target) > rung(name)]

    assert not wrong, f"{name} must not import {', '.join(wrong)}"


def test_worker_commands_and_web_meet_only_in_the_factory() -> None:
    for name, path in modules():
        if name.startswith("web"):
            met = {target for target in ours(path) if target == "worker" or target.split(".")[0] == "commands"}
            assert met <= ({"commands"} if name == "web" else set()), f"{name} imports {met}"
        if name == "worker" or name.startswith("commands"):
            assert not any(target.startswith("web") for target in ours(path)), name


def test_no_import_cycles() -> None:
    graph = {name: ours(path) for name, path in modules()}
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for target in graph.get(name, set()):
                walk(target, (*way, name))
            done.add(name)

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize(("name", "path"), [pair for pair in modules() if pair[0].startswith("core")])
def test_core_touches_nothing(name: str, path: Path) -> None:
    for target in imports(path):
        top = target.split(".")[0]
        allowed = top in {"mailout", "__future__"} | PURE_LIBRARIES or top in sys.stdlib_module_names - IMPURE
        assert allowed, f"{name} must not import {target}"
        assert not target.startswith("mailout.") or target.startswith("mailout.core"), (
            f"{name} must not import {target}"
        )
    assert ".now(" not in path.read_text(), f"{name} reads the clock"


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_modules_and_functions_are_short_and_open_with_their_contract(name: str, path: Path) -> None:
    assert path.read_text().count("\n") < MODULE_LINES, f"{name} is too long"
    assert ast.get_docstring(tree(path)), f"{name} has no docstring"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{name}.{node.name} has {length} lines"
            inside = [inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)]
            assert not inside, f"{name}.{node.name} imports inside"


def test_functions_are_short_on_the_whole() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for _, path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert statistics.median(lengths) <= 9
    assert statistics.quantiles(lengths, n=10)[8] <= 25


def test_public_functions_say_what_they_do() -> None:
    bare = []
    for name, path in modules():
        for node in tree(path).body:
            if (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                bare.append(f"{name}.{node.name}")

    assert not bare
