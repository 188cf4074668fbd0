"""doorbell -- Huey: a task says "look", and carries no fact.

Owns     the queue file `huey.db`, the names of the bells, the way to ring one, and to know that the worker stops
Never    holds anything that would be missed: the tables are the queue, and the minute's sweep needs no bell
Fails    silently for whoever rings: a bell that can't be rung costs a minute at most

Ring after the commit, never before it, or the worker looks for a row that is not there yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app
from huey import SqliteHuey
from huey.consumer import Consumer

from .settings import Settings

POLL, WATCH, SEND = "poll", "watch", "send"
EXTENSION = "mailout_bells"

log = logging.getLogger(__name__)


class Bells(SqliteHuey):  # type: ignore[misc]
    """Huey, and what its consumer knows: that it was asked to stop."""

    consumer: Consumer | None = None
    before_start: Callable[[], None] = staticmethod(lambda: None)

    def create_consumer(self, **options: Any) -> Consumer:
        """Do what comes before the start, and keep hold of the consumer that runs our tasks."""
        self.before_start()
        self.consumer = Consumer(self, **options)
        return self.consumer

    def stopping(self) -> bool:
        """Whether the consumer was asked to stop: long tasks end soon then."""
        return self.consumer is not None and bool(self.consumer.stop_flag.is_set())


def create(settings: Settings) -> Bells:
    """The queue in its own file, readable by its owner alone: its rows are pickles, which run as code."""
    settings.huey_file.touch(mode=0o600)
    return Bells("mailout", filename=str(settings.huey_file), results=False, utc=True, strict_fifo=True, timeout=5)


def hang(app: Flask, bells: dict[str, Callable[[], object]]) -> None:
    """Tell `app` what to call when a bell is rung."""
    app.extensions[EXTENSION] = bells


def ring(name: str) -> None:
    """Have the worker look at once. Nothing is lost when this fails."""
    bell = current_app.extensions.get(EXTENSION, {}).get(name)
    if bell is None:
        return
    try:
        bell()
    except Exception as error:
        log.warning("bell %s not rung: %s", name, type(error).__name__)
