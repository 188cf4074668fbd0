"""The main job in a browser: a newcomer from the printed address to a finished mail-out, by mouse, by keyboard alone,
without JavaScript, on a phone; and the live page, which keeps the focus and stops asking when all is over.

The newcomer's installation is what `python3 app.py` starts: web, worker and sandbox, in processes of their own.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from mailout.book import sessions
from mailout.core.phase import Phase, phase
from mailout.journal import COMMAND
from mailout.models import Recipient, User, db
from mailout.outbox import closing, steering
from tests.installation import ROOT, until
from tests.makers import Make
from tests.web.conftest import Watch, axe, sideways
from tests.web.mailing import Mailing, fresh, now, settle

OpenPage = Callable[..., Any]
FIVE = [f"c{number}@customers.test" for number in range(1, 6)]
CHOSEN = "a password of my own"


@dataclass
class Newcomer:
    """What is printed on the terminal, as far as a newcomer needs it."""

    url: str
    email: str
    password: str


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Newcomer]:
    """Everything at once, as `python3 app.py` starts it, with short waits."""
    folder = tmp_path_factory.mktemp("newcomer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "INSTANCE_DIR": str(folder / "instance")}
    environment |= {"PORT": str(port), "START_DELAY_SECONDS": "4", "POP3_POLL_SECONDS": "0.5", "DURABILITY": "process"}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "mailout.running"],
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield until(lambda: _printed(folder / "log"), 40, "the address is printed")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(40)


def _printed(log: Path) -> Newcomer | None:
    said = log.read_text()
    found = re.search(r"Mailout is at (\S+)\nSign in as (\S+) with the one-time password (\S+)", said)
    return Newcomer(*found.groups()) if found else None


@pytest.fixture
def visit(browser: Any, watch: Watch, newcomer: Newcomer) -> Iterator[Callable[..., Any]]:
    """Opens a browser of its own at the newcomer's installation."""
    contexts: list[Any] = []

    def open_one(*, script: bool = True, width: int = 1280) -> Any:
        context = browser.new_context(
            base_url=newcomer.url, java_script_enabled=script, viewport={"width": width, "height": 900}
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        watch.over(page)
        page.goto("/")
        return page

    yield open_one
    for context in contexts:
        context.close()


def sign_in(page: Any, newcomer: Newcomer) -> None:
    """Sign in with what is known; the first time with the one-time password, which is then changed."""
    page.get_by_label("Email").fill(newcomer.email)
    page.get_by_label("Password", exact=True).fill(newcomer.password)
    page.get_by_role("button", name="Sign in").click()
    if newcomer.password != CHOSEN:
        page.get_by_label("New password").fill(CHOSEN)
        page.get_by_role("button", name="Set password").click()
        newcomer.password = CHOSEN
    page.wait_for_url("**/mailouts*")


def test_a_newcomer_sends_a_first_mail_out_without_reading_anything(
    visit: Callable[..., Any], newcomer: Newcomer
) -> None:
    began = time.monotonic()
    page = visit()
    sign_in(page, newcomer)

    page.goto("/customers")
    page.get_by_text("Toolbox").first.click()
    page.get_by_role("link", name="Mail-out", exact=True).click()
    page.get_by_label("Mail-out type").select_option(label="Newsletter")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("link", name="Write it here").click()
    page.get_by_label("Subject").fill("My first mail-out")
    page.get_by_label("Letter", exact=True).fill("Hello,\n\nif you can read this, it works.\n\nJo")
    page.get_by_role("button", name="Send").click()

    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_text("Complete", exact=True).first.wait_for(timeout=40_000)
    assert time.monotonic() - began < 120
    assert page.get_by_role("heading", level=1).inner_text() == "My first mail-out"
    ledger = page.locator(".ledger > li").all_inner_texts()
    assert [re.sub(r"\s+", " ", line)[:12] for line in ledger] == ["11 Accepted ", "1 Failed Add"]
    page.get_by_text("Identical").wait_for()
    assert axe(page) == []
    page.goto("/sandbox?inbox=ada@sandbox.test")
    page.get_by_role("heading", name="My first mail-out").wait_for()
    assert "it works" in page.frame_locator("iframe").locator("body").inner_text()
    until(lambda: _inbox_has(page, newcomer.email, "Mail-out complete"), 20, "the complete mail")


def _inbox_has(page: Any, address: str, subject: str) -> bool:
    page.goto(f"/sandbox?inbox={address}")
    return bool(page.get_by_text(subject).count())


def test_the_whole_main_job_by_keyboard_alone(visit: Callable[..., Any], newcomer: Newcomer) -> None:
    page = visit()
    sign_in(page, newcomer)
    page.goto("/mailouts/new")

    _tab_to(page, "Mail-out type")
    page.keyboard.type("Gen")
    _tab_to(page, "Let me check it first")
    page.keyboard.press("Space")
    _tab_to(page, "Create")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/mailouts/\d+$"))
    _tab_to(page, "Write it here")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sandbox/write*")
    _tab_to(page, "Subject")
    page.keyboard.type("By keyboard")
    _tab_to(page, "Letter")
    page.keyboard.type("No mouse was here.")
    _tab_to(page, "Send")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Release").wait_for()
    _tab_to(page, "Release")
    page.keyboard.press("Enter")

    page.get_by_text("Complete", exact=True).first.wait_for(timeout=40_000)
    assert page.evaluate("document.activeElement.id") == "sheet-title"


def _tab_to(page: Any, name: str) -> None:
    """Press Tab until the control of that name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        label = page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || e.textContent.trim() }"
        )
        if label == name:
            return
    pytest.fail(f"{name} can't be reached by Tab")


def test_the_whole_main_job_without_javascript(visit: Callable[..., Any], newcomer: Newcomer) -> None:
    page = visit(script=False)
    sign_in(page, newcomer)

    page.get_by_label("Mail-out type").select_option(label="Promotions")
    page.get_by_role("button", name="Show whom it reaches").click()
    assert page.locator("#reach .figure").inner_text() == "5"
    page.get_by_role("button", name="Create").click()
    address = page.url
    page.locator('a[href^="mailto:"]').wait_for()
    page.get_by_role("link", name="Write it here").click()
    page.get_by_label("Subject").fill("Without a script")
    page.get_by_label("Letter", exact=True).fill("Plain forms do.")
    page.get_by_role("button", name="Send").click()

    def has(text: str) -> bool:
        page.goto(address)
        return bool(page.get_by_text(text).count())

    until(lambda: has("Did a customer get it?"), 40, "complete")
    page.get_by_role("link", name="Did a customer get it?").click()
    page.get_by_label("Search").fill("ada@")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("1–1 of 1").wait_for()
    assert page.locator("tbody tr").count() == 1


# -- every state, as it is drawn ---------------------------------------------------------------------------------------


@pytest.fixture
def jo(make: Make) -> User:
    return make.user("jo@mail.test", administrator=True)


@pytest.fixture
def mailing(make: Make, jo: User) -> Mailing:
    return Mailing(jo, make.list("Newsletter", FIVE))


def every_state(mailing: Mailing) -> dict[str, str]:
    """The address of a page in each state."""
    stranger = mailing.make()
    mailing.arrive(stranger, author="jo.hartley@elsewhere.test", subject="From elsewhere")
    paused = mailing.sending(["sent", "deferred", "failed"])
    steering.pause(paused.id, COMMAND, now())
    closing.close_finished(now())
    rows = {
        "waiting": mailing.make(),
        "held": mailing.held(),
        "was-this-you": stranger,
        "starting": mailing.starting(),
        "sending": mailing.sending(["sent", "deferred", "failed"]),
        "paused": paused,
        "complete": mailing.complete(["sent", "failed", "uncertain", "bounced", "sent"]),
        "cancelled": mailing.cancelled(),
    }
    paths = {name: f"/mailouts/{row.id}" for name, row in rows.items()}
    more = {
        "asked": f"{paths['paused']}?sure=cancel",
        "recipients": f"{paths['complete']}/recipients",
        "list": "/mailouts",
        "new": "/mailouts/new",
    }
    return paths | more


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_state_is_open_to_all_and_fits_a_phone(
    open_page: OpenPage, mailing: Mailing, jo: User, dark: bool
) -> None:
    page = open_page(jo, "/mailouts", dark=dark)

    for name, path in every_state(mailing).items():
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        assert axe(page) == [], name
        if dark:
            continue
        for width in (768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert sideways(page) == 0, (name, width)
        assert axe(page) == [], (name, "phone")


def test_the_way_to_the_letter_is_there_on_a_phone_too(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    page = open_page(jo, f"/mailouts/{mailing.complete(['sent']).id}")
    page.set_viewport_size({"width": 390, "height": 900})

    page.get_by_role("link", name="See the letter").wait_for()
    page.get_by_text("made an address that works once").wait_for(state="hidden")  # what leads nowhere stays folded
    assert sideways(page) == 0


@pytest.mark.slow
def test_the_live_page_keeps_focus_and_what_is_open_and_ends_with_the_mail_out(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    row = mailing.sending(["sent"])
    page = open_page(jo, f"/mailouts/{row.id}")
    asked: list[int] = []
    page.on("response", lambda answer: asked.append(answer.status) if "/panel" in answer.url else None)

    page.get_by_role("button", name="Pause").focus()
    page.locator("#last-reply summary").click()
    page.get_by_role("button", name="Pause").focus()
    settle(row, ["sent", "sent"])
    page.locator(".figure", has_text="3").wait_for()

    assert page.evaluate("document.activeElement.textContent.trim()") == "Pause"
    assert page.locator("#last-reply").get_attribute("open") is not None
    assert page.title().startswith("3 of 5 · ")
    settle(row, ["sent", "sent"])
    closing.close_finished(now())
    page.locator(".ledger").wait_for()
    told = {"state": "sent", "settled_at": now()}  # until then the page asks whether the complete mail was accepted
    db.session.execute(update(Recipient).where(Recipient.notice_id.is_not(None)).values(**told))
    db.session.commit()
    page.get_by_text("“Mail-out complete” was sent").wait_for()
    asked.clear()
    page.wait_for_timeout(4500)
    assert asked == []


@pytest.mark.slow
def test_an_unchanged_page_is_answered_with_nothing(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    page = open_page(jo, f"/mailouts/{mailing.held().id}")
    asked: list[int] = []
    page.on("response", lambda answer: asked.append(answer.status) if "/panel" in answer.url else None)

    page.wait_for_timeout(5000)

    assert len(asked) >= 2
    assert asked.count(304) >= len(asked) - 1


@pytest.mark.slow
def test_a_clock_goes_on_while_the_server_has_nothing_new_to_say(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    row = mailing.starting()
    page = open_page(jo, f"/mailouts/{row.id}")
    first = int(page.locator(".figure").inner_text())

    with page.expect_response(lambda answer: answer.url.endswith("/panel") and answer.status == 304):
        pass
    page.wait_for_timeout(2_500)

    left = int(page.locator(".figure").inner_text())
    assert left <= first - 4
    assert page.locator("#mailout-state").inner_text() == f"Starts in {left} seconds"


def test_the_outcome_prints_as_a_receipt_black_on_white_whatever_the_theme(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    jo.theme = "dark"
    db.session.commit()
    page = open_page(jo, f"/mailouts/{mailing.complete(['sent', 'failed', 'sent', 'sent', 'sent']).id}", dark=True)

    page.emulate_media(media="print")

    # the drawing's own canvas turns any notation of a colour into red, green, blue
    darkest = page.evaluate(
        "() => { const c = new OffscreenCanvas(1, 1).getContext('2d');"
        " return [...document.querySelectorAll('h1, .figure, .ledger-word')].map(e => {"
        " c.fillStyle = getComputedStyle(e).color; c.fillRect(0, 0, 1, 1);"
        " return Math.max(...c.getImageData(0, 0, 1, 1).data.slice(0, 3)) }) }"
    )
    assert max(darkest) < 60
    page.get_by_text("As it stood on ").wait_for()
    page.get_by_role("button", name="Everyone, as CSV").wait_for(state="hidden")
    page.get_by_role("navigation").first.wait_for(state="hidden")


@pytest.mark.slow
def test_a_page_that_nobody_looks_at_is_silent_and_asks_at_once_when_somebody_does(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    page = open_page(jo, f"/mailouts/{mailing.held().id}")
    asked: list[int] = []
    page.on("request", lambda request: asked.append(1) if request.url.endswith("/panel") else None)

    def look(hidden: str) -> None:
        page.evaluate(f"Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {hidden}}})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    look("true")
    asked.clear()
    page.wait_for_timeout(4500)
    unseen = list(asked)
    with page.expect_request(lambda request: request.url.endswith("/panel"), timeout=1900):
        look("false")

    assert unseen == []


def test_a_press_answers_in_place_and_the_focus_goes_to_what_is_new(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    row = mailing.sending(["sent"])
    page = open_page(jo, f"/mailouts/{row.id}")

    page.get_by_role("button", name="Cancel").press("Enter")
    page.get_by_text("Nothing more goes out.").wait_for()
    focused = page.evaluate("document.activeElement.id")
    page.keyboard.press("Enter")
    page.locator("#sure").get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()

    assert focused == "sure-words"  # and not the red button: a key that is held down presses again
    assert phase(fresh(row), now()) is Phase.SENDING
    assert page.get_by_role("heading", level=1).inner_text() == "Spring news"


def test_resume_takes_the_place_of_pause_for_the_keyboard_too(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    page = open_page(jo, f"/mailouts/{mailing.sending(['sent']).id}")

    page.get_by_role("button", name="Pause").press("Enter")
    page.get_by_role("button", name="Resume").wait_for()
    paused = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Pause").wait_for()

    assert paused == "Resume"
    assert page.evaluate("document.activeElement.textContent.trim()") == "Pause"


def test_the_mail_program_opens_once_in_answer_to_the_press(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    page = open_page(jo, "/mailouts")
    opened: list[str] = []
    page.expose_function("sawMailto", lambda url: opened.append(url))
    page.add_init_script(
        "navigation.addEventListener('navigate', e => { if (e.destination.url.startsWith('mailto:'))"
        " { sawMailto(e.destination.url); e.preventDefault(); } })"
    )

    page.reload()
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile(r"/mailouts/\d+$"))
    until(lambda: page.wait_for_timeout(100) or opened, 5, "the mail program opens")
    page.reload()
    page.wait_for_timeout(2500)

    assert len(opened) == 1
    assert opened[0] == page.locator("#open-draft").get_attribute("href")


def test_the_address_is_copied_in_one_line(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    page = open_page(jo, f"/mailouts/{mailing.make().id}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    address = page.locator("#copy-address").get_attribute("data-copy")

    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    by_hand = page.evaluate(
        "() => { getSelection().selectAllChildren(document.getElementById('address')); return String(getSelection()) }"
    )

    assert page.evaluate("navigator.clipboard.readText()") == address
    assert by_hand.strip() == address


def test_the_letter_in_its_frame_runs_and_loads_nothing(open_page: OpenPage, mailing: Mailing, jo: User) -> None:
    body = '<p onclick="x()">Hi</p><script>parent.hacked=1</script><img src="http://127.0.0.1:9/x"><form action="/x">'
    page = open_page(jo, "/mailouts")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"/mailouts/{mailing.held(body=body).id}")
    page.frame_locator("#letter-frame").get_by_text("Hi", exact=True).wait_for()
    page.get_by_role("link", name="As plain text").click()
    page.frame_locator("#letter-frame").locator("pre").wait_for()

    assert page.evaluate("window.hacked") is None
    assert not [url for url in asked if ":9/" in url]


def test_a_session_that_ends_while_a_page_is_open_leads_to_the_door(
    open_page: OpenPage, mailing: Mailing, jo: User
) -> None:
    page = open_page(jo, f"/mailouts/{mailing.make().id}")

    sessions.end_all(jo.id)
    db.session.commit()

    page.wait_for_url(re.compile("/login"))
    page.get_by_role("button", name="Sign in").wait_for()
