"""A sample of a flat table: the same for an analysis as one of a bank."""

from __future__ import annotations

from bankmine.bank.flat import Flat
from bankmine.learning.sample import Sample


def flat_sample(flat: Flat) -> Sample:
    """Take the rows of a flat table to learn from; the index is that of `flat.costs`, too."""
    return Sample(flat.predictors, flat.target, flat.entity, flat.day)
