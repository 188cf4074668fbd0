"""outbox -- from a frozen list of recipients to the relay's last word about each."""
