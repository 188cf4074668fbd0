"""The pages' HTML, as html-validate reads it: every page of the made-up shop, for each who may see it.

It is skipped, and named, where `html-validate` (npm install --global html-validate@10) is not to be found.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools.shop import build, furnish, sending
from tests.web.conftest import cookie

CHECKER = shutil.which("html-validate")
CONFIG = Path(__file__).with_name("html-validate.json")


@pytest.mark.skipif(not CHECKER, reason="html-validate is not installed")
def test_every_page_is_valid_html(tmp_path: Path) -> None:
    app, folder = build(tmp_path / "shop"), tmp_path / "pages"
    folder.mkdir()
    with app.app_context():
        shop = furnish(app)
        pages = [(name, path, user and cookie(app, user)) for name, path, user in (*shop.pages, *sending(shop))]
    for name, path, kept in pages:
        client = app.test_client()
        if kept:
            client.set_cookie(app.config["SESSION_COOKIE_NAME"], kept)
        (folder / f"{name}.html").write_bytes(client.get(path).data)

    assert checked(folder) == ""


def checked(folder: Path) -> str:
    """What html-validate finds in the pages of this folder."""
    found = subprocess.run(
        [str(CHECKER), "--config", str(CONFIG), "--formatter", "text", str(folder / "*.html")],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout + found.stderr if found.returncode else ""
