"""Fraud: which payments to look at today. `fraud.study` is what a notebook begins with.

Its module is `fraud_study`: once imported, a module named `study` would take the place of the function, which is
imported late here and not at once as in other topics.
"""

from __future__ import annotations

__all__ = ["of_bank", "study"]


def __getattr__(name: str) -> object:
    """Import the study when it is asked for: real time uses modules beside it and cannot wait for engine and charts."""
    if name not in ("of_bank", "study"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bankmine.topics.fraud import fraud_study

    return getattr(fraud_study, name)
