"""The customers: who they are, how they live with the bank, whom they know."""
