"""System, inbox log, audit log, support, help, /healthz: the quiet pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from mailout import pulse
from mailout import settings as mailout_settings
from mailout.core.problem import Problem
from mailout.current import settings
from mailout.doctor import names
from mailout.intake import adoption, submission
from mailout.journal import Actor, note
from mailout.models import JournalEntry, Letter, LetterBytes, Mailbox, Notice, Pulse, SupportRequest, User, db
from mailout.web import ROOT
from mailout.web.help.manual import PAGES
from mailout.web.upkeep import audit
from tests.conftest import environment
from tests.doctor.name_server import Zone, name_server
from tests.makers import Make
from tests.web.mailing import Mailing

Clients = Callable[[User | None], FlaskClient]
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
MARKUP = '"><img src=x onerror=alert(1)>{{7*7}}'
SAFE_MARKUP = "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;{{7*7}}"


@pytest.fixture
def admin(client_of: Clients, make: Make) -> FlaskClient:
    """The browser of an Administrator."""
    return client_of(make.user("jo@mail.test", administrator=True))


def letter(subject: str, verdict: str = "other", **more: object) -> Letter:
    """A letter that came."""
    values = {"author": "a@b.test", "why": "", "spool": "handled", "size": 2000} | more
    row = Letter(
        digest=f"{subject}{verdict}", received_at=datetime.now(UTC), subject=subject, verdict=verdict, **values
    )
    db.session.add(row)
    db.session.flush()
    db.session.add(
        LetterBytes(
            letter_id=row.id, raw=f"Subject: {subject}\r\nX-Odd : =?utf-8?q?caf=C3=A9?=\r\n\r\n{MARKUP}\r\n".encode()
        )
    )
    db.session.commit()
    return row


@pytest.mark.parametrize("path", ["/audit", "/inbox", "/support/requests"])
def test_a_page_beyond_the_last_is_the_last(admin: FlaskClient, path: str) -> None:
    letter("Hello")
    admin.post("/support", data={"subject": "Hello", "message": "Hello"})

    assert "Hello" in admin.get(f"{path}?page=7").text


class TestSystem:
    """How everything is, and the buttons."""

    def test_all_is_well(self, admin: FlaskClient) -> None:
        for name in (pulse.WORKER, pulse.MAILBOX, pulse.RELAY):
            pulse.well(name, datetime.now(UTC))
        adoption.objection(adoption.server(settings()), 0, datetime.now(UTC))

        page = admin.get("/system").text

        assert "All is well" in page
        assert "Web and worker are alive" in page
        assert re.search(r"\d GB free", page)

    def test_what_is_broken_is_said_first_and_with_its_meaning(self, admin: FlaskClient) -> None:
        now = datetime.now(UTC)
        pulse.well(pulse.WORKER, now - timedelta(minutes=4))
        pulse.ill(pulse.MAILBOX, "The mailbox refused our password.", now, now + timedelta(minutes=2))

        page = admin.get("/system").text

        assert "2 things are broken" in page
        assert "The mailbox refused our password." in page
        assert "none are lost" in page
        assert "The worker does not run" in page

    def test_a_mailbox_asked_for_before_the_sandbox_served_is_nothing_broken(self, admin: FlaskClient) -> None:
        pulse.ill(pulse.MAILBOX, adoption.NO_MAILBOX, datetime.now(UTC))

        page = admin.get("/system").text

        assert adoption.NO_MAILBOX not in page
        assert "Not read yet" in page

    def test_a_limit_of_the_relay_is_said_with_its_end_and_is_nothing_broken(self, admin: FlaskClient) -> None:
        now = datetime.now(UTC)
        pulse.well(pulse.RELAY, now)
        pulse.line(
            pulse.RELAY, 1, "Your mail provider's limit is reached. It said: 452 enough", now + timedelta(hours=1)
        )

        page = admin.get("/system").text

        assert "It said: 452 enough" in page
        assert "Copies wait until" in page
        assert "nobody is marked as failed" in page

    def test_a_mailbox_with_mail_in_it_is_adopted_with_the_count_that_was_shown(self, admin: FlaskClient) -> None:
        server = adoption.server(settings())
        adoption.objection(server, 12, datetime.now(UTC))
        page = admin.get("/system").text
        assert "holds 12 letters already" in page
        assert 'name="letters" value="12"' in page

        other = admin.post("/system/adopt", data={"letters": "11"})
        assert other.status_code == 422
        assert not adoption.standing(server).adopted

        admin.post("/system/adopt", data={"letters": "12"})
        assert adoption.standing(server).adopted
        assert db.session.scalar(select(JournalEntry.action).where(JournalEntry.action == "mailbox.adopt"))
        assert admin.post("/system/adopt", data={"letters": "12"}).status_code == 303, "a second press does no harm"
        assert db.session.scalar(select(Mailbox.letters_then)) == 12

    @pytest.mark.parametrize("what", ["mailbox", "relay"])
    def test_a_try_answers_in_words(self, admin: FlaskClient, what: str) -> None:
        fragment = admin.post(f"/system/{what}", headers=HTMX)
        page = admin.post(f"/system/{what}")

        assert fragment.text.strip().startswith(f'<div id="tried-{what}"')
        assert "127.0.0.1" in fragment.text
        assert "bad-note" in fragment.text
        assert "<h1" in page.text
        assert f'id="tried-{what}"' in page.text
        assert "pop secret" not in page.text
        assert f"Look at {'POP3' if what == 'mailbox' else 'SMTP'}_HOST" in fragment.text, "what to do next is said"

    def test_what_dns_says_is_looked_up_on_a_press(
        self, app: Flask, admin: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours = environment(settings().instance_dir, MAILOUT_ADDRESS="mailout+{key}@example.org")
        app.extensions["mailout"] = mailout_settings.read(ours)
        zone: Zone = {("example.org", "MX"): ["10 mx.example.net."], ("example.org", "TXT"): ['"v=spf1 mx -all"']}
        with name_server(zone) as server:
            monkeypatch.setattr(names, "Resolver", server.resolver)
            asked_before = len(server.asked)
            before = admin.get("/system").text
            assert len(server.asked) == asked_before, "a page asks nobody"
            fragment = admin.post("/system/domain", headers=HTMX).text
            page = admin.post("/system/domain").text

        assert "Look it up" in before
        for text in (fragment, page):
            assert "example.org has no DMARC record" in text
            assert "Put this TXT record at _dmarc.example.org" in text
            assert "Letters to example.org go to mx.example.net" in text
        assert fragment.strip().startswith('<div id="tried-domain"')
        assert fragment.count("<li>") == 4
        assert "<h1" in page

    def test_what_came_of_the_last_round_trip_is_told(self, admin: FlaskClient) -> None:
        now = datetime.now(UTC)
        assert "No letter to ourselves was tried yet" in admin.get("/system").text

        pulse.ill(pulse.ROUND_TRIP, "A letter to the key address did not arrive", now)
        bad = admin.get("/system").text
        pulse.well(pulse.ROUND_TRIP, now)
        good = admin.get("/system").text

        assert "A letter to the key address did not arrive. When that is put right" in bad
        assert "The last letters to ourselves came back" in good
        assert "did not arrive" not in good

    def test_the_sandbox_has_no_domain(self, app: Flask, admin: FlaskClient) -> None:
        app.extensions["mailout"] = mailout_settings.read({"INSTANCE_DIR": str(settings().instance_dir)})

        assert "Look it up" not in admin.get("/system").text


class TestInbox:
    """Every letter that came."""

    def test_letters_are_listed_searched_and_filtered(self, admin: FlaskClient) -> None:
        letter("Summer hours", "mail-out")
        letter("Undelivered 100% mail", "bounce", why="5.1.1 user unknown")

        assert "Summer hours" in admin.get("/inbox").text
        assert "Summer hours" not in admin.get("/inbox?q=UNKNOWN user").text
        assert "Undelivered" in admin.get("/inbox?q=UNKNOWN user").text
        assert "Undelivered" in admin.get("/inbox?q=100%25").text
        assert "Undelivered" not in admin.get("/inbox?q=1%25mail").text, "a % means itself"
        assert "Undelivered" not in admin.get("/inbox?verdict=mail-out").text
        assert admin.get("/inbox?verdict=nonsense&page=-5&q=" + "x" * 5000).status_code == 200

    def test_markup_stays_text(self, admin: FlaskClient) -> None:
        row = letter(MARKUP, author=MARKUP, why=MARKUP)

        for page in (admin.get("/inbox").text, admin.get(f"/inbox/{row.id}").text):
            assert SAFE_MARKUP in page
            assert "<img" not in page
            assert ">49<" not in page

    def test_why_a_letter_was_refused_or_held_is_said_in_words_and_found_by_them(self, admin: FlaskClient) -> None:
        held = letter("Spring", "mail-out", why=Problem.UNKNOWN_SENDER)
        letter("Summer", "refused", why=Problem.KEY_USED)

        page, one = admin.get("/inbox").text, admin.get(f"/inbox/{held.id}").text

        assert "held, from an address that is no user’s" in page
        assert "with a key that was used before" in page
        assert "Held, from an address that is no user’s" in one
        assert "unknown-sender" not in page + one
        assert "Summer" in admin.get("/inbox?q=used before").text
        assert "Spring" not in admin.get("/inbox?q=used before").text

    def test_one_letter_shows_its_header_readably(self, admin: FlaskClient) -> None:
        page = admin.get(f"/inbox/{letter('Hello').id}").text

        assert "café" in page

    @pytest.mark.parametrize(
        "raw", [b"", b"\x00\xff\xfe", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x", b"\r\n" * 9000]
    )
    def test_a_letter_that_can_not_be_read_is_shown_all_the_same(self, admin: FlaskClient, raw: bytes) -> None:
        row = letter("?", "quarantined", spool="quarantined")
        db.session.execute(update(LetterBytes).values(raw=raw))
        db.session.commit()

        assert admin.get(f"/inbox/{row.id}").status_code == 200

    def test_of_html_alone_the_words_are_shown(self, admin: FlaskClient) -> None:
        row = letter("Spring")
        raw = b"Content-Type: text/html\r\n\r\n<style>p {}</style><p>Dear <b>all</b>,</p><script>alert(1)</script>\r\n"
        db.session.execute(update(LetterBytes).values(raw=raw))
        db.session.commit()

        page = admin.get(f"/inbox/{row.id}").text

        assert "<pre>Dear all,</pre>" in page
        assert "alert(1)" not in page

    def test_the_raw_letter_is_a_file_that_no_browser_opens(self, admin: FlaskClient) -> None:
        answer = admin.get(f"/inbox/{letter('<script>').id}/raw")

        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="letter-')
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.data.startswith(b"Subject: <script>\r\n")

    def test_a_letter_whose_bytes_are_gone_says_so(self, admin: FlaskClient) -> None:
        row = letter("Old")
        db.session.execute(delete(LetterBytes))
        db.session.commit()

        assert "no longer kept" in admin.get(f"/inbox/{row.id}").text
        assert admin.get(f"/inbox/{row.id}/raw").status_code == 404
        assert admin.get("/inbox/999999").status_code == 404


class TestAudit:
    """Who did what."""

    def test_entries_are_searched_filtered_and_paged(self, admin: FlaskClient) -> None:
        for number in range(60):
            note(Actor(None, "Priya Raman"), "mailout.pause", f"mail-out {number}", MARKUP, datetime.now(UTC))
        note(Actor(None, "Tom"), "user.flags", "jo@mail.test", "Send Mailout", datetime.now(UTC))
        db.session.commit()

        first = admin.get("/audit").text
        assert "Mail-out: pause" in first
        assert SAFE_MARKUP in first
        assert "<img" not in first
        assert "mail-out 0<" not in first
        assert "mail-out 0<" in admin.get("/audit?page=2").text
        assert '<a href="/mailouts/59">mail-out 59</a>' in first
        found = admin.get("/audit?q=priya 59").text
        assert "mail-out 59" in found
        assert "mail-out 58" not in found
        assert "Priya" not in admin.get("/audit?what=users").text

    def test_every_deed_is_in_one_group_of_the_filter(self) -> None:
        source = "\n".join(path.read_text() for path in (ROOT / "mailout").rglob("*.py"))
        deeds = set(re.findall(r'\bnote\(\s*(?:Actor\(.*?\)|[\w.()]+),\s*"([a-z.-]+)"', source)) | {"customers.include"}
        homes = {deed: [one.name for one in audit.GROUPS[1:] if deed.startswith(one.actions)] for deed in sorted(deeds)}

        assert len(deeds) > 30
        assert {deed: names for deed, names in homes.items() if len(names) != 1} == {}

    def test_a_customers_entries_are_found_by_their_name_and_lead_to_them(self, admin: FlaskClient, make: Make) -> None:
        ann, ben = make.customer("ann@bluegum.example", "Ann", "Muñoz"), make.customer("ben@bluegum.example")
        note(Actor(None, "Priya"), "customer.edit", f"customer {ann.id}", "name", datetime.now(UTC))
        note(Actor(None, "Priya"), "customer.edit", f"customer {ben.id}", "name", datetime.now(UTC))
        note(Actor(None, "Priya"), "customer.delete", "customer 4711", "", datetime.now(UTC))
        db.session.commit()

        everything, found = admin.get("/audit").text, admin.get("/audit?q=munoz&what=customers").text

        assert "customer 4711, deleted" in everything
        assert f'<a href="/customers/{ben.id}">ben@bluegum.example</a>' in everything
        assert f'<a href="/customers/{ann.id}">ann@bluegum.example</a>' in found
        assert "ben@bluegum.example" not in found

    def test_a_mail_out_is_its_users_by_name_and_why_it_was_held_is_said_in_words(
        self, admin: FlaskClient, make: Make
    ) -> None:
        tom = make.user("tom@mail.test")
        Mailing(tom, make.list("Newsletter", ["ada@mail.test"])).held(author="tom@elsewhere.test")

        page, found = admin.get("/audit").text, admin.get("/audit?q=no+user&what=mailouts").text

        assert '<td data-label="Who">Tom</td><td data-label="What">Mail-out: create</td>' in page
        assert "held, from an address that is no user’s" in page
        assert "unknown-sender" not in page
        assert "Mail-out: letter held" in found
        assert "Mail-out: letter held" in admin.get("/audit?q=letter+held").text, "the words of the page find it"
        assert "Mail-out: create" in admin.get("/audit?q=tom@mail.test&what=mailouts").text, "by their address too"

    def test_a_line_break_in_a_name_makes_no_second_entry(self, admin: FlaskClient) -> None:
        note(Actor(None, "x\r\n2026 root deleted all"), "sign-in", "y\nz", "", datetime.now(UTC))
        db.session.commit()

        assert "x  2026 root deleted all" in admin.get("/audit").text


class TestSupport:
    """The form, and what is kept."""

    def test_a_request_is_mailed_and_kept_with_the_state_of_the_mailouts(
        self, app: Flask, admin: FlaskClient, client_of: Clients, make: Make
    ) -> None:
        tom, now = make.user("tom@mail.test"), datetime.now(UTC)
        mailout = submission.open_mailout(
            make.list("Newsletter", ["ada@mail.test"]).id, tom, check_first=False, now=now
        )
        db.session.commit()
        key = submission.key_address(mailout).partition("@")[0].rpartition("-")[2]
        client = client_of(tom)
        assert "waiting for your letter" in client.get("/support").text

        answer = client.post("/support", data={"subject": "Nothing came", "message": f"{MARKUP}\nLine 2"})

        assert answer.status_code == 303
        row = db.session.scalars(select(SupportRequest)).one()
        assert "Mail-out 1 to Newsletter: waiting for your letter; key made" in row.state_then
        assert "works until" in row.state_then
        assert key not in row.state_then
        mailed = db.session.scalars(select(Notice).where(Notice.kind == "support")).one()
        assert b"jo@mail.test" in mailed.raw, "without SUPPORT_ADDRESS it goes to the Administrators"
        assert key.encode() not in mailed.raw
        assert "Nothing came" in admin.get("/support/requests").text
        shown = admin.get(f"/support/{row.id}").text
        assert SAFE_MARKUP in shown
        assert "key made" in shown
        assert client.get(f"/support/{row.id}").status_code == 403

    def test_the_answer_to_a_request_goes_to_whoever_asked(
        self, admin: FlaskClient, client_of: Clients, make: Make
    ) -> None:
        client = client_of(make.user("tom@mail.test"))

        client.post("/support", data={"subject": "Nothing came", "message": "Where is it?"})

        mailed = db.session.scalars(select(Notice).where(Notice.kind == "support")).one()
        assert b"\r\nReply-To: Tom <tom@mail.test>\r\n" in mailed.raw, "our own address is read by nobody"

    @pytest.mark.parametrize("shape", ["{}", "<{}>", "mailto:{}?subject=x", "{}, and", "%"])
    def test_a_key_that_is_pasted_into_a_request_is_not_passed_on(
        self, admin: FlaskClient, client_of: Clients, make: Make, shape: str
    ) -> None:
        tom, now = make.user("tom@mail.test"), datetime.now(UTC)
        mailout = submission.open_mailout(make.list("Newsletter").id, tom, check_first=False, now=now)
        db.session.commit()
        address = submission.key_address(mailout)
        key = address.partition("@")[0].rpartition("-")[2]
        pasted = f"mailout%2B{key.upper()}@mail.test" if shape == "%" else shape.format(address)

        client_of(tom).post("/support", data={"subject": f"About {pasted}", "message": f"I wrote to {pasted}\nYes."})

        row = db.session.scalars(select(SupportRequest)).one()
        mailed = db.session.scalars(select(Notice).where(Notice.kind == "support")).one()
        said = f"{row.subject} {row.message} {mailed.raw.decode()} {mailed.subject} {admin.get('/audit').text}".lower()
        assert key not in said.replace("=\r\n", "")
        assert row.message.startswith("I wrote to ")
        assert row.message.endswith("\nYes.")

    def test_what_goes_along_is_said_in_the_words_of_the_pages(self, client_of: Clients, make: Make) -> None:
        jo = make.user("jo@mail.test")
        mailing = Mailing(jo, make.list("Newsletter", ["a@customers.test", "b@customers.test"]))
        row = mailing.complete(["sent", "failed"], subject="Jo’s news")
        mailing.arrive(row, subject="Once more")
        db.session.commit()

        page = client_of(jo).get("/support").text

        assert "subject “Jo’s news”" in page
        assert "of 2: 1 accepted by your mail provider, 1 failed" in page
        assert "its last letter: with a key that was used before" in page

    def test_an_empty_request_says_what_is_missing(self, client_of: Clients, make: Make) -> None:
        answer = client_of(make.user()).post("/support", data={"subject": " ", "message": ""})

        assert answer.status_code == 422
        assert "Say in a few words what it is about." in answer.text
        assert "Say what happened." in answer.text
        assert db.session.scalar(select(SupportRequest.id)) is None


class TestHelp:
    """Short pages in the user's words."""

    def test_each_pages_link_to_its_help_leads_to_a_page(self) -> None:
        """What a template calls its help; of several by state (a dict of Jinja) each."""
        said = {
            path: re.findall(r"\{% set help = (.+?) %\}", path.read_text())
            for path in (ROOT / "templates").rglob("*.html")
        }
        named = {name for found in said.values() for one in found for name in re.findall(r'"([\w-]+)"(?!:)', one)}

        assert named
        assert named <= {page.name for page in PAGES}
        without = {str(path.relative_to(ROOT / "templates")) for path, found in said.items() if not found}
        ours = {str(path.relative_to(ROOT / "templates")) for path in said if '"_base.html"' in path.read_text()}
        assert ours & without == {"errors/page.html", "help/search.html", "help/show.html", "_base.html"} & ours

    def test_the_page_of_a_mail_out_leads_to_the_help_of_its_state(self, client_of: Clients, make: Make) -> None:
        jo = make.user("jo@mail.test")
        mailing = Mailing(jo, make.list("Newsletter", ["a@customers.test"]))
        client = client_of(jo)

        for row, name in (
            (mailing.make(), "sending"),
            (mailing.held(), "error"),
            (mailing.starting(), "stopping"),
            (mailing.complete(["sent"]), "did-they-get-it"),
        ):
            assert f'href="/help/{name}">Help with this page' in client.get(f"/mailouts/{row.id}").text

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_each_page_is_there_and_leads_on(self, client_of: Clients, make: Make, page) -> None:  # type: ignore[no-untyped-def]
        answer = client_of(make.user(sends=False)).get(f"/help/{page.name}")

        assert answer.status_code == 200
        assert "Write to support" in answer.text
        assert all(f"/help/{also}" in answer.text for also in page.also)

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("used key", "error"),
            ("FULL mailbox", "returns"),
            ("excel", "importing"),
            ("winmail", "signed-letters"),
            ("pause", "stopping"),
            ("daily limit", "stopping"),
            ("junk", "did-they-get-it"),
            ("time zone", "server"),
        ],
    )
    def test_the_search_finds_the_page(self, client_of: Clients, make: Make, query: str, name: str) -> None:
        assert f'href="/help/{name}"' in client_of(make.user()).get(f"/help?q={query}").text.partition("rows bare")[2]

    def test_without_the_sandbox_no_search_leads_to_it(self, client_of: Clients, make: Make) -> None:
        assert "/help/sandbox" not in client_of(make.user()).get("/help?q=practice").text

    def test_every_command_and_setting_that_is_named_is_there(self, app: Flask, client_of: Clients, make: Make) -> None:
        client = client_of(make.user())
        said = " ".join(client.get(f"/help/{page.name}").text for page in PAGES)
        commands = set(re.findall(r"<code>flask ([a-z]+)", said))
        named = set(re.findall(r"<code>([A-Z]{3,}_[A-Z_]+)", said))
        documented = (ROOT / ".env.example").read_text()

        assert commands
        assert commands <= set(app.cli.commands)
        assert named
        assert {one for one in named if one not in documented} == set()

    def test_a_search_without_a_hit_offers_support(self, client_of: Clients, make: Make) -> None:
        page = client_of(make.user()).get("/help?q=<b>zebra").text

        assert "No page has all of these words" in page
        assert "<b>zebra" not in page

    def test_there_are_no_words_that_we_do_not_use(self, client_of: Clients, make: Make) -> None:
        client = client_of(make.user())
        said = " ".join(client.get(f"/help/{page.name}").text for page in PAGES if page.name != "server").lower()

        for word in ("please", "oops", "successfully", "campaign", "subscriber", "delivered", "token"):
            assert not re.search(rf"\b{word}\b", re.sub(r"csrf[_-]token", "", said)), word


class TestHealth:
    """For whoever watches the machine."""

    def test_it_is_well_while_the_worker_beats(self, client: FlaskClient) -> None:
        pulse.well(pulse.WORKER, datetime.now(UTC) - timedelta(minutes=2))

        answer = client.get("/healthz")

        assert (answer.status_code, answer.text) == (200, "ok\n")

    def test_it_says_why_not(self, client: FlaskClient) -> None:
        never = client.get("/healthz")
        pulse.well(pulse.WORKER, datetime.now(UTC) - timedelta(minutes=4))
        late = client.get("/healthz")

        assert never.status_code == late.status_code == 503
        assert "worker: it was never heard of" in never.text
        assert "worker: not heard of since" in late.text

    def test_a_database_that_was_never_migrated_is_said(self, app: Flask, client: FlaskClient) -> None:
        Pulse.__table__.drop(db.engine)  # type: ignore[attr-defined]

        answer = client.get("/healthz")

        assert answer.status_code == 503
        assert answer.text.startswith("database: ")
