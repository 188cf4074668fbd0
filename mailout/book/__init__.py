"""book -- the address book: customers, their places in lists, who uses Mailout."""
