"""upkeep -- what whoever runs Mailout looks at: how it is, what came, who did what.

Owns     the System page, /healthz, the inbox log and the audit log
Never    changes what it shows, but for the adoption of a mailbox
"""
