"""folding -- text as it is compared and sought: without capitals, accents and needless blanks.

Owns     the forms in which names of lists are unique, and in which customers are searched and sorted
Never    reads a table; what it returns is never shown
"""

from __future__ import annotations

import unicodedata

from ..core.fault import Fault

NAME_MOST = 200
#: What an own field of a customer holds at most.
FIELD_MOST = 2_000
SOUGHT_MOST = 700


def fold(text: str) -> str:
    """`text` in small letters, without accents, each run of blanks being one."""
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(character for character in apart if not unicodedata.combining(character)).split())


def sought(email: str, first_name: str, last_name: str) -> str:
    """What a search looks in and a sort by name goes by: last name, first name, address."""
    return fold(f"{last_name} {first_name} {email}")[:SOUGHT_MOST]


def same_name(name: str) -> str:
    """A list's name as compared: accents count, capitals and blanks do not."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def clean(text: str, what: str, most: int = NAME_MOST) -> str:
    """`text` on one line: control characters and runs of blanks are one blank each, in NFC.

    Raises Fault when it is longer than `most` characters; `what` names it, as "The first name".
    """
    if not text.isprintable():
        text = "".join(character if _is_seen(character) else " " for character in text)
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    if len(line) > most:
        raise Fault(f"{what} is {len(line)} characters long; {most} is the most.")
    return line


def _is_seen(character: str) -> bool:
    """Whether a character may stand in a name: no control, no line end, no change of direction; joiners may."""
    return character.isprintable() or character in "\u200c\u200d"
