"""The pictures in the help pages: made anew here, so that they are of pages that there are."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from mailout.web import ROOT

pictures = pytest.importorskip("tests.tools.pictures", reason="Playwright is not installed")

PAGES = ROOT / "templates" / "help" / "pages"


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG (PNG 11.2.2: they open its first chunk)."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


@pytest.mark.slow
def test_each_picture_can_be_taken_again_and_looks_as_large(tmp_path: Path, browser: Any) -> None:
    taken = {path.name: path for path in pictures.take_help(tmp_path, browser)}

    assert set(taken) == {path.name for path in pictures.HELP.glob("*.png")}
    for name, path in taken.items():
        kept, made = size(pictures.HELP / name), size(path)
        # other fonts make other lines, but not another page
        assert abs(kept[0] - made[0]) <= kept[0] * 0.1, name
        assert abs(kept[1] - made[1]) <= kept[1] * 0.25, name


def test_each_picture_is_shown_and_said_in_words() -> None:
    shown = [
        (name, words)
        for page in PAGES.glob("*.html")
        for name, words in re.findall(r"filename='help/([\w-]+\.png)'\) }}\" alt=\"([^\"]*)\"", page.read_text())
    ]

    assert {name for name, _ in shown} == {path.name for path in pictures.HELP.glob("*.png")}
    assert all(len(words) > 20 for _, words in shown)
