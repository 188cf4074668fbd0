"""doctor -- the `doctor` command: whether this installation is fit to send.

Owns     how findings are printed; the exit code; what is said when the settings are so wrong that nothing starts
Never    holds a rule; prints a secret
Fails    with exit code 1 when anything failed; a warning does not count
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

from ..core.checking.finding import Finding, Part, Status
from ..current import settings
from ..doctor import configuration, examination, round_trip
from ..doctor.examination import Letters
from ._output import now, print_json, tidy
from ._words import Command

TITLES = {
    Part.CONFIGURATION: "Configuration",
    Part.DATABASE: "Database",
    Part.MACHINE: "This machine",
    Part.WORKER: "Worker",
    Part.MAILBOX: "Mailbox (POP3)",
    Part.RELAY: "Relay (SMTP)",
    Part.DNS: "Your domain (DNS)",
    Part.ROUND_TRIP: "A letter there and back",
}
COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "red"}
_WIDE = max(len(status) for status in Status)
_INDENT = " " * (2 + _WIDE + 2)


class Report:
    """Prints findings as they come, and counts them."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._part: Part | None = None
        self._counts = dict.fromkeys(Status, 0)
        # wrapped for a person at a terminal; in a file one finding is one line
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Print each."""
        for finding in findings:
            self._counts[finding.status] += 1
            if self._as_json:
                print_json(finding.as_json())
            else:
                self._print(finding)

    def end(self, note: str = "") -> int:
        """Print the sum of it, and `note` behind; the exit code."""
        bad, better = self._counts[Status.FAILED], self._counts[Status.WARNING]
        if not self._as_json:
            said = [f"{bad} failed"] * bool(bad) + [f"{better} warning" + "s" * (better != 1)] * bool(better)
            click.echo("\n" + (", ".join(said) or "All is well") + "." + note)
        return 1 if bad else 0

    def _print(self, finding: Finding) -> None:
        """One finding under the title of its part."""
        if finding.part is not self._part:
            click.echo(("\n" if self._part else "") + click.style(TITLES[finding.part], bold=True))
            self._part = finding.part
        word = click.style(f"{finding.status:<{_WIDE}}", fg=COLOURS[finding.status])
        first, *more = self._lines(finding.text)
        click.echo(f"  {word}  {first}")
        for line in [*more, *(self._lines(finding.advice) if finding.advice else [])]:
            click.echo(_INDENT + line)

    def _lines(self, text: str) -> list[str]:
        """`text` in lines that fit the terminal."""
        if not self._width:
            return [text]
        wide = max(30, self._width - len(_INDENT) - 1)
        return textwrap.wrap(text, wide, break_long_words=False, break_on_hyphens=False) or [""]


@click.command("doctor", cls=Command)
@click.option("--round-trip", "letters", is_flag=True, help="Send letters to ourselves and read from what arrives.")
@click.option(
    "--wait",
    type=click.FloatRange(1, 86_400),
    default=round_trip.WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a finding.")
@tidy
def command(letters: bool, wait: float, as_json: bool) -> None:
    """Check settings, database, worker, mailbox, relay and DNS: each ok, warning or failed, with what to change."""
    report = Report(as_json)
    report.add(examination.examine(settings(), now, Letters(wait, _waits) if letters else None))
    raise SystemExit(report.end())


def _waits(seconds: float, arrived: int, sent: int, ended: bool) -> None:
    """Say on a terminal how long it takes."""
    if sys.stderr.isatty():
        words = "" if ended else f"  {arrived} of {sent} letters are back, {seconds:.0f} s"
        click.echo(f"\r\033[K{words}", nl=False, err=True)


def answer_for(words: Sequence[str], faults: Sequence[str]) -> int:
    """Tell as findings why nothing starts, when `words` (of the command line) ask the doctor; the exit code, else 0."""
    if "doctor" not in words[1:]:
        return 0
    report = Report("--json" in words)
    report.add(configuration.broken(faults))
    return report.end(" Mailout does not start before that is right, and nothing else was looked at.")
