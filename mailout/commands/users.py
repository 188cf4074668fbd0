"""users -- the `users` commands: so that nobody is ever locked out.

Owns     the words of these commands
Never    prints a password, takes one as an argument (others could read it)
Fails    in one line on stderr, with exit code 1
"""

from __future__ import annotations

import sys

import click

from ..book import links, users
from ..current import settings
from ..journal import COMMAND
from ..models import User, db
from ..outbox.progress import iso
from ._output import fail, now, print_json, tidy
from ._words import Group


@click.group("users", cls=Group)
def group() -> None:
    """Who uses Mailout, and what they may."""


@group.command()
@click.argument("email")
@click.option("--name", required=True, help="The name that stands beside what they do.")
@click.option("--administrator", is_flag=True, help="May do everything.")
@click.option("--send-mailout", is_flag=True, help="May make mail-outs, lists and imports.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@tidy
def create(email: str, name: str, administrator: bool, send_mailout: bool, password_stdin: bool, as_json: bool) -> None:
    """Add the user EMAIL. Without a password, print a link with which they choose one (once, within an hour)."""
    password, moment = _password() if password_stdin else None, now()
    flags = {"administrator": administrator, "may_send": send_mailout}
    user = users.create(email, name, password=password, actor=COMMAND, now=moment, **flags)
    link = "" if password_stdin else _link(links.make(links.INVITE, user.id, None, moment))
    db.session.commit()
    if as_json:
        print_json(_object(user) | {"link": link or None})
        return
    click.echo(f"{user.email} is a user now.")
    if link:
        click.echo(f"They choose their password here, once and within an hour:\n{link}")


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@tidy
def list_(as_json: bool) -> None:
    """Show all users."""
    for user in users.everyone():
        if as_json:
            print_json(_object(user))
            continue
        words = [word for word, is_so in _flags(user) if is_so]
        click.echo(f"{user.email}\t{user.name}\t{', '.join(words) or 'neither permission'}")


@group.command()
@click.argument("email")
@tidy
def deactivate(email: str) -> None:
    """Sign EMAIL out at once and let them in no more."""
    done = users.deactivate(users.by_email(email).id, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{email} is deactivated and signed out." if done else f"{email} was deactivated already.")


@group.command()
@click.argument("email")
@tidy
def activate(email: str) -> None:
    """Let EMAIL in again."""
    done = users.activate(users.by_email(email).id, actor=COMMAND, now=now())
    db.session.commit()
    click.echo(f"{email} may sign in again." if done else f"{email} was active already.")


@group.command()
@click.argument("email")
@click.option("--administrator", is_flag=True, help="May do everything.")
@click.option("--send-mailout", is_flag=True, help="May make mail-outs, lists and imports.")
@tidy
def grant(email: str, administrator: bool, send_mailout: bool) -> None:
    """Give EMAIL a permission."""
    _set_flags(email, administrator, send_mailout, True)


@group.command()
@click.argument("email")
@click.option("--administrator", is_flag=True, help="No longer an Administrator.")
@click.option("--send-mailout", is_flag=True, help="May no longer make mail-outs.")
@tidy
def revoke(email: str, administrator: bool, send_mailout: bool) -> None:
    """Take a permission from EMAIL; they are signed out."""
    _set_flags(email, administrator, send_mailout, False)


@group.command("set-password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@tidy
def set_password(email: str, password_stdin: bool) -> None:
    """Give EMAIL a new password; without one, print a link with which they choose it (once, within an hour)."""
    user, moment = users.by_email(email), now()
    if password_stdin:
        users.set_password(user.id, _password(), actor=COMMAND, now=moment)
        db.session.commit()
        click.echo(f"{user.email} has a new password. They are signed out everywhere.")
        return
    link = _link(links.make(links.RESET, user.id, None, moment))
    db.session.commit()
    click.echo(f"{user.email} chooses a new password here, once and within an hour:\n{link}")


def _set_flags(email: str, administrator: bool, send_mailout: bool, value: bool) -> None:
    """Give or take the permissions that are named."""
    if not (administrator or send_mailout):
        fail("Say which permission: --administrator, --send-mailout, or both.")
    user = users.by_email(email)
    wanted_administrator = value if administrator else user.is_administrator
    wanted_send = value if send_mailout else user.may_send
    users.set_flags(user.id, administrator=wanted_administrator, may_send=wanted_send, actor=COMMAND, now=now())
    db.session.commit()
    words = [word for word, is_so in _flags(users.find(user.id)) if is_so and word != "deactivated"]
    click.echo(f"{user.email} has {', '.join(words) or 'neither permission'} now.")


def _flags(user: User) -> tuple[tuple[str, bool], ...]:
    return (
        ("Administrator", user.is_administrator),
        ("Send Mailout", user.may_send),
        ("deactivated", not user.is_active),
    )


def _object(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "administrator": user.is_administrator,
        "send_mailout": user.may_send,
        "active": user.is_active,
        "created_at": iso(user.created_at),
        "last_seen_at": iso(user.last_seen_at),
    }


def _password() -> str:
    """The first line of standard input."""
    return sys.stdin.readline().rstrip("\r\n")


def _link(secret: str) -> str:
    return f"{settings().base_url}/reset/{secret}"
