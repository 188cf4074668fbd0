"""copying -- a letter into its copies: a new head, the same body, and the proof of it."""
