"""How often a page asks the database: as often for much as for little."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask.testing import FlaskClient

from mailout.book import lists, places, sessions, users
from mailout.core import own
from mailout.current import secret
from mailout.journal import COMMAND, Actor, note
from mailout.models import Letter, MailingList, Place, SupportRequest, User, db
from tests.makers import Make
from tests.web.mailing import Mailing

PATHS = (
    "/customers",
    "/customers?q=bluegum",
    "/customers?q=bluegum&do=exclude&to=1",
    "/customers/1?all=yes",
    "/customers/1/edit",
    "/customers/import",
    "/lists",
    "/lists/1",
    "/lists/new",
    "/users",
    "/audit",
    "/audit?q=bluegum",
    "/profile",
    "/inbox",
    "/support/requests",
    "/mailouts",
    "/mailouts?q=bluegum",
    "/mailouts/new",
    "/mailouts/1",
    "/mailouts/1/recipients",
    "/system",
)


def more_of_everything(make: Make, jo: User, newsletter: MailingList, some: int) -> None:
    """Some more of each thing that a page shows."""
    now = datetime.now(UTC)
    for number in range(some):
        mark = f"{number}-{some}"
        customer = make.customer(f"customer-{mark}@bluegum.example", "Ann", mark)
        row = make.list(f"List {mark}", [customer.email])
        lists.change(row.id, customers_may_see=True, actor=COMMAND, now=now)
        places.set_place(1, row.id, Place.EXCLUDED, how="by a switch", actor=Actor(jo.id, jo.name), now=now)
        places.unsubscribe(customer.id, newsletter.id, how="one-click", now=now)
        make.user(f"user-{mark}@mail.test")
        users.add_address(jo.id, f"jo-{mark}@mail.test", actor=COMMAND, now=now)
        sessions.start(jo.id, "a browser", "192.0.2.1", now)
        note(COMMAND, "customer.edit", f"customer {customer.id}", "name", now)
        db.session.add(Letter(digest=mark, received_at=now, size=5, subject=mark, verdict="other", spool="handled"))
        db.session.add(SupportRequest(user_id=jo.id, subject=mark, message="x", state_then="", created_at=now))
        db.session.commit()
        Mailing(jo, newsletter).complete(["sent"], subject=mark)


def asked(client: FlaskClient, path: str, queries: Callable[[], int]) -> int:
    """How often the page asks the second time: what it counts once and remembers is known then."""
    assert client.get(path).status_code == 200, path
    before = queries()
    client.get(path)
    return queries() - before


def test_no_page_asks_more_often_for_more(
    make: Make, client_of: Callable[[User | None], FlaskClient], queries: Callable[[], int]
) -> None:
    jo = make.user("jo@mail.test", administrator=True)
    newsletter = make.list("Newsletter", ["margaret@bluegum.example", "ben@bluegum.example"])
    client, paths = client_of(jo), [*PATHS, f"/u/{own.unsubscribe_token(secret(), newsletter.id, 1)}"]
    more_of_everything(make, jo, newsletter, 2)
    few = {path: asked(client, path, queries) for path in paths}

    more_of_everything(make, jo, newsletter, 8)

    assert {path: asked(client, path, queries) for path in paths} == few
    assert max(few.values()) < 20
