"""tools -- what is run by hand now and then, and no test needs."""
