"""The benchmark of sending: the whole product beside others, in one run on one machine.

    python tests/benchmarks/sending.py              everything, three rounds; about twenty minutes
    python tests/benchmarks/sending.py --quick      a twentieth of the messages, for a look

Sent to Postfix's `smtp-sink` over 4 connections, on loopback and behind a proxy of 20 ms round trip: by Postfix's own
`smtp-source -d` (C, lock-step), by smtplib in threads, aiosmtplib and nodemailer (fetched from their registries; they
record nothing), and by Mailout's worker process with its database, every outcome committed before the next copy's dot.
Then: how the cost grows from 1,000 to 100,000 recipients, the worker's memory, how long a letter waits in the mailbox.
All take their turns in each round, and ratios are made within a round, so a machine that is busy with other things
slows everybody. Numbers in messages a second are of this machine and this hour.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.benchmarks import latency  # noqa: E402
from tests.benchmarks.peers import NODEMAILER  # noqa: E402
from tests.benchmarks.product import Product, Run, machine  # noqa: E402
from tests.workers import until  # noqa: E402

CONNECTIONS = 4
DISTANCE = 20


@dataclass(frozen=True)
class Course:
    """One thing that everybody does: so many messages of a size, near or far."""

    name: str
    size: int
    count: int
    far: bool
    least: dict[str, float]
    most_cpu: float


COURSES = (
    Course("10 KB, loopback", 10_000, 20_000, False, {"process": 0.6, "power": 0.3, "peers": 1.1}, 0.14),
    Course("200 KB, loopback", 200_000, 2_000, False, {"process": 0.9, "power": 0.8, "peers": 1.4}, 0.22),
    Course("10 KB, 20 ms", 10_000, 2_000, True, {"process": 3.5, "power": 3.5, "peers": 1.8}, 0.40),
    Course("200 KB, 20 ms", 200_000, 2_000, True, {"process": 3.5, "power": 3.5, "peers": 1.8}, 0.40),
)


@dataclass
class Times:
    """Messages a second and CPU ms a message, of each contender in each round of a course."""

    rate: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, count: int, seconds: float, cpu: float | None) -> None:
        """One run of one contender."""
        self.rate.setdefault(name, []).append(count / seconds)
        if cpu is not None:
            self.cpu.setdefault(name, []).append(cpu / count * 1000)

    def ratio(self, name: str, other: str) -> float:
        """The median over the rounds of `name` to `other` in the same round."""
        return statistics.median(a / b for a, b in zip(self.rate[name], self.rate[other], strict=True))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's smtp-sink, and its port."""
    port = free_port()
    command = [tool("smtp-sink"), "-u", "nobody", f"127.0.0.1:{port}", "200"]
    with subprocess.Popen(command) as process:
        until(lambda: _answers(port), 5)
        try:
            yield port
        finally:
            process.kill()


@contextmanager
def proxy(to_port: int, milliseconds: float) -> Iterator[int]:
    """The delaying proxy, and its port."""
    command = [sys.executable, "-m", "tests.benchmarks.delay", str(to_port), str(milliseconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def tool(name: str) -> str:
    """Where a program of Postfix's is."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: apt-get install postfix")
    return found


# -- contenders --------------------------------------------------------------------------------------------------------

Contender = Callable[[int, int, int], tuple[float, float | None]]


def smtp_source(port: int, count: int, size: int) -> tuple[float, float | None]:
    """Postfix's own load generator, connections kept open."""
    sender = ["-f", "b@mail.test", "-t", "c@customers.test", "-M", "bench.test"]
    command = [tool("smtp-source"), "-d", "-s", str(CONNECTIONS), "-m", str(count), "-l", str(size), *sender]
    began = time.monotonic()
    subprocess.run([*command, f"127.0.0.1:{port}"], check=True)
    return time.monotonic() - began, None


def python_peer(name: str, folder: Path) -> Contender:
    """A peer in Python."""

    def run(port: int, count: int, size: int) -> tuple[float, float | None]:
        command = [sys.executable, "-m", "tests.benchmarks.peers", name]
        return _told([*command, str(port), str(count), str(size), str(CONNECTIONS)], folder)

    return run


def nodemailer(folder: Path) -> Contender:
    """nodemailer with its pool."""

    def run(port: int, count: int, size: int) -> tuple[float, float | None]:
        command = ["node", str(folder / "bench.js"), str(folder / "package")]
        return _told([*command, str(port), str(count), str(size), str(CONNECTIONS)], folder)

    return run


def _told(command: Sequence[str], folder: Path) -> tuple[float, float | None]:
    """What a peer says of its own run."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(folder / "python")}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["seconds"], told["cpu"]


def peers(folder: Path) -> dict[str, Contender]:
    """The peers that can be had here; what is missing is said."""
    found: dict[str, Contender] = {"smtp-source -d": smtp_source, "smtplib, threads": python_peer("smtplib", folder)}
    pip = [sys.executable, "-m", "pip"] if _works([sys.executable, "-m", "pip", "--version"]) else ["uv", "pip"]
    if _works([*pip, "install", "-q", "--target", str(folder / "python"), "aiosmtplib"]):
        found["aiosmtplib"] = python_peer("aiosmtplib", folder)
    if _works(["npm", "pack", "--silent", "nodemailer"], folder) and (packed := list(folder.glob("nodemailer-*.tgz"))):
        subprocess.run(["tar", "xzf", str(packed[0])], cwd=folder, check=True)
        (folder / "bench.js").write_text(NODEMAILER)
        found["nodemailer"] = nodemailer(folder)
    for name in {"aiosmtplib", "nodemailer"} - found.keys():
        print(f"{name} can't be had here and is left out.")
    return found


def _works(command: Sequence[str], folder: Path = ROOT) -> bool:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


# -- the run -----------------------------------------------------------------------------------------------------------


def course_times(course: Course, rounds: int, share: float, folder: Path, others: dict[str, Contender]) -> Times:
    """Everybody over one course, round after round."""
    times, count = Times(), max(40, int(course.count * share))
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        if course.far:
            port = stack.enter_context(proxy(port, DISTANCE))
        ours = {}
        for durability in ("process", "power"):
            made = Path(tempfile.mkdtemp(dir=folder))
            ours[durability] = stack.enter_context(Product(made, port, CONNECTIONS, durability))
            ours[durability].send(40, course.size)
        for _ in range(rounds):
            for name, contender in others.items():
                lockstep = course.far and name != "nodemailer"
                fewer = max(40, count // 6) if lockstep else count
                seconds, cpu = contender(port, fewer, course.size)
                times.note(name, fewer, seconds, cpu)
            for durability, product in ours.items():
                run = product.send(count, course.size)
                assert run.sent == count, f"{run.sent} of {count} were sent"
                times.note(f"Mailout, {durability}", count, run.seconds, run.cpu)
    return times


def growth(folder: Path, share: float) -> tuple[float, float, float]:
    """CPU ms a message with 1,000 recipients and with 100,000, and the peak memory in MB with the latter."""
    with sink() as port, Product(Path(tempfile.mkdtemp(dir=folder)), port, CONNECTIONS, "process") as product:
        product.send(200, 10_000)
        few = [product.send(1_000, 10_000) for _ in range(5)]
        many = product.send(int(100_000 * share), 10_000)
    return statistics.median(_cpu(run) for run in few), _cpu(many), many.peak


def _cpu(run: Run) -> float:
    return run.cpu / run.sent * 1000


def large_letter(folder: Path) -> float:
    """The worker's peak memory in MB while it sends 25 MB to 100,000, after the first hundred."""
    with sink() as port, Product(Path(tempfile.mkdtemp(dir=folder)), port, CONNECTIONS, "process") as product:
        return product.peak_of_large(100_000, 25_000_000, 100)


def best_peer(times: Times) -> str:
    """The fastest of those who record nothing."""
    others = [name for name in times.rate if not name.startswith(("Mailout", "smtp-source"))]
    return max(others, key=lambda name: statistics.median(times.rate[name]))


def table(done: Sequence[tuple[Course, Times]]) -> str:
    """The figures of all courses, as the README shows them."""
    rows = {
        "against `smtp-source -d`, DURABILITY=process": lambda t: t.ratio("Mailout, process", "smtp-source -d"),
        "the same, DURABILITY=power": lambda t: t.ratio("Mailout, power", "smtp-source -d"),
        "against the best of smtplib, aiosmtplib, nodemailer": lambda t: t.ratio("Mailout, process", best_peer(t)),
        "CPU ms a message, the whole worker": lambda t: statistics.median(t.cpu["Mailout, process"]),
    }
    lines = ["| | " + " | ".join(course.name for course, _ in done) + " |", "|---" * (len(done) + 1) + "|"]
    for words, figure in rows.items():
        places = 3 if words.startswith("CPU") else 2
        lines.append(f"| {words} | " + " | ".join(f"{figure(times):.{places}f}" for _, times in done) + " |")
    return "\n".join(lines)


def told(course: Course, times: Times) -> bool:
    """Print the table of a course; whether every bar is met."""
    print(f"\n{course.name}")
    for name, rates in times.rate.items():
        cpu = f"{statistics.median(times.cpu[name]):.3f}" if name in times.cpu else "-"
        spread = (max(rates) - min(rates)) / statistics.median(rates)
        ratio = times.ratio(name, "smtp-source -d")
        print(
            f"  {name:18} {statistics.median(rates):9.0f} a second  x{ratio:5.2f}  CPU ms {cpu:>6}  ±{spread / 2:.0%}"
        )
    best = best_peer(times)
    cpu_of_ours = statistics.median(times.cpu["Mailout, process"])
    bars = [
        ("process / smtp-source", times.ratio("Mailout, process", "smtp-source -d"), course.least["process"]),
        ("power / smtp-source", times.ratio("Mailout, power", "smtp-source -d"), course.least["power"]),
        (f"process / {best}", times.ratio("Mailout, process", best), course.least["peers"]),
    ]
    for what, found, least in bars:
        print(f"  {'met   ' if found >= least else 'MISSED'} {what}: {found:.2f}, bar {least}")
    good = cpu_of_ours <= course.most_cpu
    print(f"  {'met   ' if good else 'MISSED'} CPU ms a message: {cpu_of_ours:.3f}, bar {course.most_cpu}")
    return good and all(found >= least for _, found, least in bars)


def main() -> int:
    """Run it all; exit 1 when a bar is missed."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--quick", action="store_true", help="a twentieth of the messages, one round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="", help="courses whose name holds this")
    chosen = arguments.parse_args()
    share, rounds = (0.05, 1) if chosen.quick else (1.0, chosen.rounds)
    print(f"{time.strftime('%Y-%m-%d %H:%M')}  {machine()}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = peers(folder)
        done, met = [], []
        for course in [course for course in COURSES if chosen.only in course.name]:
            done.append((course, course_times(course, rounds, share, folder, others)))
            met.append(told(*done[-1]))
        if not chosen.only:
            met += [*_told_of_growth(folder, share), _told_of_waiting(folder, share)]
    print(f"\n{table(done)}")
    print("\nAll bars are met." if all(met) else "\nNot all bars are met.")
    return 0 if all(met) else 1


def _told_of_growth(folder: Path, share: float) -> list[bool]:
    """Print what grows, and what must not."""
    few, many, peak = growth(folder, share)
    large = large_letter(folder)
    print(
        f"\nCPU ms a message: {few:.3f} with 1,000 recipients, {many:.3f} with {int(100_000 * share):,}; bar 1.2 times"
    )
    print(f"Peak memory of the worker: {peak:.0f} MB with 10 KB, {large:.0f} MB with 25 MB to 100,000; bar 128 MB")
    return [many <= few * 1.2, peak <= 128, large <= 128]


def _told_of_waiting(folder: Path, share: float) -> bool:
    """Print how long a letter waits in the mailbox."""
    waits = latency.waits(Path(tempfile.mkdtemp(dir=folder)), max(3, int(20 * share)))
    longest = latency.POLL_SECONDS + latency.GRACE
    print(
        f"A letter in the mailbox -> first RCPT, {len(waits)} letters, POP3_POLL_SECONDS={latency.POLL_SECONDS}:"
        f" median {statistics.median(waits):.2f} s, longest {max(waits):.2f} s; bar {longest} s"
    )
    return max(waits) <= longest


if __name__ == "__main__":
    sys.exit(main())
