"""What a person does to a mail-out, as the outbox understands it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, update

from mailout.book import customers, places, suppression
from mailout.core.delivery import State
from mailout.journal import COMMAND
from mailout.models import Place, Recipient, Suppressed, changed, db
from mailout.outbox import steering
from mailout.outbox.steering import NotNow
from tests.makers import Make
from tests.relay import Relay, say

from .makers import customers_of, letter, mailout, run_pump, states

PEOPLE = [f"c{number}@people.test" for number in range(1, 7)]


def failed_for_all(app: Flask, make: Make, relay: Relay) -> tuple[int, int, dict[str, int]]:
    """A mail-out that is over and failed for everybody, its list, and the customers by address."""
    for address in PEOPLE:
        relay.rule("RCPT", say("550 5.7.1 not today"), address=address, times=1)
    place = make.list("Newsletter", PEOPLE)
    known = {email: found for found, email in customers_of(place)}
    sent = mailout(make.user(), place, letter(), (), datetime.now(UTC), customers_of(place))
    list_id = place.id
    run_pump(app)
    assert set(states(sent).values()) == {"failed"}
    return sent, list_id, known


def test_trying_the_failed_again_writes_to_nobody_who_left_meanwhile(sending: Flask, make: Make, relay: Relay) -> None:
    sent, list_id, known = failed_for_all(sending, make, relay)
    left, excluded, stopped, deleted, *rest = PEOPLE
    now = datetime.now(UTC)
    places.unsubscribe(known[left], list_id, how="one-click", now=now)
    places.set_place(known[excluded], list_id, Place.EXCLUDED, how="by hand", actor=COMMAND, now=now)
    suppression.suppress(known[stopped], Suppressed.COMPLAINED, "spam", actor=COMMAND, now=now)
    customers.delete(known[deleted], actor=COMMAND, now=now)
    db.session.commit()

    again = steering.once_more(sent, State.FAILED, COMMAND, now)
    db.session.commit()
    run_pump(sending)

    found = states(sent)
    assert again == len(rest)
    assert {address for address, state in found.items() if state == "sent"} == set(rest)
    assert {address for address, state in found.items() if state == "skipped"} == {left, excluded, stopped, deleted}
    assert not {left, excluded, stopped, deleted} & relay.copies().keys()
    reasons = dict(iter(db.session.execute(select(Recipient.address, Recipient.reason))))
    words = [reasons[address] for address in (left, excluded, stopped, deleted)]
    assert words == ["unsubscribed", "excluded", "suppressed: complained", "deleted"]


def test_the_uncertain_who_left_meanwhile_stay_uncertain(sending: Flask, make: Make, relay: Relay) -> None:
    sent, list_id, known = failed_for_all(sending, make, relay)
    changed(update(Recipient).where(Recipient.mailout_id == sent).values(state=State.UNCERTAIN))
    left, now = PEOPLE[0], datetime.now(UTC)
    places.unsubscribe(known[left], list_id, how="one-click", now=now)
    db.session.commit()

    steering.once_more(sent, State.UNCERTAIN, COMMAND, now)
    db.session.commit()
    run_pump(sending)

    found = states(sent)
    assert found.pop(left) == "uncertain"
    assert set(found.values()) == {"sent"}
    assert left not in relay.copies()


def test_nothing_is_tried_again_when_all_of_them_left(sending: Flask, make: Make, relay: Relay) -> None:
    sent, list_id, known = failed_for_all(sending, make, relay)
    now = datetime.now(UTC)
    for customer_id in known.values():
        places.unsubscribe(customer_id, list_id, how="one-click", now=now)
    db.session.commit()

    with pytest.raises(NotNow, match="who may still be written to"):
        steering.once_more(sent, State.FAILED, COMMAND, now)
    db.session.rollback()

    assert set(states(sent).values()) == {"failed"}
