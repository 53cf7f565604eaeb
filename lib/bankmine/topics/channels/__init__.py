"""Channels: which channel serves whom, what each costs and does, and by which to reach whom."""

from bankmine.topics.channels.study import study

__all__ = ["study"]
