"""wording -- what the unsubscribe line says, as text and as markup.

Owns     how the list's own words, the organisation's name and address and the link become one line
Never    writes anything but ASCII as markup: other characters are references, so any charset carries them
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{(organisation|address|link)\}")
_STEP = 200
_TOKENS = re.compile(r"&[^;\s]{1,10};|.", re.DOTALL)
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "Æ": "Ae",
        "ø": "o",
        "Ø": "O",
        "œ": "oe",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "–": "-",
        "—": "-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "…": "...",
        "·": "-",
        "•": "-",
        "€": "EUR",
    }
)
_STYLE = "margin:1.5em 0 0;font-size:smaller"


@dataclass(frozen=True, slots=True)
class Wording:
    """The line: `words` stand before the link in a text, the markup around its address in HTML."""

    words: str
    markup_before: str
    markup_after: str


def wording(line: str, organisation: str, address: str) -> Wording:
    """The line that says `line` (with {organisation} and {address} where they are wanted) for an organisation.

    Name and address stand before it when `line` does not place them: they are always there.
    """
    organisation, address = one_line(organisation), one_line(address)
    placed = {found[1] for found in _PLACEHOLDER.finditer(line)}
    missing = [
        value
        for name, value in (("organisation", organisation), ("address", address))
        if name not in placed and value.strip()
    ]
    values = {"organisation": organisation, "address": address, "link": ""}
    said = one_line(_PLACEHOLDER.sub(lambda found: values[found[1]], line)) or "Unsubscribe"
    who = ", ".join(missing) + " - " if missing else ""
    joint = ": " if said[-1].isalnum() else " "
    return Wording(
        words=f"{who}{said}{joint}",
        markup_before=f'<p style="{_STYLE}">{references(who)}<a\r\nhref="',
        markup_after=f'">{references(said)}</a></p>',
    )


def one_line(text: str) -> str:
    """`text` on one line: its lines joined by commas, no control characters, no run of blanks."""
    lines = (" ".join("".join(c if c.isprintable() else " " for c in line).split()) for line in text.splitlines())
    return ", ".join(line.rstrip(",") for line in lines if line)


def references(text: str) -> str:
    """`text` as markup in ASCII, in lines that are never long; a break inside a word is a comment that nobody sees."""
    ascii_only = html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")
    if len(ascii_only) <= _STEP:
        return ascii_only
    pieces, room = [], _STEP
    for token in _TOKENS.findall(ascii_only):
        room -= len(token)
        if room < 0 and token == " ":
            token, room = "\r\n", _STEP
        elif room < -_STEP:
            token, room = f"<!--\r\n-->{token}", _STEP
        pieces.append(token)
    return "".join(pieces)


def plain(text: str) -> str:
    """`text` in ASCII, as near as it comes: for a part that can carry nothing else and can't be written anew."""
    spelled = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    ascii_only = spelled.encode("ascii", "ignore").decode("ascii")
    return " ".join(ascii_only.split()) + (" " if text.endswith(" ") else "")
