"""telling -- the words for people: notices, refusals, times and numbers.

Owns     each sentence once, so that page, command and mail say the same
Never    says more than was asked for by whom it is written to
"""
