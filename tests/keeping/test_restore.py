"""A backup in the place of the data: nothing in it goes by itself, and whenever the restore is killed."""

from __future__ import annotations

import os
import pty
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from mailout import database, lease, pulse
from mailout.book import customers, links, lists, sessions
from mailout.core.fault import Fault
from mailout.core.own import message_id
from mailout.core.phase import Phase, phase
from mailout.current import secret
from mailout.intake import handle, submission
from mailout.journal import Actor
from mailout.keeping import backup, in_use, restore
from mailout.models import (
    Customer,
    JournalEntry,
    Lease,
    Letter,
    LetterBytes,
    Mailout,
    Notice,
    Pulse,
    Recipient,
    SignIn,
    User,
    db,
)  # fmt: skip
from mailout.outbox import notify, queue, sending, steering
from mailout.settings import Settings
from tests.conftest import environment
from tests.installation import BIN, ROOT, Installation
from tests.keeping.conftest import let_go
from tests.makers import Make
from tests.outbox.makers import letter, mailout
from tests.web.mailing import Mailing, bring, raw_letter

PEOPLE = [f"c{number}@customers.test" for number in range(6)]
Anew = Callable[[], Flask]


@pytest.fixture
def mailing(app: Flask, make: Make) -> Mailing:
    return Mailing(make.user(administrator=True), make.list("Newsletter", PEOPLE))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def now() -> datetime:
    return datetime.now(UTC)


def taken(settings: Settings, file: Path) -> Path:
    """A backup of what is there now."""
    db.session.commit()
    backup.write(settings, file, now(), overwrite=True)
    return file


def restored(settings: Settings, file: Path) -> tuple[restore.Ready, Path | None]:
    """Put the backup in place, as the command does."""
    let_go()
    with in_use.alone(settings.instance_dir):
        ready = restore.prepare(file, settings, now())
        return ready, restore.put_in_place(ready, settings, now())


def row_of(mailout_id: int) -> Mailout:
    return db.session.get_one(Mailout, mailout_id, populate_existing=True)


# -- what stands still -------------------------------------------------------------------------------------------------


def test_every_mailout_that_is_not_over_is_paused_and_says_why(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    starting, going = mailing.starting().id, mailing.sending(["sent", "deferred"], subject="One").id
    by_itself, by_jane = mailing.sending(subject="Two").id, mailing.sending(subject="Three").id
    over = mailing.complete(["sent"] * 6, subject="Four").id
    sending.pause(by_itself, "The relay refused the letter.", now())
    steering.pause(by_jane, Actor(mailing.user.id, "Jane"), now())
    before = row_of(over).finished_at
    ready, _ = restored(settings, taken(settings, file))
    anew()

    assert [one.id for one in ready.found.stilled] == [starting, going, by_itself, by_jane]
    assert [one.state for one in ready.found.stilled] == ["starting", "sending", "paused", "paused"]
    for number in (starting, going, by_itself, by_jane):
        row = row_of(number)
        assert phase(row, now() + timedelta(days=1)) is Phase.PAUSED
        assert "restored from a backup of" in row.paused_for
        assert "log" in row.paused_for
    assert row_of(by_itself).paused_for.startswith("The relay refused the letter. It was restored")
    assert row_of(by_jane).paused_for.startswith("It was paused by Jane before the backup. It was restored")
    assert sending.open_now(now() + timedelta(days=1)) == []
    assert row_of(over).finished_at == before
    counts = queue.counts(going)
    assert (counts.sent, counts.deferred, counts.queued, counts.total) == (1, 1, 4, 6)


def test_what_was_on_the_wire_is_uncertain_and_what_was_not_yet_is_queued(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    going = mailing.sending().id
    ids = list(db.session.scalars(select(Recipient.id).where(Recipient.mailout_id == going).order_by(Recipient.id)))
    for number, state in zip(ids, ("claimed", "dot_pending"), strict=False):
        values = {"state": state, "claimed_by": "a pump that is gone"}
        db.session.execute(update(Recipient).where(Recipient.id == number).values(**values))
    restored(settings, taken(settings, file))
    anew()

    counts = queue.counts(going)
    assert (counts.queued, counts.uncertain, counts.sending) == (5, 1, 0)


def test_a_key_that_waits_and_a_held_letter_ask_for_a_look(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    made, held = mailing.make(), mailing.held().id
    waiting, late = made.id, raw_letter(submission.key_address(made), author=mailing.user.email)
    ready, _ = restored(settings, taken(settings, file))
    anew()

    assert (ready.found.keys, ready.found.held) == (1, 1)
    done = bring(late)
    row = row_of(waiting)
    assert (done.verdict, phase(row, now()), row.held_for) == ("mail-out", Phase.HELD, "check-first")
    for one in (row, row_of(held)):
        assert "before you press Release" in one.problem_detail
        assert phase(one, now()) is Phase.HELD
    told = db.session.scalars(select(Notice.raw).where(Notice.name == f"waiting:{waiting}")).one()
    assert b"restored" in told


def test_a_key_that_had_expired_long_before_is_left_alone(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    old, late = mailing.make(ago=timedelta(days=9)).id, mailing.make(ago=timedelta(hours=25)).id
    ready, _ = restored(settings, taken(settings, file))
    anew()

    assert ready.found.keys == 0
    assert [row_of(number).check_first for number in (old, late)] == [False, True]


def test_a_letter_that_was_stored_and_not_looked_at_is_held_too(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    """Even when its key has expired since it came, for it came in time."""
    made = mailing.make(ago=timedelta(days=3))
    waiting, raw = made.id, raw_letter(submission.key_address(made), author=mailing.user.email)
    stored = Letter(digest="0" * 64, received_at=now() - timedelta(days=2, hours=12), size=len(raw))
    db.session.add(stored)
    db.session.flush()
    db.session.add(LetterBytes(letter_id=stored.id, raw=raw))
    restored(settings, taken(settings, file))
    anew()

    handle.handle_new(now)

    assert phase(row_of(waiting), now()) is Phase.HELD


# -- what is forgotten -------------------------------------------------------------------------------------------------


def test_leases_pulses_sessions_and_links_of_the_old_life_are_over(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    user_id = mailing.user.id
    lease.take("pump", "a pump that is gone", now(), timedelta(hours=1))
    pulse.ill(pulse.RELAY, "It does not answer.", now())
    signed_in = sessions.start(user_id, "a browser", "127.0.0.1", now())
    link = links.make(links.RESET, user_id, None, now())
    notify.reset(mailing.user, link, now())
    notify.unsubscribed("Ann", PEOPLE[0], "You left Newsletter.", "https://mail.test/u/x", now())
    assert sessions.find(signed_in, now())
    assert links.find(links.RESET, link, now())
    restored(settings, taken(settings, file))
    anew()

    assert db.session.scalar(select(func.count()).select_from(Lease)) == 0
    assert db.session.scalar(select(func.count()).select_from(Pulse)) == 0
    assert sessions.find(signed_in, now()) is None
    assert links.find(links.RESET, link, now()) is None
    assert db.session.scalar(select(SignIn.ended_at)) is not None
    told = select(Recipient.state).join(Notice, Notice.id == Recipient.notice_id)
    for kind in ("reset", "unsubscribed"):
        assert db.session.scalars(told.where(Notice.kind == kind)).all() == ["cancelled"]
    assert db.session.scalars(told.where(Notice.subject == "Mailout restored")).all() == ["queued"]


def test_who_comes_after_a_restore_has_a_number_that_nobody_had(
    settings: Settings, mailing: Mailing, make: Make, file: Path, anew: Anew
) -> None:
    taken(settings, file)
    lost = make.customer("lost@customers.test").id
    mailout(mailing.user, mailing.list, letter(), [f"lost{number}@customers.test" for number in range(50)], now())
    in_between = db.session.scalars(select(func.max(Recipient.id))).one()
    restored(settings, file)
    anew()

    jane, newsletter = db.session.get_one(User, 1), lists.by_name("Newsletter")
    assert Make(now()).customer("new@customers.test").id > lost
    again = mailout(jane, newsletter, letter(), ["new@customers.test"], now())
    number = db.session.scalars(select(Recipient.id).where(Recipient.mailout_id == again)).one()
    assert number > in_between
    assert message_id(secret(), number, "x.test") != message_id(secret(), in_between, "x.test")


def test_users_and_administrators_are_told_and_the_journal_knows(
    settings: Settings, mailing: Mailing, file: Path, anew: Anew
) -> None:
    going = mailing.sending().id
    mailing.held()
    restored(settings, taken(settings, file))
    anew()

    subjects = list(db.session.scalars(select(Notice.subject).order_by(Notice.id)))
    assert subjects[-2:] == ["Mail-out paused", "Mailout restored"]
    entries = {entry.action: entry for entry in db.session.scalars(select(JournalEntry))}
    assert (entries["data.restore"].actor, entries["data.restore"].subject) == ("command line", "backup.db")
    assert entries["mailout.pause"].subject == f"mail-out {going}"


# -- what is put where -------------------------------------------------------------------------------------------------


def test_the_data_of_before_is_kept_whole_and_can_be_put_back(
    settings: Settings, mailing: Mailing, make: Make, file: Path, place: Path, anew: Anew
) -> None:
    taken(settings, file)
    make.customer("newer@customers.test")
    (settings.cache_dir / "1-0.8bit").write_bytes(b"a prepared letter of the old life")
    _, kept = restored(settings, file)

    assert kept is not None
    assert kept.name.startswith("mailout.db.before-")
    assert [path.name for path in place.parent.glob("mailout.db-*")] == []
    assert place.read_bytes()[18:20] == b"\1\1", "it is whole in its one file, and says so"
    assert list(settings.cache_dir.iterdir()) == []
    assert backup.TAKEN not in names(place), "the next copy of it must not say that it was taken then"
    assert place.stat().st_mode & 0o777 == 0o600
    anew()
    with pytest.raises(LookupError):
        customers.by_email("newer@customers.test")
    ready, second = restored(settings, kept)
    assert not ready.found.exact
    assert second not in (None, kept)
    anew()
    assert customers.by_email("newer@customers.test")


def test_the_present_database_can_be_stilled_in_its_own_place(
    settings: Settings, mailing: Mailing, place: Path, anew: Anew
) -> None:
    """As after a machine was put back to an earlier state."""
    going = mailing.sending().id
    let_go()
    write_and_die(place)
    restored(settings, place)

    assert "written last" in names(place)
    anew()
    assert phase(row_of(going), now()) is Phase.PAUSED


def test_what_a_crash_left_in_the_log_is_in_the_data_that_is_kept(
    settings: Settings, mailing: Mailing, file: Path, place: Path
) -> None:
    taken(settings, file)
    let_go()
    write_and_die(place)
    assert place.with_name("mailout.db-wal").stat().st_size

    _, kept = restored(settings, file)

    assert kept is not None
    assert "written last" in names(kept)
    assert "written last" not in names(place)


def test_a_database_that_lies_elsewhere_by_a_link_stays_there(
    settings: Settings, mailing: Mailing, file: Path, tmp_path: Path
) -> None:
    place, elsewhere = settings.instance_dir / "mailout.db", tmp_path / "elsewhere"
    taken(settings, file)
    let_go()
    elsewhere.mkdir()
    place.rename(elsewhere / "mailout.db")
    place.symlink_to(elsewhere / "mailout.db")

    _, kept = restored(settings, file)

    assert place.is_symlink()
    assert kept is not None
    assert (kept.parent, kept.is_symlink()) == (elsewhere, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore for somebody else")
def test_what_root_restores_is_whose_the_folder_is(settings: Settings, mailing: Mailing, file: Path) -> None:
    taken(settings, file)
    let_go()
    os.chown(settings.instance_dir, 12345, 12345)

    restored(settings, file)

    assert (settings.instance_dir / "mailout.db").stat().st_uid == 12345


def write_and_die(place: Path) -> None:
    """Write a row in a process that is killed right after: it stands in the log alone."""
    script = (
        "import sqlite3, os, sys\nc = sqlite3.connect(sys.argv[1])\n"
        "c.execute(\"INSERT INTO setting VALUES ('written last', 'yes')\")\nc.commit()\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(place)], check=False)


def names(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM setting")}


@pytest.mark.parametrize("state", ["damaged", "gone"])
def test_a_database_that_is_damaged_or_gone_is_no_obstacle(
    settings: Settings, mailing: Mailing, file: Path, place: Path, anew: Anew, state: str
) -> None:
    taken(settings, file)
    let_go()
    place.write_bytes(b"\0" * 5000) if state == "damaged" else place.unlink()
    place.with_name("mailout.db-wal").write_bytes(b"left over")

    _, kept = restored(settings, file)

    assert not place.with_name("mailout.db-wal").exists()
    assert (kept.read_bytes() if kept else b"") == (b"\0" * 5000 if state == "damaged" else b"")
    anew()
    assert customers.by_email(PEOPLE[0])


def test_an_older_backup_is_brought_to_this_schema(
    settings: Settings, mailing: Mailing, file: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(settings, file)
    newer = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, newer)
    (newer / "versions" / "0002.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '0002'\ndown_revision = '0001'\n"
        "def upgrade():\n    op.create_table('later', sa.Column('id', sa.Integer(), primary_key=True))\n"
    )
    monkeypatch.setattr(database, "MIGRATIONS", newer)

    ready, _ = restored(settings, file)

    assert (ready.schema, backup.verify(place, "")[0]) == ("0001", "0002")


# -- what is refused ---------------------------------------------------------------------------------------------------


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100_000])


def cut_in_a_page(file: Path) -> None:
    octets = bytearray(file.read_bytes())
    octets[40960:45056] = b"\xff" * 4096
    file.write_bytes(octets)


def words(file: Path) -> None:
    file.write_text("Dear customers,\n" * 1000)


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncated, "backup.db is no backup of Mailout, or a damaged one"),
        (cut_in_a_page, "backup.db is damaged"),
        (words, "backup.db is no backup of Mailout, or a damaged one"),
        (nothing, "backup.db is no backup of Mailout"),
        (foreign, "backup.db is no backup of Mailout"),
        (newer, "backup.db is of a newer Mailout: its database is at version 0099"),
        (Path.unlink, "There is no file"),
    ],
)
def test_what_is_no_good_backup_is_refused_in_words_and_nothing_is_changed(
    settings: Settings,
    mailing: Mailing,
    file: Path,
    place: Path,
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    taken(settings, file)
    spoil(file)
    let_go()
    before = place.read_bytes()

    with pytest.raises(Fault, match=said):
        restored(settings, file)

    assert place.read_bytes() == before
    assert not list(place.parent.glob("*.restoring*"))
    assert not list(place.parent.glob("*.before-*"))


def test_a_database_that_another_program_has_open_is_left_alone(
    settings: Settings, mailing: Mailing, file: Path, place: Path
) -> None:
    taken(settings, file)
    let_go()
    with closing(sqlite3.connect(place)) as other:
        other.execute("SELECT count(*) FROM customer").fetchall()
        with pytest.raises(Fault, match="can't be put away, and nothing was changed: database is locked"):
            restored(settings, file)


def test_a_full_disk_changes_nothing(
    settings: Settings, mailing: Mailing, file: Path, outside: Installation, place: Path
) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

    taken(settings, file)
    let_go()
    before = place.read_bytes()
    done = subprocess.run(
        [str(BIN / "flask"), "restore", str(file), "--yes"],
        cwd=ROOT, env=outside.environment, capture_output=True, text=True, preexec_fn=little_room, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert place.read_bytes() == before
    assert not list(place.parent.glob("*.restoring*"))
    assert not list(place.parent.glob("*.before-*"))


# -- killed at any moment ----------------------------------------------------------------------------------------------

STEPS = ("copied", "checked", "migrated", "stilled", "prepared", "kept", "cleared", "in place")

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from mailout import settings as mailout_settings
from mailout.keeping import in_use, restore

def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

settings = mailout_settings.read()
with in_use.alone(settings.instance_dir):
    ready = restore.prepare(Path(sys.argv[1]), settings, datetime.now(UTC), step=step)
    restore.put_in_place(ready, settings, datetime.now(UTC), step=step)
"""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.slow
def test_killed_at_any_step_the_data_is_the_old_or_the_restored_and_stilled(
    settings: Settings, mailing: Mailing, make: Make, file: Path, place: Path, anew: Anew, step: str
) -> None:
    going = mailing.sending(["sent"]).id
    taken(settings, file)
    make.customer("newer@customers.test")
    let_go()

    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(file), step],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin"} | environment(settings.instance_dir), check=False,
    )  # fmt: skip

    assert done.returncode == -signal.SIGKILL
    anew()
    is_old = db.session.scalar(select(Customer.id).where(Customer.email == "newer@customers.test")) is not None
    assert is_old == (step != "in place")
    assert phase(row_of(going), now()) is (Phase.SENDING if is_old else Phase.PAUSED)
    assert db.session.connection().exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"

    restored(settings, file)
    anew()
    assert phase(row_of(going), now()) is Phase.PAUSED
    assert not list(place.parent.glob("*.restoring*"))


def test_the_steps_that_are_killed_at_are_all_there_are(settings: Settings, mailing: Mailing, file: Path) -> None:
    told: list[str] = []
    taken(settings, file)
    let_go()
    with in_use.alone(settings.instance_dir):
        ready = restore.prepare(file, settings, now(), step=told.append)
        restore.put_in_place(ready, settings, now(), step=told.append)

    assert tuple(told) == STEPS


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_asks_nobody_where_nobody_can_answer(
    settings: Settings, mailing: Mailing, file: Path, outside: Installation
) -> None:
    going = mailing.sending().id
    taken(settings, file)
    let_go()

    refused = outside.flask("restore", str(file), check=False)
    told = outside.flask("restore", str(file), "--yes")
    as_json = outside.json("restore", str(file), "--yes")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "A restore exchanges all of the data. Say --yes to have it done without a question.\n"
    assert f'mail-out {going}, sending: Newsletter, "Spring news": 0 of 6 had gone' in told.stdout
    assert "unsubscribed" in told.stdout
    assert as_json == as_json | {"schema": "0001", "mailouts_paused": [going], "keys_waiting": 0, "letters_held": 0}
    assert Path(as_json["kept"]).is_file()


def typed(outside: Installation, answer: bytes, *words: str) -> tuple[int, str]:
    """Run a command at a terminal, and answer its question: its exit code, and what stood there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(BIN / "flask", ["flask", *words], outside.environment)
    said = b""
    with suppress(OSError):  # the terminal goes with the command
        while octets := os.read(terminal, 4096):
            said += octets
            if answer and b"[y/N]" in said:
                os.write(terminal, answer)
                answer = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\x03", 1), (b"y\n", 0)])
@pytest.mark.slow
def test_at_a_terminal_it_says_what_is_under_way_and_asks(
    settings: Settings, mailing: Mailing, make: Make, file: Path, outside: Installation, place: Path, anew: Anew,
    answer: bytes, code: int,
) -> None:  # fmt: skip
    going = mailing.sending().id
    taken(settings, file)
    let_go()

    ended, said = typed(outside, answer, "restore", str(file))

    assert ended == code
    assert f'mail-out {going}, sending: Newsletter, "Spring news": 0 of 6 had gone' in said
    assert said.index("The backup was taken on") < said.index("Restore it? [y/N]")
    assert ("It is restored." in said) == (code == 0)
    assert not list(place.parent.glob("*.restoring*"))
    anew()
    assert phase(row_of(going), now()) is (Phase.SENDING if code else Phase.PAUSED)
