"""checking -- whether an installation is fit: what DNS says of its domains, and what a letter that arrived shows.

Owns     the judgement of SPF, DMARC, alignment and signatures, in words that say what to change; the doctor's letter
Never    asks DNS, sends or reads a letter: what was answered and what arrived are values here
Fails    never: a record or a header that can't be read is a finding
"""
