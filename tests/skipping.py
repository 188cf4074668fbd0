"""skipping -- what a run leaves out, and that it says so at the end.

Owns     the last lines of a test run; its exit code where CI may skip nothing; which tests only CI runs every time

With MAILOUT_REAL=1 the slow tests run too, and one that is skipped for want of a program or of letters fails the run.
"""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest

#: What a reason says when it is the machine that lacks something.
LACKS = re.compile(r"not installed|is not here|is not there|not run as root", re.IGNORECASE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out of an ordinary run; whoever names a file or a test gets all of it."""
    named = any(".py" in word for word in map(str, config.args))
    if os.environ.get("MAILOUT_REAL") == "1" or named or config.option.keyword or config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)


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
