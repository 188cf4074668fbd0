"""steps -- one step of a mail-out's story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

COMPLETE_MAIL = "“Mail-out complete”"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story; `done` is solid, else dotted."""

    title: str
    text: str = ""
    at: datetime | None = None
    done: bool = True
