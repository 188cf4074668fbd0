"""What an installation says about itself: one line for each wrong value, and nothing of a secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailout import settings
from mailout.settings import Misconfigured
from tests.conftest import environment


def faults(folder: Path, **values: str) -> list[str]:
    try:
        settings.read(environment(folder, **values))
    except Misconfigured as wrong:
        return list(wrong.faults)
    return []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAILOUT_ADDRESS", "", "is missing"),
        ("MAILOUT_ADDRESS", "mailout@example.org", "{key} must stand in it once"),
        ("MAILOUT_ADDRESS", "mailout+{key}", "no email address"),
        ("MAILOUT_ADDRESS", "m" * 40 + "+{key}@example.org", "too long"),
        ("BOUNCE_ADDRESS", "b{x}@example.org", "{token} must stand in it once"),
        ("BASE_URL", "", "is missing"),
        ("BASE_URL", "http://mailout.example.org", "without https"),
        ("BASE_URL", "mailout.example.org", "no address of a web site"),
        ("BASE_URL", "https://mailout.example.org:port", "no address of a web site"),
        ("BASE_URL", "https://mailout.example.org:6000", "browsers refuse to open that port"),
        ("ORGANISATION_NAME", "", "is missing"),
        ("ORGANISATION_ADDRESS", "", "is missing"),
        ("POP3_HOST", "", "is missing while SMTP_HOST is set"),
        ("POP3_SECURITY", "ssl", "none of tls, starttls, none"),
        ("POP3_PASSWORD", "x\r\nDELE 1", "line break"),
        ("SMTP_HOST", "a b", "no host name"),
        ("HOST", "a b", "no host name"),
        ("RECEIVING_HOST", "a b", "no host name"),
        ("PORT", "70000", "not a whole number from 1 to 65535"),
        ("MAX_MESSAGE_BYTES", "25MB", "For example: MAX_MESSAGE_BYTES=26214400"),
        ("KEY_LIFETIME_HOURS", "0", "not a number from 0.0001 to 8760"),
        ("SMTP_RATE_LIMIT", "30", "no number per second"),
        ("RETRY_SCHEDULE", "1m,,5m", "no length of time"),
        ("FROM_POLICY", "change", "none of aligned, keep, rewrite"),
        ("SENDER_POLICY", "any", "none of known, key"),
        ("TIME_ZONE", "Mars/Olympus", "no time zone"),
        ("DURABILITY", "fast", "none of power, process"),
        ("TLS_CA_FILE", "/nowhere", "can't be read"),
        ("TLS_CA_FILE", __file__, "holds no certificate"),
        ("DATABASE_URL", "nonsense", "no SQLite file"),
        ("DATABASE_URL", "sqlite:///beside.db", "no SQLite file"),
        ("DATABASE_URL", "postgresql://u:hush@db/mailout", "no SQLite file"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", "can't be made"),
        ("INSTANCE_DIR", __file__, "can't be written"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_fault_and_example(tmp_path, name, value, said):
    (line,) = faults(tmp_path, **{name: value})

    assert line.startswith(f"{name} ")
    assert said in line
    assert f"For example: {name}=" in line
    assert "hush" not in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAILOUT_ADDRESS", "{key}@mailout.example.org"),
        ("BOUNCE_ADDRESS", "bounces@example.org"),
        ("BASE_URL", "http://[::1]:5000"),
        ("HOST", "::"),
        ("HOST", "0.0.0.0"),
        ("KEY_LIFETIME_HOURS", "0.001"),
        ("START_DELAY_SECONDS", "0"),
        ("RETRY_SCHEDULE", "2s, 2s"),
        ("SMTP_RATE_LIMIT", "10/second, 10000/day"),
        ("FROM_POLICY", "KEEP"),
    ],
)
def test_a_right_value_starts(tmp_path, name, value):
    assert faults(tmp_path, **{name: value}) == []


def test_two_wrong_values_are_two_lines(tmp_path):
    assert [line.split()[0] for line in faults(tmp_path, PORT="x", SMTP_CONNECTIONS="0")] == [
        "PORT",
        "SMTP_CONNECTIONS",
    ]


def test_the_sandbox_is_on_no_port_that_browsers_refuse(tmp_path):
    with pytest.raises(settings.Misconfigured) as wrong:
        settings.read({"INSTANCE_DIR": str(tmp_path), "PORT": "5060"})

    assert wrong.value.faults == ("PORT is 5060, and browsers refuse to open that port. For example: PORT=5000",)


def test_an_example_is_a_right_value(tmp_path):
    (line,) = faults(tmp_path, MAX_MESSAGE_BYTES="much")

    assert faults(tmp_path, MAX_MESSAGE_BYTES=line.rpartition("=")[2]) == []


def test_the_doorbell_lies_beside_the_database(tmp_path):
    elsewhere = tmp_path / "data"
    elsewhere.mkdir()

    found = settings.read(environment(tmp_path / "instance", DATABASE_URL=f"sqlite:///{elsewhere}/mailout.db"))

    assert found.huey_file == elsewhere / "huey.db"
    assert settings.read(environment(tmp_path / "instance")).huey_file == tmp_path / "instance" / "huey.db"


def test_nothing_secret_is_shown(tmp_path):
    shown = repr(settings.read(environment(tmp_path, SECRET_KEY="hush hush hush", POP3_PASSWORD="hush too")))

    assert "hush" not in shown
