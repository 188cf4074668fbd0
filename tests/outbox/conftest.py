"""An installation that sends to a relay of the test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from mailout.models import db
from mailout.settings import Settings
from mailout.web import create_app
from tests.makers import Make
from tests.relay import Relay

NewApp = Callable[..., Flask]


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay that behaves until it is told not to."""
    with Relay() as server:
        yield server


@pytest.fixture
def new_app(settings: Settings) -> Iterator[NewApp]:
    """Makes the application for a relay, with other settings where they are given; its context is pushed."""
    contexts = []

    def make_app(relay: Relay, **changes: Any) -> Flask:
        values = {"smtp": relay.server(), "smtp_connections": 4} | changes
        application = create_app(dataclasses.replace(settings, **values))
        context = application.app_context()
        context.push()
        contexts.append(context)
        return application

    yield make_app
    for context in reversed(contexts):
        db.session.remove()
        db.engine.dispose()
        context.pop()


@pytest.fixture
def sending(new_app: NewApp, relay: Relay) -> Flask:
    """The application, sending to `relay`."""
    return new_app(relay)


@pytest.fixture
def make(sending: Flask, now: Any) -> Make:
    """Makes users, customers and lists in the sending application."""
    return Make(now)


@pytest.fixture
def make_in(now: Any) -> Callable[[Flask], Make]:
    """Makes users, customers and lists in the application whose context is pushed."""
    return lambda app: Make(now)
