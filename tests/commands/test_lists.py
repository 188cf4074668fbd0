"""The `lists` commands."""

from __future__ import annotations

import json

import pytest

from mailout.book import lists


@pytest.fixture
def run(app):
    """Runs a command; returns (exit code, stdout, stderr)."""
    runner = app.test_cli_runner()

    def command(*words):
        result = runner.invoke(args=list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return command


def test_a_list_starts_empty_unless_told_otherwise(run, make):
    make.customer("jo@example.org")

    assert run("lists", "create", "Newsletter")[0] == 0
    assert run("lists", "create", "Promotions", "--include-everyone", "--description", "Sales")[0] == 0
    assert run("lists", "create", "Plain", "--no-unsubscribe-line", "--exclude-by-default")[0] == 0

    shown = [json.loads(line) for line in run("lists", "list", "--json")[1].splitlines()]
    assert [(one["name"], one["included"]) for one in shown] == [("Newsletter", 0), ("Plain", 0), ("Promotions", 1)]
    assert (shown[1]["unsubscribe_line"], shown[1]["includes_new"], shown[2]["description"]) == (False, False, "Sales")
    assert "Promotions\t1 included" in run("lists", "list")[1]


def test_a_list_is_renamed_put_away_and_brought_back(run, make):
    make.list("Newsletter")

    assert run("lists", "rename", "newsletter", "Letters")[0] == 0
    assert run("lists", "archive", "Letters") == (0, "The list Letters is archived.\n", "")
    assert run("lists", "archive", "Letters") == (0, "The list Letters was archived already.\n", "")
    assert run("lists", "list")[1] == ""
    assert "Letters" in run("lists", "list", "--archived")[1]
    assert run("lists", "restore", "Letters")[0] == 0
    assert lists.by_name("Letters").archived_at is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "NEWSLETTER"), "There is a list Newsletter already."),
        (("create", ""), "needs a name"),
        (("rename", "Lost", "Found"), "There is no list Lost."),
        (("archive", "Lost"), "There is no list Lost."),
    ],
)
def test_what_can_not_be_done_is_one_line_and_exit_code_1(run, make, words, said):
    make.list("Newsletter")

    code, out, err = run("lists", *words)

    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1
