"""An import whose process is killed in the middle has not been: nobody sees half of it, and it can be done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from mailout.book import customers, importing, lists
from mailout.journal import COMMAND
from mailout.models import Customer, db
from tests.conftest import environment

ROWS = 4000


def brought():
    """How many customers are written, seen or unseen."""
    return db.session.scalar(select(func.count()).select_from(Customer)) or 0


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_import_leaves_nothing_to_be_seen(app, make, now, settings, tmp_path):
    newsletter = make.list("Newsletter", ["jo@example.org"])
    data = "email\n" + "".join(f"c{number}@example.org\n" for number in range(ROWS))
    (tmp_path / "customers.csv").write_text(data)
    command = [sys.executable, "-m", "flask", "--app", "mailout.web:create_app()", "customers", "import"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "customers.csv")],
        env=os.environ | environment(settings.instance_dir),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while brought() == 1 and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert 1 < brought() < ROWS
    assert customers.search(customers.Search()).total == 1
    assert lists.tally(newsletter.id) == lists.Tally(included=1)

    planned = importing.plan(data, "customers.csv", actor=COMMAND, now=now)
    assert (planned.new, brought()) == (ROWS, 1)
    importing.apply(planned.id, actor=COMMAND, now=now)
    assert lists.tally(newsletter.id).included == ROWS + 1
