"""intake -- from a letter in the mailbox to what it means for us."""
