"""jobs -- work that takes longer than a request: done in a thread of the web process, its progress asked by polls.

Owns     one thread that does one job after the other, and what became of the last few of them
Never    holds a fact: a job that a restart ended is as if it had not been started (what it does is all or nothing)
Commits  as the job itself does; its session is its own
Fails    into the job: what a person can cause is `fault`, in words; what we caused is logged, and said plainly
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import cast

from flask import Flask, current_app

from ...core.fault import Fault
from ...models import db

log = logging.getLogger(__name__)

EXTENSION = "mailout_jobs"
REMEMBERED = 20
BROKEN = "That went wrong on our side, and nothing was changed. What happened is written down; try it once more."

#: Told now and then how much is done, of how much.
Tell = Callable[[int, int], None]
Work = Callable[[Tell], object]


class Stopped(Exception):
    """Another job has taken this one's place: raised where it says how far it is."""


class Job:
    """One piece of work: how far it is, and what came of it."""

    def __init__(self, kind: str) -> None:
        self.kind, self.done, self.total = kind, 0, 0
        self.begun = self.stopped = False
        self.result: object = None
        self.fault = ""
        self.future: Future[None] | None = None

    @property
    def working(self) -> bool:
        """Whether it waits for its turn or is being done."""
        return self.future is not None and not self.future.done()

    def tell(self, done: int, total: int) -> None:
        """Note how far it is; raises Stopped when it is no longer wanted."""
        self.done, self.total = done, total
        if self.stopped:
            raise Stopped


class Jobs:
    """The jobs of this process, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="job")

    def find(self, name: str) -> Job | None:
        """The job of that name; None when there is none, or it was forgotten."""
        with self._lock:
            return self._jobs.get(name)

    def start(self, app: Flask, name: str, kind: str, work: Work) -> Job:
        """Begin `work` under that name. Of two presses of one kind the second finds the first's job; another kind, or
        a dry run for new wishes, takes the place of a dry run that is not done yet.
        """
        with self._lock:
            before = self._jobs.pop(name, None)
            if before is not None and before.working and kind == before.kind != "plan":
                self._jobs[name] = before
                return before
            if before is not None:
                before.stopped = True
            job = self._jobs[name] = Job(kind)
            self._forget()
            job.future = self._thread.submit(_do, app, job, work)
            return job

    def _forget(self) -> None:
        """Forget the oldest that are done."""
        old = [name for name, job in self._jobs.items() if job.future is not None and not job.working]
        for name in old[: max(0, len(self._jobs) - REMEMBERED)]:
            del self._jobs[name]


def of_app() -> Jobs:
    """The jobs of this application."""
    return cast(Jobs, current_app.extensions.setdefault(EXTENSION, Jobs()))


def find(name: str) -> Job | None:
    """The job of that name."""
    return of_app().find(name)


def start(name: str, kind: str, work: Work, patience: float = 1.0) -> Job:
    """Begin `work` and give it `patience` seconds, so that what is quick needs no second look."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    # what this request has read is let go first: the job writes
    db.session.rollback()
    job = of_app().start(app, name, kind, work)
    if job.future is not None:
        wait([job.future], timeout=patience)
    return job


def _do(app: Flask, job: Job, work: Work) -> None:
    """Do the work, whatever comes of it."""
    if job.stopped:
        return
    job.begun = True
    with app.app_context():
        try:
            job.result = work(job.tell)
        except Stopped:
            db.session.rollback()
        except (Fault, LookupError) as fault:
            db.session.rollback()
            job.fault = str(fault.args[0]) if fault.args else BROKEN
        except Exception:
            db.session.rollback()
            log.exception("job failed kind=%s", job.kind)
            job.fault = BROKEN
        finally:
            db.session.remove()
