"""help -- for who is stuck: the manual, and a form that reaches a person.

Owns     the help pages and their search; support requests
Never    needs a mail-out, a list or a permission to be of use
"""
