"""One connection among others: what goes wrong in it is its own affair."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mailout.outbox.loop import Loop
from mailout.outbox.sender import Sender
from tests.workers import until


class Broken:
    """A pump whose next job is never to be had, for a reason that nobody foresaw."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def next_job(self) -> None:
        raise TypeError("a mistake of ours")

    def rest(self) -> None:
        self._loop.rest(0.02)


def test_a_mistake_that_comes_again_and_again_holds_up_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    others: list[int] = []
    over: list[int] = []

    with Loop() as loop:
        pump: Any = Broken(loop)
        loop.start(lambda: (loop.rest(0.05), others.append(1)))  # type: ignore[arg-type, return-value]
        loop.start(Sender(pump, 100, lambda: not over).run)
        time.sleep(0.3)
        until(lambda: bool(others))
        over.append(1)

    assert others == [1]
    assert caplog.text.count("a mistake of ours") < 40
