"""People and lists for tests, made through the modules that the product makes them with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailout.book import customers, lists, places, users
from mailout.journal import COMMAND
from mailout.models import Customer, MailingList, Place, User, db

PASSWORD = "correct horse battery"


class Make:
    """Makes what a test needs; each call commits."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def user(self, email: str = "jane@mail.test", *, sends: bool = True, administrator: bool = False) -> User:
        """A user with PASSWORD."""
        user = users.create(
            email,
            email.partition("@")[0].title(),
            administrator=administrator,
            may_send=sends,
            password=PASSWORD,
            actor=COMMAND,
            now=self._now,
        )
        db.session.commit()
        return user

    def customer(self, email: str, first_name: str = "", last_name: str = "") -> Customer:
        """A customer, in each list as its default says."""
        customer = customers.add(email, first_name, last_name, actor=COMMAND, now=self._now)
        db.session.commit()
        return customer

    def list(self, name: str = "Newsletter", emails: Sequence[str] = (), *, line: bool = True) -> MailingList:
        """A list that includes these customers, made where they are not there yet."""
        found = lists.create(name, unsubscribe_line=line, actor=COMMAND, now=self._now)
        for email in emails:
            try:
                customer = customers.by_email(email)
            except LookupError:
                customer = customers.add(email, "", "", actor=COMMAND, now=self._now)
            places.set_place(customer.id, found.id, Place.INCLUDED, how="test", actor=COMMAND, now=self._now)
        db.session.commit()
        return found
