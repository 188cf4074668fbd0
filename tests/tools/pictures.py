"""pictures -- a picture of every page, in both themes and at two widths, and what is wrong with it.

    python -m tests.tools.pictures FOLDER [NAME...]       every page, or those whose name begins so, into FOLDER
    python -m tests.tools.pictures --help-pages           the pictures of the help pages, into static/help

Prints what axe-core finds, what scrolls sideways, and what the browser complains of. Look at the pictures besides.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from mailout.models import User
from tests.tools.shop import RELAY_OUT, Shop, beat, build, furnish, relay_out, sending
from tests.web.conftest import CHROMIUM, FLAGS, Watch, axe, cookie, sideways

LOOKS = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))
HELP = Path(__file__).resolve().parent.parent.parent / "static" / "help"
#: A help picture: the page of the shop, the part of it that is shown, and how much of that says enough, in pixels.
HELP_PARTS = {
    "create": ("mailout-new", "main .sheet", 395),
    "envelope": ("mailout-waiting", "main .sheet", 435),
    "complete": ("mailout-complete", "main .sheet", 470),
    "customers": ("customers", "main table", 447),
    "import": ("import", "main .sheet", 440),
    "users": ("users", "main .sheet", 460),
}


@contextmanager
def studio() -> Iterator[tuple[Shop, str]]:
    """The shop, and where it is served."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        app = build(Path(folder))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with app.app_context():
            yield furnish(app), f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    with sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def open_page(shop: Shop, browser: Any, url: str, user: User | None, width: int, scheme: str) -> Any:
    """A page of `user`'s, as wide and as dark as asked for."""
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    if user:
        name = shop.app.config["SESSION_COOKIE_NAME"]
        context.add_cookies([{"name": name, "value": _cookie(shop.app, user), "url": url}])
    beat()
    return context.new_page()


@cache
def _cookie(app: Flask, user: User) -> str:
    """One session for each user."""
    return cookie(app, user)


def take_all(folder: Path, wanted: Sequence[str]) -> int:
    """Take the pictures; returns how many things are wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, studio() as (shop, url):
        wrong = [_take(shop, browser, url, folder, page) for page in shop.pages if _is_wanted(page[0], wanted)]
        wrong += [_take(shop, browser, url, folder, page) for page in sending(shop) if _is_wanted(page[0], wanted)]
    return sum(wrong)


def _is_wanted(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(name.startswith(one) for one in wanted)


def _take(shop: Shop, browser: Any, url: str, folder: Path, about: tuple[str, str, User | None]) -> int:
    """Take one page in all its looks, and print what is wrong with it."""
    name, path, user = about
    found: list[str] = []
    for width, scheme in LOOKS:
        page, watch = open_page(shop, browser, url, user, width, scheme), Watch()
        watch.over(page)
        if name == RELAY_OUT:
            relay_out()
        page.goto(path)
        # what sticks to the window's foot is to be seen at the page's
        page.set_viewport_size({"width": width, "height": max(900, page.evaluate("document.body.scrollHeight"))})
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
        wrong = watch.wrong + axe(page) + ([f"scrolls sideways by {sideways(page)}"] if sideways(page) else [])
        found += [f"{width} {scheme}: {one}" for one in wrong]
        page.context.close()
    print(f"{name}: {f'{len(found)} wrong' if found else 'fine'}", *found, sep="\n    ")
    return len(found)


def take_help(folder: Path, browser: Any) -> list[Path]:
    """Take the pictures of the help pages; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with studio() as (shop, url):
        pages = {name: (path, user) for name, path, user in shop.pages}
        for name, (page_name, part, most) in HELP_PARTS.items():
            path, user = pages[page_name]
            page = open_page(shop, browser, url, user, 900, "light")
            page.goto(path)
            taken.append(folder / f"{name}.png")
            box = page.locator(part).first.bounding_box()
            clip = box | {"height": min(box["height"], most), "x": box["x"] - 1, "width": box["width"] + 2}
            page.screenshot(path=taken[-1], clip=clip, full_page=True)
            page.context.close()
    return taken


if __name__ == "__main__":
    if sys.argv[1:] == ["--help-pages"]:
        with chromium() as started:
            print(*take_help(HELP, started), sep="\n")
    else:
        sys.exit(1 if take_all(Path(sys.argv[1]), sys.argv[2:]) else 0)
