"""Campaigns: whom the bank contacts with what, and what that does."""
