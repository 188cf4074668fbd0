"""Letters that nobody wrote: real ones, broken in every way that we can think of, by seed.

    python -m tests.fuzz.letters --count 5000 --seed 1

Each letter must be prepared or refused within five seconds; what is prepared must be a true copy, and nothing leaks.
Prints seed, count and what was found; exits 1 when there is something, with the seed of the letter that does it.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mailout.core.copying import checks, compose, preview
from mailout.core.copying.compose import Refused
from mailout.core.reading import letter as letters
from mailout.core.reading import mime
from mailout.core.returning.triage import triage
from tests.core.copies import ABOUT, KEY, KEY_ADDRESS, OWN, REMOTE, body_of, faults, head_of, prepared

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
OURS = Path(__file__).parent.parent / "letters"
SECONDS_MOST = 5.0
SECRET = b"a secret for tests only, of thirty-two octets"

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
_CHARSETS = (
    *("utf-8", "us-ascii", "iso-8859-1", "iso-2022-jp", "utf-16", "utf-16le", "utf-32", "utf-7", "koi8-r", "gb2312"),
    *("big5", "shift_jis", "hz", "euc-kr", "cp037", "bogus", "x-user-defined", "unicode-1-1-utf-7", "windows-1252"),
    *("iso-2022-kr", "hex", "idna"),
)
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64", "BASE64", "x-uuencode", "bogus")
_TYPES = (
    *("text/plain", "text/html", "multipart/mixed", "multipart/alternative", "multipart/related", "message/rfc822"),
    *("multipart/signed", "application/pdf", "text", "multipart/digest", "image/png", "text/calendar"),
    *("application/pkcs7-mime", "message/delivery-status"),
)
_ODD = (
    b"\r", b"\n", b"\0", b"\r\n\r\n", b"=\r\n", b"=", b"==", b"\x1b$B", b"\x0e", b"~{", b"<!--", b"-->", b"</body>",
    b"\x80\xff", b"--", b"\r\n.\r\n", b"A" * 1200, b" " * 1100, b"=?utf-8?q?", b"?=", b";", b'"', b"(" * 50, b"<table>",
    b"<style>", b"+ADw-", b"\r\n \r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"&#", b"%",
)  # fmt: skip


def flip(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """Some octets become others."""
    octets = bytearray(raw)
    for _ in range(rng.randint(1, 12)):
        octets[rng.randrange(len(octets))] = rng.randrange(256)
    return bytes(octets)


def cut_out(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """A stretch is missing."""
    start = rng.randrange(len(raw))
    return raw[:start] + raw[start + rng.choice((1, 2, 10, 100, 1000)) :]


def put_in(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """Something that means something stands where it should not."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        raw = raw[:at] + rng.choice(_ODD) + raw[at:]
    return raw


def other_words(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """Another charset, encoding or type is named."""
    names = ((b"charset", _CHARSETS), (b"Content-Transfer-Encoding", _ENCODINGS), (b"Content-Type", _TYPES))
    name, words = rng.choice(names)
    mark = raw.lower().find(name.lower(), rng.randrange(len(raw)))
    if mark < 0:
        mark = raw.lower().find(name.lower())
    if mark < 0:
        return f"{name.decode()}: {rng.choice(words)}\r\n".encode() + raw
    start = mark + len(name) + 1
    end = start
    while end < len(raw) and raw[end] not in b";\r\n":
        end += 1
    return raw[:start] + rng.choice((b"", b" ", b'"')) + rng.choice(words).encode() + raw[end:]


def lines_about(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """Lines are doubled, moved or joined."""
    lines = raw.split(b"\n")
    for _ in range(rng.randint(1, 6)):
        one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.randrange(4)
        if what == 0:
            lines[one], lines[two] = lines[two], lines[one]
        elif what == 1:
            lines.insert(one, lines[two])
        elif what == 2:
            del lines[one : one + 1]
        else:
            lines[one] = lines[one] + lines[two]
        lines = lines or [b""]
    return b"\n".join(lines)


def crossed(rng: random.Random, raw: bytes, others: Sequence[bytes]) -> bytes:
    """The beginning of one letter, the end of another."""
    other = rng.choice(others)
    return raw[: rng.randrange(len(raw) + 1)] + other[rng.randrange(len(other) + 1) :]


def one_long_line(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """The line ends of a stretch are gone."""
    start = rng.randrange(len(raw))
    end = start + rng.choice((500, 2000, 8000))
    return raw[:start] + raw[start:end].replace(b"\n", b" ").replace(b"\r", b"") + raw[end:]


def bare_ends(rng: random.Random, raw: bytes, _: Sequence[bytes]) -> bytes:
    """Line ends are not what they were."""
    return raw.replace(b"\r\n", b"\n").replace(
        b"\n", rng.choice((b"\r", b"\n", b"\r\r\n", b"\n\r")), rng.randint(1, 200)
    )


MUTATIONS: tuple[Mutation, ...] = (
    flip, cut_out, put_in, put_in, other_words, other_words, lines_about, crossed, one_long_line, bare_ends,
)  # fmt: skip


def letters_there() -> list[bytes]:
    """The letters to begin with: ours, and the corpus where it is."""
    folders = [OURS, *(CORPUS / name for name in ("messages", "hostile", "clients", "bounces", "autoreplies"))]
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.eml"))]
    return [raw for raw in (file.read_bytes() for file in files) if len(raw) < 120_000]


def mutated(seed: int, originals: Sequence[bytes]) -> bytes:
    """The letter of this seed."""
    rng = random.Random(seed)
    raw = rng.choice(originals)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        raw = rng.choice(MUTATIONS)(rng, raw, originals) or b"\r\n"
    return raw


def look_at(raw: bytes, rng: random.Random) -> tuple[str, list[str]]:
    """What became of a letter, and what is wrong with that."""
    letter = letters.read(raw)
    triage(letter, OWN, SECRET)
    about = replace(ABOUT, eight_bit=rng.random() < 0.7, from_policy=rng.choice(("keep", "rewrite", "aligned")))
    about = replace(about, organisation_name=rng.choice(("Happy Paws", "Müllers Hütte", "東京グルーミング")))
    shown = preview.preview(letter.fields, letter.body)
    found = ["the preview loads something"] if REMOTE.search(shown.html) else []
    try:
        made = compose.prepare(letter, about)
        checks.check(letter, made)
        found += faults(raw, about)
        whole = (head_of(made) + body_of(made)).lower()
        found += ["a key"] if KEY.encode() in whole else []
        found += leaks(raw, rng)
    except Refused as error:
        return f"refused: {error.problem}", found
    return "held" if made.holds else "sent", found


def leaks(raw: bytes, rng: random.Random) -> list[str]:
    """The same letter with the key somewhere in its body: it must be refused, or the key be in no copy."""
    letter = letters.read(raw)
    at = rng.randrange(len(letter.body) + 1)
    key = rng.choice((KEY, KEY.upper(), KEY_ADDRESS)).encode()
    leaky = b"".join(field.raw for field in letter.fields) + b"\r\n" + letter.body[:at] + key + letter.body[at:]
    try:
        made = prepared(leaky, ABOUT)
    except Refused:
        return []
    whole = head_of(made) + body_of(made)
    root = mime.tree(letters.read(leaky).fields, body_of(made))
    seen = [whole, *(mime.decoded(part, body_of(made)) for part in mime.walk(root))]
    return ["the key leaks"] if any(KEY.encode() in octets.lower() for octets in seen) else []


def main() -> int:
    """Run as many letters as are asked for."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--count", type=int, default=5000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    logging.disable(logging.CRITICAL)  # what readers say of broken letters is of no interest here
    originals = letters_there()
    outcomes: Counter[str] = Counter()
    bad = 0
    begun = time.monotonic()
    for seed in range(options.seed, options.seed + options.count):
        started = time.monotonic()
        try:
            outcome, found = look_at(mutated(seed, originals), random.Random(seed))
        except Exception:
            outcome, found = "raised", [traceback.format_exc()]
        if time.monotonic() - started > SECONDS_MOST:
            found.append(f"took {time.monotonic() - started:.1f} s")
        outcomes[outcome] += 1
        if found:
            bad += 1
            print(f"seed {seed}: {'; '.join(found)}", file=sys.stderr)
    took = time.monotonic() - begun
    print(f"seed {options.seed}, {options.count} letters of {len(originals)}, {took:.0f} s, {bad} with a fault")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:7,}  {outcome}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
