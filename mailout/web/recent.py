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
from ..outbox import progress, queue
from ..outbox.progress import Overview

_KEPT = "mailout_recent_counts"
#: From this many recipients on counting takes long enough to be worth remembering; for so many seconds.
LARGE, SECONDS = 5_000, 1.0


def overview(mailout_id: int, now: datetime) -> Overview:
    """The mail-out at `now`; while a large one is being sent its counts may be a second old. Raises LookupError."""
    row = progress.find(mailout_id)
    if row.accepted_at is None or row.finished_at or row.paused_at or row.cancelled_at:
        return progress.of_row(row, now)
    return Overview(row, phase(row, now), _counts(mailout_id))


def _counts(mailout_id: int) -> Counts:
    """How many recipients are in each state, as counted within the last second."""
    kept = cast("dict[int, tuple[float, Counts]]", current_app.extensions.setdefault(_KEPT, {}))
    at, counts = kept.get(mailout_id, (0.0, None))
    if counts is None or counts.total < LARGE or time.monotonic() - at >= SECONDS:
        counts = queue.counts(mailout_id)
        kept[mailout_id] = (time.monotonic(), counts)
    return counts
