"""recent -- the counts of a large mail-out, counted once a second however many pages ask for them.

Owns     what this process counted within the last second
Never    answers for a small mail-out out of memory, nor for facts: those are read anew each time
Fails    LookupError for a mail-out that there is not
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from flask import current_app

from ...core.phase import Counts, phase
from ...models import Mailout
from ...outbox import progress, queue
from ...outbox.progress import Overview

_KEPT = "mailout_recent_counts"
#: From this many recipients on counting takes long enough to be worth remembering; for so many seconds.
LARGE, SECONDS = 5_000, 1.0


def overview(mailout_id: int, now: datetime) -> Overview:
    """The mail-out at `now`; while a large one is being sent its counts may be a second old. Raises LookupError."""
    row = progress.find(mailout_id)
    return Overview(row, phase(row, now), counts(row))


def counts(row: Mailout) -> Counts:
    """How many recipients are in each state; while a large one is being sent, as counted within the last second."""
    return counts_of([row])[row.id]


def counts_of(rows: Sequence[Mailout]) -> dict[int, Counts]:
    """The same for several mail-outs, in one question."""
    kept = cast("dict[int, tuple[float, Counts]]", current_app.extensions.setdefault(_KEPT, {}))
    now, found = time.monotonic(), {row.id: Counts() for row in rows}
    moving = {row.id for row in rows if not (row.finished_at or row.paused_at or row.cancelled_at)}
    lately = {one: kept[one][1] for one in moving & kept.keys() if _is_fresh(*kept[one], now)}
    counted = queue.counts_of([row.id for row in rows if row.accepted_at and row.id not in lately])
    kept.update({one: (now, counted[one]) for one in moving & counted.keys()})
    return found | lately | counted


def _is_fresh(at: float, counted: Counts, now: float) -> bool:
    return counted.total >= LARGE and now - at < SECONDS
