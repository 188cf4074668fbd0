"""copying -- a letter into its copies: a new head, the same body, and the proof of it.

Owns     what of a letter goes out, what is changed and why, and what is held or refused for it
Never    writes a part again that can go as it is; lets the key, or another customer's address, through
"""
