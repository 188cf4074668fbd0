"""wires -- the two lines to the world: POP3 in, SMTP out. They know their RFCs and nothing of us."""
