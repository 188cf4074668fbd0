"""The pump, the database and a relay: what becomes of every copy."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from tests.makers import Make
from tests.outbox.makers import letter, mailout, run_pump, states
from tests.relay import Relay, say


def people(count: int) -> list[str]:
    return [f"c{n}@customers.test" for n in range(count)]


def test_everybody_gets_one_copy(sending: Flask, make: Make, relay: Relay) -> None:
    sent = mailout(make.user(), make.list(), letter(), people(50), datetime.now(UTC))

    run_pump(sending)

    assert set(states(sent).values()) == {"sent"}
    assert relay.copies()["c7@customers.test"] == 1
    assert len([one for one in relay.accepted if one.address.endswith("customers.test")]) == 50


def test_a_refused_recipient_is_failed_with_the_relays_words_and_the_next_is_served(
    sending: Flask, make: Make, relay: Relay
) -> None:
    relay.rule("RCPT", say("550 5.1.1 no such user"), address="c3@customers.test")
    sent = mailout(make.user(), make.list(), letter(), people(9), datetime.now(UTC))

    run_pump(sending)

    assert states(sent)["c3@customers.test"] == "failed"
    assert list(states(sent).values()).count("sent") == 8
