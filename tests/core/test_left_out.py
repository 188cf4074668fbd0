"""Why somebody was left out, in words."""

from __future__ import annotations

import pytest

from mailout.core.telling.left_out import in_words
from mailout.models import Suppressed
from mailout.outbox import queue


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("suppressed: by-hand", "stopped by hand"),
        ("excluded: by Jo Hartley", "excluded by Jo Hartley"),
        ("excluded", "excluded while it was going out"),
        ("unsubscribed: one-click", "unsubscribed while it was going out"),
        ("deleted", "deleted"),
        ("something new", "something new"),
        ("", "left out"),
    ],
)
def test_a_reason_is_said_in_words(reason: str, words: str) -> None:
    assert in_words(reason) == words


def test_every_reason_of_the_outbox_has_words() -> None:
    kept = [f"{queue.SUPPRESSED}: {why}" for why in Suppressed]

    for reason in (*kept, queue.EXCLUDED, queue.UNSUBSCRIBED, queue.SUPPRESSED, queue.DELETED):
        assert in_words(reason) != reason or reason == "deleted"
