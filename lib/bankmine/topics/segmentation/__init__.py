"""Segmentation: kinds of customers, who is premium, and where in their life with the bank customers are."""

from bankmine.topics.segmentation.study import study

__all__ = ["study"]
