"""story -- a mail-out told in time: what happened, how fast it goes, what is to come.

Owns     the reading of a mail-out at one moment, its steps, and the honest clock
Never    has an address of its own: the pages of mail-outs tell with it
"""
