"""Profiling (客户画像): who the customers are, and the tags by which the bank speaks of them."""

from bankmine.topics.profiling.study import study

__all__ = ["study"]
