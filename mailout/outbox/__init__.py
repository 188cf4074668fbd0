"""outbox -- from a frozen list of recipients to the relay's last word about each.

Owns     the recipients' states, from queued to the last, and all that governs who goes when
Never    writes a letter again, keeps a queue beside the rows, counts as sent what the relay did not accept
Commits  each outcome before the next dot on its connection
"""
