"""naming -- what a part of a letter is called when we speak to a person about it.

Owns     the nouns: text, picture, PDF, calendar invitation ...
Never    says a MIME type to a person
"""

from __future__ import annotations

from .mime import Part

TEXT = "text"

#: By the whole type, else by its first half: one, and several.
_NOUNS = {
    "text/plain": (TEXT, "texts"),
    "text/html": ("HTML", "HTML"),
    "text/calendar": ("calendar invitation", "calendar invitations"),
    "text/vcard": ("business card", "business cards"),
    "text/x-vcard": ("business card", "business cards"),
    "text/csv": ("table", "tables"),
    "application/ics": ("calendar invitation", "calendar invitations"),
    "application/pdf": ("PDF", "PDFs"),
    "application/msword": ("Word document", "Word documents"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("Word document", "Word documents"),
    "application/vnd.ms-excel": ("spreadsheet", "spreadsheets"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("spreadsheet", "spreadsheets"),
    "application/vnd.oasis.opendocument.spreadsheet": ("spreadsheet", "spreadsheets"),
    "application/vnd.oasis.opendocument.text": ("document", "documents"),
    "application/vnd.ms-powerpoint": ("presentation", "presentations"),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("presentation", "presentations"),
    "application/zip": ("archive", "archives"),
    "application/x-zip-compressed": ("archive", "archives"),
    "application/pgp-signature": ("signature", "signatures"),
    "application/pkcs7-signature": ("signature", "signatures"),
    "application/x-pkcs7-signature": ("signature", "signatures"),
    "message/rfc822": ("enclosed letter", "enclosed letters"),
    "message/global": ("enclosed letter", "enclosed letters"),
    "image": ("picture", "pictures"),
    "audio": ("sound", "sounds"),
    "video": ("film", "films"),
}
_BY_ENDING = {"pdf": "application/pdf", "doc": "application/msword", "docx": "application/msword"} | {
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.ms-excel",
    "zip": "application/zip",
    "ics": "text/calendar",
    "jpg": "image",
    "jpeg": "image",
    "png": "image",
    "gif": "image",
}
_FILE = ("file", "files")


def nouns(part: Part) -> tuple[str, str]:
    """What one such part is called, and several of them."""
    kind = part.type
    if kind in ("application/octet-stream", "application/x-unknown"):
        kind = _BY_ENDING.get(part.filename.rpartition(".")[2].lower(), kind)
    if kind in ("text/plain", "text/html") and (part.disposition == "attachment" or part.filename):
        return ("text file", "text files") if kind == "text/plain" else ("HTML file", "HTML files")
    return _NOUNS.get(kind) or _NOUNS.get(kind.partition("/")[0], _FILE)


def called(part: Part) -> str:
    """A part in the middle of a sentence: "the text", 'the PDF "prices.pdf"'."""
    noun = nouns(part)[0]
    return f'the {noun} "{part.filename}"' if part.filename else f"the {noun}"


def counted(number: int, nouns_of_it: tuple[str, str]) -> str:
    """ "3 pictures", "1 PDF"."""
    return f"{number:,} {nouns_of_it[0 if number == 1 else 1]}"


def sentence(words: str) -> str:
    """`words` with a capital at their beginning."""
    return words[:1].upper() + words[1:]
