"""The loop and the crew: fibres that wait make room, and nobody is stuck."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from mailout.outbox.crew import Crew, Stays
from mailout.outbox.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with Loop() as loop:
        yield loop


def until(true: object) -> None:
    """Wait for it, half a minute at most."""
    over = time.monotonic() + 30
    while not true() and time.monotonic() < over:  # type: ignore[operator]
        time.sleep(0.002)
    assert true()  # type: ignore[operator]


def test_those_who_wait_for_their_sockets_wait_together(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(20)]
    heard: list[bytes] = []

    def listen(sock: socket.socket) -> None:
        assert loop.wait(sock, select.POLLIN, 5) & select.POLLIN
        heard.append(sock.recv(10))

    for _, ours in pairs:
        loop.start(lambda sock=ours: listen(sock))  # type: ignore[misc]
    for number, (theirs, _) in reversed(list(enumerate(pairs))):
        theirs.send(b"%d" % number)

    until(lambda: len(heard) == 20)
    assert {int(number) for number in heard} == set(range(20))


def test_who_waits_too_long_is_told_so_and_nobody_else_is_late(loop: Loop) -> None:
    silent, spoken = socket.socketpair(), socket.socketpair()
    came: dict[str, tuple[int, float]] = {}
    began = time.monotonic()

    def listen(name: str, sock: socket.socket, seconds: float) -> None:
        came[name] = loop.wait(sock, select.POLLIN, seconds), time.monotonic() - began

    loop.start(lambda: listen("silent", silent[0], 2))
    loop.start(lambda: listen("spoken", spoken[0], 30))
    time.sleep(0.02)
    spoken[1].send(b"x")

    until(lambda: len(came) == 2)
    assert came["silent"][0] == 0
    assert came["spoken"][0] & select.POLLIN
    assert came["spoken"][1] < 2 <= came["silent"][1]


def test_whoever_rests_is_woken_or_wakes_by_himself(loop: Loop) -> None:
    woken: list[float] = []
    began = time.monotonic()

    def rest(seconds: float) -> None:
        loop.rest(seconds)
        woken.append(time.monotonic() - began)

    loop.start(lambda: rest(0.05))
    until(lambda: woken)
    loop.start(lambda: rest(60))
    time.sleep(0.02)
    loop.wake()
    until(lambda: len(woken) == 2)


def test_what_blocks_runs_apart_and_its_result_or_its_error_comes_back(loop: Loop) -> None:
    results: list[object] = []
    gate = threading.Event()

    def ask() -> None:
        results.append(loop.apart(lambda: gate.wait(60)))
        try:
            loop.apart(lambda: 1 // 0)
        except ZeroDivisionError as error:
            results.append(type(error))

    loop.start(ask)
    loop.start(lambda: results.append("meanwhile"))
    until(lambda: results)
    assert results == ["meanwhile"]
    gate.set()
    until(lambda: len(results) == 3)
    assert results == ["meanwhile", True, ZeroDivisionError]


def test_what_several_bring_at_once_is_done_once_and_before_anybody_goes_on(loop: Loop) -> None:
    brought: list[int] = []
    written: list[list[int]] = []
    after: list[bool] = []

    def write() -> None:
        written.append(brought.copy())
        brought.clear()

    def bring(number: int) -> None:
        brought.append(number)
        loop.together(write)
        after.append(any(number in batch for batch in written))

    def begin() -> None:
        for number in range(4):
            loop._begin(lambda number=number: bring(number))  # type: ignore[misc]

    loop.start(begin)
    until(lambda: len(after) == 4)
    assert written == [[0, 1, 2, 3]]
    assert all(after)


def test_what_can_not_be_done_for_all_is_raised_for_all(loop: Loop) -> None:
    told: list[str] = []

    def bring() -> None:
        try:
            loop.together(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        except ZeroDivisionError:
            told.append("raised")

    def begin() -> None:
        for _ in range(3):
            loop._begin(bring)

    loop.start(begin)
    until(lambda: told == ["raised"] * 3)


def test_outside_a_fibre_everything_is_done_at_once(loop: Loop) -> None:
    done: list[int] = []
    loop.together(lambda: done.append(1))
    assert loop.apart(lambda: 2) == 2
    assert done == [1]


def test_a_fibre_that_raises_takes_nobody_with_it(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    loop.start(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    loop.start(lambda: done.append(1))
    until(lambda: done)
    assert "a sender is gone" in caplog.text


def test_the_thread_ends_with_its_last_fibre() -> None:
    gate = threading.Event()
    with Loop() as loop:
        loop.start(lambda: loop.apart(gate.wait))
        until(lambda: any(thread.name == "apart" for thread in threading.enumerate()))
    assert any(thread.name == "senders" for thread in threading.enumerate())
    gate.set()
    until(lambda: not any(thread.name in ("senders", "apart") for thread in threading.enumerate()))


def test_the_crew_has_as_many_as_there_are_seats_and_those_too_many_leave(loop: Loop) -> None:
    working: set[object] = set()

    def work(stays: Stays) -> None:
        me = object()
        working.add(me)
        while stays():
            loop.rest(0.002)
        working.discard(me)

    crew = Crew(work, loop)
    for arrange, there in ((lambda: crew.man(5, 4), 4), (lambda: crew.allow(2), 2), (lambda: crew.man(5, 3), 3)):
        arrange()
        until(lambda there=there: len(working) == there)  # type: ignore[misc]
        time.sleep(0.05)
        assert len(working) == there

    crew.dismiss(5)
    assert not working


def test_the_crew_waits_only_so_long_for_one_who_does_not_come_back(loop: Loop) -> None:
    gate = threading.Event()
    crew = Crew(lambda stays: loop.apart(gate.wait), loop)
    crew.man(1, 1)
    time.sleep(0.05)
    began = time.monotonic()
    crew.dismiss(0.1)
    assert 0.1 <= time.monotonic() - began < 30
    gate.set()
