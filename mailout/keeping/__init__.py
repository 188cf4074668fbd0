"""keeping -- the data as a whole: who uses it at this moment, a copy of it, a copy put in its place.

Read `in_use`, `backup`, `restore` in this order, and then `outbox/standstill`: what a restored database does before
anybody can send.
"""
