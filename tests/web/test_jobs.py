"""Work in the background: what it says of itself, which press counts, and that nothing is lost in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from mailout.core.fault import Fault
from mailout.web.customers import jobs
from mailout.web.customers.jobs import Job, Jobs, Tell


@pytest.fixture
def shelf(app: Flask) -> Jobs:
    return jobs.of_app()


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Work that waits for it goes on when it is set, and when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def done(job: Job) -> Job:
    assert job.future is not None
    job.future.result(10)
    return job


def test_what_was_done_is_told_and_kept(app: Flask, shelf: Jobs) -> None:
    def work(tell: Tell) -> str:
        tell(3, 10)
        return "figures"

    job = done(shelf.start(app, "one", "plan", work))

    assert (job.done, job.total, job.result, job.fault, job.working) == (3, 10, "figures", "", False)
    assert shelf.find("one") is job
    assert shelf.find("another") is None


def test_what_a_person_caused_is_said_in_words(app: Flask, shelf: Jobs) -> None:
    def work(tell: Tell) -> None:
        raise Fault("There is nothing in it.")

    assert done(shelf.start(app, "one", "plan", work)).fault == "There is nothing in it."


def test_what_we_caused_is_logged_and_said_plainly(app: Flask, shelf: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    job = done(shelf.start(app, "one", "plan", lambda tell: 1 / 0))

    assert job.fault == jobs.BROKEN
    assert "job failed kind=plan" in caplog.text


def test_the_second_press_of_apply_finds_the_first(app: Flask, shelf: Jobs, go: threading.Event) -> None:
    first = shelf.start(app, "one", "apply", lambda tell: go.wait(60))
    second = shelf.start(app, "one", "apply", lambda tell: go.wait(60))

    assert second is first


def test_a_new_dry_run_takes_the_place_of_one_that_is_not_done(app: Flask, shelf: Jobs, go: threading.Event) -> None:
    def slow(tell: Tell) -> str:
        go.wait(60)
        tell(1, 2)
        return "the old figures"

    old = shelf.start(app, "one", "plan", slow)
    new = shelf.start(app, "one", "plan", lambda tell: "the new figures")
    go.set()

    assert (done(old).result, done(new).result) == (None, "the new figures")
    assert shelf.find("one") is new


def test_one_job_is_done_after_the_other(app: Flask, shelf: Jobs, go: threading.Event) -> None:
    shelf.start(app, "one", "plan", lambda tell: go.wait(60))
    second = shelf.start(app, "two", "plan", lambda tell: "done")

    assert second.working
    assert not second.begun
    go.set()
    assert done(second).result == "done"


def test_only_the_last_jobs_are_remembered(app: Flask, shelf: Jobs) -> None:
    for number in range(jobs.REMEMBERED + 5):
        done(shelf.start(app, str(number), "plan", lambda tell: "done"))

    assert shelf.find("0") is None
    assert shelf.find(str(jobs.REMEMBERED + 4)) is not None
