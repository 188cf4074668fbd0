"""How we stand with the relay: when to try again, and with how many connections."""

from __future__ import annotations

from datetime import datetime, timedelta

from mailout.core.delivery import Reply, Stage
from mailout.outbox.standing import CALM, Standing

QUOTA = Reply(452, "4.7.28", "daily limit reached, try again in 20 minutes", Stage.MAIL)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_one_trouble_costs_no_wait_and_the_next_ones_more_and_more(now: datetime) -> None:
    standing, waits = Standing(4), []
    for _ in range(10):
        standing.trouble("out", now)
        waits.append(standing.wait(now).total_seconds())
        now += standing.wait(now)

    assert waits == [0, 1, 2, 4, 8, 15, 30, 60, 60, 60]
    standing.well(now)
    assert standing.wait(now) == timedelta(0)
    assert standing.report(now).words == ""


def test_a_press_ends_a_wait_and_the_next_one_is_no_shorter(now: datetime) -> None:
    standing = Standing(4)
    for _ in range(4):
        standing.trouble("out", now)
        now += standing.wait(now)
    standing.trouble("out", now)

    standing.at_once(now)
    tried = standing.wait(now)
    standing.trouble("out", now)

    assert tried == timedelta(0)
    assert standing.wait(now) == seconds(15)


def test_several_connections_that_break_at_once_are_one_trouble(now: datetime) -> None:
    standing = Standing(4)
    standing.trouble("out", now)
    for _ in range(5):
        standing.trouble("out", now + seconds(0.1))

    assert standing.wait(now + seconds(0.1)) == seconds(1)


def test_a_quota_outlasts_what_other_connections_hear(now: datetime) -> None:
    standing = Standing(4)
    standing.quota(QUOTA, now)
    standing.well(now + seconds(1))

    assert standing.wait(now + seconds(1)) == timedelta(minutes=20) - seconds(1)
    assert standing.waits_for_quota(now + seconds(1))
    assert "452 daily limit reached" in standing.report(now).words
    assert standing.wait(now + timedelta(minutes=21)) == timedelta(0)
    assert standing.seats(now) == 1, "afterwards one connection asks first"


def test_a_push_back_halves_the_connections_and_calm_brings_them_back_one_by_one(now: datetime) -> None:
    standing = Standing(8)
    standing.pushed_back(now)
    standing.pushed_back(now + seconds(1))
    assert standing.seats(now + seconds(1)) == 4

    seats = [standing.seats(now + CALM * step) for step in range(1, 7)]
    assert seats == [5, 6, 7, 8, 8, 8]


def test_after_each_push_it_takes_longer_until_another_connection_is_tried(now: datetime) -> None:
    standing = Standing(4)
    standing.pushed_back(now, most=3)
    assert standing.seats(now + CALM) == 4
    standing.pushed_back(now + CALM, most=3)

    assert standing.seats(now + CALM * 2) == 3
    assert standing.seats(now + CALM * 3) == 4


def test_there_is_always_one_connection(now: datetime) -> None:
    standing = Standing(3)
    for minute in range(5):
        standing.pushed_back(now + timedelta(minutes=minute))

    assert standing.seats(now + timedelta(minutes=4)) == 1


def test_a_clock_that_was_put_back_holds_nobody_up(now: datetime) -> None:
    standing = Standing(3)
    standing.trouble("out", now)
    standing.trouble("out", now)

    assert standing.wait(now - timedelta(hours=1)) == timedelta(0)
