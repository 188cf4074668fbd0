"""mailouts -- Toolbox > Mail-out: making one, following it, deciding about it, and whom it went to.

Owns     the pages of mail-outs, what lies on the sheet in each state, the buttons, the look at the letter
Never    sends or reads mail: a press is a row, and the bell
"""
