"""Measures the pages at 100,000 customers in 10 lists while a mail-out is being sent, and prints each beside its bar.

    .venv/bin/python -m tests.benchmarks.pages [CUSTOMERS] [REQUESTS]

The web process is the one of the Procfile. Eight clients ask for one page after the other, each as fast as it is
answered; another process writes as the sender does, a copy and a commit at a time, a hundred copies a second. The
clients, the server and the sender share this machine's processors.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote, urlencode

from flask import Flask
from sqlalchemy import insert, literal, select, update

from mailout import database
from mailout import settings as mailout_settings
from mailout.book import lists
from mailout.book.folding import sought
from mailout.core import own
from mailout.core.delivery import State
from mailout.current import secret
from mailout.models import Customer, JournalEntry, Letter, ListPlace, Mailout, Place, PlaceChange, Recipient, User, db
from mailout.web import create_app
from tests.benchmarks.book import FIRST, LAST, csv, say
from tests.conftest import environment
from tests.installation import ROOT
from tests.mailservers import free_ports
from tests.makers import Make
from tests.web.conftest import cookie

CLIENTS, LISTS, COPIES_A_SECOND = 8, 10, 100
PAGE_BAR, TOGGLE_BAR, PANEL_BAR, IMPORT_BAR, MEMORY_BAR, WIRE_BAR = 100, 50, 10, 60, 200, 150


@dataclass
class Site:
    """The served application, and a signed-in browser's cookie and secret for forms."""

    port: int
    cookie: str
    headers: dict[str, str] = field(default_factory=dict)

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def sign_in(self) -> None:
        """Learn the secret that forms carry."""
        connection = self.connect()
        connection.request("GET", "/customers", headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        page = answer.read().decode()
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found is not None, page[:300]
        kept = (answer.getheader("Set-Cookie") or self.cookie).partition(";")[0]
        self.headers = {"Cookie": kept, "X-CSRFToken": found[1]}


def environment_of(folder: Path, port: int) -> dict[str, str]:
    """What the processes are told; as safe as it is by default."""
    return environment(folder, DURABILITY="power", PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")


def plant(many: int, now: datetime) -> User:
    """So many customers in ten lists, most of them included, and a mail-out that is being sent to all of them."""
    make = Make(now)
    user = make.user("jo@mail.test", administrator=True)
    shelf = [make.list(f"List number {number}") for number in range(LISTS)]
    rows = []
    for number in range(many):
        first, last = FIRST[number % len(FIRST)], f"{LAST[number * 7 % len(LAST)]}{number % 1000}"
        email = f"customer{number}@example{number % 97}.org"
        rows.append(
            {
                "email": email,
                "email_same": email,
                "first_name": first,
                "last_name": last,
                "sought": sought(email, first, last),
                "fields": {"Phone": f"+61 400 {number:06}"},
                "created_at": now,
                "suppressed_for": "bounced" if number % 101 == 0 else None,
                "suppressed_at": now if number % 101 == 0 else None,
            }
        )
    db.session.execute(insert(Customer), rows)
    everybody = select(Customer.id)
    at = literal(now, ListPlace.changed_at.type)
    for number, of in enumerate(shelf):
        some = everybody.where(Customer.id % LISTS != number)
        here = select(literal(of.id), some.subquery().c.id, literal(Place.INCLUDED.value), literal(False), at)
        columns = ["list_id", "customer_id", "place", "chosen", "changed_at"]
        db.session.execute(insert(ListPlace).from_select(columns, here))
        changes = select(
            ListPlace.list_id, ListPlace.customer_id, literal("excluded"), ListPlace.place, at, literal("x")
        )
        columns = ["list_id", "customer_id", "was", "became", "at", "how"]
        db.session.execute(insert(PlaceChange).from_select(columns, changes.where(ListPlace.list_id == of.id)))
        left = update(ListPlace).where(ListPlace.list_id == of.id, ListPlace.customer_id % 97 == number)
        db.session.execute(left.values(place=Place.UNSUBSCRIBED.value, chosen=True))
    lists.touch()
    letter = Letter(digest="x", received_at=now, size=9, spool="handled", verdict="mail-out", handled_at=now)
    db.session.add(letter)
    db.session.flush()
    row = Mailout(
        list_id=shelf[0].id, created_by_id=user.id, created_at=now, expires_at=now + timedelta(days=1),
        key_nonce=b"n" * 16, key_digest="x", subject="Summer hours", letter_id=letter.id,
        accepted_at=now, starts_at=now, started_at=now,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    copies = select(literal(row.id), Customer.id, Customer.email, literal(State.QUEUED.value))
    db.session.execute(insert(Recipient).from_select(["mailout_id", "customer_id", "address", "state"], copies))
    plant_logs(many, user, now)
    db.session.commit()
    return user


def plant_logs(many: int, user: User, now: datetime) -> None:
    """What two years leave behind: an entry of the audit log for every other customer, a letter for every fifth."""
    deeds = ("customer.edit", "customer.suppress", "sign-in", "mailout.pause")
    entries = [
        {
            "at": now,
            "user_id": user.id,
            "actor": user.name,
            "action": deeds[number % len(deeds)],
            "subject": f"customer {number + 1}",
            "detail": "first name, last name",
        }
        for number in range(many // 2)
    ]
    verdicts = ("bounce", "auto-reply", "other", "reply")
    letters = [
        {
            "digest": f"letter {number}",
            "received_at": now,
            "size": 3000,
            "spool": "handled",
            "handled_at": now,
            "verdict": verdicts[number % len(verdicts)],
            "author": f"customer{number}@example{number % 97}.org",
            "subject": f"Away until {number}",
        }
        for number in range(many // 5)
    ]
    db.session.execute(insert(JournalEntry), entries)
    db.session.execute(insert(Letter), letters)


def send_forever(folder: Path, port: int) -> None:
    """What the sender's process does: one copy after the other is accepted, each in a commit of its own."""
    app = create_app(mailout_settings.read(environment_of(folder, port)))
    with app.app_context():
        queued = select(Recipient.id).where(Recipient.state == State.QUEUED).order_by(Recipient.id)
        for recipient in db.session.scalars(queued).all():
            begun, now = time.monotonic(), datetime.now(UTC)
            values = {"state": State.SENT, "dot_at": now, "settled_at": now, "code": 250, "reply": "2.0.0 Ok"}
            db.session.execute(update(Recipient).where(Recipient.id == recipient).values(values))
            db.session.commit()
            time.sleep(max(0.0, 1 / COPIES_A_SECOND - (time.monotonic() - begun)))


Ask = Callable[[http.client.HTTPConnection, int], http.client.HTTPResponse]


def measure(site: Site, ask: Ask, many: int, clients: int = CLIENTS) -> list[float]:
    """How many milliseconds each of so many answers took, with that many clients at once."""
    took: list[float] = []

    def client(mine: int) -> None:
        connection = site.connect()
        for number in range(many // clients):
            begun = time.perf_counter()
            answer = ask(connection, mine * 100_000 + number)
            answer.read()
            took.append((time.perf_counter() - begun) * 1000)
            assert answer.status in (200, 304), answer.status
        connection.close()

    threads = [threading.Thread(target=client, args=(mine,)) for mine in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def report(what: str, took: list[float], bar: float) -> None:
    """Print what 95 of 100 answers took at most; the middle one stands beside it."""
    half, most = quantiles(took, n=20)[9], quantiles(took, n=20)[18]
    say(f"{what} (median {half:.0f} ms)", most, "ms", bar)


def get(site: Site, path: Callable[[int], str]) -> Ask:
    """Asks for a page."""

    def ask(connection: http.client.HTTPConnection, number: int) -> http.client.HTTPResponse:
        connection.request("GET", path(number), headers=site.headers)
        return connection.getresponse()

    return ask


def press(site: Site, customers: int) -> Ask:
    """Presses a switch of the grid, another customer's each time."""

    def ask(connection: http.client.HTTPConnection, number: int) -> http.client.HTTPResponse:
        customer, of = number * 7919 % customers + 1, number % LISTS + 1
        if customer % 97 == of - 1:
            customer = customer % customers + 1
        headers = site.headers | {"HX-Request": "true", "HX-Request-Type": "partial"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode({"in": f"{customer}.{of}"} if number % 2 else {})
        connection.request("POST", f"/customers/{customer}/lists/{of}", body, headers)
        return connection.getresponse()

    return ask


def pages(customers: int) -> dict[str, Callable[[int], str]]:
    """What is asked for, by name."""
    words = [quote(f"{first} {last}".lower()) for first in FIRST for last in LAST]
    return {
        "customers": lambda number: "/customers",
        "customers, some page": lambda number: f"/customers?page={number * 7919 % (customers // 25) + 1}",
        "customers, searched": lambda number: f"/customers?q={words[number % len(words)]}",
        "customers, one word": lambda number: f"/customers?q=customer{number % customers}",
        "customers, one letter": lambda number: f"/customers?q={'aeiou'[number % 5]}&page={number % 900 + 1}",
        "customers, searched in a list": lambda number: (
            f"/customers?q={'aeiou'[number % 5]}&list={number % LISTS + 1}&place=excluded"
        ),
        "customers of a list": lambda number: f"/customers?list={number % LISTS + 1}&page={number % 900 + 1}",
        "customers out of a list": lambda number: f"/customers?list={number % LISTS + 1}&place=excluded",
        "customers who left": lambda number: f"/customers?list={number % LISTS + 1}&place=unsubscribed",
        "customers, suppressed": lambda number: "/customers?state=suppressed",
        "customers, newest": lambda number: f"/customers?sort=-added&page={number % 900 + 1}",
        "bulk, what it would do": lambda number: (
            f"/customers?list={number % LISTS + 1}&do=include&to={(number + 1) % LISTS + 1}"
        ),
        "one customer": lambda number: f"/customers/{number * 7919 % customers + 1}",
        "lists": lambda number: "/lists",
        "one list": lambda number: f"/lists/{number % LISTS + 1}",
        "import": lambda number: "/customers/import",
        "mail-outs": lambda number: "/mailouts",
        "a mail-out that is sending": lambda number: "/mailouts/1",
        "recipients": lambda number: f"/mailouts/1/recipients?page={number % 900 + 1}",
        "recipients, searched": lambda number: f"/mailouts/1/recipients?q=customer{number % customers}",
        "recipients in one state": lambda number: f"/mailouts/1/recipients?state=queued&page={number % 900 + 1}",
        "inbox log, searched": lambda number: f"/inbox?q=customer{number % customers}",
        "audit log": lambda number: "/audit",
        "audit log, searched": lambda number: f"/audit?q=customer{number % customers}",
        "users": lambda number: "/users",
        "system": lambda number: "/system",
        "support": lambda number: "/support",
        "help, searched": lambda number: "/help?q=key",
    }


def import_file(site: Site, many: int, pid: int) -> tuple[float, float]:
    """Import so many new customers through the pages; the seconds that it takes, and megabytes more of memory."""
    before, connection = memory(pid), site.connect()
    mark = b"-----a-boundary"
    data = csv(many).replace(b"customer", b"imported")
    body = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="all.csv"\r\n\r\n%s\r\n--%s--\r\n' % (
        mark,
        data,
        mark,
    )
    headers = site.headers | {"Content-Type": f"multipart/form-data; boundary={mark.decode()}"}
    begun, peak = time.monotonic(), before
    connection.request("POST", "/customers/import", body, headers)
    answer = connection.getresponse()
    answer.read()
    address = answer.getheader("Location") or ""
    assert answer.status == 303, answer.status

    def ask(path: str, form: dict[str, str] | None = None) -> http.client.HTTPResponse:
        if form is None:
            connection.request("GET", path, headers=site.headers)
        else:
            typed = site.headers | {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urlencode(form), typed)
        return connection.getresponse()

    def until_over() -> str:
        nonlocal peak
        while True:
            answer = ask(f"{address}/progress")
            page = answer.read().decode()
            peak = max(peak, memory(pid))
            if answer.status != 200 or "every 1s" not in page:
                return page
            time.sleep(0.5)

    planned = until_over()
    plan = re.search(r'name="plan" value="(\d+)"', planned)
    assert plan is not None, planned
    roles = {"c0": "email", "c1": "first_name", "c2": "last_name", "c3": "own", "c4": "own", "headings": "yes"}
    ask(f"{address}/apply", roles | {"plan": plan[1], "for": "add"}).read()
    until_over()
    return time.monotonic() - begun, peak - before


def memory(pid: int) -> float:
    """The megabytes that the server's processes hold."""
    found = subprocess.run(["ps", "-o", "rss=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return sum(map(int, found.stdout.split())) / 1024


def wire(site: Site) -> float:
    """Kilobytes of a first visit to the grid: the page, its stylesheets, scripts and pictures, as they are sent."""
    connection = site.connect()
    connection.request("GET", "/customers", headers=site.headers)
    page = connection.getresponse().read()
    total = len(page)
    for path in sorted(set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page.decode()))):
        connection.request("GET", path.replace("&amp;", "&"), headers={"Accept-Encoding": "gzip"})
        total += len(connection.getresponse().read())
    return total / 1000


def run(site: Site, customers: int, requests: int, pid: int, app: Flask) -> None:
    """Everything, in the order of the report."""
    for what, path in pages(customers).items():
        measure(site, get(site, path), CLIENTS)
        report(what, measure(site, get(site, path), requests), PAGE_BAR)
    report("a switch is pressed", measure(site, press(site, customers), requests), TOGGLE_BAR)
    report("a switch is pressed, one client", measure(site, press(site, customers), requests // 4, 1), TOGGLE_BAR)
    token = own.unsubscribe_token(secret(), 1, 5)
    report("the customers' own page", measure(site, get(site, lambda number: f"/u/{token}"), requests), PAGE_BAR)
    panel = get(site, lambda number: "/mailouts/1/panel")
    site.headers |= {"HX-Request": "true", "HX-Request-Type": "partial"}
    report("the live panel, one client", measure(site, panel, requests // 4, 1), PANEL_BAR)
    site.headers = {name: value for name, value in site.headers.items() if not name.startswith("HX")}
    say("a first visit over the wire", wire(site), "KB", WIRE_BAR)
    seconds, more = import_file(site, 100_000, pid)
    say("import of 100,000 rows through the pages", seconds, "s", IMPORT_BAR)
    say("memory that it took", more, "MB", MEMORY_BAR)


def main(customers: int, requests: int) -> None:
    """Plant, start the server and the sender, measure, and end them."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder, port, now = Path(name), free_ports(1)[0], datetime.now(UTC)
        told = environment_of(folder, port)
        settings = mailout_settings.read(told)
        app = create_app(settings)
        database.migrate(app, settings)
        with app.app_context():
            begun = time.monotonic()
            user = plant(customers, now)
            print(f"{customers:,} customers in {LISTS} lists planted in {time.monotonic() - begun:.0f} s", flush=True)
            site = Site(port, f"{app.config['SESSION_COOKIE_NAME']}={cookie(app, user)}")
            web = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:"))
            bin_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            log = (folder / "web.log").open("wb")
            server = subprocess.Popen(
                ["/bin/sh", "-c", web.partition(":")[2]], cwd=ROOT, env=told | {"PATH": bin_path, "HOME": name},
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            sender = subprocess.Popen([sys.executable, "-m", __spec__.name, "send", name, str(port)], cwd=ROOT)
            try:
                _wait(site)
                site.sign_in()
                run(site, customers, requests, server.pid, app)
            finally:
                for process in (sender, server):
                    process.terminate()
                    process.wait(30)


def _wait(site: Site) -> None:
    """Until the server answers."""
    for _ in range(300):
        try:
            connection = site.connect()
            connection.request("GET", "/login")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not start")


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        send_forever(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        numbers = [int(word) for word in sys.argv[1:]]
        main(*(numbers + [100_000, 400][len(numbers) :])[:2])
