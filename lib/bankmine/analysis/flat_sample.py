"""A sample of a flat table: the same for an analysis as one of a bank."""

from __future__ import annotations

from bankmine.analysis.sample import Sample
from bankmine.bank.flat import Flat


def flat_sample(flat: Flat) -> Sample:
    """Take the rows of a flat table to learn from; the index is that of `flat.costs`, too."""
    return Sample(flat.predictors, flat.target, flat.entity, flat.day)
