"""The fault matrix: what goes wrong at a relay, and what the state of every recipient must be when it is over.

The relay's own log decides: whoever is `sent` stands in it once, whoever is `uncertain` at most once, all others not at
all. Every fault is tried with and without PIPELINING, and all of them end by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from mailout.models import Mailout, db
from mailout.wires.smtp_open import Patience
from tests.makers import Make
from tests.outbox.conftest import NewApp
from tests.outbox.makers import letter, mailout, run_pump, states
from tests.relay import (
    EXTENSIONS,
    Action,
    Relay,
    accept_and_drop,
    accept_and_say,
    drip,
    drop,
    say,
    say_and_drop,
    wait,
)

COUNT = 10
PEOPLE = [f"c{n}@customers.test" for n in range(COUNT)]
LOCKSTEP = tuple(word for word in EXTENSIONS if word != "PIPELINING")
QUICK = Patience(connect=5, command=2, data=2, block=2, dot=1)
SOON = tuple(timedelta(seconds=0.2) for _ in range(5))


@dataclass
class Fault:
    """What the relay does, and how many recipients end in a state other than sent."""

    name: str
    command: str
    action: Action
    ends: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    when: dict[str, Any] = field(default_factory=lambda: {"nth": 3})
    size: int = 300


#: In lock-step the matrix is for the long run: the wire's own tests try both ways always.
BOTH = [pytest.param(EXTENSIONS, id="pipelined"), pytest.param(LOCKSTEP, id="lock-step", marks=pytest.mark.slow)]
ALWAYS: dict[str, Any] = {}

FAULTS = [
    Fault("connect refused with 421", "CONNECT", say_and_drop("421 4.3.2 busy"), when={"times": 2}),
    Fault("connect refused with 554", "CONNECT", say_and_drop("554 5.3.2 no service"), when={"times": 1}),
    Fault("dropped at connect", "CONNECT", drop(), when={"times": 2}),
    Fault("dropped at EHLO", "EHLO", drop(), when={"times": 2}),
    Fault("MAIL: 421", "MAIL", say_and_drop("421 4.3.2 shutting down")),
    Fault("MAIL: 451", "MAIL", say("451 4.3.0 later")),
    Fault("MAIL: 550", "MAIL", say("550 5.7.1 not now")),
    Fault("MAIL: 501", "MAIL", say("501 5.5.4 syntax")),
    Fault("MAIL: 503", "MAIL", say("503 5.5.1 sequence")),
    Fault("MAIL: dropped", "MAIL", drop()),
    Fault("MAIL: garbage", "MAIL", say("what do you mean")),
    Fault("RCPT: 550", "RCPT", say("550 5.1.1 no such user"), {"failed": 1}),
    Fault("RCPT: 550 every fifth", "RCPT", say("550 5.1.1 no such user"), {"failed": 2}, when={"every": 5}),
    Fault("RCPT: 450", "RCPT", say("450 4.2.1 greylisted")),
    Fault("RCPT: 452", "RCPT", say("452 4.5.3 too many recipients")),
    Fault("RCPT: 450 for ever", "RCPT", say("450 4.2.1 later"), {"failed": 1}, when={"address": PEOPLE[3]}),
    Fault("RCPT: 421", "RCPT", say_and_drop("421 4.3.2 shutting down")),
    Fault("RCPT: 503", "RCPT", say("503 5.5.1 sequence")),
    Fault("RCPT: relay access denied", "RCPT", say("554 5.7.1 relay access denied")),
    Fault("RCPT: dropped", "RCPT", drop()),
    Fault("RCPT: drips", "RCPT", drip("250 2.1.5 ok", 0.2)),
    Fault("RCPT: 550 in nine kilobytes", "RCPT", say("550 5.1.1 " + "x" * 9000), {"failed": 1}),
    Fault("DATA: 421", "DATA", say_and_drop("421 4.3.2 shutting down")),
    Fault("DATA: 451", "DATA", say("451 4.3.0 later")),
    Fault("DATA: 503", "DATA", say("503 5.5.1 sequence")),
    Fault("DATA: 554", "DATA", say("554 5.3.0 no")),
    Fault("DATA: dropped", "DATA", drop()),
    Fault("DATA: silence", "DATA", wait(3)),
    Fault("large body: dropped", "BODY", drop(), size=7_000_000),
    Fault("large body: disk full", "BODY", say_and_drop("452 4.3.1 disk full"), size=300_000),
    Fault("large body: too large", "BODY", say_and_drop("552 5.3.4 too large"), {"queued": 10}, True, ALWAYS, 300_000),
    Fault("dot: dropped", "DOT", drop(), {"uncertain": 1}),
    Fault("dot: taken and dropped", "DOT", accept_and_drop(), {"uncertain": 1}),
    Fault("dot: silence", "DOT", wait(3), {"uncertain": 1}),
    Fault("dot: late", "DOT", wait(0.5)),
    Fault("dot: drips", "DOT", accept_and_say("250-first\r\n250 2.0.0 last")),
    Fault("dot: 251", "DOT", accept_and_say("251 2.0.0 fine")),
    Fault("dot: nine kilobytes", "DOT", accept_and_say("250 2.0.0 " + "x" * 9000)),
    Fault("dot: eight bits", "DOT", accept_and_say(b"250 2.0.0 angenommen f\xfcr Sie")),
    Fault("dot: garbage", "DOT", accept_and_say("fine, thanks"), {"uncertain": 1}),
    Fault("dot: 421", "DOT", say_and_drop("421 4.3.2 shutting down")),
    Fault("dot: 451", "DOT", say("451 4.3.0 later")),
    Fault("dot: 452", "DOT", say("452 4.2.2 mailbox full")),
    Fault("dot: 550 5.1.1", "DOT", say("550 5.1.1 no such user"), {"failed": 1}),
    Fault("dot: 554 for one", "DOT", say("554 5.7.1 spam"), {"failed": 1}),
    Fault("dot: 554 for all", "DOT", say("554 5.7.1 spam"), {"queued": 10}, True, ALWAYS),
    Fault("dot: 552 for all", "DOT", say("552 5.3.4 too large"), {"queued": 10}, True, ALWAYS),
    Fault("MAIL: 552 for all", "MAIL", say("552 5.3.4 too large"), {"queued": 10}, True, {"fits_session": None}),
    Fault("quota at MAIL", "MAIL", say("450 4.7.0 daily limit exceeded, try again in 1 second")),
    Fault("quota at MAIL, 5xx", "MAIL", say("550 5.4.5 Daily sending quota exceeded, wait for 1 second")),
    Fault("quota at RCPT", "RCPT", say("452 4.7.28 rate limit, try again in 1 second")),
    Fault("quota after the dot", "DOT", say("451 4.7.0 too many messages, try again in 1 second")),
    Fault("drops each fourth", "MAIL", drop(), when={"every": 4}),
]


@pytest.mark.parametrize("extensions", BOTH)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_ends_as_it_must(
    new_app: NewApp, make_in: Callable[[Flask], Make], fault: Fault, extensions: Sequence[str]
) -> None:
    with Relay(extensions=extensions) as relay:
        app = new_app(relay, smtp_connections=2, retry_schedule=SOON)
        made = make_in(app)
        sent = mailout(made.user(), made.list(), letter(fault.size), PEOPLE, datetime.now(UTC))
        rule = relay.rule(fault.command, fault.action, **{k: v for k, v in fault.when.items() if v is not None})

        run_pump(app, lambda: db.session.get_one(Mailout, sent).paused_at is not None and fault.paused, QUICK)

        assert rule.done, "the fault happened"
        found = states(sent)
        assert Counter(found.values()) == Counter({"sent": COUNT - sum(fault.ends.values())} | fault.ends) - Counter()
        assert agrees(found, relay)
        row = db.session.get_one(Mailout, sent, populate_existing=True)
        assert (row.paused_at is not None) is fault.paused
        assert (row.finished_at is not None) is not fault.paused


@pytest.mark.parametrize("extensions", [EXTENSIONS, LOCKSTEP], ids=["pipelined", "lock-step"])
def test_a_relay_that_refuses_rset_gets_a_new_connection(
    new_app: NewApp, make_in: Callable[[Flask], Make], extensions: Sequence[str]
) -> None:
    with Relay(extensions=extensions) as relay:
        app = new_app(relay, smtp_connections=1, retry_schedule=SOON)
        made = make_in(app)
        sent = mailout(made.user(), made.list(), letter(), PEOPLE, datetime.now(UTC))
        relay.rule("RCPT", say("550 5.1.1 no such user"), nth=3)
        relay.rule("RSET", say_and_drop("421 4.3.2 no"), times=1)

        run_pump(app, patience=QUICK)

        assert Counter(states(sent).values()) == {"sent": COUNT - 1, "failed": 1}
        assert agrees(states(sent), relay)
        assert relay.connections == 2


def agrees(found: dict[str, str], relay: Relay) -> bool:
    """Whether our tables and the relay's log say the same of each recipient."""
    copies = relay.copies()
    for address, state in found.items():
        allowed = {"sent": (1,), "uncertain": (0, 1)}.get(state, (0,))
        assert copies[address] in allowed, f"{address} is {state} and has {copies[address]} copies"
    return True
