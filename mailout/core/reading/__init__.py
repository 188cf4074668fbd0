"""reading -- a letter as it is: its head, its parts, its people, by offsets into the bytes that came."""
