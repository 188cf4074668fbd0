"""Rate limits hold to the message, in any window, whatever happens in between."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from flask import Flask

from mailout.outbox.limiter import SLACK, Limiter
from mailout.setting_values import Rate
from tests.makers import Make
from tests.outbox.conftest import NewApp
from tests.outbox.makers import letter, mailout, run_pump, states
from tests.relay import Relay


def most_in_any(window: float, times: list[float]) -> int:
    """How many of these times lie in the fullest window."""
    times = sorted(times)
    return max(sum(1 for at in times if first <= at < first + window) for first in times)


def test_a_place_is_given_until_the_window_is_full_and_then_says_how_long() -> None:
    limiter = Limiter([Rate(2, 60)])

    for now in (100.0, 110.0):
        assert limiter.take_place(now) == 0
        limiter.went(now)

    assert limiter.take_place(130) == pytest.approx(30 + SLACK)
    assert limiter.take_place(160 + SLACK) == 0


def test_a_copy_on_its_way_holds_its_place_however_long_it_takes() -> None:
    limiter = Limiter([Rate(2, 60)])
    limiter.take_place(0)
    limiter.take_place(0)

    assert limiter.take_place(500) > 0
    limiter.went(500)
    assert limiter.take_place(505) > 0
    limiter.give_back()
    assert limiter.take_place(510) == 0


def test_the_tightest_limit_decides() -> None:
    limiter = Limiter([Rate(1, 1), Rate(3, 3600)])
    for now in (0.0, 1.1, 2.2):
        assert limiter.take_place(now) == 0
        limiter.went(now)

    assert limiter.take_place(3.3) == pytest.approx(3600 - 3.3 + SLACK)
    assert limiter.full_for(3.3) == Rate(3, 3600)


def test_what_went_before_the_start_counts() -> None:
    limiter = Limiter([Rate(3, 60)], [-50.0, -40.0, -30.0])

    assert limiter.take_place(0) == pytest.approx(10 + SLACK)
    assert limiter.take_place(10 + SLACK) == 0


@pytest.mark.parametrize("seed", range(5))
def test_no_window_ever_holds_more_than_its_number(seed: int) -> None:
    dice, now, went, waiting = random.Random(seed), 0.0, [], 0
    limiter = Limiter([Rate(20, 60), Rate(5, 4)])

    while now < 400:
        now += dice.expovariate(2)
        if waiting < 4 and limiter.take_place(now) == 0:
            waiting += 1
        elif waiting and dice.random() < 0.8:
            waiting -= 1
            if dice.random() < 0.1:
                limiter.give_back()
            else:
                limiter.went(now)
                went.append(now)

    assert most_in_any(60, went) <= 20
    assert most_in_any(4, went) <= 5
    assert len(went) > 100


def test_a_long_day_keeps_no_more_than_it_needs() -> None:
    limiter = Limiter([Rate(100, 60)])
    for now in range(100_000):
        if limiter.take_place(float(now)) == 0:
            limiter.went(float(now))

    assert len(limiter._windows[0]._times) < 20_000


@pytest.mark.slow
def test_a_limit_holds_with_two_mailouts_and_a_restart_in_the_middle(
    new_app: NewApp, relay: Relay, now: datetime
) -> None:
    app: Flask = new_app(relay, rates=(Rate(40, 3),), smtp_connections=4)
    made = Make(now)
    user, place = made.user(), made.list()
    moment = datetime.now(UTC)
    first = mailout(user, place, letter(), [f"a{n}@customers.test" for n in range(70)], moment)
    second = mailout(user, place, letter(), [f"b{n}@customers.test" for n in range(70)], moment)

    run_pump(app, lambda: len(relay.accepted) >= 60, seconds=60)
    run_pump(app, seconds=60)

    assert {*states(first).values(), *states(second).values()} == {"sent"}
    times = [message.at for message in relay.accepted]
    assert 39 <= most_in_any(3, times) <= 41
    assert {message.address[0] for message in relay.accepted[:40]} == {"a", "b"}, "in turns"
