"""The baton and the crew: one thread computes at a time, and nobody is stuck."""

from __future__ import annotations

import threading
import time

from mailout.outbox.baton import Baton
from mailout.outbox.crew import Crew, Stays


def test_one_at_a_time_computes_and_all_wait_together() -> None:
    baton, computing, most, waited = Baton(), 0, 0, []

    def work() -> None:
        nonlocal computing, most
        with baton:
            for _ in range(20):
                computing += 1
                most = max(most, computing)
                computing -= 1
                with baton.laid_down:
                    time.sleep(0.002)
            waited.append(1)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(waited) == 10
    assert most == 1
    assert time.monotonic() - began < 2


def test_the_crew_has_as_many_as_there_are_seats_and_those_too_many_leave() -> None:
    working: set[int] = set()

    def work(stays: Stays) -> None:
        working.add(threading.get_ident())
        while stays():
            time.sleep(0.002)
        working.discard(threading.get_ident())

    crew = Crew(work)
    crew.man(5, 4)
    time.sleep(0.1)
    assert len(working) == 4

    crew.allow(2)
    time.sleep(0.1)
    assert len(working) == 2

    crew.man(5, 3)
    time.sleep(0.1)
    assert len(working) == 3

    crew.dismiss(5)
    assert not working
