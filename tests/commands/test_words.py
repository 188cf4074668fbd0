"""What was typed wrongly is answered in one line."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("mailouts", "show", "abc"), 2, "'abc' is no number."),
        (("mailouts", "show", "-1"), 2, "No such option"),
        (("mailouts", "show", "7"), 1, "There is no mail-out 7."),
        (("mailouts", "cancel", "9" * 30), 2, f"There is no mail-out {'9' * 30}."),
        (("mailouts", "show"), 2, "Missing argument 'ID'."),
        (("mailouts", "list", "--state", "asleep"), 2, "'asleep' is not one of 'waiting', 'held'"),
        (("mailouts", "recipients", "1", "--state", "asleep"), 2, "'asleep' is not one of 'queued', 'sending'"),
        (("mailouts", "create", "--list", "Newsletter"), 2, "Missing option '--user'."),
        (("mailouts", "nonsense"), 2, "No such command 'nonsense'."),
        (("inbox", "list", "--verdict", "nice"), 2, "'nice' is not one of"),
        (("customers", "import"), 2, "Missing argument 'FILE'."),
        (("db", "downgrade"), 2, "No such command 'downgrade'."),
    ],
)
def test_a_command_that_is_not_understood_says_so_in_one_line(app, words, code, said):
    result = app.test_cli_runner().invoke(args=list(words))

    assert result.exit_code == code
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_group_alone_shows_its_commands(app):
    result = app.test_cli_runner().invoke(args=["mailouts"])

    assert result.exit_code == 2
    assert "send-again-uncertain" in result.output
