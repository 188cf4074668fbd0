"""Measures the address book at 100,000 customers in 10 lists, and prints each figure beside its bar.

    .venv/bin/python -m tests.benchmarks.book [CUSTOMERS]

The import runs in a process of its own, so that its memory can be told, while another connection writes all the time
as the sender does: the longest time that it waits is how long an import holds sending up.
"""

from __future__ import annotations

import logging
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from flask import Flask

from mailout import database
from mailout import settings as mailout_settings
from mailout.book import customers, exporting, grid, importing, lists, places
from mailout.journal import COMMAND
from mailout.models import Place, db
from mailout.web import create_app
from tests.conftest import environment

NOW = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
FIRST = ("Ann", "Bob", "Chloé", "Dan", "Eve", "Finn", "Grace", "Hugo", "Ida", "Jack", "Kim", "Liam", "Mia", "Noah")
LAST = ("Adams", "Baker", "Clark", "Dębski", "Evans", "Ford", "Green", "Hill", "Irwin", "Jones", "Lee", "Müller")


def make_app(folder: Path) -> Flask:
    """The application on a database in `folder`."""
    settings = mailout_settings.read(environment(folder, DURABILITY="power"))
    app = create_app(settings)
    database.migrate(app, settings)
    return app


def csv(many: int) -> bytes:
    """A file of so many customers."""
    rows = ["Email,First name,Last name,Phone,Pet"]
    for number in range(many):
        first, last = FIRST[number % len(FIRST)], LAST[number * 7 % len(LAST)]
        rows.append(f"customer{number}@example{number % 97}.org,{first},{last}{number % 1000},+61 400 {number:06},dog")
    return "\n".join(rows).encode()


def say(what: str, figure: float, unit: str, bar: float) -> None:
    """Print a figure beside its bar."""
    print(f"{what:58} {figure:9.1f} {unit:3} (bar {bar:g}) {'' if figure <= bar else '<-- over'}", flush=True)


def run_import(folder: Path, file: Path) -> None:
    """What the process of the import does; prints seconds and megabytes."""
    app = make_app(folder)
    with app.app_context():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.monotonic()
        planned = importing.plan(file.read_bytes(), file.name, actor=COMMAND, now=NOW)
        middle = time.monotonic()
        importing.apply(planned.id, actor=COMMAND, now=NOW)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = (middle - begun, time.monotonic() - middle, time.process_time())
        print(*seconds, peak / 1024, before / 1024, planned.new, planned.unchanged)


class Sender(threading.Thread):
    """Writes small transactions all the time, as the sender does, and keeps how long each took."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path, self.waits, self.going = path, [0.0], True

    def run(self) -> None:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        while self.going:
            begun = time.monotonic()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE pulse SET trouble = '' WHERE name = 'relay'")
            connection.execute("COMMIT")
            self.waits.append(time.monotonic() - begun)
            time.sleep(0.01)


def measured(work: Callable[[], object], times: int = 20) -> float:
    """The 95th percentile of how long `work` keeps the processor, in milliseconds.

    Processor time and not the clock's: the figure is the same on a machine that does other things as well.
    """
    took = []
    for _ in range(times):
        begun = time.process_time()
        work()
        took.append((time.process_time() - begun) * 1000)
        db.session.rollback()
    return quantiles(took, n=20)[-1]


def import_twice(folder: Path, many: int) -> None:
    """A new file, and the same file again."""
    file = folder / "customers.csv"
    file.write_bytes(csv(many))
    for what in ("new", "the same again"):
        sender = Sender(folder / "mailout.db")
        sender.start()
        command = [sys.executable, "-m", "tests.benchmarks.book", "import", str(folder), str(file)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        sender.going = False
        sender.join()
        reading, applying, busy, peak, before = map(float, out[:5])
        say(f"import of {many:,} rows, {what} ({out[5]} new, {out[6]} unchanged)", reading + applying, "s", 60)
        seconds = f"dry run {reading:.1f} s, applying {applying:.1f} s, {busy:.1f} s of the processor"
        print(f"    {seconds}, at rest {before:.0f} MB")
        say("    memory at its peak", peak, "MB", 200)
        say("    longest wait of the sender", max(sender.waits) * 1000, "ms", 1000)


def pages(many: int) -> None:
    """The pages of the grid."""
    of = lists.all()
    first = of[0].id

    def page(**wanted: object) -> float:
        def work() -> None:
            db.session.expunge_all()
            found = grid.search(grid.Search(**wanted))  # type: ignore[arg-type]
            customers.places_of([row.id for row in found.rows], [row.id for row in of])

        return measured(work)

    say("first page", page(), "ms", 50)
    say("page in the middle", page(page=many // 100), "ms", 50)
    say("last page", page(page=many // 50), "ms", 50)
    say("search, many found", page(q="jones"), "ms", 50)
    say("search, one found", page(q="customer4711@"), "ms", 50)
    say("search, two words", page(q="ann lee"), "ms", 50)
    say("sorted by address, middle", page(sort="email", page=many // 100), "ms", 50)
    say("included in a list", page(list_id=first, place="included"), "ms", 50)
    say("included in a list, middle page", page(list_id=first, place="included", page=many // 100), "ms", 50)
    say("excluded from a list", page(list_id=first, place="excluded"), "ms", 50)
    say("unsubscribed from a list", page(list_id=first, place="unsubscribed"), "ms", 50)
    say("search within a list", page(q="jones", list_id=first, place="included"), "ms", 50)
    say("suppressed", page(state="suppressed"), "ms", 50)
    lists.tallies()
    say("figures of all lists, nothing changed", measured(lists.tallies), "ms", 10)

    def counted_anew() -> None:
        lists.touch()
        lists.tallies()

    say("figures of all lists, counted anew", measured(counted_anew), "ms", 200)


def changes(many: int) -> None:
    """Toggles and changes of many."""
    of = lists.all()[0]
    ids = list(db.session.scalars(customers.ids(customers.Search(q="jones")).limit(20)))
    turn = iter(ids)

    def toggle() -> None:
        places.set_place(next(turn), of.id, Place.EXCLUDED, how="switch", actor=COMMAND, now=NOW)
        db.session.commit()

    say("toggle", measured(toggle), "ms", 50)
    everyone, mark = customers.ids(customers.Search()), places.new_mark()
    begun = time.monotonic()
    number = places.bulk(everyone, of.id, Place.EXCLUDED, mark=mark, actor=COMMAND, now=NOW)
    db.session.commit()
    say(f"exclude {number:,} in bulk", time.monotonic() - begun, "s", 5)
    begun = time.monotonic()
    number = places.undo(mark, actor=COMMAND, now=NOW)
    db.session.commit()
    say(f"undo that ({number:,})", time.monotonic() - begun, "s", 5)
    begun = time.monotonic()
    size = sum(map(len, exporting.lines(everyone)))
    say(f"export of all ({size / 1e6:.1f} MB)", time.monotonic() - begun, "s", 20)
    begun = time.monotonic()
    undone = importing.undo(1, actor=COMMAND, now=NOW)
    say(f"undo the import ({undone.removed:,} customers)", time.monotonic() - begun, "s", 120)


def main() -> None:
    """Measure it all."""
    if sys.argv[1:2] == ["import"]:
        run_import(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = make_app(folder)
        with app.app_context():
            for number in range(10):
                lists.create(f"List {number}", actor=COMMAND, now=NOW)
            db.session.commit()
            import_twice(folder, many)
            pages(many)
            changes(many)
            db.session.remove()
            db.engine.dispose()


if __name__ == "__main__":
    main()
