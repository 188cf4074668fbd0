"""book -- the address book: customers, their places in lists, who uses Mailout.

Owns     every rule about customers, lists, places, suppression, import and export; users, their links and sessions
Never    sends or reads mail; changes a place that its customer chose
Commits  leaves that to the caller, but for an import, which is long and commits bit by bit
"""
