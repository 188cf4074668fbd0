"""fault -- what a person asked for can't be done.

Owns     the one exception whose text is written for a person
Never    stands for a broken world (that is an exception of its own) or a mistake of ours (AssertionError)
"""


class Fault(Exception):
    """What was asked can't be done; the text says why, what it means and what to do, in the reader's words."""
