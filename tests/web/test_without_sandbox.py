"""With real servers there is no sandbox to be seen."""

from __future__ import annotations

from collections.abc import Callable

from flask.testing import FlaskClient

from mailout.models import User
from tests.makers import Make


def test_with_real_servers_there_is_no_sandbox_mail(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    client = client_of(make.user(administrator=True))

    for path in ("/sandbox", "/sandbox/letter", "/sandbox/raw", "/sandbox/write"):
        assert client.get(path).status_code == 404
    assert client.post("/sandbox/write", data={"to": "ada@sandbox.test"}).status_code == 404
    assert "Sandbox mail" not in client.get("/mailouts").text
