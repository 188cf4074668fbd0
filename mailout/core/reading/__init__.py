"""reading -- a letter as it is: its head, its parts, its people, by offsets into the bytes that came.

Owns     the grammar of RFC 5322, 2045-2047 and 2231, read within bounds
Never    changes an octet, judges a letter
Fails    never, but for mime.Unreadable beyond the bounds: what can't be read is empty
"""
