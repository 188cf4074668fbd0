"""left_out -- why a recipient was skipped, in words.

Owns     one phrase for each reason that a skipped recipient's row can hold ("suppressed: by-hand", "excluded: by Jo")
Never    decides who is skipped
Fails    never: a reason that it does not know is said as it stands
"""

from __future__ import annotations

_SUPPRESSED = {
    "unsubscribed": "asked for no mail at all",
    "bounced": "left out, for mail came back",
    "complained": "complained",
    "by-hand": "stopped by hand",
}
_SKIPPED = {
    "excluded": "excluded while it was going out",
    "unsubscribed": "unsubscribed while it was going out",
    "suppressed": "stopped",
    "deleted": "deleted",
}


def in_words(reason: str) -> str:
    """The reason as a phrase: "stopped by hand"."""
    word, _, more = (part.strip() for part in reason.partition(":"))
    if word == "suppressed" and more in _SUPPRESSED:
        return _SUPPRESSED[more]
    if word == "excluded" and more:
        return f"excluded {more}"
    return _SKIPPED.get(word, reason or "left out")
