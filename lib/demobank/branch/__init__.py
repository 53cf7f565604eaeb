"""What staff do in the bank's systems."""
