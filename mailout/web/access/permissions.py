"""permissions -- who may do what: one table of all pages and fragments, enforced before each request.

Owns     RULES, one line for each endpoint; POLLS, the endpoints that pages ask again by themselves
Never    lets anybody into what has no line: a new page without a rule is refused to all
Fails    Unauthorized (401, and the way to the sign-in page), Refused (403) that names the permission
"""

from __future__ import annotations

from enum import StrEnum

from flask import Flask, request, url_for
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from ...models import User
from .. import asking
from ..asking import Refused


class Rule(StrEnum):
    """What an endpoint asks of whoever wants it; the word is the permission's name on the pages."""

    PUBLIC = "nothing"
    SIGNED_IN = "an account"
    SENDS = "Send Mailout"
    ADMINISTRATOR = "Administrator"


PUBLIC, SIGNED_IN, SENDS, ADMINISTRATOR = Rule

#: One line for each endpoint. "Their own mail-outs or an Administrator's press" is `asking.my_mailout` besides.
RULES: dict[str, Rule] = {
    "static": PUBLIC,
    "health.healthz": PUBLIC,
    "health.favicon": PUBLIC,
    # the door
    "auth.home": PUBLIC,
    "auth.login": PUBLIC,
    "auth.logout": SIGNED_IN,
    "auth.forgot": PUBLIC,
    "auth.send_reset": PUBLIC,
    "auth.reset": PUBLIC,
    "auth.set_password": PUBLIC,
    "first_run.create": PUBLIC,
    "first_run.save": PUBLIC,
    # oneself
    "profile.show": SIGNED_IN,
    "profile.save": SIGNED_IN,
    "profile.password": SIGNED_IN,
    "profile.change_password": SIGNED_IN,
    "profile.add_address": SIGNED_IN,
    "profile.confirm_address": SIGNED_IN,
    "profile.save_address": SIGNED_IN,
    "profile.remove_address": SIGNED_IN,
    "profile.end_session": SIGNED_IN,
    "profile.end_sessions": SIGNED_IN,
    "support.ask": SIGNED_IN,
    "support.send": SIGNED_IN,
    "help.index": SIGNED_IN,
    "help.show": SIGNED_IN,
    # administration
    "users.index": ADMINISTRATOR,
    "users.invite": ADMINISTRATOR,
    "users.send_invitation": ADMINISTRATOR,
    "users.flag": ADMINISTRATOR,
    "users.deactivate": ADMINISTRATOR,
    "users.activate": ADMINISTRATOR,
    "users.send_link": ADMINISTRATOR,
    "system.index": ADMINISTRATOR,
    "system.adopt": ADMINISTRATOR,
    "system.try_mailbox": ADMINISTRATOR,
    "system.try_relay": ADMINISTRATOR,
    "system.look_up": ADMINISTRATOR,
    "inbox.index": ADMINISTRATOR,
    "inbox.show": ADMINISTRATOR,
    "inbox.raw": ADMINISTRATOR,
    "audit.index": ADMINISTRATOR,
    "support.requests": ADMINISTRATOR,
    "support.show": ADMINISTRATOR,
    # mail-outs
    "mailouts.index": SIGNED_IN,
    "mailouts.new": SENDS,
    "mailouts.create": SENDS,
    "mailouts.show": SIGNED_IN,
    "mailouts.panel": SIGNED_IN,
    "mailouts.strip": SIGNED_IN,
    "recipients.index": SIGNED_IN,
    "recipients.csv": SENDS,
    "draft.eml": SENDS,
    "draft.qr": SENDS,
    "preview.show": SENDS,
    "preview.frame": SENDS,
    "presses.press": SENDS,
    "late.show": SENDS,
    "late.frame": SENDS,
    "late.release": SENDS,
    "sandbox_mail.index": SIGNED_IN,
    "sandbox_mail.inbox": SIGNED_IN,
    "sandbox_mail.letter": SIGNED_IN,
    "sandbox_mail.frame": SIGNED_IN,
    "sandbox_mail.raw": SIGNED_IN,
    "sandbox_mail.write": SIGNED_IN,
    "sandbox_mail.send": SIGNED_IN,
    # customers
    "customers.index": SIGNED_IN,
    "switches.one": SIGNED_IN,
    "switches.save": SIGNED_IN,
    "customers.bulk": SENDS,
    "customers.undo_bulk": SENDS,
    "customers.export": SENDS,
    "customer.show": SIGNED_IN,
    "customer.new": SIGNED_IN,
    "customer.add": SIGNED_IN,
    "customer.edit": SIGNED_IN,
    "customer.save": SIGNED_IN,
    "customer.take_back": SIGNED_IN,
    "customer.suppress": SIGNED_IN,
    "customer.unsuppress": ADMINISTRATOR,
    "customer.delete": SENDS,
    "importing.index": SENDS,
    "importing.upload": SENDS,
    "importing.show": SENDS,
    "importing.progress": SENDS,
    "importing.match": SENDS,
    "importing.apply": SENDS,
    "imports.show": SENDS,
    "imports.refused": SENDS,
    "imports.undo": SENDS,
    # lists
    "lists.index": SIGNED_IN,
    "lists.new": SENDS,
    "lists.create": SENDS,
    "lists.show": SIGNED_IN,
    "lists.change": SENDS,
    "lists.archive": SENDS,
    "lists.restore": SENDS,
    "lists.line": SENDS,
    # the customers' own pages
    "public.page": PUBLIC,
    "public.one_click": PUBLIC,
    "public.leave": PUBLIC,
    "public.switches": PUBLIC,
    "public.everything": PUBLIC,
    "public.undo": PUBLIC,
}

#: What a page that lies open asks by itself. It does not keep a session alive.
POLLS: frozenset[str] = frozenset({"mailouts.panel", "mailouts.strip", "importing.progress"})

#: Where a user may go who must choose a password first.
BEFORE_PASSWORD = frozenset(
    {
        "static",
        "auth.logout",
        "profile.password",
        "profile.change_password",
        "help.index",
        "help.show",
        "health.healthz",
    }
)


def allows(rule: Rule, user: User | None) -> bool:
    """Whether `rule` lets `user` in; None is somebody who is not signed in."""
    if rule is PUBLIC:
        return True
    if user is None or not user.is_active:
        return False
    return rule is SIGNED_IN or user.is_administrator or (rule is SENDS and user.may_send)


def guard(app: Flask) -> None:
    """Have every request to `app` pass the table first."""
    app.before_request(_let_in)


def _let_in() -> Response | None:
    """Let the request through, or say what it lacks; an address that there is not goes on to its 404."""
    if request.endpoint is None:
        return None
    rule = RULES.get(request.endpoint)
    if rule is PUBLIC:
        return None
    if not asking.signed_in():
        raise Unauthorized()
    if rule is None or not allows(rule, asking.who()):
        raise Refused(rule or ADMINISTRATOR)
    if asking.who().must_change_password and request.endpoint not in BEFORE_PASSWORD:
        return asking.go(url_for("profile.password"))
    return None
