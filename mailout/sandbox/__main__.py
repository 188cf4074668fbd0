"""__main__ -- the sandbox's process: `python -m mailout.sandbox`.

Owns     the words for whoever starts it by mistake
Never    starts beside real servers
Fails    with exit code 1 and one line for each thing that is wrong
"""

from __future__ import annotations

import sys

from .. import settings
from . import listening


def main() -> int:
    """Serve the sandbox of this environment until a signal comes; the exit code."""
    try:
        found = settings.read()
    except settings.Misconfigured as error:
        print(error, file=sys.stderr)
        return 1
    if not found.sandbox:
        print("POP3_HOST and SMTP_HOST are set: there is no sandbox beside real servers.", file=sys.stderr)
        return 1
    listening.serve(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
