"""What a letter of 25 MB costs at intake: time and peak memory of each step, each in a process of its own.

    python -m tests.benchmarks.intake [--megabytes 25]

A letter is read, triaged, prepared (with the unsubscribe line) and completed for one recipient. Peak memory is that of
the process, less what it has before it gets the letter; "times" is how many letters' sizes that is.
"""

from __future__ import annotations

import argparse
import base64
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mailout.core.copying import compose
from mailout.core.reading import letter as letters
from mailout.core.returning.triage import triage
from tests.core.copies import ABOUT, LINK, OWN, head_of

#: How many times its size a letter may cost; one that must be encoded anew is there twice for a while.
TIMES_MOST, TIMES_MOST_ANEW = 3.0, 3.5
SECRET = b"a secret for tests only, of thirty-two octets"

_HEAD = (
    b"From: Jane Doe <jane@mail.test>\r\nTo: mailout@mail.test\r\nSubject: The big one\r\nMIME-Version: 1.0\r\n"
    b"Date: Wed, 25 Nov 2026 02:00:00 +0000\r\n"
)


def attached(size: int) -> bytes:
    """A text, and a file in base64 that makes up the rest."""
    block = base64.encodebytes(bytes(range(256)) * 57 * 64).replace(b"\n", b"\r\n")
    head = (
        _HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n'
    )
    part = b'--b\r\nContent-Type: application/pdf; name="x.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return head + part + block * (size // len(block)) + b"--b--\r\n"


def text_alone(size: int) -> bytes:
    """Nothing but a text in quoted-printable."""
    line = b"Gr=C3=BC=C3=9Fe aus dem Salon, und was es sonst noch Neues gibt in diesem Jahr\r\n"
    head = _HEAD + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + line * (size // len(line))


def bare_ends(size: int) -> bytes:
    """The first letter with bare line ends, so that all of it must be copied."""
    return attached(size).replace(b"\r\n", b"\n")


def one_line(size: int) -> bytes:
    """A file in base64 on a single line, so that all of it must be written anew."""
    whole = attached(size)
    begin = whole.index(b"base64\r\n\r\n") + 10
    return whole[:begin] + whole[begin:].removesuffix(b"\r\n--b--\r\n").replace(b"\r\n", b"") + b"\r\n--b--\r\n"


KINDS: tuple[tuple[str, Callable[[int], bytes]], ...] = (
    ("a file in base64", attached),
    ("the same with bare line ends", bare_ends),
    ("a text alone", text_alone),
    ("a file on one line", one_line),
)


def peak() -> int:
    """The most memory that this process has had, in octets (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def measure(path: Path, answer: multiprocessing.Queue[tuple[list[float], int, int]]) -> None:
    """Take one letter all the way, and tell how long each step took and how much memory it cost."""
    before = peak()
    raw = path.read_bytes()
    times, made = [], time.perf_counter()

    def stop() -> None:
        nonlocal made
        now = time.perf_counter()
        times.append(now - made)
        made = now

    letter = letters.read(raw)
    stop()
    triage(letter, OWN, SECRET)
    stop()
    prepared = compose.prepare(letter, replace(ABOUT, line="Leave this list"))
    stop()
    head_of(prepared)
    for segment in prepared.segments:
        if isinstance(segment, compose.Personal):
            compose.personal(segment, LINK)
    stop()
    answer.put((times, peak() - before, len(raw)))


def main() -> int:
    """Measure each kind of letter."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--megabytes", type=float, default=25)
    size = int(asked.parse_args().megabytes * 1024 * 1024)
    print(f"{'letter':30} {'read':>8} {'triage':>8} {'prepare':>8} {'a copy':>10} {'peak':>9} {'times':>6}")
    worst = 0.0
    context = multiprocessing.get_context("spawn")
    for name, make in KINDS:
        answer: multiprocessing.Queue[tuple[list[float], int, int]] = context.Queue()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "letter.eml"
            path.write_bytes(make(size))
            process = context.Process(target=measure, args=(path, answer))
            process.start()
            times, memory, octets = answer.get()
            process.join()
        most = TIMES_MOST_ANEW if make is one_line else TIMES_MOST
        worst = max(worst, memory / octets / most)
        steps = " ".join(f"{one * 1000:6.0f}ms" for one in times[:3])
        print(f"{name:30} {steps} {times[3] * 1e6:8.0f}us {memory / 1e6:6.0f} MB {memory / octets:6.2f}")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
