"""Applications for credit, and whether it is repaid."""
