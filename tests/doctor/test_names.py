"""What DNS says of our domains, asked of a real name server over UDP."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mailout import settings as mailout_settings
from mailout.core.checking.finding import Finding, Status
from mailout.doctor import names
from mailout.settings import Settings
from tests.conftest import environment
from tests.doctor.name_server import FAILS, SILENT, Zone, name_server

WELL: Zone = {
    ("example.org", "MX"): ["10 mx1.example.net.", "5 mx0.example.net."],
    ("example.org", "TXT"): ['"site-verification=1"', '"v=spf1 include:spf.relay.example.net ~all"'],
    ("spf.relay.example.net", "TXT"): ['"v=spf1 ip4:192.0.2.0/24 -all"'],
    ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none; rua=mailto:dmarc@example.org"'],
}


def installation(folder: Path, **more: str) -> Settings:
    return mailout_settings.read(environment(folder, MAILOUT_ADDRESS="mailout+{key}@example.org", **more))


def look(folder: Path, zone: Zone, **more: str) -> list[Finding]:
    """What is found with this zone; nothing of it is worse than a warning."""
    with name_server(zone) as server:
        found = list(names.look(installation(folder, **more), server.resolver))
    assert all(finding.status is not Status.FAILED for finding in found), "DNS only warns"
    assert all(finding.advice for finding in found if finding.status is Status.WARNING)
    return found


def warnings(found: list[Finding]) -> list[str]:
    return [finding.text for finding in found if finding.status is Status.WARNING]


def test_all_is_well(tmp_path: Path) -> None:
    found = look(tmp_path, WELL)

    assert warnings(found) == []
    assert [finding.text for finding in found] == [
        "Letters to example.org go to mx0.example.net or mx1.example.net",
        "SPF of example.org lets in include:spf.relay.example.net (1 of 10 look-ups)",
        "DMARC of example.org is p=none: letters that fail are delivered all the same",
        "Returns go to example.org, which counts for letters from example.org",
    ]


@pytest.mark.parametrize(
    ("changes", "said", "advised"),
    [
        ({("example.org", "MX"): None}, "DNS knows no mail server for example.org", "MX record"),
        ({("example.org", "MX"): None, ("example.org", "A"): ["192.0.2.1"]}, "has no MX record", "web server"),
        ({("example.org", "MX"): ["0 ."]}, "takes no mail", "RFC 7505"),
        ({("example.org", "TXT"): ['"nothing"']}, "has no SPF record", '"v=spf1 include:NAME ~all"'),
        ({("example.org", "TXT"): ['"v=spf1 mx -all"', '"v=spf1 a -all"']}, "has 2 SPF records", "one record"),
        ({("example.org", "TXT"): ['"v=spf1 mx +all"']}, "lets everybody send", "~all or -all"),
        ({("example.org", "TXT"): ['"v=spf1 mx all"']}, "lets everybody send", "~all or -all"),
        ({("example.org", "TXT"): ['"v=spf1 -all"']}, "lets nobody send", "include:NAME"),
        ({("example.org", "TXT"): ['"v=spf1 ipv4:192.0.2.1 -all"']}, '"ipv4:192.0.2.1"', "TXT record"),
        ({("spf.relay.example.net", "TXT"): None}, "leads to spf.relay.example.net", "Take include:"),
        ({("_dmarc.example.org", "TXT"): None}, "has no DMARC record", "_dmarc.example.org"),
        ({("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']}, "several DMARC", "Keep one"),
        ({("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=maybe"']}, "neither p=none", "p=none"),
        ({("example.org", "TXT"): FAILS}, "name servers of example.org fail", "DNS of that domain"),
        ({("_dmarc.example.org", "TXT"): SILENT}, "name servers of _dmarc.example.org do not answer", "Try again"),
    ],
)
def test_what_is_not_well_is_a_warning_that_says_what_to_put(
    tmp_path: Path, changes: dict[tuple[str, str], list[str] | str | None], said: str, advised: str
) -> None:
    zone = {key: value for key, value in {**WELL, **changes}.items() if value is not None}

    found = [finding for finding in look(tmp_path, zone) if finding.status is Status.WARNING]

    assert len(found) == 1, found
    assert said in found[0].text
    assert advised in found[0].advice


def test_a_record_in_several_pieces_is_one_text(tmp_path: Path) -> None:
    pieces = WELL | {("example.org", "TXT"): ['"v=spf1 include:spf.rel" "ay.example.net ~all"']}

    assert warnings(look(tmp_path, pieces)) == []


def test_more_than_ten_look_ups_are_counted_through_what_is_included(tmp_path: Path) -> None:
    inner = {(f"s{n}.example.net", "TXT"): ['"v=spf1 a:a.example.net mx:b.example.net -all"'] for n in range(4)}
    just = "v=spf1 " + " ".join(f"include:s{n}.example.net" for n in range(3)) + " mx ~all"
    over = "v=spf1 " + " ".join(f"include:s{n}.example.net" for n in range(4)) + " ~all"

    within = look(tmp_path, WELL | inner | {("example.org", "TXT"): [f'"{just}"']})
    beyond = look(tmp_path, WELL | inner | {("example.org", "TXT"): [f'"{over}"']})

    assert any("(10 of 10 look-ups)" in finding.text for finding in within)
    assert warnings(beyond) == ["The SPF record of example.org needs more than 10 look-ups in DNS"]


def test_records_that_include_each_other_end(tmp_path: Path) -> None:
    circle = WELL | {("spf.relay.example.net", "TXT"): ['"v=spf1 include:example.org -all"']}

    assert warnings(look(tmp_path, circle)) == ["The SPF record of example.org needs more than 10 look-ups in DNS"]


def test_the_record_of_the_domain_above_holds_for_a_sub_domain(tmp_path: Path) -> None:
    sub = {key: value for key, value in WELL.items() if key[0] != "_dmarc.example.org"} | {
        ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=reject; sp=quarantine; aspf=s; rua=mailto:x@example.org"'],
    }

    found = look(tmp_path, sub, FROM_ADDRESS="news@shop.example.org")

    assert any("DMARC of shop.example.org (found at example.org) is p=quarantine" in one.text for one in found)
    strict = [one for one in found if one.status is Status.WARNING]
    assert [one.text for one in strict] == ["Returns go to example.org, letters are from shop.example.org"]
    assert "aspf=s" in strict[0].advice


def test_returns_to_another_domain_do_not_count(tmp_path: Path) -> None:
    other = WELL | {
        ("bounces.example.com", "MX"): ["10 mx.example.net."],
        ("bounces.example.com", "TXT"): ['"v=spf1 mx -all"'],
    }

    found = look(tmp_path, other, BOUNCE_ADDRESS="b-{token}@bounces.example.com")

    assert warnings(found) == ["Returns go to bounces.example.com, letters are from example.org"]
    assert "DKIM signature for example.org" in found[-1].advice


def test_a_known_provider_that_is_not_let_in(tmp_path: Path) -> None:
    found = look(tmp_path, WELL, SMTP_HOST="smtp.gmail.com", SMTP_SECURITY="starttls")

    assert "does not name _spf.google.com" in " ".join(warnings(found))


def test_nobody_answers(tmp_path: Path) -> None:
    with name_server({}) as server:
        server.zone = dict.fromkeys([("example.org", "MX"), ("example.org", "TXT"), ("example.org", "A")], SILENT)
        server.zone |= dict.fromkeys([("_dmarc.example.org", "TXT"), ("example.org", "AAAA")], SILENT)
        began = time.monotonic()
        found = list(names.look(installation(tmp_path), server.resolver))
        took = time.monotonic() - began

    assert warnings(found) == ["No name server answers in time"]
    assert len(found) == 1
    assert took < 3 * names.SECONDS, "all questions together have a few seconds"


def test_a_machine_without_name_servers(tmp_path: Path) -> None:
    assert warnings(list(names.look(installation(tmp_path), lambda: None))) == ["No name server answers in time"]


def test_a_name_that_no_dns_knows_is_not_asked_for(tmp_path: Path) -> None:
    with name_server(WELL) as server:
        found = list(names.look(mailout_settings.read(environment(tmp_path)), server.resolver))

    assert [(finding.status, "mail.test" in finding.text) for finding in found] == [(Status.OK, True)]
    assert server.asked == []


@pytest.mark.parametrize(
    ("author", "at"), [("shop.example.org", "example.org"), ("example.org", "example.org"), ("x.org", ""), ("vm", "")]
)
def test_where_an_organisation_begins_its_dmarc_record_says(author: str, at: str) -> None:
    with name_server(WELL) as server:
        assert names.organisation(names.Names(server.resolver()), author) == at


def test_no_question_is_asked_twice(tmp_path: Path) -> None:
    with name_server(WELL) as server:
        list(names.look(installation(tmp_path), server.resolver))

    assert len(server.asked) == len(set(server.asked))
