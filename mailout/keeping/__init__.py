"""keeping -- the data as a whole: who uses it at this moment, a copy of it, a copy put in its place.

Read `in_use`, `backup`, `restore` in this order, then `new_life` and `outbox/standstill`: what a restored database does
before anybody can send. `ready` is what web and worker do before they serve or send.
"""
