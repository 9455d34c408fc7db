"""What waits, what runs and what is done."""
