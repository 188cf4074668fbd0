"""What an arrived letter shows, who can write a probe, and which domains belong together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailout.core import own
from mailout.core.checking import arrival, dmarc, probe, signs, spf
from mailout.core.checking.arrival import Got
from mailout.core.checking.domains import Answer, Found, aligned, is_made_up
from mailout.core.checking.finding import Finding, Status
from mailout.core.checking.probe import Probe, Way
from mailout.core.delivery import Reply, Stage
from mailout.core.own import Own
from mailout.core.reading import letter as reading
from mailout.core.returning.triage import Keyed, Other, triage

SECRET, OTHER_SECRET = b"the secret of the database", b"the secret of somebody else"
AT = datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
OWN = Own(
    "mailout+{key}@example.org", "mailout+b-{token}@example.org", "mailout+u-{token}@example.org", "news@example.org"
)
TRACE = (
    "Return-Path: <{path}>\r\nReceived: from relay.example.net by MX.example.org. with LMTP\r\n"
    "\tfor <{to}>; Wed, 25 Nov 2026 03:04:07 +0000\r\n"
)
GRAMMAR = (
    "v=spf1",
    "v=DMARC1",
    ";",
    "=",
    ":",
    "/",
    "%{i}",
    "p",
    "d",
    "include",
    "ip4",
    "redirect",
    " ",
    '"',
    "(",
    "\\",
)
SIGNATURE = "DKIM-Signature: v=1; a=rsa-sha256; d={}; s=s1;\r\n\tbh=AAA=; b=BBB=\r\n"


def made(way: Way = Way.KEY, secret: bytes = SECRET, ours: Own = OWN) -> Probe:
    return probe.make(ours, secret, 42, way, "Happy Paws", AT)


def got(trace: str = "", *, path: str | None = None, change: tuple[bytes, bytes] = (b"", b"")) -> Got:
    """A probe that arrived, with more lines above the trace of the last server."""
    one = made()
    last = TRACE.format(path=one.return_path if path is None else path, to=one.to)
    raw = (trace + last).encode() + one.raw.replace(*change)
    return Got(one, AT, reading.read(raw), 2.0)


def judged(one: Got, host: str = "", organisation: str = "") -> list[Finding]:
    return arrival.judge(one, host, organisation)


def about(found: list[Finding], words: str) -> Finding:
    """The one finding that speaks of this."""
    mine = [finding for finding in found if words in finding.text + finding.advice]
    assert len(mine) == 1, (words, found)
    return mine[0]


# -- the probe ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", Way)
def test_a_probe_is_the_doctors_own_whatever_address_it_goes_to(way: Way) -> None:
    letter = reading.read(made(way).raw)

    assert probe.read(SECRET, letter.fields, letter.message_id) == (42, way)
    assert triage(letter, OWN, SECRET) == Other("it is the doctor's own letter, which tries the way")


@pytest.mark.parametrize("lost", [b"X-Mailout-Probe: ", b"Message-ID: "])
def test_it_is_known_by_its_header_or_by_its_message_id(lost: bytes) -> None:
    letter = reading.read(made().raw.replace(lost, b"X-Other: "))

    assert isinstance(triage(letter, OWN, SECRET), Other)


def test_nobody_else_can_write_one() -> None:
    forged = made(secret=OTHER_SECRET)
    letter = reading.read(forged.raw.replace(b"Auto-Submitted: auto-generated\r\n", b""))

    assert probe.read(SECRET, letter.fields, letter.message_id) is None
    assert isinstance(triage(letter, OWN, SECRET), Keyed), "it is judged like any letter to a key address"


def test_its_addresses_have_the_form_of_the_real_ones() -> None:
    key, bounce = made(Way.KEY), made(Way.BOUNCE)

    said = OWN.read(key.to, SECRET)
    assert said is not None
    assert own.is_key(said.key)
    back = OWN.read(bounce.to, SECRET)
    assert back is not None
    assert (back.what, back.numbers) == (own.What.BOUNCE, (probe.NOBODY,))
    assert key.return_path == bounce.to, "its envelope sender is a bounce address, as a copy's is"
    assert all(len(line) <= 998 for line in key.raw.split(b"\r\n"))
    assert key.raw.isascii()


def test_only_a_mailbox_with_sub_addresses_has_a_plain_address() -> None:
    assert OWN.plain == "mailout@example.org"
    assert Own("{key}@mailout.example.org", "b-{token}@x.org", "u-{token}@x.org", "news@example.org").plain == ""


def test_a_report_is_known_by_what_it_returns() -> None:
    report = b"To: <" + made().return_path.encode() + b">\r\n\r\n--x\r\n\r\n" + made().raw.upper()

    assert probe.is_in(made().token, report)
    assert not probe.is_in(made(Way.BOUNCE).token, report)


# -- what arrived ------------------------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    results = "Authentication-Results: mx.example.org; spf=pass; dkim=pass header.d=example.org; dmarc=pass\r\n"
    one = got(results + SIGNATURE.format("example.org"))

    found = judged(one, "mx.example.org")

    assert {finding.status for finding in found} == {Status.OK}
    assert about(found, "DKIM").text == "DKIM: it is signed for example.org, which counts for From"
    assert about(found, "mx.example.org found").text.endswith("spf=pass, dkim=pass, dmarc=pass")
    assert about(found, "receiving host").text == "The receiving host is mx.example.org, as RECEIVING_HOST says"
    assert about([arrival.body([one])], "byte for byte").status is Status.OK


def test_a_replaced_return_path_says_where_bounces_go() -> None:
    found = about(judged(got(path="owner@gmail.example")), "return path")

    assert found.status is Status.WARNING
    assert "owner@gmail.example" in found.text
    assert "BOUNCE_ADDRESS" in found.advice


def test_a_replaced_from_says_what_to_set() -> None:
    found = about(judged(got(change=(b"<news@example.org>", b"<owner@example.net>"))), "From of the letter")

    assert (found.status, "FROM_ADDRESS=owner@example.net" in found.advice) == (Status.WARNING, True)


@pytest.mark.parametrize(
    ("domains", "organisation", "status", "said"),
    [
        ((), "", Status.WARNING, "without a DKIM signature"),
        (("relay.example.net",), "", Status.WARNING, "signed for relay.example.net only"),
        (("relay.example.net", "mail.example.org"), "", Status.OK, "signed for mail.example.org"),
        (("other.example.org",), "example.org", Status.OK, "signed for other.example.org"),
        (("badexample.org",), "", Status.WARNING, "signed for badexample.org only"),
    ],
)
def test_a_signature_counts_when_it_is_of_the_domain_of_from(
    domains: tuple[str, ...], organisation: str, status: Status, said: str
) -> None:
    found = judged(got("".join(map(SIGNATURE.format, domains))), organisation=organisation)

    assert [(one.status, said in one.text) for one in found if "DKIM" in one.text] == [(status, True)]


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        (Answer(Found.YES, ("v=DKIM1; k=rsa; p=MIGf",)), False),
        (Answer(Found.YES, ("v=spf1 -all", "p=MIGf")), False),
        (Answer(Found.YES, ("v=DKIM1; p=",)), True),
        (Answer(Found.NO), True),
        (Answer(Found.SILENT), False),
        (None, False),
    ],
)
def test_a_signature_whose_key_is_not_in_dns_counts_for_nothing(answer: Answer | None, warned: bool) -> None:
    one = got(SIGNATURE.format("relay.example.net") + SIGNATURE.format("example.org"))

    found = about(arrival.judge(one, "", "", answer), "DKIM")

    assert arrival.key_name(one) == "s1._domainkey.example.org"
    assert (found.status is Status.WARNING) is warned
    assert ("s1._domainkey.example.org" in found.text) is warned


def test_what_the_receiving_host_found_wrong_says_what_to_do() -> None:
    results = "Authentication-Results: mx.example.org; spf=softfail smtp.mailfrom=x; dkim=none; dmarc=fail\r\n"

    found = about(judged(got(results)), "mx.example.org found")

    assert (found.status, found.text) == (Status.WARNING, "mx.example.org found spf=softfail, dkim=none, dmarc=fail")
    assert "SPF record" in found.advice
    assert "compare the DKIM record" not in found.advice


def test_a_receiving_host_that_is_not_the_one_of_the_settings() -> None:
    assert "RECEIVING_HOST=mx.example.org" in about(judged(got()), "The receiving host").advice
    other = about(judged(got(), "old.example.org"), "The receiving host")
    assert (other.status, "RECEIVING_HOST=mx.example.org" in other.advice) == (Status.WARNING, True)


@pytest.mark.parametrize(("minutes", "warned"), [(1, False), (60, True)])
def test_clocks_that_are_apart(minutes: int, warned: bool) -> None:
    one = got()
    later = Got(one.probe, AT + timedelta(minutes=minutes), one.letter, 2.0)

    assert any("clocks" in finding.text for finding in judged(later)) is warned


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ((b"", b""), Status.OK, "byte for byte"),
        ((b"Mailout\r\n", b"Mailout\r\n\r\n"), Status.OK, "byte for byte"),
        ((b"\r\nMailout\r\n", b"\r\nMailout\r\nSent by us.\r\n"), Status.WARNING, "adds a text"),
        ((b"end  \r\n", b"end\r\n"), Status.WARNING, "changes the text"),
        ((b"\r\nFrom here", b"\r\n>From here"), Status.WARNING, "changes the text"),
        ((b"\r\n..two", b"\r\n.two"), Status.WARNING, "changes the text"),
    ],
)
def test_a_changed_text_is_seen(change: tuple[bytes, bytes], status: Status, said: str) -> None:
    found = arrival.body([got(change=change)])

    assert (found.status, said in found.text) == (status, True)


def test_what_is_not_there_names_the_way_out_and_no_secret() -> None:
    one = made()
    found = [
        arrival.refused(one, Reply(550, "5.1.1", "unknown", Stage.RCPT), OWN, "mailout@example.org"),
        arrival.came_back(one, "5.1.1 unknown", OWN, "mailout@example.org"),
        arrival.lost(one, 120, OWN, "mailout@example.org", frozenset({Way.PLAIN})),
        arrival.lost(one, 120, OWN, "mailout@example.org", frozenset({Way.PLAIN, Way.BOUNCE})),
        arrival.lost(one, 120, OWN, "mailout@example.org", frozenset()),
    ]

    assert {finding.status for finding in found} == {Status.FAILED}
    assert all("mailout+{key}@example.org" in finding.text for finding in found)
    assert not any(one.to in finding.text + finding.advice for finding in found)
    assert all("MAILOUT_ADDRESS={key}@mailout.example.org" in finding.advice for finding in found[:3])
    assert "MAILOUT_ADDRESS" in found[3].advice
    assert "junk folder" in found[4].advice


def test_the_way_out_fits_the_form_of_the_address_and_hides_its_secret() -> None:
    ours = Own("{key}@keys.example.org", "b-{token}@example.org", "u-{token}@example.org", "news@example.org")
    key, bounce = made(Way.KEY, ours=ours), made(Way.BOUNCE, ours=ours)

    reply = Reply(550, "", f"<{key.to.upper()}> unknown", Stage.RCPT)
    of_key = arrival.refused(key, reply, ours, "box@example.org")
    of_bounce = arrival.came_back(bounce, "unknown", ours, "box@example.org")

    assert of_key.text.endswith("550 <{key}@keys.example.org> unknown")
    assert "every address in keys.example.org delivered to box@example.org (catch-all)" in of_key.advice
    assert "recipient_delimiter" not in of_key.advice + of_bounce.advice
    assert "BOUNCE_ADDRESS" in of_bounce.advice


@pytest.mark.parametrize(
    ("stage", "text", "of_sender"),
    [
        (Stage.MAIL, "no", True),
        (Stage.RCPT, "<{path}>: Sender address rejected: not owned by user", True),
        (Stage.RCPT, "<{path}> may not send", True),
        (Stage.DOT, "Client does not have permissions to send as this sender", True),
        (Stage.RCPT, "<{to}>: no such user here", False),
        (Stage.DOT, "content refused", False),
    ],
)
def test_a_refusal_of_who_sends_is_told_from_one_of_the_address(stage: Stage, text: str, of_sender: bool) -> None:
    one = made()
    reply = Reply(553, "5.7.1", text.format(path=one.return_path, to=one.to), stage)

    found = arrival.refused(one, reply, OWN, "mailout@example.org")

    assert ("send as news@example.org" in found.text) is of_sender
    assert ("FROM_ADDRESS" in found.advice) is of_sender
    assert one.return_path not in found.text


# -- the grammar of what servers write ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mx.example.org; none", {}),
        ("mx.example.org 1; spf=pass (a; comment (in it)) smtp.mailfrom=x@y.org", {"spf": "pass"}),
        ('"mx.example.org"; dkim=fail reason="bad; dkim=pass" header.d=y.org', {"dkim": "fail"}),
        ("mx.example.org; dkim/1=fail header.d=a.org;\r\n\tDKIM=Pass header.d=y.org", {"dkim": "pass"}),
        ("mx.example.org", {}),
        ("", {}),
    ],
)
def test_authentication_results(value: str, said: dict[str, str]) -> None:
    found = signs.results(reading.read(f"Authentication-Results: {value}\r\n\r\n".encode()).fields)

    assert found is not None
    best = {method: result.value for method in ("spf", "dkim", "dmarc") if (result := found.best(method))}
    assert best == said


def test_only_the_topmost_results_are_believed() -> None:
    raw = b"Authentication-Results: a.org; spf=fail\r\nAuthentication-Results: b.org; spf=pass\r\n\r\n"

    found = signs.results(reading.read(raw).fields)

    assert found is not None
    assert (found.host, found.results[0].value) == ("a.org", "fail")


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        ("v=spf1 a mx ptr ip4:192.0.2.1 ip4:192.0.2.0/24 ip6:2001:db8::/32 include:x.org exists:%{i}.x.org -all", ""),
        ("v=spf1 a/24 a:x.org/24 mx//64 mx:x.org/24//64 ?all", ""),
        ("v=spf1 redirect=_spf.x.org exp=e.x.org new=thing", ""),
        ("v=spf1 +a ~mx", ""),
        ("V=SPF1  A   -ALL", ""),
        ("v=spf1 include -all", "include"),
        ("v=spf1 ip4:192.0.2.300 -all", "ip4:192.0.2.300"),
        ("v=spf1 ip4=192.0.2.3 -all", "ip4=192.0.2.3"),
        ("v=spf1 all:x", "all:x"),
        ("v=spf1 mx: -all", "mx:"),
        ("v=spf1 a/x -all", "a/x"),
        ("v=spf1 redirect= ", "redirect="),
        ("v=spf1 spf.x.org -all", "spf.x.org"),
    ],
)
def test_the_grammar_of_spf(record: str, wrong: str) -> None:
    assert spf.parse(record)[1] == wrong


def test_what_counts_for_a_receiver_is_counted() -> None:
    known = {
        "x.org": Answer(Found.YES, ("v=spf1 a mx exists:%{i}.y.org include:%{d}.z.org ip4:192.0.2.1 redirect=y.org",)),
        "y.org": Answer(Found.YES, ("v=spf1 ptr -all",)),
    }

    assert spf.lookups("x.org", known) == 6
    assert spf.missing("x.org", {"x.org": known["x.org"]}) == ["y.org"]


def test_redirect_does_not_count_beside_all() -> None:
    known = {"x.org": Answer(Found.YES, ("v=spf1 mx redirect=y.org -all",))}

    assert (spf.lookups("x.org", known), spf.missing("x.org", known)) == (1, [])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(GRAMMAR) | st.text(max_size=8)))
def test_no_record_and_no_header_stops_the_judgement(pieces: list[str]) -> None:
    text = "".join(pieces)
    answer = Answer(Found.YES, (f"v=spf1 {text}", f"v=DMARC1;{text}"))
    value = text.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"")
    head = b"Authentication-Results: " + value + b"\r\nDKIM-Signature: " + value + b"\r\n"
    one = got(head.decode("latin-1"))

    assert all(finding.text for finding in spf.judge("x.org", {"x.org": answer}, "relay.x.org"))
    assert all(finding.text for finding in dmarc.judge("x.org", {"_dmarc.x.org": answer}))
    assert all(finding.text for finding in judged(one))
    assert isinstance(arrival.key_name(one), str)


@pytest.mark.parametrize(
    ("domain", "author", "organisation", "strict", "same"),
    [
        ("x.org", "x.org", "", True, True),
        ("m.x.org", "x.org", "", False, True),
        ("x.org", "m.x.org", "", False, True),
        ("m.x.org", "x.org", "", True, False),
        ("a.x.org", "b.x.org", "x.org", False, True),
        ("a.x.org", "b.x.org", "", False, False),
        ("notx.org", "x.org", "", False, False),
        ("m.x.org", "b.x.org", "b.x.org", False, False),
    ],
)
def test_which_domains_belong_together(domain: str, author: str, organisation: str, strict: bool, same: bool) -> None:
    assert aligned(domain, author, organisation, strict=strict) is same


@pytest.mark.parametrize(("name", "made_up"), [("mail.test", True), ("vm", True), ("x.org", False), ("a.local", True)])
def test_names_that_no_dns_knows(name: str, made_up: bool) -> None:
    assert is_made_up(name) is made_up
