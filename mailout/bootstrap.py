"""bootstrap -- from a clone to a running Mailout, with nothing but Python.

Owns     `.venv` and the stamp in it that says what was installed; what the words after `python3 app.py` do
Never    imports anything that is not Python's own; installs anything whose hash is not in requirements.txt
Fails    with one clear line and exit code 1

`uv` installs where it works, `pip` in a `venv` where not. A Python without `ensurepip` (Debian's, without its package
python3-venv) gets pip as one file whose hash is known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "mailout-installed"

#: pip 26.1.1 as one file, from the repository of its own bootstrap script.
PIP_URL = (
    "https://raw.githubusercontent.com/pypa/get-pip/08b6e1d282849f540c47aa28148e347e7bb3fb21"
    "/public/zipapp/pip-26.1.1.pyz"
)
PIP_SHA256 = "0eba9086d0abcd91b572242dff2c3e6171f0c21ee344669687f1adb5a8cb9786"

APP, TESTS = ("requirements.txt",), ("requirements.txt", "tests/requirements.txt")
#: What an installer says when it is the network that is missing.
OFFLINE = re.compile(
    r"resolution|resolve host|newconnectionerror|connection refused|unreachable|error sending request|timed out"
    r"|connection broken|dns error|from versions: none|failed to fetch|proxy",
    re.IGNORECASE,
)


class Trouble(Exception):
    """Why it can't be started, in one line."""


def main(arguments: Sequence[str]) -> int:
    """Do what `python3 app.py ARGUMENTS` asks for; returns only with an exit code that says that it failed."""
    try:
        start(list(arguments))
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def start(arguments: list[str]) -> None:
    """Install what is missing, then become the process that was asked for. Raises Trouble."""
    environment = {**os.environ, "FLASK_APP": str(ROOT / "app.py"), "FLASK_SKIP_DOTENV": "1"}
    if not arguments:
        ensure(APP)
        become(["-m", "mailout.running"], environment, ROOT)
    if arguments[0] == "test":
        ensure(TESTS)
        become(["-m", "pytest", *arguments[1:]], environment, ROOT)
    ensure(APP)
    become(["-m", "flask", *arguments], environment)


def become(arguments: Sequence[str], environment: dict[str, str], folder: Path | None = None) -> None:
    """Run Python in the virtual environment with these arguments in place of this process."""
    if folder is not None:
        os.chdir(folder)
    sys.stdout.flush()
    os.execve(PYTHON, [str(PYTHON), *arguments], environment)


def ensure(files: Sequence[str]) -> None:
    """See to it that what these files of requirements name is installed. Raises Trouble."""
    if is_installed(files):
        return
    if not os.access(VENV if VENV.exists() else ROOT, os.W_OK):
        raise Trouble(
            f"The folder {ROOT} can't be written, so nothing can be installed in it. Make it yours, or move it."
        )
    with alone():
        if is_installed(files):
            return
        what = "Mailout needs" if files == APP else "Mailout and its tests need"
        print(f"Installing what {what} in {VENV} (once, about a minute) ...", flush=True)
        try:
            install([word for name in files for word in ("-r", str(ROOT / name))])
            STAMP.write_text("".join(stamp(part) + "\n" for part in (APP, TESTS) if set(part) <= set(files)))
        except OSError as error:
            raise Trouble(f"Installing failed: {error.strerror}: {error.filename}") from error


def is_installed(files: Sequence[str]) -> bool:
    """Whether the stamp says that what these files name is installed, for this Python."""
    try:
        return PYTHON.exists() and stamp(files) in STAMP.read_text().split()
    except OSError:
        return False


def stamp(files: Sequence[str]) -> str:
    """What stands for these files as they are, and for this version of Python."""
    digest = hashlib.sha256(version().encode())
    for name in files:
        digest.update(b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def version() -> str:
    """This Python's version, "3.11"."""
    return "{}.{}".format(*sys.version_info[:2])


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Have nobody else install at the same time."""
    with (ROOT / "requirements.txt").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(requirements: Sequence[str]) -> None:
    """Install `requirements` (-r FILE ...), hashes checked, with uv or with pip. Raises Trouble."""
    if VENV.exists() and made_for() != version():
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv and with_uv(uv, requirements):
        return
    installer = pip()
    quietly = ["install", "--quiet", "--no-input", "--disable-pip-version-check", "--retries", "2"]
    done = run([*installer, *quietly, "--require-hashes", *requirements])
    if done.returncode:
        raise Trouble(why(done.stdout))


def with_uv(uv: str, requirements: Sequence[str]) -> bool:
    """Install with uv; whether that worked."""
    made = PYTHON.exists() or not run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)]).returncode
    command = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", *requirements]
    return made and not run(command).returncode


def pip() -> list[str]:
    """The command that is pip in the virtual environment, made first where there is none. Raises Trouble."""
    if not PYTHON.exists():
        if find_spec("venv") is None:
            raise Trouble("This Python has no venv module. On Debian and Ubuntu install it: apt install python3-venv")
        made = run([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
        if made.returncode:
            raise Trouble(f"The virtual environment {VENV} could not be made: {last_line(made.stdout)}")
    if not run([str(PYTHON), "-m", "pip", "--version"]).returncode:
        return [str(PYTHON), "-m", "pip"]
    if not run([str(PYTHON), "-m", "ensurepip", "--default-pip"]).returncode:
        return [str(PYTHON), "-m", "pip"]
    return [str(PYTHON), str(downloaded_pip())]


def downloaded_pip() -> Path:
    """pip as one file, its hash checked. Raises Trouble."""
    advice = "Install python3-venv (Debian and Ubuntu: apt install python3-venv) and start again."
    try:
        with urllib.request.urlopen(PIP_URL, timeout=30) as answer:
            octets = answer.read()
    except OSError as error:
        raise Trouble(
            f"This Python has no pip, and it could not be downloaded: is there no network? {advice}"
        ) from error
    if hashlib.sha256(octets).hexdigest() != PIP_SHA256:
        raise Trouble(f"This Python has no pip, and what was downloaded for it is not what it should be. {advice}")
    path = VENV / "pip.pyz"
    path.write_bytes(octets)
    return path


def made_for() -> str:
    """The version of Python that the virtual environment was made for; "" when it can't be told."""
    try:
        found = re.search(r"^version(?:_info)? *= *(\d+\.\d+)", (VENV / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, keeping what it prints."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, str(error))


def why(printed: str) -> str:
    """Why an installer failed, in one line."""
    if OFFLINE.search(printed):
        return (
            "What Mailout needs could not be downloaded: is there no network? It is needed at the first start only. "
            f"The installer says: {last_line(printed)}"
        )
    return f"Installing failed. The installer says: {last_line(printed)}"


def last_line(printed: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing"
