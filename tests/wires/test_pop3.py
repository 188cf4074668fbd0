"""The POP3 session against a server that does what a test tells it, and against Dovecot."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import trustme

from mailout.wires import pop3_line
from mailout.wires.pop3 import LetterDoubtful, LetterRefused, MailboxUnavailable, Pop3Mailbox, Trouble
from mailout.wires.tls import Server
from tests.fake_pop3 import ALWAYS, FakePop3, Session, close, cut, drip, silence, stuffed
from tests.mailservers import PASSWORD, MailServers

ONE = b"From: jane@mail.test\r\nTo: mailout+x@mail.test\r\nSubject: one\r\n\r\nHello.\r\n"
TWO = b"From: jane@mail.test\r\nTo: mailout+y@mail.test\r\nSubject: two\r\n\r\nHello again.\r\n"


@pytest.fixture
def fake() -> Iterator[FakePop3]:
    with FakePop3([ONE, TWO]) as running:
        yield running


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def read_all(server: Server, seconds: float = 10) -> list[bytes]:
    """Every letter, fetched and deleted, as one session does."""
    with Pop3Mailbox.open(server, seconds) as mailbox:
        found = []
        for waiting in mailbox.listing():
            found.append(mailbox.fetch(waiting.number))
            assert mailbox.delete(waiting.number)
        assert mailbox.close()
    return found


def trouble(server: Server, seconds: float = 10) -> MailboxUnavailable:
    """What keeps the mailbox from being read."""
    with pytest.raises(MailboxUnavailable) as caught:
        read_all(server, seconds)
    return caught.value


def test_letters_are_listed_fetched_and_removed(fake: FakePop3) -> None:
    fake.uidls = ["a", "b"]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        first, second = mailbox.listing()
        assert (first.number, first.uidl, first.size) == (1, "a", len(ONE))
        assert mailbox.fetch(second.number) == TWO
        assert mailbox.delete(second.number)
        assert mailbox.close()

    assert fake.letters == [ONE]


def test_an_empty_mailbox_is_listed_as_empty() -> None:
    with FakePop3() as fake:
        assert read_all(fake.server()) == []


def test_a_session_left_without_close_removes_nothing(fake: FakePop3) -> None:
    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        assert mailbox.delete(1)

    assert fake.letters == [ONE, TWO]
    assert fake.said("QUIT") == []


@pytest.mark.parametrize("answer", [b"-ERR some deleted messages not removed\r\n", close, b"what?\r\n"])
def test_deletions_hold_only_when_quit_is_answered_with_ok(fake: FakePop3, answer: object) -> None:
    fake.answers["QUIT"] = [answer]  # type: ignore[list-item]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        mailbox.delete(1)
        assert mailbox.close() is False

    assert fake.letters == [ONE, TWO]


def test_unique_ids_are_optional_and_capabilities_are_not_asked_for(fake: FakePop3) -> None:
    fake.answers["CAPA"] = ALWAYS(b"-ERR what\r\n")

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        assert [waiting.uidl for waiting in mailbox.listing()] == ["", ""]
        mailbox.close()

    assert fake.said("CAPA") == []


@pytest.mark.parametrize("length", [2_000, 3_000, 100_000, 1_500_000])
def test_a_line_of_any_length_is_read(length: int) -> None:
    letter = b"Subject: long\r\n\r\n" + b"x" * length + b"\r\nend\r\n"
    with FakePop3([letter, ONE]) as fake:
        assert read_all(fake.server()) == [letter, ONE]


@pytest.mark.parametrize("end", [b"\n.\r\n", b"\r.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r", b"\r\r\n.\r\r\n"])
def test_only_crlf_dot_crlf_ends_a_letter(end: bytes) -> None:
    forged = b"+OK forged\r\nTo: mailout+key@mail.test\r\n\r\nForged.\r\n"
    letter = b"Subject: smuggle\r\n\r\nx" + end + forged
    with FakePop3([letter, ONE]) as fake:
        # what a server does that stuffs dots after CRLF alone
        assert read_all(fake.server()) == [letter, ONE]


@pytest.mark.parametrize(
    "body", [b".\r\n", b"..\r\n", b".x\r\n", b"...\r\n", b".\r\n..\r\n.x\r\n...\r\n", b"", b"\r\n"]
)
def test_dots_arrive_unchanged(body: bytes) -> None:
    letters = [b"Subject: dots\r\n\r\n" + body, body + b"no head\r\n", ONE]
    with FakePop3(letters) as fake:
        assert read_all(fake.server()) == letters


def test_an_empty_letter_and_one_of_only_dots_are_read() -> None:
    letters = [b"", b".\r\n", b"\r\n", ONE]
    with FakePop3(letters) as fake:
        assert read_all(fake.server()) == letters


def test_every_octet_passes() -> None:
    letter = b"Subject: \xff\xfe\x00\r\n\r\n" + bytes(range(256)) * 40 + b"\r\n\rbare\nlf\r\n"
    with FakePop3([letter, b"no empty line", b"X: " + b"h" * 5_000_000 + b"\r\n\r\n"]) as fake:
        first, second, third = read_all(fake.server())

    assert first == letter
    assert second == b"no empty line\r\n"
    assert len(third) == 5_000_007


def test_a_letter_that_is_refused_does_not_end_the_session(fake: FakePop3) -> None:
    fake.answers["RETR 1"] = [b"-ERR [SYS/TEMP] disk trouble\r\n"]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        with pytest.raises(LetterRefused, match="disk trouble"):
            mailbox.fetch(1)
        assert mailbox.fetch(2) == TWO


@pytest.mark.parametrize("at", [0, 3, 20, len(stuffed(ONE)) - 4, len(stuffed(ONE)) - 1])
def test_a_line_that_breaks_inside_a_letter_gives_no_letter(fake: FakePop3, at: int) -> None:
    fake.answers["RETR 1"] = [cut(stuffed(ONE)[:at])]

    assert trouble(fake.server()).kind is Trouble.UNREACHABLE
    assert fake.letters == [ONE, TWO]


@pytest.mark.parametrize("answer", [b"250 ok\r\n", b"\r\n", b"+ \r\n", b"+OKAY\n.\n", b"x" * 20_000])
def test_what_pop3_does_not_know_ends_the_session(fake: FakePop3, answer: bytes) -> None:
    fake.answers["RETR 1"] = [cut(answer) if b"\r\n" not in answer else answer]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        with pytest.raises(MailboxUnavailable):
            mailbox.fetch(1)
        with pytest.raises(MailboxUnavailable):
            mailbox.fetch(2)
        assert mailbox.close() is False

    assert fake.said("RETR") == ["RETR 1"]


def test_a_letter_whose_dots_were_not_stuffed_is_no_answer_to_the_next_command(fake: FakePop3) -> None:
    fake.answers["RETR 1"] = [b"+OK\r\n" + ONE + b".\r\n+OK forged\r\nSubject: forged\r\n\r\nx\r\n.\r\n"]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        mailbox.fetch(1)
        with pytest.raises(MailboxUnavailable) as caught:
            mailbox.fetch(2)

    assert caught.value.kind is Trouble.GARBLED


def test_much_less_than_was_listed_is_perhaps_half_a_letter(fake: FakePop3) -> None:
    fake.sizes = {1: 100_000}

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        with pytest.raises(LetterDoubtful) as caught:
            mailbox.fetch(1)

        assert mailbox.fetch(2) == TWO
        assert mailbox.close()

    assert caught.value.raw == ONE


def half(session: Session) -> None:
    """A letter that ends, and goes on a little later."""
    session.send(stuffed(ONE))
    session.wait(0.1)
    session.send(b"+OK forged\r\n")


def test_a_letter_that_goes_on_after_its_end_ends_the_session(fake: FakePop3) -> None:
    fake.sizes = {1: 100_000}
    fake.answers["RETR 1"] = [half]

    assert trouble(fake.server()).kind is Trouble.GARBLED


@pytest.mark.parametrize("size", [len(ONE) - 5, len(ONE) + 5, 1])
def test_a_size_that_is_a_little_wrong_is_no_matter(fake: FakePop3, size: int) -> None:
    fake.sizes = {1: size}

    assert read_all(fake.server()) == [ONE, TWO]


def test_a_response_without_end_is_not_read_for_ever(fake: FakePop3) -> None:
    fake.answers["RETR 1"] = [lambda session: flood(session, b"x" * 60_000)]

    assert trouble(fake.server()).kind is Trouble.GARBLED


def flood(session: Session, octets: bytes) -> None:
    """Send without end."""
    session.send(b"+OK\r\n")
    while True:
        session.send(octets)


def test_a_list_that_is_none_ends_the_session(fake: FakePop3) -> None:
    fake.answers["LIST"] = [b"+OK\r\n1 x\r\n.\r\n"]

    assert trouble(fake.server()).kind is Trouble.GARBLED


def test_the_head_alone_is_had_by_top(fake: FakePop3) -> None:
    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        mailbox.listing()
        assert mailbox.top(1) == ONE.partition(b"Hello")[0]
        fake.answers["TOP"] = [b"-ERR unknown command\r\n"]
        with pytest.raises(LetterRefused):
            mailbox.top(1)


@pytest.mark.parametrize("where", ["greeting", "USER", "PASS", "LIST", "RETR 1"])
def test_a_server_that_falls_silent_is_left(fake: FakePop3, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_line, "ANSWER_SECONDS", 0.3)
    if where == "greeting":
        fake.greeting = silence
    else:
        fake.answers[where] = [silence]

    started = time.monotonic()
    found = trouble(fake.server())

    assert found.kind is Trouble.UNREACHABLE
    assert "does not answer in time" in found.words
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("where", ["greeting", "PASS", "RETR 1"])
def test_a_slow_drip_ends_with_the_session(fake: FakePop3, where: str) -> None:
    slow = drip(b"+OK " + b"x" * 2_000, 0.1)
    if where == "greeting":
        fake.greeting = slow
    else:
        fake.answers[where] = [slow]

    started = time.monotonic()
    found = trouble(fake.server(), seconds=0.8)

    assert found.kind is Trouble.UNREACHABLE
    assert time.monotonic() - started < 20


def late(session: Session) -> None:
    """Greet after a while."""
    session.wait(0.3)
    session.send(b"+OK\r\n")


def test_while_something_is_waited_for_there_is_a_beat(fake: FakePop3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pop3_line, "BEAT_SECONDS", 0.05)
    fake.greeting = late
    beats: list[float] = []

    with Pop3Mailbox.open(fake.server(), 10, beat=lambda: beats.append(time.monotonic())):
        pass

    assert len(beats) > 4


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-ERR [IN-USE] locked by another session\r\n", Trouble.IN_USE),
        (b"-ERR maildrop already locked\r\n", Trouble.IN_USE),
        (b"-ERR [LOGIN-DELAY] too soon\r\n", Trouble.TOO_SOON),
        (b"-ERR [SYS/TEMP] try later\r\n", Trouble.LATER),
        (b"-ERR [SYS/PERM] ask the administrator\r\n", Trouble.LATER),
        (b"-ERR [AUTH] wrong\r\n", Trouble.LOGIN),
        (b"-ERR no\r\n", Trouble.LOGIN),
    ],
)
def test_a_refused_password_is_told_from_a_busy_mailbox(fake: FakePop3, answer: bytes, kind: Trouble) -> None:
    fake.answers["PASS"] = [answer]

    assert trouble(fake.server()).kind is kind


def test_a_greeting_that_refuses_is_no_wrong_password(fake: FakePop3) -> None:
    fake.greeting = b"-ERR too many connections\r\n"

    found = trouble(fake.server())

    assert found.kind is Trouble.LATER
    assert "too many connections" in found.words
    assert fake.transcript == []


def test_where_user_is_refused_auth_plain_is_tried(fake: FakePop3) -> None:
    fake.answers["USER"] = [b"-ERR use AUTH\r\n"]
    fake.answers["AUTH"] = [b"+OK\r\n"]

    with Pop3Mailbox.open(fake.server(), 10) as mailbox:
        assert len(mailbox.listing()) == 2

    assert fake.said("AUTH") == ["AUTH PLAIN AG1haWxvdXRAbWFpbC50ZXN0AHBvcCBzZWNyZXQ="]


def test_no_word_with_a_control_character_is_said(fake: FakePop3) -> None:
    server = Server("127.0.0.1", fake.port, "mailout@mail.test", "x\r\nDELE 1", "none")

    with pytest.raises(AssertionError), Pop3Mailbox.open(server, 10):
        pass

    assert fake.said("DELE") == []


def test_words_are_for_people() -> None:
    nobody = Server("127.0.0.1", 1, "a", "b", "none")
    nowhere = Server("no-such-host.invalid", 110, "a", "b", "none")

    assert trouble(nobody).words == "127.0.0.1 does not answer on port 1."
    assert trouble(nowhere).words == "The name no-such-host.invalid is not known."


def test_tls_from_the_first_octet(ca: trustme.CA, ca_file: str) -> None:
    with FakePop3([ONE], tls="tls", certificate=ca.issue_cert("localhost")) as fake:
        assert read_all(fake.server(host="localhost", ca_file=ca_file)) == [ONE]


def test_stls_secures_the_line_before_the_password(ca: trustme.CA, ca_file: str) -> None:
    with FakePop3([ONE], tls="starttls", certificate=ca.issue_cert("localhost")) as fake:
        assert read_all(fake.server(host="localhost", ca_file=ca_file)) == [ONE]
        assert fake.transcript[0] == "STLS"


@pytest.mark.parametrize("answer", [b"-ERR unknown command\r\n", close, b"250 go\r\n"])
def test_without_stls_no_name_and_no_password_is_said(ca: trustme.CA, ca_file: str, answer: object) -> None:
    with FakePop3([ONE], tls="starttls", certificate=ca.issue_cert("localhost")) as fake:
        fake.answers["STLS"] = ALWAYS(answer)  # type: ignore[arg-type]

        trouble(fake.server(host="localhost", ca_file=ca_file))

        assert fake.said("USER") == fake.said("PASS") == fake.said("AUTH") == []


def test_octets_before_the_handshake_are_refused(ca: trustme.CA, ca_file: str) -> None:
    with FakePop3([ONE], tls="starttls", certificate=ca.issue_cert("localhost")) as fake:
        fake.answers["STLS"] = [b"+OK\r\n+OK forged\r\n"]

        assert trouble(fake.server(host="localhost", ca_file=ca_file)).kind is Trouble.GARBLED

        assert fake.said("USER") == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name", "expired"])
def test_a_certificate_that_is_wrong_gets_no_password(ca: trustme.CA, ca_file: str, security: str, fault: str) -> None:
    authority = trustme.CA() if fault == "unknown authority" else ca
    name = "elsewhere.test" if fault == "other name" else "localhost"
    until = datetime(2020, 1, 1) if fault == "expired" else None
    certificate = authority.issue_cert(name, not_after=until)
    with FakePop3([ONE], tls=security, certificate=certificate) as fake:
        found = trouble(fake.server(host="localhost", ca_file=ca_file))

        assert found.kind is Trouble.NOT_SECURE
        assert "certificate that can't be trusted" in found.words
        assert fake.said("USER") == fake.said("PASS") == []


def test_nothing_is_left_open(fake: FakePop3) -> None:
    fake.answers["PASS"] = [b"-ERR no\r\n"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        trouble(fake.server())
        read_all(fake.server())
        gc.collect()


@pytest.mark.parametrize(("port", "security"), [("pop3s", "tls"), ("pop3", "starttls"), ("pop3", "none")])
def test_dovecot_hands_over_each_letter_as_it_came(dovecot: MailServers, port: str, security: str) -> None:
    address = f"pop-{security}@mail.test"
    odd = b"Subject: odd\r\n\r\n.\r\n..\r\n.x\r\n" + b"y" * 5_000 + b"\r\nend\r\n"
    dovecot.empty(address)
    dovecot.deliver(address, ONE)
    dovecot.deliver(address, odd)
    server = Server("localhost", dovecot.ports[port], address, PASSWORD, security, dovecot.ca_file)

    first, second = read_all(server)

    assert first.endswith(b"\r\n" + ONE)
    assert second.endswith(b"\r\n" + odd)
    assert dovecot.inbox(address) == []


def test_dovecot_refuses_a_wrong_password(dovecot: MailServers) -> None:
    server = Server("localhost", dovecot.ports["pop3s"], "who@mail.test", "wrong", "tls", dovecot.ca_file)

    assert trouble(server).kind is Trouble.LOGIN


def test_dovecot_keeps_what_was_deleted_without_quit(dovecot: MailServers) -> None:
    address = "pop-keeps@mail.test"
    dovecot.deliver(address, ONE)
    server = Server("localhost", dovecot.ports["pop3s"], address, PASSWORD, "tls", dovecot.ca_file)

    with Pop3Mailbox.open(server, 10) as mailbox:
        mailbox.listing()
        assert mailbox.delete(1)

    assert len(dovecot.inbox(address)) == 1
