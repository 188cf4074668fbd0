"""wires -- the two lines to the world: POP3 in, SMTP out. They know their RFCs and nothing of us.

Owns     the dialogue: lines, replies, timeouts, TLS
Never    reads a table or a setting, asks what a letter means; says a password on a line that should have been TLS
"""
