"""recent -- the counts of a large mail-out, counted once a second however many pages ask for them.

Owns     what this process counted within the last second
Never    answers for a small mail-out out of memory, nor for facts: those are read anew each time
Fails    LookupError for a mail-out that there is not
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import cast

from flask import current_app

from ..core.phase import Counts, phase
from ..models import Mailout
from ..outbox import progress, queue
from ..outbox.progress import Overview

_KEPT = "mailout_recent_counts"
#: From this many recipients on counting takes long enough to be worth remembering; for so many seconds.
LARGE, SECONDS = 5_000, 1.0


def overview(mailout_id: int, now: datetime) -> Overview:
    """The mail-out at `now`; while a large one is being sent its counts may be a second old. Raises LookupError."""
    row = progress.find(mailout_id)
    return Overview(row, phase(row, now), counts(row))


def counts(row: Mailout) -> Counts:
    """How many recipients are in each state; while a large one is being sent, as counted within the last second."""
    if row.accepted_at is None:
        return Counts()
    if row.finished_at or row.paused_at or row.cancelled_at:
        return queue.counts(row.id)
    return _lately(row.id)


def _lately(mailout_id: int) -> Counts:
    kept = cast("dict[int, tuple[float, Counts]]", current_app.extensions.setdefault(_KEPT, {}))
    at, counted = kept.get(mailout_id, (0.0, None))
    if counted is None or counted.total < LARGE or time.monotonic() - at >= SECONDS:
        counted = queue.counts(mailout_id)
        kept[mailout_id] = (time.monotonic(), counted)
    return counted
