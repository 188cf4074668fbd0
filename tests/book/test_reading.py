"""Files of customers as all sorts of programs write them."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from mailout.book import matching, reading
from mailout.core.fault import Fault

TEXT = "Email;Vorname;Ort\njo@example.org;Zoë;Köln\nann@example.org;Ann;\n"
ROWS = [("Email", "Vorname", "Ort"), ("jo@example.org", "Zoë", "Köln"), ("ann@example.org", "Ann", "")]


def cells(data):
    """The cells of all rows."""
    return [row.cells for row in reading.open_sheet(data, "file").rows()]


def rows(data):
    """All rows."""
    return list(reading.open_sheet(data, "file").rows())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
def test_each_encoding_is_known(encoding):
    assert cells(TEXT.encode(encoding)) == ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_separator_and_line_end_is_known(separator, end):
    text = TEXT.replace(";", separator).replace("\n", end)

    assert cells(text.encode()) == ROWS
    assert cells(text) == ROWS


def test_a_separator_inside_quotes_is_none():
    data = b'email;name\n"jo@example.org";"Smith, Jo, and, sons"\n"ann@example.org";"Lee; Ann"\n'

    assert cells(data)[1:] == [("jo@example.org", "Smith, Jo, and, sons"), ("ann@example.org", "Lee; Ann")]


def test_excels_own_word_for_the_separator_is_heard():
    assert cells(b"sep=;\r\nemail;name\r\njo@example.org;Jo, Ann\r\n") == [
        ("email", "name"),
        ("jo@example.org", "Jo, Ann"),
    ]


def test_a_quoted_cell_may_hold_lines_and_quotes():
    found = rows(b'email,note\njo@example.org,"one\ntwo ""three"""\nann@example.org,x\n')

    assert [(row.line, row.cells) for row in found] == [
        (1, ("email", "note")),
        (2, ("jo@example.org", 'one\ntwo "three"')),
        (4, ("ann@example.org", "x")),
    ]


def test_a_quote_in_the_middle_of_a_cell_is_a_quote():
    assert cells(b'email,size\njo@example.org,5" pipe\n')[1] == ("jo@example.org", '5" pipe')


def test_a_quote_that_is_never_closed_costs_its_own_line_only():
    lines = ["email,name", 'jo@example.org,"Jo', *(f"c{n}@example.org,C" for n in range(300))]

    found = rows("\n".join(lines).encode())

    assert [row.line for row in found if row.trouble] == [2]
    assert "never closed" in found[1].trouble
    assert len(found) == 302


def test_many_quotes_that_are_never_closed_are_told_one_by_one():
    found = rows(b"email,name\n" + b'jo@example.org,"Jo\n' * 1999)

    troubles = [row for row in found if row.trouble]
    assert len(troubles) >= 1
    assert all("never closed" in row.trouble for row in troubles)


def test_a_line_without_an_end_is_not_read_into_memory():
    found = rows(b"email,name\n" + b"x" * 5_000_000 + b"\njo@example.org,Jo\n")

    assert "longer than" in found[1].trouble
    assert found[2].cells == ("jo@example.org", "Jo")


def test_a_million_columns_are_refused_and_the_next_row_read():
    found = rows(b"email,name\n" + b"," * 150_000 + b"\njo@example.org,Jo\n")

    assert "150,001 cells" in found[1].trouble
    assert not found[2].trouble

    with pytest.raises(Fault, match="first row"):
        matching.look(reading.open_sheet(b"," * 1_000_000 + b"\n", "x.csv"), {})


def test_a_nul_is_told_and_harms_nobody_else():
    found = rows(b"email,name\njo@example.org,J\0o\nann@example.org,Ann\n")

    assert "NUL" in found[1].trouble
    assert not found[2].trouble


def test_text_that_can_not_be_read_is_not_guessed():
    found = rows(b"email,name\njo@example.org,J\x81o\nann@example.org,Ann\n")

    assert "can't be read" in found[1].trouble


def test_empty_rows_are_no_rows_and_lines_keep_their_numbers():
    found = rows(b"\n\nemail,name\n,,\n\njo@example.org,Jo\n")

    assert [(row.line, row.cells[0]) for row in found] == [(3, "email"), (6, "jo@example.org")]


@pytest.mark.parametrize("data", [b"", b"  \n \n", ""])
def test_nothing_is_said_to_be_nothing(data):
    with pytest.raises(Fault, match="nothing in it"):
        reading.open_sheet(data, "empty.csv")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "old workbook"),
        (b"PK\x03\x04broken", "can't be read"),
    ],
)
def test_what_is_no_file_of_customers_is_named(data, word):
    with pytest.raises(Fault, match=word):
        reading.open_sheet(data, "customers")


def test_a_file_that_is_too_large_is_refused_at_once():
    with pytest.raises(Fault, match="Cut it in two"):
        reading.open_sheet(bytes(reading.BYTES_MOST + 1), "x.csv")


def workbook(*lines, sheets=()):
    """An .xlsx file with these rows in its first sheet."""
    book = Workbook()
    for line in lines:
        book.active.append(line)
    for name in sheets:
        book.create_sheet(name).append(["other", "sheet"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_the_first_sheet_of_a_workbook_is_read_as_text():
    data = workbook(
        ["email", "first", "since", "visits", "member", "at"],
        ["jo@example.org", "Zoë", date(2024, 5, 6), 12.0, True, datetime(2024, 5, 6, 7, 8)],
        [],
        ["ann@example.org", None, None, 1.5, False],
        sheets=["More"],
    )

    found = rows(data)

    assert [(row.line, row.cells) for row in found] == [
        (1, ("email", "first", "since", "visits", "member", "at")),
        (2, ("jo@example.org", "Zoë", "2024-05-06", "12", "yes", "2024-05-06 07:08:00")),
        (4, ("ann@example.org", "", "", "1.5", "no")),
    ]


def test_other_packed_files_are_named():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("content.xml", "<x/>")

    with pytest.raises(Fault, match="OpenDocument"):
        reading.open_sheet(out.getvalue(), "customers.ods")


def test_a_workbook_that_says_it_unpacks_to_too_much_is_refused():
    data = bytearray(workbook(["email"], ["jo@example.org"]))
    entry = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 0x7FFFFFFF)

    with pytest.raises(Fault, match="unpacks"):
        reading.open_sheet(bytes(data), "x.xlsx")


def test_a_broken_workbook_is_a_fault_and_no_crash():
    whole = workbook(["email"], ["jo@example.org"])
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, b"<broken" if "sheet1" in name else before.read(name))

    with pytest.raises(Fault, match="can't be read"):
        rows(out.getvalue())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_known_where_few_letters_are_latin(encoding):
    text = "メールアドレス\t名\n" + "jo@example.org\t山田太郎山田太郎山田太郎山田太郎\n" * 3

    assert cells(text.encode(encoding))[1] == ("jo@example.org", "山田太郎山田太郎山田太郎山田太郎")


def test_utf_32_is_known_by_its_mark():
    assert cells(TEXT.encode("utf-32")) == ROWS


def test_a_blank_before_a_quoted_cell_is_no_part_of_it():
    data = b'email, first, last\njo@example.org, "Jo, Jr", "Smith"\n'

    assert cells(data) == [("email", "first", "last"), ("jo@example.org", "Jo, Jr", "Smith")]


def test_no_two_headings_are_alike():
    long = "x" * 150
    sheet = reading.open_sheet(f"email,Note,Note,note,'=cmd,,,two\tblanks,{long},{long}\njo@example.org,1\n", "x.csv")

    headings = matching.look(sheet, {}).headings()

    assert headings[:8] == ["email", "Note", "Note (2)", "note", "=cmd", "", "", "two blanks"]
    assert len(set(headings[8:])) == 2
    assert all(len(heading) <= 100 for heading in headings)


def test_a_workbook_says_about_how_many_rows_it_has_or_nothing():
    out = io.BytesIO()
    book = Workbook(write_only=True)
    book.create_sheet("S").append(["email"])
    book.save(out)

    assert reading.open_sheet(workbook(["email"], ["jo@example.org"], ["ann@example.org"]), "x.xlsx").lines == 3
    assert reading.open_sheet(out.getvalue(), "x.xlsx").lines == 0
