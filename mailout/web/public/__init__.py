"""public -- what a customer reaches from a letter, without signing in.

Owns     the pages of preferences and unsubscribing
Never    shows who somebody is to a stranger; asks for a session, or for JavaScript
"""
