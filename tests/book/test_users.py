"""Users: nobody is ever locked out, and nobody gets in who should not."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from mailout.book import customers, links, passwords, sessions, users
from mailout.core.fault import Fault
from mailout.journal import COMMAND
from mailout.models import SignIn, User, db
from tests.makers import PASSWORD

JANE = "jane@mail.test"


@pytest.fixture
def by(app, now):
    """Who does it, and when."""
    return {"actor": COMMAND, "now": now}


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_today(make):
    row = make.user(JANE)

    assert row.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in row.password_hash


def test_an_old_hash_is_made_anew_at_the_next_sign_in(make, now):
    row = make.user(JANE)
    row.password_hash = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    db.session.commit()

    assert users.check_password(JANE, PASSWORD, now).id == row.id
    assert users.find(row.id).password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_only_the_right_password_of_an_active_user_lets_in(make, by, now):
    row = make.user(JANE)
    make.user("boss@mail.test", administrator=True)

    assert users.check_password("JANE@mail.TEST", PASSWORD, now).last_seen_at == now
    assert users.check_password(JANE, PASSWORD.upper(), now) is None
    assert users.check_password(JANE, "", now) is None
    assert users.check_password("nobody@mail.test", PASSWORD, now) is None
    assert users.check_password(JANE, "x" * 1_000_000, now) is None
    users.deactivate(row.id, **by)
    assert users.check_password(JANE, PASSWORD, now) is None
    users.activate(row.id, **by)
    assert users.check_password(JANE, PASSWORD, now)


def test_a_user_without_a_password_can_not_sign_in_with_any(by, now):
    users.create(JANE, "Jane", administrator=False, may_send=True, **by)

    assert users.check_password(JANE, "no account has this one", now) is None


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password",
        "Password123",
        "password123!",
        "12345678",
        "87654321",
        "qwertyuiop",
        "abcdefgh",
        "aaaaaaaa",
        "abababab",
        "iloveyou",
        "monkey1234",
        "jane@mail.test",
        "janehartley",
        "Jane Hartley",
        "hartley99",
        "x" * 1025,
    ],
)
def test_what_anybody_would_try_is_no_password(password):
    with pytest.raises(Fault):
        passwords.check_new(password, JANE, "Jane Hartley")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "x1!9zQ#b", "пароль-не-такой", "z" * 63 + "ab", "Ünïcödé 1"]
)
def test_what_is_long_or_odd_enough_is_a_password(password):
    passwords.check_new(password, JANE, "Jane Hartley")


def test_a_password_is_the_same_however_its_accents_are_typed():
    assert passwords.verify(passwords.make_hash("cafe\u0301 noir!"), "café noir!")


def test_the_address_of_our_letters_may_be_a_users_but_no_customers(app, by):
    made = app.extensions["mailout"]
    app.extensions["mailout"] = replace(made, own=replace(made.own, sender="office@mail.test"))

    assert users.create("office@mail.test", "Jo", administrator=True, may_send=True, **by).email == "office@mail.test"
    with pytest.raises(Fault, match="of Mailout itself"):
        customers.add("office@mail.test", "", "", **by)
    with pytest.raises(Fault, match="of Mailout itself"):
        users.create("mailout+x@mail.test", "Jo", administrator=True, may_send=True, **by)


def test_an_address_is_a_users_once(make, by):
    make.user(JANE)

    with pytest.raises(Fault, match="already"):
        users.create("JANE@mail.test", "Jane", administrator=False, may_send=True, **by)
    with pytest.raises(Fault, match="needs a name"):
        users.create("jo@mail.test", " ", administrator=False, may_send=True, **by)
    with pytest.raises(LookupError, match=r"no user jo@mail\.test"):
        users.by_email("jo@mail.test")


def test_the_last_active_administrator_stays_one(make, by):
    boss = make.user("boss@mail.test", administrator=True)
    other = make.user("other@mail.test", administrator=True)
    users.deactivate(other.id, **by)

    for attempt in (
        lambda: users.set_flags(boss.id, administrator=False, may_send=True, **by),
        lambda: users.deactivate(boss.id, **by),
    ):
        with pytest.raises(Fault, match="last active Administrator"):
            attempt()
    users.set_flags(boss.id, administrator=True, may_send=False, **by)
    users.activate(other.id, **by)
    users.set_flags(boss.id, administrator=False, may_send=False, **by)

    assert [row.email for row in users.administrators()] == ["other@mail.test"]


def test_two_administrators_who_demote_each_other_at_once_leave_one(make, app, now):
    pair = [make.user(f"{name}@mail.test", administrator=True).id for name in ("one", "two")]
    start = threading.Barrier(2)

    def demote(user_id):
        with app.app_context():
            start.wait()
            try:
                users.set_flags(user_id, administrator=False, may_send=True, actor=COMMAND, now=now)
                db.session.commit()
            except Fault:
                db.session.rollback()

    threads = [threading.Thread(target=demote, args=(one,)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(users.administrators()) == 1


def test_whoever_loses_a_permission_is_signed_out_and_whoever_gains_one_is_not(make, by, now):
    make.user("boss@mail.test", administrator=True)
    jane = make.user(JANE, sends=False)
    secret = sessions.start(jane.id, "browser", "192.0.2.1", now)

    users.set_flags(jane.id, administrator=False, may_send=True, **by)
    assert sessions.find(secret, now)

    users.set_flags(jane.id, administrator=False, may_send=False, **by)
    assert sessions.find(secret, now) is None


def test_a_deactivated_user_is_signed_out_at_once(make, by, now):
    make.user("boss@mail.test", administrator=True)
    jane = make.user(JANE)
    secret = sessions.start(jane.id, "browser", "192.0.2.1", now)

    users.deactivate(jane.id, **by)

    assert sessions.find(secret, now) is None
    assert not users.find(jane.id).sends
    assert not users.deactivate(jane.id, **by)


def test_a_new_password_ends_all_sessions_but_the_one_it_was_typed_in(make, by, now):
    jane = make.user(JANE)
    here, there = (sessions.start(jane.id, "browser", "192.0.2.1", now) for _ in range(2))

    users.set_password(jane.id, "another horse entirely", but=here, **by)

    assert sessions.find(here, now)
    assert sessions.find(there, now) is None
    assert users.check_password(JANE, PASSWORD, now) is None
    assert users.check_password(JANE, "another horse entirely", now)
    with pytest.raises(Fault):
        users.set_password(jane.id, "password1", **by)


def test_a_user_writes_from_the_address_they_sign_in_with(make, by):
    jane = make.user(JANE)

    assert users.user_of_address("Jane@Mail.test").id == jane.id
    assert users.user_of_address("eve@mail.test") is None


def test_another_address_counts_once_it_is_confirmed(make, by, now):
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    row = users.add_address(jane.id, "Jane@home.example", **by)
    assert users.user_of_address("jane@home.example") is None

    assert users.confirm_address(row.id, **by)
    assert not users.confirm_address(row.id, **by)
    assert users.user_of_address("jane@home.example").id == jane.id
    with pytest.raises(Fault, match="already"):
        users.add_address(bob.id, "JANE@home.example", **by)


def test_a_claim_that_nobody_confirmed_is_in_nobodys_way(make, by):
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    users.add_address(bob.id, "jane@home.example", **by)

    users.add_address(jane.id, "jane@home.example", confirmed=True, **by)

    assert users.user_of_address("jane@home.example").id == jane.id
    assert [row.address for row in users.addresses(bob.id)] == ["bob@mail.test"]


def test_an_address_can_be_taken_away_but_for_the_one_to_sign_in_with(make, by):
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    more = users.add_address(jane.id, "jane@home.example", confirmed=True, **by)

    with pytest.raises(LookupError):
        users.remove_address(bob.id, more.id, **by)
    with pytest.raises(Fault, match="sign in with"):
        users.remove_address(jane.id, users.addresses(jane.id)[0].id, **by)
    users.remove_address(jane.id, more.id, **by)

    assert users.user_of_address("jane@home.example") is None


def test_a_deactivated_users_address_is_nobodys(make, by):
    make.user("boss@mail.test", administrator=True)
    users.deactivate(make.user(JANE).id, **by)

    assert users.user_of_address(JANE) is None


def test_an_address_of_mailout_is_no_users(make, by):
    with pytest.raises(Fault, match="Mailout itself"):
        users.create("mailout@mail.test", "Mailout", administrator=False, may_send=True, **by)


def test_a_session_is_over_when_idle_too_old_or_ended(make, now):
    jane = make.user(JANE)
    secret = sessions.start(jane.id, "Firefox\n" * 100, "192.0.2.1", now)
    row = sessions.find(secret, now)

    assert (row.user.email, row.digest == secret, "\n" in row.browser) == (JANE, False, False)
    assert sessions.find(secret, now + timedelta(hours=11, minutes=59))
    assert sessions.find(secret, now + timedelta(hours=12)) is None
    assert sessions.find(secret + "x", now) is None
    assert sessions.find("", now) is None

    assert sessions.end(secret, now)
    assert not sessions.end(secret, now)
    assert sessions.find(secret, now) is None


def test_a_session_in_use_lives_on_for_a_week(make, now):
    secret = sessions.start(make.user(JANE).id, "browser", "192.0.2.1", now)

    at = now
    for _ in range(16):
        at += timedelta(hours=10)
        assert sessions.find(secret, at)
        sessions.touch(secret, at)

    assert sessions.find(secret, at + timedelta(hours=9)) is None


def test_a_session_is_touched_at_most_once_a_minute(make, now):
    secret = sessions.start(make.user(JANE).id, "browser", "192.0.2.1", now)

    assert not sessions.touch(secret, now + timedelta(seconds=59))
    assert sessions.touch(secret, now + timedelta(seconds=60))
    assert not sessions.touch(secret, now + timedelta(seconds=61))


def test_a_user_sees_their_sessions_and_ends_any(make, now):
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    mine = sessions.start(jane.id, "browser", "192.0.2.1", now)
    sessions.start(jane.id, "phone", "192.0.2.2", now)
    phone = next(row for row in sessions.of_user(jane.id, now) if row.browser == "phone")

    assert not sessions.end_one(bob.id, phone.id, now)
    assert sessions.end_one(jane.id, phone.id, now)
    assert [row.browser for row in sessions.of_user(jane.id, now)] == ["browser"]
    assert sessions.end_all(jane.id) == 1
    assert sessions.find(mine, now) is None
    assert db.session.query(SignIn).filter(SignIn.ended_at.is_(None)).count() == 0


def test_a_link_works_once_and_for_its_time(make, now):
    jane = make.user(JANE)
    secret = links.make(links.RESET, jane.id, None, now)
    found = links.find(links.RESET, secret, now)

    assert (found.user_id, secret in found.digest) == (jane.id, False)
    assert links.find(links.INVITE, secret, now) is None
    assert links.find(links.RESET, secret, now + timedelta(minutes=59))
    assert links.find(links.RESET, secret, now + timedelta(minutes=60)) is None
    assert links.find_any(secret, now).id == found.id

    assert links.use(found.id, now)
    assert not links.use(found.id, now)
    assert links.find(links.RESET, secret, now) is None


def test_a_new_link_voids_the_older_one(make, now):
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    old, others = links.make(links.RESET, jane.id, None, now), links.make(links.RESET, bob.id, None, now)

    new = links.make(links.RESET, jane.id, None, now)

    assert links.find(links.RESET, old, now) is None
    assert links.find(links.RESET, new, now)
    assert links.find(links.RESET, others, now)


def test_a_new_password_or_being_deactivated_voids_the_open_links(make, by, now):
    make.user("root@mail.test", administrator=True)
    jane, bob = make.user(JANE), make.user("bob@mail.test")
    kinds = (links.RESET, links.INVITE)
    mine = [links.make(kind, jane.id, None, now) for kind in kinds]
    others = links.make(links.RESET, bob.id, None, now)

    users.set_password(jane.id, "another horse entirely", **by)
    assert [links.find_any(secret, now) for secret in mine] == [None, None]
    assert links.find_any(others, now)

    users.deactivate(bob.id, **by)
    users.activate(bob.id, **by)
    assert links.find_any(others, now) is None


def test_two_presses_on_one_link_are_one_use(make, app, now):
    link = links.find(links.RESET, links.make(links.RESET, make.user(JANE).id, None, now), now)
    db.session.commit()
    won, link_id = [], link.id

    def press():
        with app.app_context():
            won.append(links.use(link_id, now))
            db.session.commit()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False, False, False, True]


def test_a_first_run_code_bears_five_wrong_tries_and_being_misread(app, now):
    code = links.make(links.FIRST_RUN, None, None, now)
    assert len(code) == 14

    sloppy = code.upper().replace("-", " ").replace("0", "O").replace("1", "l")
    assert links.try_code(sloppy, now)
    for left in (4, 3, 2, 1):
        assert links.try_code("wrong", now) is None
        assert links.tries_left(now) == left
    assert links.try_code(code, now)
    assert links.try_code("wrong", now) is None
    assert links.try_code(code, now) is None
    assert links.tries_left(now) == 0


def test_the_first_user_is_known_to_be_the_first(app, by):
    assert users.is_first()
    users.create(JANE, "Jane", administrator=True, may_send=False, **by)
    assert not users.is_first()


def test_profile_and_theme(make, by):
    jane = make.user(JANE)

    users.rename(jane.id, " Jane  Hartley ", **by)
    users.set_theme(jane.id, "dark")

    row = users.find(jane.id)
    assert (row.name, row.theme) == ("Jane Hartley", "dark")
    with pytest.raises(Fault):
        users.set_theme(jane.id, "pink")
    with pytest.raises(Fault):
        users.rename(jane.id, "", **by)
    assert [one.email for one in users.everyone()] == [JANE]
    assert db.session.query(User).count() == 1
