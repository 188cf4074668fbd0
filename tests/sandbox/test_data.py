"""What a newcomer finds in the sandbox."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from sqlalchemy import func, select

from mailout.book import lists, users
from mailout.journal import COMMAND
from mailout.models import Customer, ListPlace, Place, db
from mailout.sandbox import data


def test_a_dozen_customers_three_lists_and_an_account(app: Flask, now: datetime) -> None:
    account = data.plant(now)

    addresses = list(db.session.scalars(select(Customer.email).order_by(Customer.id)))
    assert len(addresses) == 12
    assert "gone@sandbox.test" in addresses
    assert all(address.endswith("@sandbox.test") for address in addresses)
    assert [row.name for row in sorted(lists.all(), key=lambda row: row.id)] == ["Newsletter", "Promotions", "General"]
    included = select(func.count()).select_from(ListPlace).where(ListPlace.place == Place.INCLUDED)
    counts = {row.name: db.session.scalar(included.where(ListPlace.list_id == row.id)) for row in lists.all()}
    assert counts == {"Newsletter": 12, "Promotions": 5, "General": 12}
    user = users.check_password(account.email, account.password, now)
    assert user is not None
    assert (user.is_administrator, user.must_change_password) == (True, True)


def test_until_a_password_is_chosen_each_start_says_a_new_one(app: Flask, now: datetime) -> None:
    first, second = data.plant(now), data.plant(now)

    assert first.password != second.password
    assert users.check_password(second.email, first.password, now) is None
    assert users.check_password(second.email, second.password, now) is not None
    assert db.session.scalar(select(func.count()).select_from(Customer)) == 12


def test_once_a_password_was_chosen_it_stays(app: Flask, now: datetime) -> None:
    account = data.plant(now)
    user = users.by_email(account.email)
    users.set_password(user.id, "four words in a row", actor=COMMAND, now=now)
    db.session.commit()

    assert data.plant(now) == data.SignInWith(account.email, "")

    assert users.check_password(account.email, "four words in a row", now) is not None
