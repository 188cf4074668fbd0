"""Prints what each returning message of the corpus is to us: `python -m tests.tools.returning_table`.

The corpus is other people's mail and not in this repository; without it there is nothing to print.
"""

from __future__ import annotations

import sys
from collections import Counter

from mailout.core.returning.triage import AutoReply, Bounced, Complaint, Other, Verdict
from tests.core.returning import RETURN_PATH
from tests.core.test_corpus_returns import EXPECTED, FILES, verdict_of


def words(verdict: Verdict) -> str:
    """A verdict on one line."""
    match verdict:
        case Bounced(reports, delayed):
            told = "; ".join(f"{one.address or 'nobody named'}: {one.in_words}" for one in reports[:3])
            return ("late: " if delayed else "") + told + (" ..." if len(reports) > 3 else "")
        case AutoReply(why) | Other(why):
            return why
        case Complaint(_, addresses, _):
            return ", ".join(addresses) or "the copy it encloses"
    return ""


def main() -> int:
    """Print the table and its sum; 1 when a verdict is another than the manifest's class allows."""
    sums: Counter[str] = Counter()
    print("| message | class | verdict | |\n|---|---|---|---|")
    for one in (one for one in FILES if one["category"] in ("bounces", "autoreplies")):
        verdict = verdict_of(one, RETURN_PATH)
        right = isinstance(verdict, EXPECTED[one["expected"]["class"]][0])
        sums["right" if right else "wrong"] += 1
        name = type(verdict).__name__ + ("" if right else " (WRONG)")
        print(f"| {one['id']} | {one['expected']['class']} | {name} | {words(verdict)} |")
    print(f"\n{sums['right']} of {sums.total()} as the manifest says")
    return 1 if sums["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
