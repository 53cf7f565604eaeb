"""Fraud and laundering, and what looks like them and is innocent."""
