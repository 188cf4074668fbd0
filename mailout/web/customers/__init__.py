"""customers -- the address book's pages: customers by lists, one customer, the lists, what is imported.

Owns     the grid with its switches and what is done to all that match; a customer's own page; lists; a file's way in
Never    holds a rule: those are the book's
"""
