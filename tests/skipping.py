"""skipping -- what was skipped for want of a program or of letters is named at the end; with MAILOUT_REAL=1 it fails.

Owns     the last lines of a test run, and its exit code where CI may skip nothing
"""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest

#: What a reason says when it is the machine that lacks something.
LACKS = re.compile(r"not installed|is not here|is not there|not run as root", re.IGNORECASE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped because this machine lacks something."""
    reasons = lacking(terminalreporter)
    if not reasons:
        return
    terminalreporter.write_sep("-", "skipped, for want of something on this machine")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where nothing may be skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("MAILOUT_REAL") == "1" and reporter is not None and lacking(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def lacking(reporter: pytest.TerminalReporter) -> Counter[str]:
    """The reasons for which tests were skipped that the machine is to blame for, and how often."""
    found: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if LACKS.search(reason):
            found[reason.removeprefix("Skipped: ")] += 1
    return found
