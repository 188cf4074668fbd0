"""access -- who comes in, as whom, and what each may do.

Owns     the table of what is allowed; signing in and out, sessions, users and one's own account; what every request
         must bear and every answer carries
Never    shows a page of mail or customers
"""
