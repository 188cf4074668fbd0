"""roster -- the names and addresses that a mail-out was frozen with, held as one text to be searched.

Owns     that text, of the few mail-outs that were searched last; a frozen name never changes, so it is read once
Never    knows how a copy went
Fails    never: who is not there is not found

A hundred thousand rows are walked through in fifteen milliseconds, this text in one or two.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from threading import Lock
from typing import cast

from flask import current_app
from sqlalchemy import func, select

from ...book.folding import fold
from ...models import Recipient, db

_KEPT = "mailout_rosters"
#: So many mail-outs are kept; each takes some five megabytes at a hundred thousand recipients.
KEPT_MOST = 3


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody in one text, a line each; where each line begins; `first` is the number of the first recipient."""

    text: str
    begins: array[int]
    first: int

    def find(self, words: str) -> Iterator[int]:
        """The numbers of the recipients in whose name or address `words` stand, capitals and accents aside."""
        sought = fold(words)
        at = self.text.find(sought) if sought else -1
        while at >= 0:
            line = bisect_right(self.begins, at) - 1
            yield self.first + line
            following = self.begins[line + 1] if line + 1 < len(self.begins) else len(self.text)
            at = self.text.find(sought, following)


def of(mailout_id: int, first: int, total: int) -> Roster:
    """The roster of a mail-out whose `total` recipients are numbered in a row from `first`."""
    kept = cast("dict[tuple[int, int], Roster]", current_app.extensions.setdefault(_KEPT, {}))
    with _READING:
        if (mailout_id, total) not in kept:
            made = _read(first, total)
            while len(kept) >= KEPT_MOST:
                kept.pop(next(iter(kept)))
            kept[mailout_id, total] = made
        return kept[mailout_id, total]


#: One is read at a time: whoever types the next letter waits for the same one.
_READING = Lock()


def _read(first: int, total: int) -> Roster:
    mine = Recipient.id.between(first, first + total - 1)
    lines = (
        select((Recipient.name + " " + Recipient.address).label("line")).where(mine).order_by(Recipient.id).subquery()
    )
    joined = db.session.scalar(select(func.aggregate_strings(lines.c.line, "\n"))) or ""
    folded = [line.lower() if line.isascii() else fold(line) for line in joined.split("\n")]
    begins = array("I", accumulate((len(line) + 1 for line in folded[:-1]), initial=0))
    return Roster("\n".join(folded), begins, first)
