"""Which column is what."""

from __future__ import annotations

import pytest

from mailout.book import matching, reading


def look(text, **lists):
    """A first look at pasted text."""
    return matching.look(reading.open_sheet(text, ""), lists)


@pytest.mark.parametrize(
    ("heading", "guesses"),
    [
        ("email,first_name,last_name", ["email", "first_name", "last_name"]),
        ("E-Mail-Adresse,Vorname,Nachname", ["email", "first_name", "last_name"]),
        ("Vorname,Name,E-Mail", ["first_name", "last_name", "email"]),
        ("Nom,Prénom,Courriel", ["last_name", "first_name", "email"]),
        ("Nombre,Apellidos,Correo electrónico", ["first_name", "last_name", "email"]),
        ("Nome,Cognome,Indirizzo e-mail", ["first_name", "last_name", "email"]),
        ("Voornaam,Achternaam,E-mailadres", ["first_name", "last_name", "email"]),
        ("Förnamn,Efternamn,E-post", ["first_name", "last_name", "email"]),
        ("Customer,EMAIL ADDRESS,Phone", ["name", "email", ""]),
        ("First Name,Surname,Email,Pet", ["first_name", "last_name", "email", ""]),
        ("名,姓,メールアドレス", ["first_name", "last_name", "email"]),
    ],
)
def test_headings_are_known_in_many_languages(heading, guesses):
    seen = look(f"{heading}\n,,,\n")

    assert [column.guess for column in seen.columns][: len(guesses)] == guesses


def test_a_paste_without_headings_is_known_by_its_addresses():
    seen = look("Jo\tjo@example.org\nAnn\tann@example.org\n")

    assert not seen.has_headings
    assert seen.mapping == matching.Mapping(email=1, has_headings=False)
    assert seen.columns[0].samples == ("Jo", "Ann")


def test_a_column_without_a_known_heading_is_known_by_its_addresses():
    assert look("who,where\nJo,jo@example.org\n").mapping.email == 1


def test_without_a_column_of_addresses_nothing_is_guessed():
    assert look("who,where\nJo,Lismore\n").mapping is None


def test_a_column_named_like_a_list_says_yes_and_no_for_it():
    seen = look("email,newsletter\na@example.org,x\nb@example.org,\nc@example.org,Nein\n", Newsletter=7)

    assert (seen.mapping.listed, seen.mapping.list_id) == (1, 7)
    assert seen.columns[1].guess == "list"


def test_a_column_named_like_a_list_with_other_words_in_it_is_just_a_column():
    assert look("email,General\na@example.org,likes cats\n", General=7).mapping.listed is None


@pytest.mark.parametrize("word", ["yes", "Y", "x", "Ja", "OUI", "sí", "1", "true", "✓"])
def test_yes_is_yes(word):
    assert matching.said_yes(word) is True


@pytest.mark.parametrize("word", ["no", "N", "nein", "NON", "0", "false", "-"])
def test_no_is_no(word):
    assert matching.said_yes(word) is False


def test_an_empty_cell_says_nothing_and_another_word_is_refused():
    assert matching.said_yes("  ") is None
    with pytest.raises(ValueError, match="maybe"):
        matching.said_yes("Maybe")


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("Jo Smith", ("Jo", "Smith")),
        ("Smith, Jo", ("Jo", "Smith")),
        ("Jo van der Berg", ("Jo", "van der Berg")),
        ("Jo", ("Jo", "")),
        ("", ("", "")),
    ],
)
def test_a_full_name_is_cut_in_two(name, cut):
    assert matching.cut_name(name) == cut


@pytest.mark.parametrize("above", ["Customer list 2026\n", "Customers,,\n,,\nas of 3 May,,\n", ""])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_title_stands_over_the_headings(above, mark):
    seen = look(f"{above}First,Email,Dog\nBen,ben@example.org,Rex\n".replace(",", mark))

    assert seen.headings() == ["First", "Email", "Dog"]
    assert seen.above == max(above.count("\n") - above.count("\n,,\n"), 0)
    assert [column.guess for column in seen.columns] == ["first_name", "email", ""]


@pytest.mark.parametrize(
    "text",
    [
        "Name,Kontakt,Wie\nJo,,Email\nAnn,ann@example.org,Post\n",
        "Name,Kontakt\nann@example.org,Email\nEmail,x\n",
        "Name,Kontakt\n" + "x,y\n" * 12 + "Email,z\n",
    ],
)
def test_a_word_for_an_address_among_the_rows_is_no_heading(text):
    assert look(text).above == 0
