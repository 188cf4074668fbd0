"""doctor -- whether this installation is fit to send: what is tried, and what came of it.

Owns     trying the mailbox, the relay, DNS, the machine, and the way of a letter to ourselves and back
Never    removes or sends anything but its own letters, and those only with --round-trip; changes a setting
Fails    never for what is not well: that is a finding, with what to do about it
"""
