"""Quality: how far a snapshot can be trusted: completeness, validity, uniqueness, timeliness, reconciliation."""

from bankmine.topics.quality.rules import SEVERE_SHARE
from bankmine.topics.quality.study import LATE_DAYS, study

__all__ = ["LATE_DAYS", "SEVERE_SHARE", "study"]
