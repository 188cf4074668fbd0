"""telling -- the words for people: notices, refusals, times and numbers."""
