"""returning -- what else comes in: what a letter is, and what a returning one says about whom.

Owns     the verdict: a key, a bounce, a complaint, a leaver, an automatic answer, a person's answer, or none of these
Never    looks into the database: whom a verdict is about is in tokens and addresses
Fails    never: what can't be told apart is Other
"""
