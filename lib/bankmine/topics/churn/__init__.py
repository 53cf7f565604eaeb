"""Churn: who is leaving, and whom it is worth calling."""

from bankmine.topics.churn.study import study

__all__ = ["study"]
