"""Recommendation: what each customer may want next, who may be offered it, when and through which channel."""

from bankmine.topics.recommendation.study import study

__all__ = ["study"]
