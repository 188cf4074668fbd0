"""data -- what a newcomer finds in the sandbox: a dozen customers, three lists, and an account to sign in with.

Owns     these people, their lists, and the one-time password of the account
Never    touches a database that holds a real user or customer
Commits  plant(), once

One of the customers does not exist: the mail server says so, as it would of a mistyped address.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from ..book import customers, lists, places, users
from ..core.own import ALPHABET
from ..journal import MAILOUT
from ..models import Customer, MailingList, Place, User, db
from . import DOMAIN, GONE

EMAIL = f"you@{DOMAIN}"
NAME = "Jo Hartley"

PEOPLE = (
    ("ada", "Ada", "Marsh"),
    ("bruno", "Bruno", "Keel"),
    ("cleo", "Cleo", "Vance"),
    ("dai", "Dai", "Probert"),
    ("edie", "Edie", "Lowe"),
    ("finn", "Finn", "Abara"),
    ("hana", "Hana", "Kovačević"),
    ("ivo", "Ivo", "Lindqvist"),
    ("jun", "Jun", "Mori"),
    ("kaya", "Kaya", "Çelik"),
    ("zoe", "Zoë", "O’Rourke"),
)
LISTS = (
    ("Newsletter", "News from us, once a month", True),
    ("Promotions", "Offers, for those who like them", False),
    ("General", "What everybody should know: opening hours, holidays", True),
)
#: Who likes offers.
PROMOTED = ("ada", "cleo", "edie", "hana", "jun")


@dataclass(frozen=True, slots=True)
class SignInWith:
    """The sandbox's account: its address, and its one-time password, "" once a password was chosen."""

    email: str
    password: str


def plant(now: datetime) -> SignInWith:
    """Make what is not there yet, and say how to sign in.

    Until somebody signs in and chooses a password, each call makes a new one-time password.
    """
    user = db.session.scalar(select(User).order_by(User.id))
    if user is None:
        _plant_book(now)
        user = users.create(EMAIL, NAME, administrator=True, may_send=True, actor=MAILOUT, now=now)
    password = ""
    if user.password_hash is None or user.must_change_password:
        password = _one_time()
        users.set_password(user.id, password, actor=MAILOUT, now=now, must_change=True)
    email = user.email
    db.session.commit()
    return SignInWith(email, password)


def _plant_book(now: datetime) -> None:
    """The lists and the customers, in a book that is empty."""
    if db.session.scalar(select(func.count()).select_from(Customer)) or db.session.scalar(select(MailingList.id)):
        return
    made = {
        name: lists.create(name, description=words, includes_new=new, customers_may_see=True, actor=MAILOUT, now=now)
        for name, words, new in LISTS
    }
    for local, first, last in PEOPLE:
        customer = customers.add(f"{local}@{DOMAIN}", first, last, actor=MAILOUT, now=now)
        if local in PROMOTED:
            offers = made["Promotions"].id
            places.set_place(customer.id, offers, Place.INCLUDED, how="sandbox", actor=MAILOUT, now=now)
    customers.add(GONE, "Gone", "Away", actor=MAILOUT, now=now)


def _one_time() -> str:
    """A password to be read off a screen and typed once: 60 bits in three groups."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))
