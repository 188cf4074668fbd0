"""charset -- bytes into text and back, by whatever name a letter gives its charset.

Owns     which charsets we know, and what is read when a name is missing, wrong or none at all
Never    raises on what a letter says: an unknown name is "", bytes that don't fit are read as well as can be
Fails    never

Letters name charsets that exist (RFC 2978), that never did, and Python codecs that are no charset at all ("hex",
"unicode_escape"): the last are refused by name, for decoding with them is not reading.
"""

from __future__ import annotations

import codecs
import html
import re

_NO_CHARSETS = frozenset(
    {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "palmos", "mbcs", "oem", "utf_8_sig"}
)

#: Names that Python has under another one, or not at all, and what they mean in letters.
_ALSO = {
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "x-sjis": "shift_jis",
    "windows-31j": "cp932",
    "x-gbk": "gbk",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "iso-2022-cn": "",
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode-2-0-utf-7": "utf-7",
    "unicode-2-0-utf-7": "utf-7",
    "unicode": "utf-16",
    "utf8mb4": "utf-8",
    "cp-850": "cp850",
    "x-windows-949": "cp949",
    "windows-949": "cp949",
    "windows-874": "cp874",
    "windows-936": "gbk",
    "windows-950": "cp950",
    "x-x-big5": "big5",
    "ansi": "cp1252",
}

#: What is read in place of a charset, because letters mean the larger one (as browsers read, WHATWG Encoding 4.2).
_READ_AS = {
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
}

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINE_ENDS = re.compile("[\x0a-\x0d\x85\u2028\u2029]+")
_LEADING_ZEROS = re.compile(r"(?<=&#)0+(?=[0-9])|(?<=&#[xX])0+(?=[0-9A-Fa-f])")
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9A-Fa-f]{9,});?")
_SURROGATES = re.compile("[\ud800-\udfff]")


def codec(charset: str) -> str:
    """The name under which Python knows `charset`; "" when it is none or unknown."""
    name = charset.strip(" \t\r\n\"';").lower()
    if not name.isascii() or not 0 < len(name) <= 40 or not name.isprintable():
        return ""
    name = _ALSO.get(name, name)
    try:
        found = codecs.lookup(name).name if name else ""
        "".encode(found or "ascii")
    except (LookupError, ValueError, TypeError, OSError):
        return ""
    return "" if found.replace("-", "_") in _NO_CHARSETS else found


def read(octets: bytes, charset: str) -> str:
    """`octets` as text. Without a charset that fits: as UTF-8 when it is that, else as windows-1252."""
    name = codec(charset)
    if name and name != "ascii":
        return sound(_decoded(octets, _READ_AS.get(name, name)))
    if octets.isascii():
        return octets.decode("ascii")
    return guessed(octets)


def guessed(octets: bytes, charset: str = "") -> str:
    """`octets` whose charset nobody names: UTF-8, else `charset` if they fit it, else windows-1252."""
    name = codec(charset)
    for candidate in ("utf-8", _READ_AS.get(name, name)):
        try:
            return sound(octets.decode(candidate)) if candidate else octets.decode("cp1252")
        except (UnicodeError, ValueError):
            continue
    return octets.decode("cp1252", "replace")


def _decoded(octets: bytes, name: str) -> str:
    """`octets` read by a codec that exists; what does not fit becomes a mark."""
    try:
        return octets.decode(name, "replace")
    except (UnicodeError, ValueError):
        return octets.decode("cp1252", "replace")


def sound(text: str) -> str:
    """`text` without halves of surrogate pairs, which can be neither stored nor shown."""
    return _SURROGATES.sub("�", text) if _SURROGATES.search(text) else text


def tidy(text: str) -> str:
    """`text` as one line that a person can be shown: no control characters but TAB, no line ends."""
    return _CONTROLS.sub("", _LINE_ENDS.sub(" ", sound(text)))


def unescaped(markup: str) -> str:
    """Markup with its character references read; one with more digits than any character has is a mark.

    (`html.unescape` raises on thousands of digits.)
    """
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", _LEADING_ZEROS.sub("", markup)))


def holds_ascii(name: str) -> bool:
    """Whether ASCII letters and markup stand for themselves in the charset that Python calls `name`."""
    plain = "".join(map(chr, range(0x20, 0x7F))).replace("~", "").replace("+", "").replace("\\", "")
    try:
        return plain.encode(name) == plain.encode("ascii")
    except (UnicodeError, ValueError, LookupError):
        return False
