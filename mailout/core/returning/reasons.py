"""reasons -- the words of a mail server about one address, found in the text of a report for people.

Owns     where such words stand: behind the address, on its line, below it, or once for all
Never    changes a word: what is kept is what the server wrote
Fails    never: where nothing is said, it is ""
"""

from __future__ import annotations

import re

LINES_MOST = 2000
SECTION_MOST = 60
HEADING_MOST = 60

_REPLY = re.compile(r"(?<![\d.])[45]\d\d[ -](?=[#<(\"'A-Za-z45-])|#?(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")
_RULES = ("---", "===", "***", "<<<", ">>>", "...", "###")
_FIELD = re.compile(r"(?i)(?:from|to|cc|subject|date|sent(?: date)?|message-id|size[^:]*|mail from|rcpt to)\s*:")
_SAYS_NOTHING = re.compile(r"(?i)(?:hi|hello|dear|sorry)?[^a-zа-я一-龥ぁ-んァ-ン]*$")
_TELLING = re.compile(
    r"(?i)because|reason|error|fail|not |n't|unable|refus|reject|block|denied|unknown|invalid|expired|full|exceed"
)


def reason_for(address: str, said: str, all_of_them: tuple[str, ...] = ()) -> str:
    """The server's words about `address` in a report that names `all_of_them`: its reply, else a sentence.

    Without an address, or where it does not stand in the text, what is said first.
    """
    lines = said.split("\n")[:LINES_MOST]
    named, at = _place(address.lower(), lines)
    if at < 0:
        return _reply_in(lines) or _sentence_in(lines)
    others = tuple(other.lower() for other in all_of_them if other.lower() != address.lower())
    section = _section(lines, at, others)
    within = named != address.lower() and not section[0].lower().lstrip(" \t<\"'").startswith(named)
    behind = [section[0] if within else _behind(section[0], named), *section[1:]]
    found = _reply_in(behind) or _reply_in(section[:1])
    found = found or ("" if others else _reply_in(lines))
    found = found or _sentence_in(behind[:1], behind) or _sentence_in(behind)
    return found or _sentence_before([*lines[:at], section[0].partition(named)[0] if named in section[0] else ""])


def _place(address: str, lines: list[str]) -> tuple[str, int]:
    """What of the address stands in the text, and in which line; some servers write the name before the @ alone."""
    for named in (address, address.partition("@")[0]):
        pattern = re.compile(rf"(?<![\w.-]){re.escape(named)}(?![\w-])", re.IGNORECASE)
        at = next((number for number, line in enumerate(lines) if named and pattern.search(line)), -1)
        if at >= 0:
            return named, at
    return "", -1


def _section(lines: list[str], at: int, others: tuple[str, ...]) -> list[str]:
    """The lines from the one with the address on, up to the one that begins with another address."""
    section = [lines[at]]
    for line in lines[at + 1 : at + SECTION_MOST]:
        if others and line.strip(" \t<>\"'*-").lower().startswith(others):
            break
        section.append(line)
    return section


def _behind(line: str, named: str) -> str:
    """What stands in `line` behind what it names."""
    return line[line.lower().find(named) + len(named) :].lstrip(">:;,.\"') \t]")


def _reply_in(lines: list[str]) -> str:
    """The first reply of a mail server in these lines, with the lines that it goes on over."""
    for number, line in enumerate(lines):
        found = _REPLY.search(line)
        if found:
            return " ".join([line[found.start() :].strip(), *_paragraph(lines[number + 1 : number + 5])]).strip()
    return ""


def _sentence_in(lines: list[str], going_on: list[str] | None = None) -> str:
    """The first paragraph that says something and begins in one of `lines`; rules, headings, greetings do not.

    `going_on`: the lines that it may go on over, when they are more than `lines`.
    """
    told = [(number, line) for number, line in enumerate(lines) if not _is_heading(line)]
    telling = [(number, line) for number, line in told if _TELLING.search(line)]
    for number, line in (telling or told)[:1]:
        following = _paragraph((going_on or lines)[number + 1 : number + 4])
        return " ".join([line.strip(" \t-=*>#_:("), *following]).strip()
    return ""


def _sentence_before(lines: list[str]) -> str:
    """What led to the address: "Unknown user: " on its line, else a sentence before, "it failed because ...:"."""
    beside = lines[-1].strip(" \t-=*>#_:<\"'")
    found = beside if len(beside) > 3 else _sentence_in(lines)
    return found or next((line.strip(" \t-=*>#_:") for line in reversed(lines) if len(line.strip()) > 3), "")


def _is_heading(line: str) -> bool:
    """Whether a line says nothing by itself: empty, a rule, a header field, words that end in a colon."""
    bare = line.strip()
    field = _FIELD.match(bare) or _SAYS_NOTHING.match(bare)
    heading = bare.endswith((":", "：")) and len(bare) < HEADING_MOST
    return len(bare) < 4 or bare.startswith(_RULES) or heading or field is not None


def _paragraph(lines: list[str]) -> list[str]:
    """These lines up to the first that is empty or a rule."""
    kept: list[str] = []
    for line in lines:
        if not line.strip() or line.strip().startswith(_RULES):
            break
        kept.append(line.strip())
    return kept
