"""The `doctor` command: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailout.commands import doctor
from mailout.core.checking.finding import Part, failed, ok, warning
from tests.installation import Installation

WELL = ok(Part.DATABASE, "Whole")
BETTER = warning(Part.DNS, "example.org has no SPF record", "Put this TXT record at example.org: ...")
BAD = failed(Part.MAILBOX, "It does not answer", "Look at POP3_HOST")


def installation(folder: Path, **more: str) -> Installation:
    return Installation({"INSTANCE_DIR": str(folder / "instance")} | more, folder)


@pytest.mark.parametrize(
    ("findings", "code", "said"),
    [
        ((WELL,), 0, "All is well."),
        ((WELL, BETTER), 0, "1 warning."),
        ((BETTER, BETTER, BAD), 1, "1 failed, 2 warnings."),
    ],
)
def test_only_what_failed_makes_the_exit_code(capsys, findings, code, said):
    report = doctor.Report(as_json=False)
    report.add(findings)

    assert report.end() == code
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_findings_stand_under_their_part_one_line_each_with_their_advice(capsys):
    report = doctor.Report(as_json=False)
    report.add((WELL, BETTER, BETTER))

    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Database",
        "  ok       Whole",
        "",
        "Your domain (DNS)",
        "  warning  example.org has no SPF record",
        "           Put this TXT record at example.org: ...",
        "  warning  example.org has no SPF record",
        "           Put this TXT record at example.org: ...",
    ]


def test_json_is_one_object_a_finding_and_nothing_else(capsys):
    report = doctor.Report(as_json=True)
    report.add((WELL, BAD))
    report.end()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == {
        "part": "mailbox", "status": "failed", "text": "It does not answer", "advice": "Look at POP3_HOST",
    }  # fmt: skip
    assert len(lines) == 2


def test_in_a_fresh_sandbox_it_says_so_and_fails_at_nothing(tmp_path):
    done = installation(tmp_path).flask("doctor")

    assert "This is the sandbox" in done.stdout
    assert "failed" not in done.stdout
    assert "\x1b" not in done.stdout, "no colours in a file"
    assert done.stderr == ""


def test_settings_that_stop_the_start_are_findings_and_no_traceback(tmp_path):
    broken = installation(tmp_path, POP3_HOST="mail.example.org", PORT="many", POP3_PASSWORD="a secret")

    done = broken.flask("doctor", check=False)
    found = [json.loads(line) for line in broken.flask("doctor", "--json", check=False).stdout.splitlines()]
    other = broken.flask("users", "list", check=False)

    assert done.returncode == 1
    assert "PORT is 'many'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "a secret" not in done.stdout + done.stderr
    assert {finding["status"] for finding in found} == {"failed"}
    assert next(one for one in found if "PORT is" in one["text"])["advice"].endswith("for example: PORT=5000")
    assert "PORT is 'many'" in other.stderr, "other commands say it as they did"
    assert other.stdout == ""


def test_a_round_trip_without_a_database_sends_nothing(tmp_path):
    done = installation(tmp_path).flask("doctor", "--round-trip", check=False)

    assert done.returncode == 1
    assert "No letter was sent: the database can't be used" in done.stdout
