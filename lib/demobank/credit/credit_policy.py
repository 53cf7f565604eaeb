"""What the bank decided then: a score of simple rules, some noise, and a few decisions by hand.

The score adds points for what looks risky; about two thirds are approved. It is the bank of then: it takes high use of
credit lines for bad but not that none is bad too, misses the interaction, and marks down two sectors that do not
default more often, in which many women work: an unfair rule that shows as fewer approvals of women. Noise stands for
what clerks saw and did not write down. Some decisions are taken by hand against the rules, and the application behind
an account was approved whatever the rules said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demobank.credit.credit_demand import Requests
from demobank.credit.credit_files import CreditFiles
from demobank.credit.credit_people import MOSTLY_WOMEN, RENT, SECTORS
from demobank.streams import Streams

PLANTED = {
    "credit_policy.cut": 1.25,
    "credit_policy.debt_to_income": 0.8,
    "credit_policy.delinquencies": 0.6,
    "credit_policy.inquiries": 0.15,
    "credit_policy.utilisation": 0.8,
    "credit_policy.employment": -0.2,
    "credit_policy.no_file": 1.1,
    "credit_policy.renting": 0.15,
    "credit_policy.sector": 0.5,
    "credit_policy.noise": 0.7,
    "credit_policy.approved_by_hand": 0.03,
    "credit_policy.refused_by_hand": 0.02,
}
"""Points of the score for each unit of what the name says, as in the default risk; who scores more than the cut, noise
included, is refused. Then the shares of decisions turned round by hand."""


@dataclass(frozen=True)
class Decisions:
    """One value an application."""

    score: np.ndarray
    """Points of the rules without noise: higher is worse."""
    by_rule: np.ndarray
    """Whether the rules, noise included, said yes."""
    approved: np.ndarray


def decide(requests: Requests, files: CreditFiles, streams: Streams) -> Decisions:
    """Decide on each application."""
    rng = streams("credit_policy/decisions")
    score = _points(files)
    by_rule = (
        score + PLANTED["credit_policy.noise"] * rng.standard_normal(len(requests)) <= PLANTED["credit_policy.cut"]
    )
    turned = np.where(by_rule, PLANTED["credit_policy.refused_by_hand"], PLANTED["credit_policy.approved_by_hand"])
    by_hand = rng.random(len(requests)) < turned
    return Decisions(score, by_rule, (by_rule ^ by_hand) | requests.own)


def _points(files: CreditFiles) -> np.ndarray:
    of_file = (
        PLANTED["credit_policy.delinquencies"] * np.minimum(files.delinquencies, 4)
        + PLANTED["credit_policy.inquiries"] * np.minimum(files.inquiries, 8)
        + PLANTED["credit_policy.utilisation"] * files.utilisation
    )
    marked_down = np.isin(files.sector, [SECTORS.index(name) for name in MOSTLY_WOMEN])
    return (
        np.where(files.has_file, of_file, PLANTED["credit_policy.no_file"])
        + PLANTED["credit_policy.debt_to_income"] * np.minimum(files.debt_to_income, 2.0)
        + PLANTED["credit_policy.employment"] * np.log1p(files.employment)
        + PLANTED["credit_policy.renting"] * (files.housing == RENT)
        + PLANTED["credit_policy.sector"] * marked_down
    )
