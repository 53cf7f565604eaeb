"""Value: what each customer brought in, and is expected to bring in."""

from bankmine.topics.value.study import study

__all__ = ["study"]
