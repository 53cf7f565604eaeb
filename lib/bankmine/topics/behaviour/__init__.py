"""Behaviour: when customers spend and log in, how they bank, and what they do next."""

from bankmine.topics.behaviour.study import study

__all__ = ["study"]
