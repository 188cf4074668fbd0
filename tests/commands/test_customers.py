"""The `customers` commands."""

from __future__ import annotations

import json

import pytest

from mailout.book import customers, lists, places
from mailout.models import Place, db

FILE = """email,first_name,last_name,pet
jo@example.org,Jo,Smith,dog
ann@example.org,Ann,Lee,
,Nobody,,
JO@example.org,Jo,,
nonsense,,,
"""


@pytest.fixture
def run(app):
    """Runs a command; returns (exit code, stdout, stderr)."""
    runner = app.test_cli_runner()

    def command(*words, stdin=""):
        result = runner.invoke(args=list(words), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return command


@pytest.fixture
def file(tmp_path):
    """A file of customers."""
    path = tmp_path / "customers.csv"
    path.write_text(FILE)
    return str(path)


def stands(email, name):
    """Where a customer stands in a list."""
    db.session.expire_all()
    return places.place_of(customers.by_email(email).id, lists.by_name(name).id)


def test_the_json_of_an_import_is_that_of_the_contract(run, make, file):
    make.list("Newsletter")
    make.list("Promotions")

    code, out, err = run("customers", "import", file, "--list", "Newsletter", "--json")

    said = json.loads(out)
    assert (code, err) == (0, "")
    assert {name: said[name] for name in said if name != "refused"} == {
        "new": 2,
        "updated": 0,
        "unchanged": 0,
        "kept_out": 0,
        "without_address": 1,
        "duplicates": 1,
    }
    assert [(one["line"], one["email"]) for one in said["refused"]] == [(6, "nonsense")]
    assert "needs one @" in said["refused"][0]["reason"]
    assert (stands("jo@example.org", "Newsletter"), stands("jo@example.org", "Promotions")) == ("included", "excluded")
    assert customers.by_email("jo@example.org").fields == {"pet": "dog"}
    assert json.loads(run("customers", "import", file, "--list", "Newsletter", "--json")[1])["unchanged"] == 2


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(run, file):
    code, out, _ = run("customers", "import", file, "--dry-run")

    assert code == 0
    assert "2  new" in out
    assert "line 6: nonsense" in out
    assert "Nothing was changed." in out
    assert customers.search(customers.Search()).total == 0


def test_strict_imports_nothing_when_a_row_is_refused(run, file):
    code, out, err = run("customers", "import", file, "--strict", "--json")

    assert code == 1
    assert json.loads(out)["new"] == 2
    assert "Nothing was imported: 1 rows are refused, the first in line 6" in err
    assert len(err.splitlines()) == 1
    assert customers.search(customers.Search()).total == 0


def test_a_file_can_come_by_standard_input_and_say_never_write_to_these(run, make):
    make.list("Newsletter", ["jo@example.org"])

    assert run("customers", "import", "-", "--suppress", stdin=FILE)[0] == 0

    assert customers.by_email("jo@example.org").suppressed_for == "by-hand"
    assert customers.by_email("ann@example.org").suppressed_for == "by-hand"


def test_a_column_with_the_name_of_a_list_is_kept_like_any_other(run, make):
    make.list("Newsletter")

    run("customers", "import", "-", stdin="email,Newsletter\njo@example.org,no\n")

    assert stands("jo@example.org", "Newsletter") == "included"
    assert customers.by_email("jo@example.org").fields == {"Newsletter": "no"}


def test_an_export_is_read_back_unchanged(run, make, file):
    make.list("Newsletter")
    run("customers", "import", file)
    run("customers", "exclude", "ann@example.org", "--list", "Newsletter")

    everyone, included = run("customers", "export")[1], run("customers", "export", "--list", "newsletter")[1]

    assert everyone.splitlines() == [
        '"email","first_name","last_name","pet"',
        '"jo@example.org","Jo","Smith","dog"',
        '"ann@example.org","Ann","Lee",""',
    ]
    assert len(included.splitlines()) == 2
    assert "2  unchanged" in run("customers", "import", "-", stdin=everyone)[1]


def test_one_customer_at_a_time(run, make):
    make.list("Newsletter")

    assert run("customers", "add", "Jo@example.org", "--first-name", "Jo")[0] == 0
    assert run("customers", "exclude", "jo@example.org", "--list", "Newsletter")[0] == 0
    assert stands("jo@example.org", "Newsletter") == "excluded"
    assert run("customers", "include", "jo@example.org", "--list", "Newsletter")[0] == 0
    assert stands("jo@example.org", "Newsletter") == "included"
    assert run("customers", "suppress", "jo@example.org")[0] == 0
    assert "as before" in run("customers", "suppress", "jo@example.org")[1]
    assert run("customers", "unsuppress", "jo@example.org", "--reason", "they rang")[0] == 0
    assert customers.by_email("jo@example.org").suppressed_for is None
    assert run("customers", "delete", "jo@example.org")[0] == 0
    assert run("customers", "import", "-", "--json", stdin="email\njo@example.org\n")[1].startswith('{"new": 0')


def test_whoever_left_is_taken_back_with_a_reason_alone(run, make, now):
    newsletter = make.list("Newsletter", ["jo@example.org"])
    places.unsubscribe(customers.by_email("jo@example.org").id, newsletter.id, how="one click", now=now)
    db.session.commit()

    code, _, err = run("customers", "include", "jo@example.org", "--list", "Newsletter")
    assert (code, "--reason" in err) == (1, True)
    assert run("customers", "exclude", "jo@example.org", "--list", "Newsletter")[0] == 0
    assert stands("jo@example.org", "Newsletter") is Place.UNSUBSCRIBED

    assert run("customers", "include", "jo@example.org", "--list", "Newsletter", "--reason", "rang")[0] == 0
    assert stands("jo@example.org", "Newsletter") is Place.INCLUDED


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("import", "/no/such/file.csv"), "", "can't be read"),
        (("import", "-"), "", "nothing in it"),
        (("import", "-"), "who,where\nJo,Lismore\n", "No column of it holds email addresses"),
        (("import", "-", "--list", "Lost"), "email\njo@example.org\n", "There is no list Lost."),
        (("export", "--list", "Lost"), "", "There is no list Lost."),
        (("include", "jo@example.org", "--list", "Lost"), "", "There is no list Lost."),
        (("include", "no@example.org", "--list", "Newsletter"), "", "There is no customer no@example.org."),
        (("delete", "no@example.org"), "", "There is no customer no@example.org."),
        (("unsuppress", "no@example.org"), "", "There is no customer no@example.org."),
        (("add", "jo@example.org"), "", "a customer already"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_exit_code_1(run, make, words, stdin, said):
    make.list("Newsletter", ["jo@example.org"])

    code, out, err = run("customers", *words, stdin=stdin)

    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1
