"""Toolbox > Mail-out: making one, the list of all, the ways to the mail program, and what each button does."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from mailout import pulse
from mailout.book import lists, places, suppression, users
from mailout.core.phase import Phase, phase
from mailout.core.problem import Problem
from mailout.core.telling import spoken
from mailout.current import settings
from mailout.intake import submission
from mailout.journal import COMMAND
from mailout.models import JournalEntry, Letter, Mailout, Notice, Place, Recipient, Suppressed, User, db
from mailout.outbox import closing
from mailout.setting_values import Rate
from mailout.web.mailouts import draft
from tests.makers import Make
from tests.web.mailing import PARTIAL, Mailing, bring, fresh, now, raw_letter, settle

ClientOf = Callable[[User | None], FlaskClient]
FIVE = [f"c{number}@customers.test" for number in range(1, 6)]


@pytest.fixture
def jo(make: Make) -> User:
    return make.user("jo@mail.test")


@pytest.fixture
def mailing(make: Make, jo: User) -> Mailing:
    return Mailing(jo, make.list("Newsletter", FIVE))


@pytest.fixture
def client(client_of: ClientOf, jo: User) -> FlaskClient:
    return client_of(jo)


def state_of(row: Mailout) -> Phase:
    return phase(fresh(row), now())


def how_many() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Mailout)) or 0


def press_of(page: str) -> str:
    """The Create form's own mark."""
    found = re.search(r'name="press" value="([^"]+)"', page)
    assert found
    return found[1]


# -- making one --------------------------------------------------------------------------------------------------------


def test_beside_each_list_stands_how_many_get_it_and_who_is_left_out(
    client: FlaskClient, mailing: Mailing, make: Make
) -> None:
    customer = make.customer("stopped@customers.test")
    places.set_place(customer.id, mailing.list.id, Place.INCLUDED, how="test", actor=COMMAND, now=now())
    suppression.suppress(customer.id, Suppressed.BOUNCED, "gone", actor=COMMAND, now=now())
    db.session.commit()

    page = client.get("/mailouts").text
    fragment = client.get(f"/mailouts/new?list={mailing.list.id}", headers=PARTIAL).text

    for text in (page, fragment):
        assert ">5</p>" in text
        assert "1 more stands in Newsletter and is left out: 1 address doesn’t work." in text
    assert "<html" not in fragment


def test_the_clock_is_honest_about_the_providers_rate(app: Flask, client: FlaskClient, mailing: Mailing) -> None:
    unknown = client.get("/mailouts/new").text
    app.extensions["mailout"] = replace(app.extensions["mailout"], rates=(Rate(1, 60),))

    known = client.get("/mailouts/new").text

    assert "How long it takes is known once a first letter has gone out" in unknown
    assert "<strong>About 4 minutes</strong> at 1 a minute" in known


def test_create_makes_one_and_opens_the_mail_program_once(client: FlaskClient, mailing: Mailing) -> None:
    form = {"list": mailing.list.id, "press": press_of(client.get("/mailouts").text)}

    answer = client.post("/mailouts", data=form)
    first, again = client.get(answer.location).text, client.get(answer.location).text

    assert answer.status_code == 303
    assert re.fullmatch(r"/mailouts/\d+", answer.location)
    assert "data-open-once" in first
    assert "data-open-once" not in again


def test_two_presses_of_create_are_one_mail_out(client: FlaskClient, mailing: Mailing) -> None:
    form = {"list": mailing.list.id, "press": press_of(client.get("/mailouts").text), "check_first": "yes"}

    answers = [client.post("/mailouts", data=form) for _ in range(2)]

    assert answers[0].location == answers[1].location
    assert how_many() == 1


def test_two_presses_at_the_same_moment_are_one_mail_out(client_of: ClientOf, jo: User, mailing: Mailing) -> None:
    form = {"list": mailing.list.id, "press": "one-press"}
    clients = [client_of(jo) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: client.post("/mailouts", data=form), clients))

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert how_many() == 1


def test_a_list_that_is_archived_or_unknown_makes_nothing(client: FlaskClient, mailing: Mailing, make: Make) -> None:
    old = make.list("Old")
    lists.archive(old.id, actor=COMMAND, now=now())
    db.session.commit()

    assert client.post("/mailouts", data={"list": 999}).status_code == 404
    assert client.post("/mailouts", data={}).status_code == 404
    assert client.post("/mailouts", data={"list": old.id}).status_code == 422
    assert how_many() == 0
    assert "Old</option>" not in client.get("/mailouts").text


def test_a_number_longer_than_any_is_no_fault_of_ours(client: FlaskClient, mailing: Mailing) -> None:
    assert client.post("/mailouts", data={"list": "9" * 30}).status_code == 404
    assert client.get(f"/mailouts/new?list={'9' * 30}").status_code == 200
    assert how_many() == 0


def test_who_may_not_send_watches_and_is_told_whom_to_ask(make: Make, client_of: ClientOf, mailing: Mailing) -> None:
    row = mailing.starting()
    client = client_of(make.user("tom@mail.test", sends=False))

    page, story = client.get("/mailouts").text, client.get(f"/mailouts/{row.id}").text

    assert "Create</button>" not in page
    assert "needs the permission Send Mailout" in page
    assert "It starts in a moment" in story
    assert "Stop</button>" not in story
    assert client.post("/mailouts", data={"list": mailing.list.id}).status_code == 403


# -- the list of all ---------------------------------------------------------------------------------------------------


def test_the_list_is_searched_by_subject_list_and_person(client: FlaskClient, mailing: Mailing) -> None:
    mailing.starting(subject="Spring coats")
    mailing.starting(subject="50% off a bath")

    def titles(q: str) -> list[str]:
        page = client.get("/mailouts", query_string={"q": q}, headers=PARTIAL).text
        return re.findall(r'row-title"><a [^>]+>([^<]+)', page)

    assert titles("coats") == ["Spring coats"]
    assert titles("%") == ["50% off a bath"]
    assert titles("newsletter") == ["50% off a bath", "Spring coats"]
    assert titles("jo") == ["50% off a bath", "Spring coats"]
    assert titles("nothing like it") == []


def test_the_list_has_pages(client: FlaskClient, mailing: Mailing) -> None:
    for number in range(12):
        mailing.make(ago=timedelta(minutes=number))

    first, second = client.get("/mailouts").text, client.get("/mailouts?page=2").text

    assert first.count('class="row-title"') == 10
    assert "1–10 of 12" in first
    assert second.count('class="row-title"') == 2


def test_each_state_has_its_words_in_the_list(client: FlaskClient, mailing: Mailing) -> None:
    mailing.complete(["sent", "sent", "sent", "failed", "uncertain"])
    mailing.sending(["sent", "sent"])
    mailing.held()
    mailing.cancelled()
    mailing.make()

    page = client.get("/mailouts", headers=PARTIAL).text

    for words in (
        "3 of 5 accepted",
        "2 of 5",
        "Held until you say go",
        "to be checked first",
        "nothing was sent",
        "Waiting for the letter",
    ):
        assert words in page


# -- the ways to the mail program --------------------------------------------------------------------------------------


def test_the_link_to_the_mail_program_holds_the_bare_address_and_nothing_else(
    client: FlaskClient, mailing: Mailing
) -> None:
    row = mailing.make()
    address = submission.key_address(row)

    page = client.get(f"/mailouts/{row.id}").text
    (link,) = re.findall(r'href="mailto:([^"]+)"', page)

    assert "+" not in link
    assert "?" not in link
    assert unquote(link) == address
    assert f'data-copy="{address}"' in page
    assert f"to={address.replace('+', '%2B').replace('@', '%40')}" in page


def test_the_draft_is_a_letter_that_outlook_opens_unsent(client: FlaskClient, make: Make, jo: User) -> None:
    row = Mailing(jo, make.list('Größe "XL", <b>50%</b>', FIVE)).make()

    answer = client.get(f"/mailouts/{row.id}/draft.eml")
    draft = email.message_from_bytes(answer.data, policy=email.policy.SMTP)

    assert answer.content_type == "message/rfc822"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert draft["X-Unsent"] == "1"
    assert draft["To"].addresses[0].addr_spec == submission.key_address(row)
    # a file is opened on another day too: no "tomorrow" in it
    until = spoken.dated(row.expires_at, settings().time_zone)
    to = make_header(decode_header(email.message_from_bytes(answer.data)["To"]))
    assert str(to).startswith(f'Größe "XL", <b>50%</b>, until {until} <')
    assert (draft["From"], draft["Date"], draft["Cc"], draft["Bcc"]) == (None, None, None, None)
    assert b"\r\n\r\n" in answer.data
    assert all(line.isascii() for line in answer.data.split(b"\r\n"))


def test_the_qr_code_is_a_picture_without_a_script_or_a_style(client: FlaskClient, mailing: Mailing) -> None:
    answer = client.get(f"/mailouts/{mailing.make().id}/address.svg")

    assert answer.content_type.startswith("image/svg+xml")
    assert b"style" not in answer.data
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_key_is_gone_from_the_page_once_it_is_of_no_use(client: FlaskClient, mailing: Mailing) -> None:
    for row in (mailing.starting(), mailing.cancelled()):
        page = client.get(f"/mailouts/{row.id}").text

        assert submission.key_address(row) not in page
        assert "mailto:" not in page
        assert client.get(f"/mailouts/{row.id}/draft.eml").status_code == 409
        # a page that was loading when the letter came shows nothing there, and no fault
        assert client.get(f"/mailouts/{row.id}/address.svg").data == draft.NOTHING


def test_the_key_stands_in_no_title_and_no_address_and_is_not_stored(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    key = submission.key_address(row).rpartition("-")[2].partition("@")[0]

    answer = client.get(f"/mailouts/{row.id}")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert key not in re.findall(r"<title>.*</title>", answer.text, re.S)[0]
    ours = [path for path in re.findall(r'(?:href|src|action|data-hx-\w+)="(/[^"]*)"', answer.text) if key in path]
    assert ours == []


def test_nobody_else_sees_the_key_or_presses_a_button(make: Make, client_of: ClientOf, mailing: Mailing) -> None:
    row, held = mailing.make(), mailing.held()
    other = client_of(make.user("priya@mail.test"))

    page = other.get(f"/mailouts/{row.id}").text

    assert submission.key_address(row).partition("@")[0] not in page
    assert "Cancel</button>" not in page
    for path in ("draft.eml", "address.svg"):
        assert other.get(f"/mailouts/{row.id}/{path}").status_code == 403
    assert other.get(f"/mailouts/{held.id}/letter").status_code == 403
    assert other.post(f"/mailouts/{held.id}/recipients.csv").status_code == 403
    for word in ("cancel", "stop", "pause", "resume", "release", "discard", "retry-failed", "test-copy"):
        assert other.post(f"/mailouts/{held.id}/{word}").status_code == 403
    assert state_of(held) is Phase.HELD


def test_an_administrator_steers_everybodys(make: Make, client_of: ClientOf, mailing: Mailing) -> None:
    row = mailing.make()
    chief = client_of(make.user("marlene@mail.test", administrator=True))

    assert submission.key_address(row) in chief.get(f"/mailouts/{row.id}").text
    assert chief.post(f"/mailouts/{row.id}/cancel").status_code == 303
    assert state_of(row) is Phase.CANCELLED


# -- what each button does ---------------------------------------------------------------------------------------------


def test_stop_ends_what_is_about_to_start_at_once(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.starting()

    answer = client.post(f"/mailouts/{row.id}/stop")

    assert answer.location == f"/mailouts/{row.id}"
    assert state_of(row) is Phase.CANCELLED


def test_stop_that_comes_a_moment_late_still_stops_and_asks(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent"])

    answer = client.post(f"/mailouts/{row.id}/stop")

    assert answer.location == f"/mailouts/{row.id}?sure=cancel"
    assert state_of(row) is Phase.PAUSED


def test_cancel_while_sending_pauses_first_and_then_asks_in_place(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent", "sent", "deferred"])

    asked = client.get(client.post(f"/mailouts/{row.id}/cancel").location).text
    still = state_of(row)
    client.post(f"/mailouts/{row.id}/cancel", data={"sure": "yes"})

    assert still is Phase.PAUSED
    assert "Nothing more goes out. Cancel it for the other 3?" in asked
    assert "2 copies have gone" in asked
    assert state_of(row) is Phase.CANCELLED


def test_pause_and_resume(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent"])

    client.post(f"/mailouts/{row.id}/pause")
    paused = client.get(f"/mailouts/{row.id}").text
    client.post(f"/mailouts/{row.id}/resume")

    assert "Paused by Jo, <time" in paused
    assert state_of(row) is Phase.SENDING


@pytest.mark.parametrize("word", ["pause", "stop", "discard"])
def test_a_second_press_of_the_same_button_is_no_fault(client: FlaskClient, mailing: Mailing, word: str) -> None:
    row = {"pause": mailing.sending, "stop": mailing.starting, "discard": mailing.held}[word]()

    answers = [client.post(f"/mailouts/{row.id}/{word}", headers=PARTIAL) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_what_can_not_be_done_now_is_said_on_the_page(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.cancelled()

    fragment = client.post(f"/mailouts/{row.id}/resume", headers=PARTIAL)
    page = client.post(f"/mailouts/{row.id}/resume")

    for answer in (fragment, page):
        assert answer.status_code == 409
        assert 'role="alert"' in answer.text
        assert f"Mail-out {row.id} is cancelled" in answer.text
    assert "<html" not in fragment.text
    assert "<html" in page.text


def test_an_unknown_press_or_mail_out_is_not_found(client: FlaskClient, mailing: Mailing) -> None:
    assert client.post(f"/mailouts/{mailing.make().id}/explode").status_code in (404, 405)
    assert client.post("/mailouts/999/pause").status_code == 404
    assert client.get("/mailouts/999").status_code == 404


def test_release_sends_to_everybody_and_says_to_how_many(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.held()

    page = client.get(f"/mailouts/{row.id}").text
    answers = [client.post(f"/mailouts/{row.id}/release") for _ in range(2)]

    assert "to <strong>5 customers</strong> in Newsletter" in page
    assert [answer.status_code for answer in answers] == [303, 303]
    assert state_of(row) is Phase.SENDING
    assert db.session.scalar(select(func.count()).where(Recipient.mailout_id == row.id)) == 5


def test_yes_and_remember_the_address(client: FlaskClient, mailing: Mailing, jo: User) -> None:
    row = mailing.make()
    mailing.arrive(row, author="jo.hartley@old.test")

    page = client.get(f"/mailouts/{row.id}").text
    client.post(f"/mailouts/{row.id}/release", data={"remember": "yes"})
    second = mailing.make()
    mailing.arrive(second, author="jo.hartley@old.test", subject="The next one")

    assert "Was this you?" in page
    assert "Not one of Jo’s addresses (jo@mail.test)" in page
    assert users.user_of_address("jo.hartley@old.test") == jo
    assert state_of(second) is Phase.STARTING


def test_release_alone_remembers_nothing(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    mailing.arrive(row, author="jo.hartley@old.test")

    client.post(f"/mailouts/{row.id}/release")

    assert state_of(row) is Phase.SENDING
    assert users.user_of_address("jo.hartley@old.test") is None


def test_a_test_copy_goes_to_oneself_alone_and_uses_nothing_up(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.held()
    key = submission.key_address(row).rpartition("-")[2].partition("@")[0]

    answers = [client.post(f"/mailouts/{row.id}/test-copy", headers=PARTIAL) for _ in range(2)]
    copies = list(db.session.scalars(select(Notice).where(Notice.kind == "test-copy")))

    assert "A test copy is on its way to jo@mail.test." in answers[0].text
    assert "A test copy is on its way to jo@mail.test already." in answers[1].text
    assert len(copies) == 1
    assert b"The price list is attached." in copies[0].raw
    assert b"To: Jo <jo@mail.test>" in copies[0].raw
    assert key.encode() not in copies[0].raw
    assert state_of(row) is Phase.HELD
    assert db.session.scalar(select(func.count()).where(Recipient.mailout_id == row.id)) == 0


def test_the_failed_and_the_uncertain_are_tried_again_from_their_own_rows(
    client: FlaskClient, mailing: Mailing
) -> None:
    row = mailing.complete(["sent", "sent", "failed", "failed", "uncertain"])

    page = client.get(f"/mailouts/{row.id}").text
    client.post(f"/mailouts/{row.id}/retry-failed")
    retried = state_of(row)
    settle(row, ["sent", "sent"])
    closing.close_finished(now())
    client.post(f"/mailouts/{row.id}/send-again-uncertain")

    assert "Try the failed again</button>" in page
    assert "Send again to the uncertain</button>" in page
    assert retried is Phase.SENDING
    assert db.session.scalar(select(Recipient.state).where(Recipient.mailout_id == row.id, Recipient.state == "queued"))
    settle(row, ["sent"])
    closing.close_finished(now())
    assert client.get(f"/mailouts/{row.id}").text.count("To jo@mail.test, after another try.") == 2


def test_every_press_is_in_the_journal(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent"])

    client.post(f"/mailouts/{row.id}/pause")

    entry = db.session.scalar(select(JournalEntry).where(JournalEntry.action == "mailout.pause"))
    assert entry is not None
    assert (entry.user_id, entry.subject) == (mailing.user.id, f"mail-out {row.id}")


def test_who_may_not_release_is_not_told_to_say_go(make: Make, client_of: ClientOf, mailing: Mailing, jo: User) -> None:
    row = mailing.held(author="home@else.test")
    watcher, boss = client_of(make.user("sam@mail.test")), client_of(make.user("ann@mail.test", administrator=True))

    watched, overseen = watcher.get(f"/mailouts/{row.id}").text, boss.get(f"/mailouts/{row.id}").text

    for page in (watched, watcher.get("/mailouts").text):
        assert "until you say go" not in page
        assert "Held until it is released" in page
    assert "It waits until it is released" in watched
    assert f"Was this {jo.name}?" in overseen
    assert "comes to you" not in overseen


def test_a_letter_without_a_sender_is_asked_about_as_one(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    raw = raw_letter(submission.key_address(row), author="x@mail.test")
    bring(raw.replace(b"From: x@mail.test\r\n", b""))

    page = client.get(f"/mailouts/{row.id}").text

    assert "It names nobody as its sender." in page
    assert "If it is yours, press Release. The copies go out from" in page
    assert "Without a sender" in page
    assert "belongs to no user" not in page


def test_a_letter_that_could_not_be_used_is_said_in_the_list_too(
    app: Flask, client: FlaskClient, mailing: Mailing
) -> None:
    row = mailing.make()
    app.extensions["mailout"] = replace(app.extensions["mailout"], max_message_bytes=100)
    mailing.arrive(row)
    pulse.well(pulse.MAILBOX, now())

    assert "a letter came, and could not be used" in client.get("/mailouts").text
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(expires_at=now()))
    db.session.commit()
    assert "No letter that could be used came" in client.get("/mailouts").text
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(expires_at=now() + timedelta(hours=1)))
    db.session.commit()
    assert "no other letter for it yet" in client.get(f"/mailouts/{row.id}").text


# -- send it after all -------------------------------------------------------------------------------------------------


def test_a_letter_that_came_too_late_is_sent_after_all(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(expires_at=now() - timedelta(minutes=1)))
    db.session.commit()
    done = bring(raw_letter(submission.key_address(fresh(row)), author="jo@mail.test"))
    assert done.why == Problem.KEY_EXPIRED

    path = f"/mailouts/late/{done.letter_id}"
    linked = client.get(f"/mailouts/{row.id}").text
    page = client.get(path).text
    answer = client.post(f"{path}/release")
    again = client.post(f"{path}/release")

    assert f'href="{path}"' in linked
    assert "It came after the key had expired" in page
    assert "to <strong>5 customers</strong> in Newsletter" in page
    assert client.get(answer.location).status_code == 200
    assert again.location == client.get(path).location == answer.location
    made = db.session.scalar(select(Mailout).where(Mailout.letter_id == done.letter_id))
    assert made is not None
    assert phase(made, now()) is Phase.SENDING


def test_what_was_sent_after_all_is_told_and_not_offered_again(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent"] * 5)
    done = bring(raw_letter(submission.key_address(row), author="jo@mail.test", subject="A second one"))

    made = client.post(f"/mailouts/late/{done.letter_id}/release").location
    of_old, of_new = client.get(f"/mailouts/{row.id}").text, client.get(made).text

    assert f"/mailouts/late/{done.letter_id}" not in of_old
    assert "Another letter came" not in of_old
    assert f"“A second one”, as mail-out {made.rpartition('/')[2]}." in of_old
    assert "made an address" not in of_new
    assert "Sent after all" in of_new
    assert f"It came with the used key of mail-out {row.id}." in of_new


def test_a_late_letter_of_a_stranger_says_so_before_release(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.starting()
    strangers = bring(raw_letter(submission.key_address(row), author="who@else.test", subject="Not mine"))
    mine = bring(raw_letter(submission.key_address(row), author="jo@mail.test", subject="Mine"))

    words = "That is nobody’s address here"
    assert words in client.get(f"/mailouts/late/{strangers.letter_id}").text
    assert words not in client.get(f"/mailouts/late/{mine.letter_id}").text


def test_a_late_letter_is_nobody_elses(make: Make, client_of: ClientOf, client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.starting()
    done = bring(raw_letter(submission.key_address(row), author="jo@mail.test", subject="Another"))
    other = client_of(make.user("priya@mail.test"))

    assert done.why == Problem.KEY_USED
    assert client.get(f"/mailouts/late/{done.letter_id}/letter").status_code == 200
    assert other.get(f"/mailouts/late/{done.letter_id}").status_code == 403
    assert other.get(f"/mailouts/late/{done.letter_id}/letter").status_code == 403
    assert other.post(f"/mailouts/late/{done.letter_id}/release").status_code == 403
    assert client.get("/mailouts/late/999").status_code == 404
    assert db.session.scalar(select(func.count()).select_from(Letter)) == 2


# -- the strip ---------------------------------------------------------------------------------------------------------


def test_the_strip_runs_on_every_page_while_something_sends(client: FlaskClient, mailing: Mailing) -> None:
    quiet = client.get("/customers").text
    row = mailing.sending(["sent", "sent"], subject="Spring coats")

    page, own = client.get("/customers").text, client.get(f"/mailouts/{row.id}").text
    strip = client.get("/mailouts/strip", headers=PARTIAL)
    same = client.get("/mailouts/strip", headers=PARTIAL | {"HX-PTag": strip.headers["HX-PTag"]})
    client.post(f"/mailouts/{row.id}/pause")
    over = client.get("/mailouts/strip", headers=PARTIAL).text

    assert 'id="strip"' not in quiet
    assert "Spring coats</bdi></a>" in page
    assert "is sending · 2 of 5" in page
    assert 'id="strip"' not in own
    assert same.status_code == 304
    assert "data-hx-get" not in over
