"""What customers write to the bank."""
