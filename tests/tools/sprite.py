"""sprite -- makes static/icons.svg from the names in static/vendor/icons.txt.

    python -m tests.tools.sprite FOLDER

FOLDER is an unpacked `@tabler/icons` package. Only the icons that are named end in the sprite: it is loaded with every
first page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent.parent / "static"
NAMES = STATIC / "vendor" / "icons.txt"
SYMBOL = (
    '<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
    'stroke-linecap="round" stroke-linejoin="round">{paths}</symbol>'
)
EMPTY = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>')


def symbol(name: str, drawing: str) -> str:
    """One icon of the package as a symbol of the sprite."""
    inside = EMPTY.sub("", drawing.partition(">")[2].rpartition("</svg>")[0])
    return SYMBOL.format(name=name, paths="".join(line.strip() for line in inside.splitlines()))


def sprite(package: Path, names: list[str]) -> str:
    """All named icons in one file."""
    outline = package / "icons" / "outline"
    symbols = [symbol(name, (outline / f"{name}.svg").read_text()) for name in names]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


if __name__ == "__main__":
    (STATIC / "icons.svg").write_text(sprite(Path(sys.argv[1]), sorted(set(NAMES.read_text().split()))))
