"""steps -- one step of a mail-out's story: what happened or is to come, and when.

Owns     the value that `story` and `aftermath` make and the page shows
Never    decides what the steps are
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

COMPLETE_MAIL = "“Mail-out complete”"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story; `done` is solid, else dotted. `way` leads to more of it, called `way_words`."""

    title: str
    text: str = ""
    at: datetime | None = None
    done: bool = True
    way: str = ""
    way_words: str = ""
