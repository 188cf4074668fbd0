"""The import in the browser: file or cells, columns, dry run, apply in the background, refusals, undo."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from mailout.book import customers, importing, places, uploads
from mailout.current import settings
from mailout.journal import COMMAND
from mailout.models import Customer, MailingList, Place, Suppressed, User, db
from mailout.web.customers import imports, jobs
from tests.makers import Make

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
ClientOf = Callable[[User | None], FlaskClient]
FILE = (
    "E-mail;Given;Surname;Dog;Offers\r\n"
    "ben@bluegum.example;Ben;Fitzgerald;Rex;yes\r\n"
    "ann@bluegum.example;Ann;;;no\r\n"
    "jo.smith@bluegum,example;Jo;Smith;;yes\r\n"
    ";Nobody;;;\r\n"
    "BEN@bluegum.example;Twice;;;\r\n"
)


@pytest.fixture
def offers(make: Make) -> MailingList:
    return make.list("Offers")


@pytest.fixture
def sender(make: Make, client_of: ClientOf, offers: MailingList) -> FlaskClient:
    return client_of(make.user("kim@mail.test"))


@pytest.fixture
def held(app: Flask) -> Iterator[threading.Event]:
    """Work that begins waits until the test lets it go on."""
    go = threading.Event()
    jobs.of_app().start(app, "the test's own", "hold", lambda tell: go.wait(60))
    yield go
    go.set()


def send(client: FlaskClient, data: bytes, filename: str = "customers.csv") -> TestResponse:
    return client.post("/customers/import", data={"file": (io.BytesIO(data), filename)})


def figures(page: str) -> dict[str, int]:
    """The ledger's figures by their words."""
    found = re.findall(r'ledger-count[^>]*>([\d,]+)</span><div><p class="ledger-word">([^<]+)', page)
    return {word: int(count.replace(",", "")) for count, word in found}


def emails() -> list[str]:
    db.session.rollback()
    return sorted(db.session.scalars(select(Customer.email).where(Customer.here())))


def finish(client: FlaskClient, address: str) -> TestResponse:
    """The page that an import which is being applied ends at."""
    for _ in range(1200):
        answer = client.get(address)
        if answer.status_code == 303:
            return client.get(answer.location)
        time.sleep(0.05)
    raise AssertionError("it does not end")


def press(client: FlaskClient, address: str, **changed: str) -> TestResponse:
    """Press the button under the dry run, with the form as the page shows it."""
    return client.post(f"{address}/apply", data=as_shown(look(client, address)) | changed)


def as_shown(page: str) -> dict[str, list[str]]:
    """The fields of the form on the import page, as a browser sends them."""
    form: dict[str, list[str]] = {}
    for name, options in re.findall(r'<select class="form-select" name="(c\d+)".*?>(.*?)</select>', page, re.DOTALL):
        form[name] = re.findall(r'value="([^"]*)" selected', options)
    for box in re.findall(r"<input type=\"(?:checkbox|radio)\"[^>]* checked[^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', box), re.search(r'value="([^"]*)"', box)
        assert name
        assert value
        form.setdefault(name[1], []).append(value[1])
    if found := re.search(r'name="plan" value="(\d+)"', page):
        form["plan"] = [found[1]]
    return form


def counted(client: FlaskClient, address: str) -> str:
    """The outcome once the dry run is done, however long that takes here."""
    for _ in range(2400):
        answer = client.get(f"{address}/progress")
        if "every 1s" not in answer.text:
            return answer.text
        time.sleep(0.025)
    raise AssertionError("it does not end")


def look(client: FlaskClient, address: str) -> str:
    """The page once the dry run is done."""
    counted(client, address)
    return client.get(address).text


def choose(client: FlaskClient, address: str, **roles: str) -> str:
    """The dry run with other roles for the columns."""
    roles = {"c0": "email", "c1": "first_name", "c2": "last_name", "c3": "own", "c4": "own", "headings": "yes"} | roles
    answer = client.post(f"{address}/match", data=roles, headers=PARTIAL).text
    return answer if "every 1s" not in answer else counted(client, address)


def test_a_dry_run_guesses_the_columns_and_its_figures_add_up_to_the_file(sender: FlaskClient) -> None:
    answer = send(sender, FILE.encode())
    page = look(sender, answer.location)

    assert figures(page) == {
        "New customers": 2,
        "Changed": 0,
        "Unchanged": 0,
        "Kept out": 0,
        "Without an address": 1,
        "Twice in the file": 1,
        "Refused": 1,
        "Lines in the file": 5,
    }
    assert re.search(r'aria-label="Given becomes">.*?value="first_name" selected', page)
    assert re.search(r'aria-label="Offers becomes">.*?value="list:1" selected', page)
    assert "Line 4" in page
    assert "Nothing is changed yet." in page
    assert emails() == []


def test_apply_brings_everybody_at_once_and_their_places(sender: FlaskClient, offers: MailingList) -> None:
    address = send(sender, FILE.encode()).location

    pressed = press(sender, address)
    page = finish(sender, address)

    assert pressed.location == f"{address}#outcome"
    assert "Imported" in page.text
    assert emails() == ["ann@bluegum.example", "ben@bluegum.example"]
    ben, ann = customers.by_email("ben@bluegum.example"), customers.by_email("ann@bluegum.example")
    assert (ben.name, ben.fields) == ("Ben Fitzgerald", {"Dog": "Rex"})
    assert places.place_of(ben.id, offers.id) is Place.INCLUDED
    assert places.place_of(ann.id, offers.id) is Place.EXCLUDED


def test_a_second_press_of_apply_is_the_first(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location

    form = as_shown(look(sender, address))
    answers = [sender.post(f"{address}/apply", data=form) for _ in range(2)]
    finish(sender, address)

    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(importing.latest(datetime.now(UTC))) == 1


def test_what_was_changed_after_the_dry_run_is_counted_before_it_is_imported(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location

    pressed = press(sender, address, c3="out")
    page = look(sender, address)

    assert pressed.location == address
    assert emails() == []
    assert "Look at the figures once more" in page
    assert as_shown(page)["c3"] == ["out"]


def test_figures_that_the_page_did_not_show_are_not_imported(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location

    assert press(sender, address, plan="77").status_code == 422
    assert emails() == []


def test_other_columns_are_counted_again_at_once(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location

    left_out = choose(sender, address, c3="out")
    press(sender, address)
    finish(sender, address)

    assert figures(left_out)["New customers"] == 2
    assert customers.by_email("ben@bluegum.example").fields == {"Offers": "yes"}


def test_never_write_to_these_suppresses_whoever_is_in_the_file(sender: FlaskClient, make: Make) -> None:
    make.customer("ben@bluegum.example")
    address = send(sender, FILE.encode()).location

    page = choose(sender, address, **{"for": "never"})
    press(sender, address)
    finish(sender, address)

    assert figures(page)["No mail-out from now on"] == 1
    assert "Never write to these 2 customers" in page
    for email in ("ben@bluegum.example", "ann@bluegum.example"):
        assert customers.by_email(email).suppressed_for == Suppressed.BY_HAND


def test_named_lists_get_the_new_ones(sender: FlaskClient, make: Make, offers: MailingList) -> None:
    other = make.list("Newsletter")
    address = send(sender, b"email\nnew@bluegum.example\n").location

    sender.post(f"{address}/match", data={"c0": "email", "headings": "yes", "lists": [str(other.id)]})
    press(sender, address)
    finish(sender, address)

    new = customers.by_email("new@bluegum.example")
    assert places.place_of(new.id, other.id) is Place.INCLUDED
    assert places.place_of(new.id, offers.id) is Place.EXCLUDED


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"c1": "email"}, "Two columns can’t both be Email"),
        ({"c0": "own"}, "Say which column holds the email addresses"),
        ({"c3": "list:1", "c4": "list:1"}, "Two columns can’t both be a list"),
    ],
)
def test_columns_that_contradict_each_other_are_said(sender: FlaskClient, roles: dict[str, str], words: str) -> None:
    address = send(sender, FILE.encode()).location

    assert words in choose(sender, address, **roles)
    assert sender.post(f"{address}/match", data={"c0": "own"}).status_code == 422


def test_a_list_that_is_not_there_is_404(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location

    assert sender.post(f"{address}/match", data={"c0": "email", "lists": "x"}).status_code == 404


@pytest.mark.parametrize(
    "data",
    [
        FILE.encode("utf-8-sig"),
        FILE.encode("utf-16"),
        FILE.replace("Fitzgerald", "Müller").encode("cp1252"),
        FILE.replace(";", ",").replace("bluegum,example", "bluegum example").encode(),
        FILE.replace(";", "\t").encode(),
    ],
    ids=["utf-8 with BOM", "utf-16", "windows-1252", "comma", "tab"],
)
def test_every_encoding_and_separator_is_read(sender: FlaskClient, data: bytes) -> None:
    page = look(sender, send(sender, data).location)

    assert figures(page)["New customers"] == 2
    assert figures(page)["Lines in the file"] == 5


def test_a_workbook_is_read(sender: FlaskClient) -> None:
    book, out = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in FILE.split("\r\n")[:3]:
        book.active.append(line.split(";"))
    book.save(out)

    page = look(sender, send(sender, out.getvalue(), "customers.xlsx").location)

    assert figures(page)["New customers"] == 2
    assert "customers.xlsx" in page


def test_the_pages_of_an_import_do_not_read_its_file_again(
    sender: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = send(sender, FILE.encode()).location
    before = look(sender, address)
    monkeypatch.setattr(importing, "look", lambda *_: pytest.fail("it is read again"))

    assert sender.get(address).text.count("<tr>") == before.count("<tr>") == 6


def test_a_title_over_the_headings_is_no_row_of_the_table(sender: FlaskClient) -> None:
    page = look(
        sender, send(sender, b"Customer list 2026,,\n,,\nFirst,Email,Dog\nBen,ben@bluegum.example,Rex\n").location
    )

    assert figures(page)["New customers"] == figures(page)["Lines in the file"] == 1
    assert "The headings stand under the title" in page
    assert "Own field “Dog”" in page


def test_pasted_cells_are_read(sender: FlaskClient) -> None:
    answer = sender.post("/customers/import", data={"cells": FILE.replace(";", "\t")})

    assert figures(look(sender, answer.location))["New customers"] == 2


@pytest.mark.parametrize(
    ("data", "filename"),
    [(b"", "a.csv"), (b"\0\1\2\3" * 50, "a.csv"), (b"PK\3\4 not a workbook", "a.xlsx"), (b"%PDF-1.7", "a.pdf")],
)
def test_what_can_t_be_read_is_said_on_the_same_page(sender: FlaskClient, data: bytes, filename: str) -> None:
    answer = send(sender, data, filename)

    page = answer.text if answer.status_code == 422 else look(sender, answer.location)
    assert "can’t be read" in page or "could not find the column" in page or "Refused" in page
    assert emails() == []


def test_nothing_chosen_is_said(sender: FlaskClient) -> None:
    answer = sender.post("/customers/import", data={"cells": "  "})

    assert answer.status_code == 422
    assert "Choose a file, or paste cells" in answer.text


def test_a_file_without_addresses_asks_which_column_they_are_in(sender: FlaskClient) -> None:
    page = look(sender, send(sender, b"colour,size\nred,4\nblue,5\n").location)

    assert "could not find the column with the addresses" in page


def test_who_left_stays_out_and_the_dry_run_says_so(sender: FlaskClient, make: Make, offers: MailingList) -> None:
    ben = make.customer("ben@bluegum.example", "Ben", "Fitzgerald")
    places.unsubscribe(ben.id, offers.id, how="one-click", now=make._now)
    customers.delete(make.customer("ann@bluegum.example").id, actor=COMMAND, now=make._now)
    db.session.commit()
    address = send(sender, FILE.encode()).location

    page = look(sender, address)
    press(sender, address)

    assert figures(page)["Kept out"] == 2
    assert "left Offers" in page
    assert "deleted before" in page
    assert places.place_of(ben.id, offers.id) is Place.UNSUBSCRIBED
    assert emails() == ["ben@bluegum.example"]


def test_refusals_can_be_downloaded_and_no_formula_runs(sender: FlaskClient) -> None:
    address = send(sender, b'email,note\n"=HYPERLINK(""http://x"")",=1+1\nring first,M\xc3\xbcller\n').location
    link = re.search(r'href="(/customers/imports/\d+/refused.csv)"', look(sender, address))

    assert link is not None
    answer = sender.get(link[1])
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert lines[0] == '"email","note","line","reason"'
    assert lines[1].startswith('"\'=HYPERLINK(""http://x"")","\'=1+1","2",')
    assert lines[2].startswith('"ring first","Müller","3",')
    again = look(sender, send(sender, answer.data, "refused.csv").location)
    assert figures(again)["Refused"] == 2
    assert re.findall(r'value="out" selected', again) == ['value="out" selected'] * 2
    assert "attachment" in answer.headers["Content-Disposition"]


def test_an_import_is_undone_after_a_question(sender: FlaskClient, make: Make) -> None:
    make.customer("old@bluegum.example")
    address = send(sender, FILE.encode()).location
    press(sender, address)
    page = finish(sender, address)

    asked = sender.get(f"{page.request.path}?ask=undo").text
    sender.post(f"{page.request.path}/undo")

    assert "The 2 customers that it brought go again." in asked
    assert emails() == ["old@bluegum.example"]
    assert "Undone" in sender.get(page.request.path).text
    assert sender.post(f"{page.request.path}/undo").status_code == 422


def test_while_it_is_undone_the_page_asks_again_and_then_says_what_was_done(
    sender: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = send(sender, FILE.encode()).location
    press(sender, address)
    page = finish(sender, address).request.path
    may_go, whole = threading.Event(), importing.undo

    def slow(*args: Any, **kwargs: Any) -> importing.Undone:
        may_go.wait(60)
        return whole(*args, **kwargs)

    monkeypatch.setattr(importing, "undo", slow)
    monkeypatch.setattr(imports, "PATIENCE", 0.05)
    sender.post(f"{page}/undo")

    assert "Being undone" in sender.get(page).text
    assert "every 1s" in sender.get(page, headers=PARTIAL).text
    may_go.set()
    for _ in range(1200):
        answer = sender.get(page, headers=PARTIAL)
        if "HX-Redirect" in answer.headers:
            break
        time.sleep(0.05)
    assert answer.headers["HX-Redirect"] == page
    assert "Undone: 2 customers went" in sender.get(page).text
    assert "every 1s" not in sender.get(page).text


def test_the_same_file_again_changes_nothing(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode()).location
    press(sender, address)
    finish(sender, address)

    again = look(sender, send(sender, FILE.encode()).location)

    assert figures(again)["Unchanged"] == 2
    assert "There is nothing to import" in again


def test_while_it_works_the_page_asks_again_and_says_how_far_it_is(sender: FlaskClient, held: threading.Event) -> None:
    address = send(sender, FILE.encode()).location

    working = sender.get(f"{address}/progress").text
    too_early = sender.post(f"{address}/apply", data={"plan": "1"})
    held.set()

    assert 'data-hx-trigger="every 1s, look"' in working
    assert too_early.status_code == 422
    assert figures(counted(sender, address))["New customers"] == 2


def test_after_a_restart_the_figures_are_counted_once_more(sender: FlaskClient, app: Flask) -> None:
    address = send(sender, FILE.encode()).location
    counted(sender, address)
    app.extensions.pop(jobs.EXTENSION)

    page = sender.get(address).text
    pressed = press(sender, address)
    again = choose(sender, address)

    assert "Count again" in page
    assert pressed.status_code == 422
    assert figures(again)["New customers"] == 2


def test_an_upload_is_its_users_own(sender: FlaskClient, make: Make) -> None:
    address = send(sender, FILE.encode()).location
    stranger = make.user("other@mail.test")

    for path in ("0" * 32, "..%2f..%2fetc", "x"):
        assert sender.get(f"/customers/import/{path}").status_code == 404
    with pytest.raises(LookupError):
        uploads.find(address.rpartition("/")[2], stranger.id)


def test_a_file_is_thrown_away_after_a_day_by_the_daily_sweep(sender: FlaskClient, make: Make) -> None:
    name, now = send(sender, FILE.encode()).location.rpartition("/")[2], datetime.now(UTC)
    folder = settings().cache_dir / "imports" / name

    importing.sweep(now + uploads.KEPT / 2)
    assert folder.is_dir()
    importing.sweep(now + uploads.KEPT * 1.1)

    assert not folder.exists()
    assert sender.get(f"/customers/import/{name}").status_code == 404


def test_importing_needs_send_mailout(make: Make, client_of: ClientOf) -> None:
    looker = client_of(make.user("pat@mail.test", sends=False))
    name = "0" * 32

    answers = [looker.get(f"/customers/import{path}") for path in ("", f"/{name}", f"/{name}/progress")]
    answers += [looker.post(f"/customers/import{path}") for path in ("", f"/{name}/match", f"/{name}/apply")]
    answers += [looker.get("/customers/imports/1"), looker.get("/customers/imports/1/refused.csv")]
    answers += [looker.post("/customers/imports/1/undo")]

    assert {answer.status_code for answer in answers} == {403}


def test_a_file_with_a_hostile_name_is_kept_under_ours(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode(), '../../<img src=x>"\0.csv').location

    page = sender.get(address).text
    assert "<img src=x" not in page
    assert ".." not in page.split("<main")[1].split("</h1>")[1][:300]


def test_imports_before_this_one_are_listed(sender: FlaskClient) -> None:
    address = send(sender, FILE.encode(), "november.csv").location
    press(sender, address)
    finish(sender, address)

    page = sender.get("/customers/import").text

    assert "november.csv" in page
    assert "2 new, 0 changed" in page
