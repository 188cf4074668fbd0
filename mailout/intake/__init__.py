"""intake -- from a letter in the mailbox to what it means for us.

Owns     the way from the mailbox to a verdict and its effects, and what is kept of a letter for how long
Never    sends: what it accepts is rows of the outbox
Commits  a letter when it is stored, before it is deleted at the server; its effects in one transaction each
"""
