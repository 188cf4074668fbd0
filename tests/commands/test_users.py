"""The `users` commands."""

from __future__ import annotations

import json
import re

import pytest

from mailout.book import links, users


@pytest.fixture
def run(app, now):
    """Runs a command; returns (exit code, stdout, stderr)."""
    runner = app.test_cli_runner()

    def command(*words, stdin=""):
        result = runner.invoke(args=list(words), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return command


def test_a_user_without_a_password_gets_a_link(run):
    code, out, _ = run("users", "create", "jo@mail.test", "--name", "Jo Hartley", "--send-mailout")

    user = users.by_email("jo@mail.test")
    assert (code, user.name, user.may_send, user.is_administrator) == (0, "Jo Hartley", True, False)
    secret = re.search(r"http://127\.0\.0\.1:5000/reset/(\S+)", out)[1]
    assert links.find_any(secret, user.created_at).user_id == user.id


def test_a_password_is_read_from_standard_input(run, now):
    args = ("users", "create", "jo@mail.test", "--name", "Jo", "--administrator", "--password-stdin")

    code, out, _ = run(*args, stdin="correct horse battery\n")

    assert (code, "reset" in out, "battery" in out) == (0, False, False)
    assert users.check_password("jo@mail.test", "correct horse battery", now).is_administrator


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("create", "nonsense", "--name", "Jo"), "", "needs one @"),
        (("create", "jane@mail.test", "--name", "Jo"), "", "already"),
        (("create", "jo@mail.test", "--name", "Jo", "--password-stdin"), "short\n", "8 characters"),
        (("create", "jo@mail.test", "--name", "Jo", "--password-stdin"), "", "8 characters"),
        (("deactivate", "nobody@mail.test"), "", "There is no user nobody@mail.test."),
        (("revoke", "jane@mail.test", "--administrator"), "", "last active Administrator"),
        (("grant", "jane@mail.test"), "", "Say which permission"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_exit_code_1(run, make, words, stdin, said):
    make.user("jane@mail.test", administrator=True)

    code, out, err = run("users", *words, stdin=stdin)

    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_nobody_is_ever_locked_out(run, make, now):
    make.user("jane@mail.test", administrator=True)
    make.user("jo@mail.test", sends=False)

    assert run("users", "grant", "jo@mail.test", "--administrator")[0] == 0
    assert run("users", "revoke", "jane@mail.test", "--administrator", "--send-mailout")[0] == 0
    assert run("users", "deactivate", "jane@mail.test")[0] == 0
    assert run("users", "activate", "jane@mail.test")[0] == 0
    assert run("users", "set-password", "jo@mail.test", "--password-stdin", stdin="quite another horse\n")[0] == 0
    assert "/reset/" in run("users", "set-password", "jane@mail.test")[1]

    assert users.check_password("jo@mail.test", "quite another horse", now).is_administrator
    shown = [json.loads(line) for line in run("users", "list", "--json")[1].splitlines()]
    assert [(one["email"], one["administrator"], one["send_mailout"], one["active"]) for one in shown] == [
        ("jane@mail.test", False, False, True),
        ("jo@mail.test", True, False, True),
    ]
    assert run("users", "list")[1].splitlines()[1] == "jo@mail.test\tJo\tAdministrator"


def test_each_command_helps(run):
    for words in ((), ("create",), ("list",), ("grant",), ("revoke",), ("set-password",)):
        code, out, _ = run("users", *words, "--help")
        assert (code, "Usage:" in out) == (0, True)
