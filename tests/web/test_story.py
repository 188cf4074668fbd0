"""The page of a mail-out: one story, a live panel that costs nothing while nothing happens, the letter in its frame,
the ledger, the recipients.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, event, select, update

from mailout import pulse
from mailout.book import customers, lists, suppression
from mailout.core.delivery import State
from mailout.core.phase import Counts
from mailout.core.returning.diagnosis import Cause
from mailout.intake import adoption, retention, submission
from mailout.journal import COMMAND, Actor
from mailout.models import Letter, LetterBytes, Mailout, Notice, Recipient, Suppressed, User, db
from mailout.outbox import closing, steering
from mailout.setting_values import Rate
from mailout.web.mailouts import outcome
from mailout.web.mailouts.outcome import Row
from mailout.web.story import pace
from mailout.web.story.pace import Pace
from tests.makers import Make
from tests.web.conftest import Clock
from tests.web.mailing import PARTIAL, Mailing, bring, fresh, now, settle

ClientOf = Callable[[User | None], FlaskClient]
FIVE = [f"c{number}@customers.test" for number in range(1, 6)]
EVIL = '"><img src=x onerror=alert(1)>{{7*7}}'


@pytest.fixture
def jo(make: Make) -> User:
    return make.user("jo@mail.test")


@pytest.fixture
def mailing(make: Make, jo: User) -> Mailing:
    return Mailing(jo, make.list("Newsletter", FIVE))


@pytest.fixture
def client(client_of: ClientOf, jo: User) -> FlaskClient:
    return client_of(jo)


def steps(page: str) -> list[str]:
    """The headings of the story, in order."""
    story = page.partition('<ol class="story">')[2].partition("<aside")[0]
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", story)


# -- the story ---------------------------------------------------------------------------------------------------------


def test_a_mail_out_that_waits_tells_what_to_do_and_what_comes(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make(ago=timedelta(minutes=1))
    pulse.well(pulse.MAILBOX, now() - timedelta(seconds=4))

    page = client.get(f"/mailouts/{row.id}").text

    assert steps(page) == [
        "Created",
        "Write your letter and send it",
        "It arrives, and waits 30 seconds",
        "5 copies go out, one by one",
        "“Mail-out complete” comes to you by email",
    ]
    assert "<h1" in page
    assert "A letter to Newsletter" in page
    assert "Don’t change “To:”." in page
    assert re.search(r"Mailbox read <time [^>]+>[45] seconds ago</time>, nothing for you yet", page)
    assert "23 h 59 min left" in page


def test_what_was_heard_of_the_mailbox_before_the_press_is_not_told(client: FlaskClient, mailing: Mailing) -> None:
    pulse.ill(pulse.MAILBOX, "It does not answer.", now() - timedelta(seconds=20))

    page = client.get(f"/mailouts/{mailing.make().id}").text

    assert "The mailbox is read in a moment" in page
    assert "It does not answer" not in page


def test_the_story_goes_on_as_things_happen(client: FlaskClient, mailing: Mailing) -> None:
    held, starting = mailing.held(), mailing.starting()
    moving, over = mailing.sending(["sent"]), mailing.complete(["sent"] * 5)

    def told(row: Mailout) -> list[str]:
        return steps(client.get(f"/mailouts/{row.id}").text)

    assert told(held)[:3] == ["Created", "Your letter arrived", "Read it once more, then release it"]
    assert told(starting)[:3] == ["Created", "Your letter arrived", "It starts in a moment"]
    assert told(moving) == [
        "Created",
        "Your letter arrived",
        "Sending began",
        "Sending",
        "“Mail-out complete” comes to you by email",
    ]
    assert told(over) == [
        "Created",
        "Your letter arrived",
        "Sending began",
        "Complete",
        "“Mail-out complete” is on its way",
        "Two days on, one mail sums up what came back",
    ]


def test_what_was_wrong_with_the_last_letter_is_said_where_the_user_looks(
    app: Flask, client: FlaskClient, mailing: Mailing
) -> None:
    row = mailing.make()
    app.extensions["mailout"] = replace(app.extensions["mailout"], max_message_bytes=100)

    mailing.arrive(row)
    page = client.get(f"/mailouts/{row.id}").text

    assert "A letter came, and could not be used" in page
    assert "Your letter is larger than a mail-out may be." in page
    assert "The key is still good" in page
    assert "mailto:" in page
    assert 'id="mailout-said">A letter came, and could not be used.<' in page


def test_after_another_try_the_story_is_still_told_in_its_order(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["failed"] + ["sent"] * 4)
    long_ago = now() - timedelta(hours=3)
    db.session.execute(update(Recipient).where(Recipient.notice_id.is_not(None)).values(settled_at=long_ago))
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(started_at=long_ago, finished_at=long_ago))
    db.session.commit()
    assert slip(client.get(f"/mailouts/{row.id}").text)["Took"] == "less than a minute"
    steering.once_more(row.id, State.FAILED, COMMAND, now())
    db.session.commit()
    settle(row, ["sent"])
    closing.close_finished(now())

    page = client.get(f"/mailouts/{row.id}").text

    told = steps(page)
    assert told.index("“Mail-out complete” is on its way") < told.index("Complete")
    assert told.count("“Mail-out complete” is on its way") == 2
    assert "Took" not in slip(page)  # the hours between were not spent sending


def test_what_a_letter_would_be_refused_for_is_said_before_it_is_written(
    client: FlaskClient, make: Make, jo: User, mailing: Mailing
) -> None:
    fine, nobody, archived = mailing.make(), Mailing(jo, make.list("Nobody")).make(), mailing.make()

    said = client.get(f"/mailouts/{nobody.id}").text
    assert "Nobody would get it. Include customers in Nobody first" in said
    assert "0 copies" not in said
    assert "would get it" not in client.get(f"/mailouts/{fine.id}").text
    lists.archive(archived.list_id, actor=COMMAND, now=now())
    db.session.commit()
    assert "Newsletter is archived: a letter to it is not sent." in client.get(f"/mailouts/{archived.id}").text


def test_an_expired_and_a_cancelled_one_say_what_to_do_next(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(expires_at=now()))
    db.session.commit()

    expired, cancelled = client.get(f"/mailouts/{row.id}").text, client.get(f"/mailouts/{mailing.cancelled().id}").text

    assert "No letter came in time" in expired
    assert "A letter that still comes to it is kept for 30 days" in expired
    assert "Nothing was sent" in cancelled
    for page in (expired, cancelled):
        assert f'href="/mailouts/new?list={mailing.list.id}"' in page


def test_one_stopped_in_time_says_that_nothing_was_sent(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.starting()
    steering.cancel(row.id, COMMAND, now())
    closing.close_finished(now())

    page = client.get(f"/mailouts/{row.id}").text

    assert "before any copy went, and no customer has heard of it" in page
    assert f'href="/mailouts/new?list={mailing.list.id}"' in page
    assert "Identical" not in page
    assert "taken back" not in page


def test_one_cancelled_in_the_middle_says_that_the_complete_mail_comes(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent", "sent"])
    steering.cancel(row.id, COMMAND, now())
    db.session.commit()

    before = steps(client.get(f"/mailouts/{row.id}").text)
    closing.close_finished(now())

    assert before[-1] == "“Mail-out complete” comes by email"
    assert "“Mail-out complete” is on its way" in steps(client.get(f"/mailouts/{row.id}").text)


def test_the_page_is_live_until_the_complete_mail_is_sent(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent", "sent"])
    steering.cancel(row.id, COMMAND, now())
    db.session.commit()

    def page() -> str:
        return client.get(f"/mailouts/{row.id}").text

    asks = f'data-hx-get="/mailouts/{row.id}/panel"'
    assert asks in page()
    closing.close_finished(now())
    assert asks in page()
    told = select(Recipient.id).join(Notice, Notice.id == Recipient.notice_id).where(Notice.mailout_id == row.id)
    db.session.execute(update(Recipient).where(Recipient.id.in_(told)).values(state=State.SENT, settled_at=now()))
    db.session.commit()
    assert asks not in page()
    assert "“Mail-out complete” was sent" in steps(page())


def test_the_letter_can_be_looked_at_as_long_as_it_is_kept(
    client: FlaskClient, client_of: ClientOf, mailing: Mailing, make: Make
) -> None:
    starting, over = mailing.starting(subject="Spring"), mailing.complete(["sent"] * 5)
    waiting, held = mailing.make(), mailing.held()

    for row in (starting, over):
        way = f'href="/mailouts/{row.id}/preview"'
        assert way in client.get(f"/mailouts/{row.id}").text
        letter = client.get(f"/mailouts/{row.id}/preview").text
        assert f'src="/mailouts/{row.id}/letter"' in letter
        assert "jo@mail.test" in letter
    assert "nothing is attached" in client.get(f"/mailouts/{starting.id}/preview").text  # there is still time
    assert f'action="/mailouts/{starting.id}/stop"' in client.get(f"/mailouts/{starting.id}/preview").text
    assert "nothing is attached" not in client.get(f"/mailouts/{over.id}/preview").text
    assert "/stop" not in client.get(f"/mailouts/{over.id}/preview").text
    assert f"/mailouts/{held.id}/preview" not in client.get(f"/mailouts/{held.id}").text  # it lies on the sheet
    assert client.get(f"/mailouts/{waiting.id}/preview").status_code == 404
    other = client_of(make.user("ann@mail.test"))
    assert f"/mailouts/{over.id}/preview" not in other.get(f"/mailouts/{over.id}").text
    assert other.get(f"/mailouts/{over.id}/preview").status_code == 403
    db.session.execute(delete(LetterBytes))
    db.session.commit()
    assert "/preview" not in client.get(f"/mailouts/{over.id}").text


def test_what_ended_by_itself_says_so(app: Flask, client: FlaskClient, mailing: Mailing) -> None:
    discarded, cancelled = mailing.held(), mailing.held(subject="Another")
    week = {"held_at": now() - retention.HELD - timedelta(hours=1)}
    db.session.execute(update(Mailout).where(Mailout.id == discarded.id).values(week))
    retention.discard_held(now())
    steering.discard(cancelled.id, Actor(mailing.user.id, "Jo"), now())
    db.session.commit()

    assert "Nobody released it within 7 days, so it was discarded" in client.get(f"/mailouts/{discarded.id}").text
    assert "Jo cancelled it before any copy went" in client.get(f"/mailouts/{cancelled.id}").text


def test_an_expired_one_says_whether_a_letter_came(client: FlaskClient, mailing: Mailing) -> None:
    silent, refused = mailing.make(ago=timedelta(hours=25)), mailing.make(ago=timedelta(hours=25))
    db.session.execute(update(Mailout).where(Mailout.id == refused.id).values(problem="too-large", problem_at=now()))
    db.session.commit()

    assert '<h2 id="sheet-title" tabindex="-1">No letter came in time' in client.get(f"/mailouts/{silent.id}").text
    assert "No letter that could be used came in time" in client.get(f"/mailouts/{refused.id}").text


@pytest.mark.parametrize("elsewhere", [False, True])
def test_pictures_from_the_web_are_not_said_to_be_inside(
    client: FlaskClient, mailing: Mailing, *, elsewhere: bool
) -> None:
    row = mailing.make(check_first=True)
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = mailing.user.email, submission.key_address(row), "Pictures"
    web = '<img src="https://pictures.test/a.png">' if elsewhere else ""
    letter.set_content(f'<p>Hello</p><img src="cid:one">{web}', subtype="html")
    letter.add_related(b"GIF89a", "image", "gif", cid="<one>")
    bring(letter.as_bytes(policy=SMTP))

    page = client.get(f"/mailouts/{row.id}").text

    assert "1 picture inside the letter" in page
    assert ("A picture is loaded from the web" in page) is elsewhere
    assert ("nothing loaded from elsewhere" in page) is not elsewhere


def slip(page: str) -> dict[str, str]:
    """The facts beside the story."""
    return dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page.partition('id="slip-title"')[2]))


def test_the_slip_says_to_whom_it_goes_and_whom_it_went_to(client: FlaskClient, mailing: Mailing) -> None:
    waiting, over, taken_back = mailing.make(), mailing.complete(["sent"] * 5), mailing.cancelled()
    partly = mailing.complete(["sent", "failed", "sent", "bounced", "failed"])
    stopped, late = mailing.sending(["sent", "uncertain"]), mailing.make()
    steering.cancel(stopped.id, COMMAND, now())
    db.session.execute(update(Mailout).where(Mailout.id == late.id).values(expires_at=now()))
    db.session.commit()

    def told(row: Mailout) -> dict[str, str]:
        return slip(client.get(f"/mailouts/{row.id}").text)

    assert told(waiting)["Goes to"] == "5 customers"
    assert told(over)["Went to"] == "5 customers"
    assert "Outcome kept until" in told(over)
    assert told(stopped)["Went to"] == "2 of 5 customers"
    assert told(partly)["Went to"] == "3 of 5 customers"
    for row in (taken_back, late):
        assert not {"Goes to", "Went to"} & told(row).keys()


def test_what_starts_says_in_how_many_seconds_and_is_announced_once(
    client: FlaskClient, mailing: Mailing, clock: Clock
) -> None:
    row = mailing.starting()
    assert row.starts_at
    clock.at = row.starts_at - timedelta(seconds=29)

    page = client.get(f"/mailouts/{row.id}").text

    assert re.search(r"Starts in <span data-until=\"[^\"]+\" data-words>29 seconds</span>", page)
    assert 'id="mailout-said">About to start.<' in page


def test_a_sandbox_that_had_not_started_when_it_was_asked_is_no_trouble(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    pulse.ill(pulse.MAILBOX, adoption.NO_MAILBOX, now())

    page = client.get(f"/mailouts/{row.id}").text

    assert "The mailbox is read in a moment" in page
    assert "can’t be read now" not in page


def test_customers_who_wrote_back_or_called_it_spam_are_counted(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent"] * 5)
    for number, verdict in enumerate(("reply", "reply", "complaint", "bounce")):
        came = {"digest": str(number), "received_at": now(), "size": 1, "verdict": verdict, "mailout_id": row.id}
        db.session.add(Letter(**came))
    db.session.commit()

    told = steps(client.get(f"/mailouts/{row.id}").text)

    assert "2 customers wrote back" in told
    assert "1 customer marked it as spam" in told


def test_a_relay_that_is_out_is_amber_and_nobody_is_lost(client: FlaskClient, mailing: Mailing, clock: Clock) -> None:
    row = mailing.sending(["sent", "sent"])
    clock.at = now()
    pulse.ill(pulse.RELAY, "It refuses the connection.", clock.at, clock.at + timedelta(seconds=38))

    page = client.get(f"/mailouts/{row.id}").text

    assert "Sending, but your mail provider does not answer" in page
    assert "Nobody is lost, nobody is marked as failed, and nobody gets it twice." in page
    assert "It refuses the connection." in page
    assert "After 15 minutes, we write to the Administrators" in page
    assert "The other 3 copies go out" in page
    assert re.search(r"Next try in <strong [^>]+>38 seconds</strong>, at ", page)


def test_a_relay_that_is_out_is_tried_at_a_press(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent", "sent"])
    pulse.ill(pulse.RELAY, "It refuses the connection.", now(), now() + timedelta(seconds=38))

    page = client.post(f"/mailouts/{row.id}/try-now", headers=PARTIAL).text

    assert pulse.is_asked_for(pulse.RELAY)
    assert pulse.of(pulse.RELAY).trouble == "It refuses the connection."
    assert "Being tried at this moment" in page


def test_nothing_is_tried_before_a_limit_of_the_relay_is_over(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent"])
    until = now() + timedelta(hours=1)
    pulse.well(pulse.RELAY, now())
    pulse.line(pulse.RELAY, 1, "Your mail provider's limit is reached.", until)

    page = client.post(f"/mailouts/{row.id}/try-now", headers=PARTIAL).text

    assert "Try now" not in page
    assert pulse.of(pulse.RELAY).waits_until == until


def test_a_reached_limit_says_until_when(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.sending(["sent"])
    words = "Your mail provider's limit is reached. It said: 452 daily limit"
    pulse.well(pulse.RELAY, now())
    pulse.line(pulse.RELAY, 1, words, now() + timedelta(hours=9))

    page = client.get(f"/mailouts/{row.id}").text

    assert "Your mail provider’s limit is reached" in page
    assert "It said: 452 daily limit" in page
    assert "Next try at" in page
    assert "After 15 minutes" not in page


def test_a_worker_that_is_silent_is_said(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.starting()
    silent = client.get(f"/mailouts/{row.id}").text
    pulse.well(pulse.WORKER, now())

    well = client.get(f"/mailouts/{row.id}").text

    assert "has not been heard of yet" in silent
    assert "has not been heard of yet" not in well


def test_whatever_comes_from_outside_stays_text(client: FlaskClient, make: Make, jo: User, mailing: Mailing) -> None:
    make.customer("evil@customers.test", EVIL[:100], EVIL[:100])
    evil = Mailing(jo, make.list(EVIL, ["evil@customers.test"]))
    row = evil.complete(["failed"], subject=EVIL)
    db.session.execute(update(Recipient).where(Recipient.mailout_id == row.id).values(reply=EVIL, name=EVIL))
    db.session.commit()
    held = evil.held(subject=EVIL, body=EVIL)
    waiting = evil.make()

    for path in ("/mailouts", f"/mailouts/{row.id}", f"/mailouts/{row.id}/recipients", f"/mailouts/{held.id}",
                 f"/mailouts/{waiting.id}", f"/mailouts/{row.id}/panel", "/mailouts?q=" + "%22%3E%3Cimg"):  # fmt: skip
        page = client.get(path).text

        assert "<img src=x" not in page, path
        assert "49</" not in page, path


# -- the live panel ----------------------------------------------------------------------------------------------------


def tag_of(page: str) -> str:
    found = re.search(r'data-hx-ptag="([0-9a-f]+)"', page)
    assert found
    return found[1]


def test_an_unchanged_panel_is_not_drawn_again(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make()
    tag = tag_of(client.get(f"/mailouts/{row.id}").text)

    same = client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL | {"HX-PTag": tag})
    mailing.arrive(row)
    other = client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL | {"HX-PTag": tag})

    assert (same.status_code, same.data) == (304, b"")
    assert other.status_code == 200
    assert "It starts in a moment" in other.text
    assert '<span id="mailout-title" data-hx-swap-oob="outerMorph">Spring news</span>' in other.text
    assert "<title>Spring news · Mailout</title>" in other.text
    assert "<html" not in other.text


def test_the_panel_asks_no_more_when_it_is_over(client: FlaskClient, mailing: Mailing) -> None:
    rows = [mailing.complete(["sent"] * 5), mailing.cancelled()]
    assert "/panel" in client.get(f"/mailouts/{rows[0].id}").text  # the mail that tells of it is on its way
    long_ago = {"finished_at": now() - timedelta(hours=1)}
    db.session.execute(update(Mailout).where(Mailout.id == rows[0].id).values(long_ago))
    db.session.commit()

    for row in rows:
        panel = client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL).text

        assert 'id="mailout"' in panel
        assert "data-hx-get" not in panel.partition(">")[0]
        assert "data-hx-trigger" not in panel


def test_an_open_page_has_the_mailbox_read_often(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.make(ago=timedelta(hours=2))

    client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL)

    watched = fresh(row).watched_at
    assert watched is not None
    assert now() - watched < timedelta(seconds=5)


def test_a_counter_is_announced_at_steps_only(client: FlaskClient, make: Make, jo: User) -> None:
    mailing = Mailing(jo, make.list("Many", [f"c{number}@customers.test" for number in range(20)]))
    row = mailing.sending(["sent"] * 5)

    def said() -> str:
        page = client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL).text
        found = re.search(r'id="mailout-said"[^>]*>([^<]+)', page)
        assert found
        return found[1]

    quarter = said()
    query = select(Recipient.id).where(Recipient.mailout_id == row.id, Recipient.state == "queued").limit(1)
    next_one = db.session.scalar(query)
    db.session.execute(update(Recipient).where(Recipient.id == next_one).values(state="sent", dot_at=now()))
    db.session.commit()

    assert quarter == "Sending: 4 of 20."
    assert said() == "Sending: 6 of 20."


def test_the_panel_asks_as_many_questions_for_a_thousand_as_for_five(client: FlaskClient, make: Make, jo: User) -> None:
    def questions(count: int) -> int:
        row = Mailing(jo, make.list(f"List {count}", [f"c{number}@customers.test" for number in range(count)])).sending(
            ["sent"]
        )
        asked = []
        listen = lambda *rest: asked.append(rest[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        client.get(f"/mailouts/{row.id}/panel", headers=PARTIAL)
        event.remove(db.engine, "before_cursor_execute", listen)
        return len(asked)

    assert questions(5) == questions(100)


# -- the letter in its frame -------------------------------------------------------------------------------------------


def test_the_letter_is_shown_as_it_goes_in_a_frame_that_reaches_nothing(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.held(body='<p>Hi</p><script>alert(1)</script><img src="https://elsewhere.test/x.png">')

    page = client.get(f"/mailouts/{row.id}").text
    frame = client.get(f"/mailouts/{row.id}/letter")
    text = client.get(f"/mailouts/{row.id}/letter?as=text")

    policy = frame.headers["Content-Security-Policy"]
    assert re.search(r"<iframe [^>]*sandbox[ >]", page)
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "<script" not in frame.text
    assert "elsewhere.test" not in frame.text
    assert "Hi" in frame.text
    assert "Happy Paws" in frame.text, "the unsubscribe line is what recipients see too"
    assert "<pre>Hi" in text.text


def test_the_checks_are_said_before_release(client: FlaskClient, mailing: Mailing) -> None:
    page = client.get(f"/mailouts/{mailing.held().id}").text

    assert "attached" in page.partition('aria-label="What we looked at"')[2].partition("</ul>")[0]
    assert "The key and your customers’ addresses are nowhere in it" in page


def test_a_letter_that_is_not_kept_any_more_is_said(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.held()
    db.session.execute(LetterBytes.__table__.delete())
    db.session.commit()

    assert "The letter is not kept any more" in client.get(f"/mailouts/{row.id}").text
    assert client.get(f"/mailouts/{row.id}/letter").status_code == 404


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_the_ledger_has_a_row_for_each_state_with_its_reasons(client: FlaskClient, mailing: Mailing) -> None:
    suppression.suppress(
        customers.by_email("c5@customers.test").id, Suppressed.BY_HAND, "asked", actor=COMMAND, now=now()
    )
    db.session.commit()
    row = mailing.complete(["sent", "failed", "uncertain", "bounced"])

    page = client.get(f"/mailouts/{row.id}").text
    ledger = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition('<ul class="ledger">')[2].partition("</ul>")[0])
    )

    assert "1 Accepted by your mail provider The furthest anyone can see." in ledger
    assert "1 Bounced Address does not exist." in ledger
    assert "1 Failed Address does not exist." in ledger
    assert "1 Uncertain They may have it" in ledger
    assert "1 Skipped Stopped by hand." in ledger
    assert "of 4 accepted by your mail provider" in page
    assert "delivered" not in page.lower()


def test_the_seal_says_that_it_went_out_as_written(client: FlaskClient, mailing: Mailing) -> None:
    page = client.get(f"/mailouts/{mailing.complete(['sent'] * 5).id}").text

    assert "<h3>Identical</h3>" in page
    assert "Text went out as you wrote it, byte for byte." in page


def test_a_flood_of_returns_is_the_letters_fault(client: FlaskClient, make: Make, jo: User) -> None:
    many = Mailing(jo, make.list("Many", [f"c{number}@customers.test" for number in range(40)]))
    row = many.complete(["bounced"] * 21 + ["sent"] * 19)

    assert "No address is blamed for it" in client.get(f"/mailouts/{row.id}").text


def test_a_refusal_is_said_plainly_and_every_cause_has_its_words() -> None:
    assert (
        outcome.refusal_words(550, "5.1.1", "<x>: Recipient address rejected: User unknown") == "address does not exist"
    )
    assert outcome.refusal_words(452, "4.2.2", "mailbox full") == "mailbox full"
    assert outcome.refusal_words(554, "", "no") == "refused by the server"
    assert outcome.refusal_words(0, "", "the copy could not be made: x") == "no copy could be made"
    assert set(outcome.CAUSES) == set(Cause)


def test_whatever_is_not_nought_can_be_seen_on_the_bar() -> None:
    bars = outcome.bars(
        [Row("sent", 100_000, ""), Row("failed", 1, ""), Row("skipped", 9, ""), Row("uncertain", 1, "")]
    )

    assert [bar.tone for bar in bars] == ["good", "bad", "look"]
    assert all(bar.width >= 7 for bar in bars)
    assert bars[-1].x + bars[-1].width <= 1000
    assert outcome.bars([]) == ()
    assert outcome.rows(1, Counts(), brief=False) == ()


# -- the recipients ----------------------------------------------------------------------------------------------------


def test_the_recipients_are_shown_by_state_with_the_servers_words(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent", "failed", "uncertain", "bounced", "sent"])

    failed = client.get(f"/mailouts/{row.id}/recipients?state=failed").text
    everyone = client.get(f"/mailouts/{row.id}/recipients", headers=PARTIAL).text
    found = client.get(f"/mailouts/{row.id}/recipients?q=c4@", headers=PARTIAL).text

    assert "c2@customers.test" in failed
    assert "Address does not exist" in failed
    assert "550 5.1.1 &lt;gone&gt;: user unknown" in failed
    assert "c1@customers.test" not in failed
    assert everyone.count("@customers.test") == 5
    assert found.count("@customers.test") == 1
    assert client.get(f"/mailouts/{row.id}/recipients?state=delivered").status_code == 404


def test_every_try_is_counted_also_those_before_another_round(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["failed"] + ["sent"] * 4)
    steering.once_more(row.id, State.FAILED, COMMAND, now())
    db.session.commit()
    settle(row, ["failed"])

    page = client.get(f"/mailouts/{row.id}/recipients?state=failed").text

    assert page.count("user unknown") == 2
    assert re.search(r'data-label="Tries">2<', page)


def test_the_recipients_have_pages(client: FlaskClient, make: Make, jo: User) -> None:
    many = Mailing(jo, make.list("Many", [f"c{number}@customers.test" for number in range(35)]))
    row = many.starting()

    second = client.get(f"/mailouts/{row.id}/recipients?page=2", headers=PARTIAL).text

    assert second.count("@customers.test") == 10
    assert "26–35 of 35" in second


def test_everyone_as_csv_is_safe_and_is_noted(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent", "failed"])
    db.session.execute(update(Recipient).where(Recipient.mailout_id == row.id).values(name="=HYPERLINK(1)"))
    db.session.commit()

    answer = client.post(f"/mailouts/{row.id}/recipients.csv")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert f"mail-out-{row.id}-recipients.csv" in answer.headers["Content-Disposition"]
    assert answer.text.count("\n") >= 6
    assert ",=HYPERLINK" not in answer.text
    assert ',"=HYPERLINK' not in answer.text
    assert client.get(f"/mailouts/{row.id}/recipients.csv").status_code == 405


# -- the clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_second", "rates", "copies", "minutes"),
    [
        (0, (Rate(30, 60),), 3000, 99),
        (0, (Rate(10_000, 86_400),), 3000, None),
        (10, (Rate(10_000, 86_400),), 3000, 5),
        (10, (Rate(1000, 86_400),), 3000, 2 * 1440),
        (0.5, (), 60, 2),
        (0, (), 60, None),
        (0, (Rate(30, 60),), 0, 0),
    ],
)
def test_how_long_a_number_of_copies_takes(
    per_second: float, rates: tuple[Rate, ...], copies: int, minutes: int | None
) -> None:
    span = Pace(per_second, rates).time_for(copies)

    assert span == (None if minutes is None else timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("gone_ago", "copies", "seconds"),
    [
        ([0] * 30, 5, 60),  # the minute's worth is used up: the next goes when it is over
        ([40] * 30, 5, 20),
        ([50] * 10 + [10] * 20, 10, 10),
        ([50] * 10 + [10] * 20, 20, 50),
        ([90] * 30, 5, 0),
        ([0] * 20, 10, 0),
        ([0] * 20, 40, 60),
        ([0] * 30, 65, 3 * 60),
    ],
)
def test_what_a_limit_has_no_room_for_waits_its_time(gone_ago: list[float], copies: int, seconds: int) -> None:
    newest_first = sorted(gone_ago)

    def age(back: int) -> float | None:
        return newest_first[back] if back < len(newest_first) else None

    assert Pace(1000, (Rate(30, 60),), age).time_for(copies) == timedelta(seconds=max(seconds, copies / 1000))


def test_a_limit_that_is_used_up_is_foretold_where_it_sends_and_where_one_is_made(
    app: Flask, client: FlaskClient, make: Make, jo: User
) -> None:
    app.extensions["mailout"] = replace(app.extensions["mailout"], rates=(Rate(4, 86_400),))
    row = Mailing(jo, make.list("Many", [f"c{number}@customers.test" for number in range(8)])).sending(["sent"] * 4)

    moving = client.get(f"/mailouts/{row.id}").text
    assert re.search(r"<strong>About 24 h</strong> left, until <time [^>]+>[A-Z][a-z]{2} \d+:\d\d [ap]m<", moving)
    assert "<strong>About 3 days</strong>" in client.get(f"/mailouts/new?list={row.list_id}").text


def test_a_few_copies_at_once_are_no_speed(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent"] * 5)

    def page_when(*seconds: float) -> str:
        for recipient, after in zip(db.session.scalars(select(Recipient.id)).all(), seconds, strict=False):
            gone = {"state": "sent" if after >= 0 else "failed", "dot_at": now() + timedelta(seconds=abs(after))}
            db.session.execute(update(Recipient).where(Recipient.id == recipient).values(**gone))
        db.session.commit()
        return client.get(f"/mailouts/new?list={row.list_id}").text

    # three connections: the first copy of each comes in at the same moment
    assert "is known once a first letter has gone out" in page_when(0, 0.001, 0.002, -1, -1)
    assert "Less than a minute</strong> at 12 a minute" in page_when(0, 0.001, 0.002, 9.999, 10)


def test_the_speed_of_an_older_mail_out_is_told_while_the_newest_has_none(
    client: FlaskClient, mailing: Mailing
) -> None:
    mailing.complete(["sent"] * 5)
    mailing.sending([])

    assert "is known once a first letter" not in client.get(f"/mailouts/new?list={mailing.list.id}").text


def test_what_is_older_than_a_week_keeps_its_time_of_day(client: FlaskClient, mailing: Mailing) -> None:
    row = mailing.complete(["sent"] * 5)
    long_ago = datetime(2026, 1, 5, 0, 20, tzinfo=UTC)  # in Sydney 11:20 am
    db.session.execute(update(Mailout).where(Mailout.id == row.id).values(created_at=long_ago))
    db.session.commit()

    page = client.get(f"/mailouts/{row.id}").text

    assert re.search(r"<time datetime=\"2026-01-05T00:20:00[^>]+>5 January( 2026)?<br>11:20 am</time>", page)


def test_lengths_and_speeds_in_words() -> None:
    assert pace.about(timedelta(seconds=20)) == "less than a minute"
    assert pace.about(timedelta(minutes=1)) == "1 minute"
    assert pace.roughly(timedelta(seconds=20)) == "Less than a minute"
    assert pace.roughly(timedelta(minutes=1)) == "About 1 minute"
    assert pace.about(timedelta(minutes=100)) == "1 h 40 min"
    assert pace.about(timedelta(hours=5)) == "5 h"
    assert pace.about(timedelta(days=3)) == "3 days"
    assert pace.speed_words(0) == ""
    assert pace.speed_words(12.2) == "12 a second"
    assert pace.speed_words(0.5) == "30 a minute"
    assert pace.speed_words(0.01) == "36 an hour"
    assert Pace(0, (Rate(30, 60),)).words(100) == "30 a minute"
    assert Pace(40, (Rate(10_000, 86_400),)).words(100) == "40 a second"
    assert Pace(0, (Rate(100, 7200),)).words(1000) == "100 in 7,200 seconds"
