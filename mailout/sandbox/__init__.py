"""sandbox -- a small mail server of well-kept libraries, so that a newcomer sees the whole loop."""
