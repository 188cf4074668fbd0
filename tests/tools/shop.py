"""shop -- a made-up dog salon, as it looks after some months: what the pictures of the pages are taken of.

Owns     its people, customers, lists and letters; the paths of every page that there is then
Never    touches an installation but the one that it is given
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask

from mailout import database, pulse
from mailout import settings as mailout_settings
from mailout.book import customers, links, lists, places, suppression, users
from mailout.core.own import unsubscribe_token
from mailout.current import secret, settings
from mailout.intake import adoption
from mailout.journal import COMMAND, Actor, note
from mailout.models import Letter, LetterBytes, MailingList, Place, SupportRequest, Suppressed, User, db
from mailout.outbox import steering
from mailout.web import create_app
from tests.conftest import environment
from tests.makers import PASSWORD
from tests.web.mailing import Mailing

PEOPLE = (
    ("jo@wagandtidy.example", "Jo Hartley", True, True),
    ("priya@wagandtidy.example", "Priya Raman", False, True),
    ("marlene@hartley.example", "Marlene Hartley", True, False),
    ("tom@wagandtidy.example", "Tom Beckett", False, False),
)
LISTS = (
    ("Newsletter", "News from the salon, about four times a year."),
    ("Promotions", "A quiet week, a better price. Once a month at most."),
    ("General", "Closed days, moves, new hours."),
    ("Puppy club", "For dogs under one: what to do when."),
)
CUSTOMERS = (
    "Margaret Doyle margaret.doyle@bluegum.example",
    "Aroha Ngata aroha@ngatafamily.example",
    "Ben Fitzgerald b.fitzgerald@homemail.example",
    "Chloe Papadakis chloe.p@netspace.example",
    "Dev Chaudhary dev@chaudharyelectrical.example",
    "Elspeth Muir elspeth.muir@bluegum.example",
    "Francesca Lombardi fran@lombardi.example",
    "Graham Tully tullys@homemail.example",
    "Hannah Weiss hannah.weiss@netspace.example",
    "Ivan Kovačević ivan.k@bluegum.example",
    "Jacinta O’Rourke jacinta@orourke.example",
    "Kenji Mori kenji.mori@homemail.example",
    "Lena Vogt lena.vogt@netspace.example",
    "Moana Tamihana moana@tamihana.example",
)
#: The page that is looked at while the relay is out.
RELAY_OUT = "mailout-relaydown"
LETTER = (
    "<p>Hello everyone,</p><p>From Tuesday 1 December we open an hour earlier: <b>8 am to 4 pm, Tuesday to Saturday"
    "</b>. By mid-afternoon it is too hot for thick coats and, to be honest, for us.</p><p>The price list is attached."
    "</p><p>See you soon, and give them a scratch from us.</p><p>Jo, Priya and Tom</p>"
)


@dataclass(frozen=True)
class Shop:
    """The salon's installation, and the pages to look at: a name, a path, and whose browser (None: nobody's)."""

    app: Flask
    jo: User
    tom: User
    pages: tuple[tuple[str, str, User | None], ...]


def build(folder: Path) -> Flask:
    """The salon's application, with its data in `folder`."""
    more = {
        "ORGANISATION_NAME": "Wag & Tidy Dog Grooming",
        "ORGANISATION_ADDRESS": "14 Station Street, Kyneton VIC 3444",
        "MAILOUT_ADDRESS": "mailout+{key}@wagandtidy.example",
        "POP3_USERNAME": "mailout@wagandtidy.example",
        "SMTP_RATE_LIMIT": "30/minute",
        "TIME_ZONE": "Australia/Melbourne",
    }
    made = mailout_settings.read(environment(folder, **more))
    app = create_app(made)
    database.migrate(app, made)
    return app


def furnish(app: Flask) -> Shop:
    """Fill the installation; in a context of `app`."""
    now = datetime.now(UTC)
    jo, _, _, tom = [_person(*about, now) for about in PEOPLE]
    newsletter = _address_book(now)
    pages = [*_pages(_letters(Mailing(jo, newsletter)), newsletter, now, jo, tom), *_quiet(jo, now)]
    return Shop(app, jo, tom, tuple(pages))


def relay_out() -> None:
    """Let the relay be out since some minutes."""
    now = datetime.now(UTC)
    pulse.ill(pulse.RELAY, "It does not answer.", now - timedelta(minutes=5))
    pulse.ill(pulse.RELAY, "It refuses the connection.", now, now + timedelta(seconds=38))


def beat() -> None:
    """Let the worker, the relay and the mailbox have been heard of a moment ago."""
    for name, before in ((pulse.WORKER, 3), (pulse.RELAY, 40), (pulse.MAILBOX, 4)):
        pulse.well(name, datetime.now(UTC) - timedelta(seconds=before))


def _person(email: str, name: str, administrator: bool, may_send: bool, now: datetime) -> User:
    flags = {"administrator": administrator, "may_send": may_send}
    user = users.create(email, name, **flags, password=PASSWORD, actor=COMMAND, now=now - timedelta(days=200))  # type: ignore[arg-type]
    users.check_password(email, PASSWORD, now - timedelta(minutes=11))
    db.session.commit()
    return user


def _address_book(now: datetime) -> MailingList:
    """The lists and the customers; some left, one bounced."""
    made = [lists.create(name, description=about, actor=COMMAND, now=now) for name, about in LISTS]
    for number, row in enumerate(CUSTOMERS):
        first, last, email = row.split()
        customer = customers.add(email, first, last, actor=COMMAND, now=now)
        for place, of in enumerate(made):
            wanted = Place.INCLUDED if place in (0, 2) or (number + place) % 3 == 0 else Place.EXCLUDED
            places.set_place(customer.id, of.id, wanted, how="import", actor=COMMAND, now=now)
        if number in (3, 6):
            places.unsubscribe(customer.id, made[1].id, how="preferences", now=now)
        if number == 9:
            suppression.suppress(customer.id, Suppressed.BOUNCED, "5.1.1 user unknown", actor=COMMAND, now=now)
    db.session.commit()
    return made[0]


def _letters(mailing: Mailing) -> dict[str, int]:
    """Mail-outs in every state but one that sends: that one would be on every page."""
    outcomes = ["sent"] * 9 + ["failed", "uncertain", "bounced", "sent"]
    return {
        "complete": mailing.complete(outcomes, subject="Summer hours, and a new puppy hour", body=LETTER).id,
        "cancelled": mailing.cancelled().id,
        "held": mailing.held(subject="We are closed on Thursday", body=LETTER).id,
        "held-unknown": mailing.held(author="jo.hartley@oldmail.example", subject="Ten dollars off", body=LETTER).id,
        "waiting": mailing.make().id,
    }


def sending(shop: Shop) -> tuple[tuple[str, str, User | None], ...]:
    """Have one send, one about to start, one that is asked about: their pages, and one while the relay is out."""
    mailing = Mailing(shop.jo, lists.by_name("Newsletter"))
    starting = mailing.starting(subject="Spring coats", body=LETTER).id
    moving = mailing.sending(["sent"] * 5 + ["deferred", "failed"], subject="Winter is for brushing", body=LETTER).id
    asked = mailing.sending(["sent"] * 6, subject="Ten dollars off a bath", body=LETTER).id
    steering.pause(asked, Actor(shop.jo.id, shop.jo.name), datetime.now(UTC))
    db.session.commit()
    return (
        ("mailout-starting", f"/mailouts/{starting}", shop.jo),
        ("mailout-sending", f"/mailouts/{moving}", shop.jo),
        ("mailout-paused-cancel", f"/mailouts/{asked}?sure=cancel", shop.jo),
        ("customers-strip", "/customers", shop.jo),
        (RELAY_OUT, f"/mailouts/{moving}", shop.jo),
    )


def _pages(
    letters: dict[str, int], newsletter: MailingList, now: datetime, jo: User, tom: User
) -> list[tuple[str, str, User | None]]:
    """The pages of the work."""
    token = unsubscribe_token(secret(), newsletter.id, 1)
    return [
        ("mailout-new", "/mailouts", jo),
        *((f"mailout-{state}", f"/mailouts/{number}", jo) for state, number in letters.items()),
        ("recipients", f"/mailouts/{letters['complete']}/recipients", jo),
        ("mailouts-watching", "/mailouts", tom),
        ("customers", "/customers", jo),
        ("customers-found", f"/customers?q=example&list={newsletter.id}&place=included", jo),
        ("customer", "/customers/1", jo),
        ("customer-new", "/customers/new", jo),
        ("import", "/customers/import", jo),
        ("lists", "/lists", jo),
        ("list", f"/lists/{newsletter.id}", jo),
        ("list-new", "/lists/new", jo),
        ("preferences", f"/u/{token}", None),
        ("refused", "/users", tom),
    ]


def _quiet(jo: User, now: datetime) -> list[tuple[str, str, User | None]]:
    """The other pages, with something on each."""
    sasha = users.create(
        "sasha@wagandtidy.example", "Sasha", administrator=False, may_send=True, actor=COMMAND, now=now
    )
    links.make(links.INVITE, sasha.id, timedelta(minutes=41), now)
    reset = links.make(links.RESET, jo.id, None, now)
    users.add_address(jo.id, "jo.hartley@homemail.example", actor=COMMAND, now=now, confirmed=True)
    bounce = Letter(digest="b", received_at=now, size=4100, author="mailer-daemon@postmill.example", verdict="bounce")
    bounce.subject, bounce.spool, bounce.why = "Undelivered mail returned", "handled", "ivan.k@bluegum.example: 5.1.1"
    asked = SupportRequest(user_id=jo.id, subject="My letter did not go out", message="I pressed Send.", created_at=now)
    asked.state_then = "Mail-out 3 to Newsletter: expired."
    db.session.add_all([bounce, asked])
    db.session.flush()
    db.session.add(LetterBytes(letter_id=bounce.id, raw=b"Subject: Undelivered mail returned\r\n\r\nUser unknown.\r\n"))
    note(Actor(jo.id, jo.name), "sign-in", jo.email, "from 203.0.113.7", now)
    adoption.objection(adoption.server(settings()), 0, now)
    db.session.commit()
    return [
        *((name, f"/{name}", jo) for name in ("users", "system", "inbox", "audit", "support", "profile", "help")),
        ("invite", "/users/invite", jo),
        ("letter", f"/inbox/{bounce.id}", jo),
        ("requests", "/support/requests", jo),
        ("request", f"/support/{asked.id}", jo),
        ("password", "/profile/password", jo),
        ("help-error", "/help/error", jo),
        ("help-found", "/help?q=used+key", jo),
        ("sign-in", "/login", None),
        ("forgot", "/forgot", None),
        ("reset", f"/reset/{reset}", None),
        ("link-over", "/reset/x", None),
    ]
