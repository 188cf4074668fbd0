"""returning -- what else comes in: what a letter is, and what a returning one says about whom."""
