"""From a clone to a running Mailout: the bootstrap in a folder of its own, and everything running at once.

Nothing here needs a network: the requirements of the folder are empty, or can't be had on purpose.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask

from mailout import bootstrap, running, welcome
from mailout import settings as mailout_settings
from mailout.settings import ROOT
from tests.conftest import environment
from tests.mailservers import free_ports

NOWHERE = "http://127.0.0.1:1"
TELLS = 'import os, sys; print("RAN", __name__, *sys.argv[1:]); print("IN", sys.prefix, os.getcwd())\n'


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone that was started once, and what that printed."""
    folder = laid_out(tmp_path_factory.mktemp("first") / "clone")
    done = start(folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def started(first: tuple[Path, str], tmp_path: Path) -> Path:
    """A clone that was started before."""
    shutil.copytree(first[0], tmp_path / "clone", symlinks=True)
    return tmp_path / "clone"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone that was never started."""
    return laid_out(tmp_path / "clone")


def laid_out(folder: Path) -> Path:
    """A clone whose parts only tell that they ran, and which needs nothing."""
    (folder / "mailout").mkdir(parents=True)
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "app.py", folder)
    shutil.copy(ROOT / "mailout" / "bootstrap.py", folder / "mailout")
    (folder / "mailout" / "__init__.py").touch()
    (folder / "mailout" / "running.py").write_text(TELLS)
    (folder / "flask.py").write_text(TELLS)
    (folder / "pytest.py").write_text(TELLS)
    (folder / "requirements.txt").touch()
    (folder / "tests" / "requirements.txt").touch()
    return folder


def start(clone: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`python3 app.py ARGUMENTS` in the clone, uv out of reach."""
    path = os.pathsep.join(f for f in os.environ["PATH"].split(os.pathsep) if not (Path(f) / "uv").exists())
    return subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=clone,
        env={**os.environ, "PATH": path, **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line with which it failed."""
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


def test_an_old_python_is_told_so() -> None:
    source = (ROOT / "app.py").read_text()
    ast.parse(source, feature_version=(3, 4))
    old = "import runpy, sys; sys.version_info = (3, 9, 1); runpy.run_path('app.py', run_name='__main__')"

    done = subprocess.run([sys.executable, "-c", old], cwd=ROOT, capture_output=True, text=True, check=False)

    assert one_line(done).startswith("Mailout needs Python 3.11 or newer, and this is Python 3.9.")


def test_the_bootstrap_stands_on_python_alone() -> None:
    tree = ast.parse((ROOT / "mailout" / "bootstrap.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def timed(place: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """A start, and how many seconds it took."""
    began = time.monotonic()
    return start(place), time.monotonic() - began


@pytest.mark.slow
def test_the_first_start_installs_and_the_second_skips_it(first: tuple[Path, str], started: Path) -> None:
    second, seconds = min((timed(started) for _ in range(3)), key=lambda pair: pair[1])

    assert "Installing what Mailout needs" in first[1]
    assert f"IN {first[0]}/.venv {first[0]}" in first[1]
    assert "Installing" not in second.stdout
    assert "RAN __main__" in second.stdout
    assert seconds < 4, "the quickest of three: others may work on this machine"


@pytest.mark.slow
def test_it_installs_anew_when_what_it_needs_has_changed(started: Path) -> None:
    (started / "requirements.txt").write_text("# another\n")

    assert "Installing" in start(started).stdout
    assert "Installing" not in start(started).stdout


@pytest.mark.slow
def test_a_virtual_environment_of_another_python_is_made_anew(started: Path) -> None:
    cfg = started / ".venv" / "pyvenv.cfg"
    cfg.write_text(re.sub(r"(version(?:_info)? = )3\.\d+", r"\g<1>3.9", cfg.read_text()))
    (started / ".venv" / "mailout-installed").write_text("of the other Python\n")

    assert start(started).returncode == 0
    assert "3.9" not in cfg.read_text()


def test_test_runs_pytest_and_any_other_word_is_flasks(started: Path) -> None:
    tests = start(started, "test", "tests/core", "-k", "two words")
    word = start(started, "users", "create", "jo@example.org", "--name", "Jo")

    assert "Installing what Mailout and its tests need" in tests.stdout
    assert "RAN __main__ tests/core -k two words" in tests.stdout
    assert "Installing" not in word.stdout
    assert "RAN __main__ users create jo@example.org --name Jo" in word.stdout


def test_a_word_is_run_where_one_is(started: Path, tmp_path: Path) -> None:
    (tmp_path / "flask.py").write_text(TELLS)

    done = subprocess.run(
        [sys.executable, str(started / "app.py"), "db", "upgrade"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"IN {started}/.venv {tmp_path}\n" in done.stdout


def test_without_a_network_there_is_one_line(started: Path) -> None:
    (started / "requirements.txt").write_text(f"nothing-like-this==1.0 --hash=sha256:{'0' * 64}\n")
    away = {"PIP_INDEX_URL": NOWHERE, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}

    line = one_line(start(started, **away))

    assert "could not be downloaded: is there no network?" in line
    assert one_line(start(started, **away)) == line


def test_without_venv_there_is_one_line(clone: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "sitecustomize.py").write_text("import sys; sys.modules['venv'] = None\n")

    line = one_line(start(clone, PYTHONPATH=str(shadow)))

    assert "apt install python3-venv" in line


def test_without_ensurepip_and_without_a_network_there_is_one_line(clone: Path, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "ensurepip.py").write_text("import sys; sys.exit('No module named ensurepip')\n")

    line = one_line(start(clone, PYTHONPATH=str(shadow), https_proxy=NOWHERE, HTTPS_PROXY=NOWHERE))

    assert "has no pip" in line
    assert "apt install python3-venv" in line


def test_pip_is_taken_only_when_it_is_the_one_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = tmp_path / "pip.pyz"
    served.write_bytes(b"pip")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    bootstrap.VENV.mkdir()
    monkeypatch.setattr(bootstrap, "PIP_URL", served.as_uri())

    with pytest.raises(bootstrap.Trouble, match="not what it should be"):
        bootstrap.downloaded_pip()
    assert not (tmp_path / "venv" / "pip.pyz").exists()

    monkeypatch.setattr(bootstrap, "PIP_SHA256", hashlib.sha256(b"pip").hexdigest())
    assert bootstrap.downloaded_pip().read_bytes() == b"pip"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_is_one_line(clone: Path) -> None:
    clone.chmod(0o500)
    try:
        assert "can't be written" in one_line(start(clone))
    finally:
        clone.chmod(0o700)


def test_a_disk_that_takes_nothing_is_one_line(clone: Path) -> None:
    (clone / ".venv").write_text("a file where the folder should be")

    assert one_line(start(clone))


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_all({"INSTANCE_DIR": str(tmp_path), "PORT": str(port)})

    assert one_line(done).startswith(f"Port {port} is in use")


def test_every_wrong_setting_is_one_line(tmp_path: Path) -> None:
    done = run_all({"INSTANCE_DIR": str(tmp_path), "PORT": "many", "DURABILITY": "eternal"})

    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["DURABILITY", "PORT"]


@pytest.mark.parametrize(
    ("host", "words"), [("no-such-host.invalid", "no address is known"), ("192.0.2.1", "Nothing can listen on")]
)
def test_a_host_that_is_not_ours_is_one_line(tmp_path: Path, host: str, words: str) -> None:
    settings = mailout_settings.read({"INSTANCE_DIR": str(tmp_path), "HOST": host})

    assert words in running.port_fault(settings)


def run_all(values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `python3 app.py` becomes, when it can't start."""
    return subprocess.run(
        [sys.executable, "-m", "mailout.running"],
        cwd=ROOT,
        env=clean(values),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def clean(values: dict[str, str]) -> dict[str, str]:
    """The environment without anything that a developer set for Mailout, and these values."""
    keep = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in keep if name in os.environ} | values


@contextlib.contextmanager
def everything(values: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Everything running, and the lines that it printed until it had said how to sign in."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mailout.running"],
        cwd=ROOT,
        env=clean(values),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(("Sign in", "There are no users")):
                break
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def stopped(process: subprocess.Popen[str], with_signal: signal.Signals) -> str:
    """What it prints when it is stopped; it must end well."""
    process.send_signal(with_signal)
    printed, _ = process.communicate(timeout=90)
    assert process.returncode == 0, printed
    return printed


def answers(port: int) -> bool:
    """Whether something listens on `port`."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_everything_starts_and_stops_and_says_how_to_sign_in(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    values = {"INSTANCE_DIR": str(tmp_path), "PORT": str(port)}

    with everything(values) as (process, lines):
        assert lines[-2:-1] == [f"Mailout is at http://127.0.0.1:{port}"]
        assert re.fullmatch(r"Sign in as you@sandbox\.test with the one-time password \w{4}-\w{4}-\w{4}", lines[-1])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login") as page:
            assert page.status == 200
        assert stopped(process, signal.SIGINT) == "\nStopping ...\n"

    assert not answers(port)
    assert not (tmp_path / "sandbox" / "ports.json").exists()
    began = time.monotonic()
    with everything(values) as (process, lines):
        print(f"the second start took {time.monotonic() - began:.1f} s")
        assert len(lines) == 2
        assert "Traceback" not in stopped(process, signal.SIGTERM)


def test_with_real_servers_the_first_start_prints_the_set_up_code(app: Flask, now: datetime) -> None:
    settings = app.extensions["mailout"]

    first, second = welcome.lines(settings, now), welcome.lines(settings, now)

    assert first[0] == "Mailout is at http://127.0.0.1:5000"
    assert re.search(r"set-up code \w{4}-\w{4}-\w{4} \(one hour, five tries\)", first[1])
    assert first[1] != second[1]


def test_every_variable_is_documented(tmp_path: Path) -> None:
    class Asked(dict[str, str]):
        """An environment that remembers what it was asked for."""

        names: set[str] = set()  # noqa: RUF012

        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            self.names.add(name)
            return super().get(name, default)

    mailout_settings.read(Asked(environment(tmp_path)))
    mailout_settings.read(Asked({"INSTANCE_DIR": str(tmp_path)}))

    written = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(written) == Asked.names | {"SANDBOX"}


def test_what_is_documented_is_right_as_it_stands(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    values = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    secret = {"POP3_PASSWORD": "x", "SMTP_PASSWORD": "x", "SECRET_KEY": "x" * 40}

    found = mailout_settings.read(values | secret | {"INSTANCE_DIR": str(tmp_path), "DATABASE_URL": ""})

    assert found.pop3 is not None
    assert found.smtp is not None
