"""Who may do what: every endpoint has a line in the table, and the table is what happens, role by role.

The roles are walked over Flask's own map of addresses, so that a new page without a rule fails here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import AnyConverter, BaseConverter, IntegerConverter
from werkzeug.routing import Rule as Address

from mailout.book import users
from mailout.journal import COMMAND
from mailout.models import User, db
from mailout.web.access.permissions import (
    ADMINISTRATOR,
    BEFORE_PASSWORD,
    POLLS,
    PUBLIC,
    RULES,
    SENDS,
    SIGNED_IN,
    Rule,
    allows,
)
from tests.makers import Make

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Role:
    """Somebody, and which rules let them in."""

    name: str
    may: frozenset[Rule]


ROLES = (
    Role("anonymous", frozenset({PUBLIC})),
    Role("deactivated", frozenset({PUBLIC})),
    Role("neither", frozenset({PUBLIC, SIGNED_IN})),
    Role("sends", frozenset({PUBLIC, SIGNED_IN, SENDS})),
    Role("administrator", frozenset({PUBLIC, SIGNED_IN, SENDS, ADMINISTRATOR})),
)


def somebody(role: str, make: Make) -> User | None:
    """The user of that role, and an Administrator besides, so that the last one is never the one at hand."""
    make.user("root@mail.test", administrator=True)
    if role == "anonymous":
        return None
    return make.user(f"{role}@mail.test", sends=role == "sends", administrator=role == "administrator")


#: The contract's table of who may do what, as patterns of endpoints; the first that fits counts.
CONTRACT: tuple[tuple[str, Rule], ...] = (
    (r"customers\.(bulk|undo_bulk|export)|importing\..*|imports\..*|customer\.delete", SENDS),
    (r"customer\.unsuppress", ADMINISTRATOR),
    (r"customers\.index|customer\..*|switches\..*", SIGNED_IN),
    (r"lists\.(index|show)", SIGNED_IN),
    (r"lists\..*", SENDS),
    (r"mailouts\.(index|show|panel|strip)|recipients\.index|sandbox_mail\..*", SIGNED_IN),
    (r"(mailouts|recipients|draft|preview|presses|late)\..*", SENDS),
    (r"support\.(ask|send)|help\..*|profile\..*|auth\.logout", SIGNED_IN),
    (r"(users|system|inbox|audit|support)\..*", ADMINISTRATOR),
    (r"static|health\..*|auth\..*|first_run\..*|public\..*", PUBLIC),
)


def test_the_table_says_what_the_contract_says() -> None:
    def wanted(endpoint: str) -> Rule | None:
        return next((rule for pattern, rule in CONTRACT if re.fullmatch(pattern, endpoint)), None)

    assert {endpoint: wanted(endpoint) for endpoint in RULES} == RULES


def path_of(address: Address) -> str:
    """A path that leads to this address, with things in it that there are not."""
    values = {name: made_up(kind) for name, kind in address._converters.items()}
    built = address.build(values, append_unknown=False)
    assert built is not None, address
    return built[1]


def made_up(kind: BaseConverter) -> object:
    """A value that this part of an address takes."""
    if isinstance(kind, AnyConverter):
        return sorted(kind.items)[0]
    return 999_999 if isinstance(kind, IntegerConverter) else "x"


def test_every_endpoint_has_a_rule_and_every_rule_an_endpoint(app: Flask) -> None:
    endpoints = {address.endpoint for address in app.url_map.iter_rules()}

    assert endpoints - set(RULES) == set(), "these pages have no line in permissions.RULES: nobody may open them"
    assert set(RULES) - endpoints - SANDBOX_ALONE == set(), "these lines of permissions.RULES name no page"
    assert set(RULES) >= POLLS
    assert set(RULES) >= BEFORE_PASSWORD


#: These are there only with the sandbox.
SANDBOX_ALONE = {endpoint for endpoint in RULES if endpoint.startswith("sandbox_mail.")}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_role_gets_into_what_its_rules_say_and_nowhere_else(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient], role: Role
) -> None:
    user = somebody(role.name, make)
    client = client_of(user)
    if role.name == "deactivated" and user:
        users.deactivate(user.id, actor=COMMAND, now=user.created_at)
        db.session.commit()
    wrong = [
        (method, path, answer)
        for path, endpoints in addresses(app).items()
        for method in METHODS
        # whoever signs out is somebody else afterwards
        if endpoints.get(method) not in ENDS
        for answer in [client.open(path, method=method, headers={"HX-Request": "true"}).status_code]
        if not as_expected(answer, endpoints.get(method), role)
    ]

    assert not wrong


def addresses(app: Flask) -> dict[str, dict[str, str]]:
    """Every address of the application, with the endpoint of each method that it takes."""
    found: dict[str, dict[str, str]] = {}
    for address in app.url_map.iter_rules():
        methods = dict.fromkeys((address.methods or set()) - {"OPTIONS"}, address.endpoint)
        found.setdefault(path_of(address), {}).update(methods)
    return found


def as_expected(status: int, endpoint: str | None, role: Role) -> bool:
    """Whether an answer fits the role: let in (whatever then is missing), or told to sign in, or refused."""
    if endpoint is None:
        return status in (401, 403, 404, 405)
    if RULES[endpoint] in role.may:
        return status not in (401, 403, 405, 500)
    return status == (401 if role.may == {PUBLIC} else 403)


ENDS = {"auth.logout", "profile.end_session", "profile.end_sessions"}


def test_a_page_without_a_rule_is_refused_to_an_administrator(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    app.add_url_rule("/new-page", "new.page", lambda: "secret")

    answer = client_of(make.user(administrator=True)).get("/new-page")

    assert answer.status_code == 403
    assert b"secret" not in answer.data


def test_the_rules_say_who_may() -> None:
    for flags, let_in in (
        ((False, False), {PUBLIC, SIGNED_IN}),
        ((False, True), {PUBLIC, SIGNED_IN, SENDS}),
        ((True, False), {PUBLIC, SIGNED_IN, SENDS, ADMINISTRATOR}),
        ((True, True), {PUBLIC, SIGNED_IN, SENDS, ADMINISTRATOR}),
    ):
        user = User(is_administrator=flags[0], may_send=flags[1], is_active=True)
        gone = User(is_administrator=flags[0], may_send=flags[1], is_active=False)

        assert {rule for rule in Rule if allows(rule, user)} == let_in
        assert {rule for rule in Rule if allows(rule, gone)} == {PUBLIC}
    assert {rule for rule in Rule if allows(rule, None)} == {PUBLIC}


def test_a_refused_page_names_the_permission_and_who_gives_it(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    make.user("jo@mail.test", administrator=True)
    make.user("marlene@mail.test", administrator=True)

    page = client_of(make.user("tom@mail.test", sends=False)).get("/users")

    assert page.status_code == 403
    assert "the permission <strong>Administrator</strong>" in page.text
    assert "Jo or Marlene can give it to you, on the page Users" in page.text


def test_a_refused_press_says_so_too_and_a_refused_list_is_no_refused_mail_out(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    make.user("jo@mail.test", administrator=True)
    tom = client_of(make.user("tom@mail.test", sends=False))

    note = tom.post("/customers/bulk", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert note.status_code == 403
    assert "This needs the permission Send Mailout. Jo can give it to you, on the page Users." in note.text
    assert "You can't send mail-outs yet" in tom.get("/mailouts/new").text
    assert "This is not yours to open" in tom.get("/lists/new").text
    assert "This is not yours to open" in tom.get("/customers/import").text


def test_who_is_not_signed_in_comes_back_to_where_they_wanted_to_go(
    app: Flask, make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    make.user(administrator=True)
    client = client_of(None)

    answer = client.get("/audit?q=jane&page=2")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=/audit?q%3Djane%26page%3D2"


def test_a_fragment_whose_session_is_over_sends_the_whole_page_to_the_door(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    make.user(administrator=True)

    answer = client_of(None).get(
        "/audit", headers={"HX-Request": "true", "HX-Current-URL": "https://mail.test/audit?q=x"}
    )

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/audit"
    assert answer.data == b""


def test_whoever_must_choose_a_password_goes_nowhere_else(
    make: Make, client_of: Callable[[User | None], FlaskClient]
) -> None:
    user = make.user(administrator=True)
    users.set_password(user.id, "one time horse battery", actor=COMMAND, now=user.created_at, must_change=True)
    db.session.commit()
    client = client_of(user)

    assert client.get("/users").headers["Location"] == "/profile/password"
    assert client.get("/profile").headers["Location"] == "/profile/password"
    assert client.get("/profile/password").status_code == 200
    assert client.get("/help").status_code == 200
