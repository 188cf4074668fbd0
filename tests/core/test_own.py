"""Keys and tokens: how they are made, and how they are known again wherever they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailout.core import own
from mailout.core.own import Own, Said, What

SECRET = b"a secret of the database"
PLUS = Own("mailout+{key}@mail.test", "mailout+b-{token}@mail.test", "mailout+u-{token}@mail.test", "mailout@mail.test")
DOMAIN = Own("{key}@letters.mail.test", "b-{token}@letters.mail.test", "u-{token}@letters.mail.test", "news@mail.test")
KEY = own.make_key("secret", 7, b"0123456789abcdef")


def test_a_key_is_130_bits_and_a_check_digit_and_the_same_again() -> None:
    assert len(KEY) == 27
    assert own.is_key(KEY)
    assert own.make_key("secret", 7, b"0123456789abcdef") == KEY
    assert len({own.make_key("secret", 7, bytes([n] * 16)) for n in range(256)}) == 256


@given(place=st.integers(0, 26), other=st.sampled_from(own.ALPHABET))
def test_any_single_wrong_character_shows(place: int, other: str) -> None:
    damaged = KEY[:place] + other + KEY[place + 1 :]

    assert own.is_key(damaged) == (damaged == KEY)


@pytest.mark.parametrize("ours", [PLUS, DOMAIN])
@pytest.mark.parametrize("name", ["Newsletter", "B", "U", "", "Frühling & Herbst", "5", "x" * 90, "!!!", "猫", "b-12"])
def test_the_key_is_read_from_its_address_whatever_the_list_is_called(ours: Own, name: str) -> None:
    address = ours.key_address(KEY, name)

    assert len(address.partition("@")[0]) <= 64
    assert ours.read(address, SECRET) == Said(What.KEY, key=KEY)
    assert ours.read(address.upper(), SECRET) == Said(What.KEY, key=KEY)


@pytest.mark.parametrize("change", [("+", " "), ("+", "%2B"), ("+", "%2b")])
def test_a_plus_that_a_mail_program_changed_is_read(change: tuple[str, str]) -> None:
    address = PLUS.key_address(KEY, "News").replace(*change)

    assert PLUS.read(address, SECRET) == Said(What.KEY, key=KEY)


@pytest.mark.parametrize(
    "local",
    [f"mailout+news-{KEY[:-1]}", f"mailout+{KEY[::-1]}", "mailout+news", "mailout+b-12", f"mailout+b-12-{KEY[:26]}"],
)
def test_what_stands_where_a_key_should_be_and_is_none_is_damaged(local: str) -> None:
    assert PLUS.read(f"{local}@mail.test", SECRET) == Said(What.DAMAGED)


@pytest.mark.parametrize("ours", [PLUS, DOMAIN])
def test_tokens_are_read_back_and_can_not_be_made_by_others(ours: Own) -> None:
    bounce = ours.return_path(own.bounce_token(SECRET, 12))
    leave = ours.unsubscribe_address(own.unsubscribe_token(SECRET, 3, 512))

    assert ours.read(bounce, SECRET) == Said(What.BOUNCE, numbers=(12,))
    assert ours.read(leave.title(), SECRET) == Said(What.UNSUBSCRIBE, numbers=(3, 512))
    assert ours.read(bounce, b"another secret") == Said(What.DAMAGED)
    assert ours.read(bounce.replace("12", "13", 1), SECRET) == Said(What.DAMAGED)


def test_a_fixed_bounce_address_is_read_without_a_token() -> None:
    fixed = Own("mailout+{key}@mail.test", "returns@mail.test", PLUS.unsubscribe, "mailout@mail.test")

    assert fixed.read("Returns@mail.test", SECRET) == Said(What.BOUNCE)
    assert fixed.return_path("whatever") == "returns@mail.test"


def test_our_plain_addresses_and_those_of_others() -> None:
    assert PLUS.read("mailout@mail.test", SECRET) == Said(What.PLAIN)
    assert DOMAIN.read("news@mail.test", SECRET) == Said(What.PLAIN)
    assert PLUS.read("jane@mail.test", SECRET) is None
    assert PLUS.read(f"mailout+{KEY}@other.test", SECRET) is None
    assert PLUS.covers("mailout+anything@mail.test")
    assert not PLUS.covers("jane@mail.test")


def test_an_unsubscribe_token_names_list_and_customer() -> None:
    token = own.unsubscribe_token(SECRET, 3, 512)

    assert own.read_unsubscribe_token(SECRET, token) == (3, 512)
    assert own.read_unsubscribe_token(SECRET, token.replace("512", "513")) is None
    assert own.read_unsubscribe_token(SECRET, own.bounce_token(SECRET, 3)) is None
    assert own.read_unsubscribe_token(SECRET, "") is None


def test_our_message_ids_are_found_in_what_comes_back() -> None:
    first, second = (own.message_id(SECRET, number, "mail.test") for number in (5, 6))

    assert own.read_message_ids(SECRET, f"References: <a@b> {second}\n {first}{second}", "mail.test") == [6, 5]
    assert own.read_message_ids(SECRET, first.replace("5-", "7-"), "mail.test") == []
    assert own.read_message_ids(SECRET, first, "other.test") == []


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    PLUS.read(text, SECRET)
    own.read_unsubscribe_token(SECRET, text)


def test_keys_are_blanked_at_the_same_length_and_nothing_else_is() -> None:
    raw = f"To: mailout+news-{KEY.upper()}@mail.test\r\n\r\nhttp://x/{own.make_key('s', 1, b'')}".encode()
    blank = own.blank_keys(raw, [KEY])

    assert len(blank) == len(raw)
    assert KEY.upper().encode() not in blank
    assert own.make_key("s", 1, b"").encode() in blank
