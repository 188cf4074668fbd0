"""What others wrote is what they wrote, and the pages' files are small over the wire and fetched once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient

from mailout.models import User
from mailout.web import ROOT
from tests.makers import Make
from tests.tools import tabler

STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| (\S+) \| .* \| (\S{64}) \|$", re.MULTILINE)


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    written = dict(ROW.findall((VENDOR / "README.md").read_text()))

    assert set(written) >= {"htmx.min.js", "hx-ptag.min.js", "tabler.min.css"}
    for name, digest in written.items():
        content = (VENDOR / name).read_bytes()
        assert base64.b64encode(hashlib.sha384(content).digest()).decode() == digest, name


def test_every_script_and_style_of_others_is_in_the_list() -> None:
    written = {Path(name).name for name, _ in ROW.findall((VENDOR / "README.md").read_text())}

    assert {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")} <= written


def test_no_class_that_a_page_uses_is_missing_in_the_cut_stylesheet() -> None:
    missing = ", ".join(sorted(tabler.missing()))

    assert not missing, f"make the stylesheet again by `python -m tests.tools.tabler`: it lacks {missing}"


def test_the_cut_stylesheet_is_the_vendored_one_but_for_what_was_left_out() -> None:
    shown = tabler.CUT.read_text()
    words = frozenset().union(*tabler.asked(shown))

    assert shown == tabler.cut(tabler.FULL.read_text(), words, ())
    assert "Tabler v1.6.1" in shown
    assert "Licensed under MIT" in shown
    assert len(gzip.compress(shown.encode())) < 25_000


def test_the_sprite_has_every_icon_that_the_pages_name() -> None:
    symbols = {one.get("id") for one in ElementTree.parse(STATIC / "icons.svg").getroot()}
    named = set((VENDOR / "icons.txt").read_text().split())
    used = set()
    for path in (ROOT / "templates").rglob("*.html"):
        used |= set(re.findall(r'parts\.icon\("([\w-]+)"', path.read_text()))
    for path in (ROOT / "mailout" / "web").rglob("*.py"):
        used |= set(re.findall(r'Word\("[^"]*", "\w+", "([\w-]+)"\)', path.read_text()))

    assert named <= symbols
    assert used <= symbols


def test_a_first_page_is_under_150_kilobytes_over_the_wire(client: FlaskClient, make: Make) -> None:
    make.user()
    page = client.get("/login")
    files = re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text)
    sent = len(page.data) + sum(
        len(client.get(file, headers={"Accept-Encoding": "gzip"}).data) for file in {*files, icons(client)}
    )

    assert len(files) >= 6
    assert sent < 150_000 - 80_000  # what a grid of ten lists weighs more than this page


def icons(client: FlaskClient) -> str:
    return "/static/icons.svg"


def test_files_are_kept_for_a_year_by_their_version_and_asked_again_without(client: FlaskClient, make: Make) -> None:
    make.user()
    address = re.search(r'href="(/static/css/mailout\.css\?v=\w{12})"', client.get("/login").text)
    assert address

    kept = client.get(address[1], headers={"Accept-Encoding": "gzip, br"})
    plain = client.get("/static/css/mailout.css")

    assert "immutable" in kept.headers["Cache-Control"]
    assert "max-age=31536000" in kept.headers["Cache-Control"]
    assert kept.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(kept.data) == plain.data == (STATIC / "css" / "mailout.css").read_bytes()
    assert "immutable" not in plain.headers["Cache-Control"]
    again = client.get("/static/css/mailout.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304
    assert "Set-Cookie" not in kept.headers
    assert kept.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["../app.py", "..%2fapp.py", "/etc/passwd", "css/../../app.py", "nothing.css", "vendor", "", "css/mailout.css%00"],
)
def test_nothing_else_is_served(client: FlaskClient, make: Make, path: str) -> None:
    make.user()

    assert client.get(f"/static/{path}").status_code in (404, 308, 303)


def test_a_page_with_its_secrets_is_not_compressed(client_of: Callable[[User | None], FlaskClient], make: Make) -> None:
    answer = client_of(make.user()).get("/help", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
