"""pressing -- a large letter prepared in a process of its own, which takes its memory with it when it ends.

Owns     the call of that process, and what it says
Never    is needed for an ordinary letter; opens the database or a connection
Fails    Refused, as preparing does; Broken when the process could not do its work

    python -m mailout.outbox.pressing LETTER FILE        the circumstances come as a pickle on standard input

A letter of 25 MB needs four times as much while it is read and written anew. The worker lives for months beside a
web server on a small machine, and would keep that for ever.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

from ..core.copying import compose
from ..core.copying.compose import Circumstances, Refused
from ..core.problem import Problem
from ..core.reading import letter
from .cached import write

#: Up to this size a letter is prepared in the process that wants it.
LARGE = 2 << 20
ROOT = Path(__file__).resolve().parent.parent.parent


class Broken(Exception):
    """The process that prepares could not do it; the text is its last words."""


def press(raw: Path, about: Circumstances, file: Path) -> tuple[Problem, ...]:
    """Prepare the letter in `raw` into `file`; why it would be held. Raises Refused; Broken for a large one.

    A large one is prepared in another process.
    """
    if raw.stat().st_size <= LARGE:
        return _prepare(raw, about, file)
    done = subprocess.run(
        [sys.executable, "-m", "mailout.outbox.pressing", str(raw), str(file)],
        input=pickle.dumps(about),
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ.get("PATH", "")},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Broken(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
    said = json.loads(done.stdout)
    if said["refused"]:
        raise Refused(Problem(said["refused"]), said["detail"])
    return tuple(Problem(word) for word in said["holds"])


def _prepare(raw: Path, about: Circumstances, file: Path) -> tuple[Problem, ...]:
    """The work itself."""
    prepared = compose.prepare(letter.read(raw.read_bytes()), about)
    write(file, prepared)
    return prepared.holds


def main() -> None:
    """The other process."""
    about: Circumstances = pickle.load(sys.stdin.buffer)
    try:
        print(json.dumps({"refused": "", "holds": _prepare(Path(sys.argv[1]), about, Path(sys.argv[2]))}))
    except Refused as error:
        print(json.dumps({"refused": error.problem, "detail": error.detail}))


if __name__ == "__main__":
    main()
