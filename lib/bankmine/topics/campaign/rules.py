"""Rules of marketing: what may be spent, what channels can do, and how long customers are left alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bankmine.errors import BankmineError, one_line
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

REGISTER = WORKSPACE / "data" / "campaigns.yml"


@dataclass(frozen=True)
class PlanRules:
    """What marketing decides."""

    owner: str
    budget: float
    rest: int
    control: float
    capacity: Mapping[str, float] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)


def load_rules(currency: str, file: Path = REGISTER) -> PlanRules:
    """Read the rules for a currency, or the default ones."""
    try:
        sections = read_yaml(file)
        rules = PlanRules(**sections[currency if currency in sections else "default"])
        numbers = [rules.budget, rules.rest, rules.control, *rules.capacity.values(), *rules.prices.values()]
        wrong = [n for n in numbers if isinstance(n, bool) or not n >= 0]
    except (TypeError, KeyError, AttributeError) as error:
        raise BankmineError(f"{file} is not a register of campaigns: {one_line(error)}") from None
    if wrong or not rules.control < 1:
        told = wrong[0] if wrong else rules.control
        raise BankmineError(f"{file}: {told!r} must be a number from 0, and control below 1.")
    return rules
