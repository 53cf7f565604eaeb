"""Expert rules of fraud, by `data/fraud_rules.yml`: which hold of a payment, and how many points that makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.bank.ruled import Expression, Ruled, condition, holds, read_rules
from bankmine.errors import BankmineError
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "fraud_rules.yml"


@dataclass(frozen=True)
class ExpertRule(Ruled):
    """One rule: what it is called, who owns it, when it holds, what it is worth and what the analyst reads."""

    id: str
    name: str
    name_zh: str
    owner: str
    condition: str
    points: float
    reason: str

    def read(self) -> Expression:
        """Read the condition, once points and words are known to be right."""
        if isinstance(self.points, bool) or not isinstance(self.points, int | float) or not 0 < self.points < np.inf:
            raise BankmineError(f"Rule {self.id} has points {self.points!r}: give a number above zero.")
        if empty := [name for name in ("name", "name_zh", "owner", "reason") if not str(getattr(self, name)).strip()]:
            raise BankmineError(f"Rule {self.id} has an empty {empty[0]}.")
        found = condition(self.condition, f"Rule {self.id}", alone=True)
        if not found.columns:
            raise BankmineError(f"Rule {self.id} names no column, so that it says nothing of a payment: name one.")
        return found


@dataclass(frozen=True)
class Fired:
    """Which rules hold of which payments."""

    holds: pd.DataFrame
    """Boolean, one column a rule that could be run, by its id."""
    points: pd.Series
    """Sum of the points of the rules that hold."""
    not_run: dict[str, str]
    """Id of each rule that could not be run -> the feature that the source lacks."""


def load_rules(file: Path = REGISTRY) -> list[ExpertRule]:
    """Read the rules."""
    return read_rules(file, ExpertRule, "rules")


def fired(rules: list[ExpertRule], columns: Mapping[str, np.ndarray] | pd.DataFrame) -> Fired:
    """Ask of each payment which rules hold, by its features."""
    rows = columns if isinstance(columns, pd.DataFrame) else pd.DataFrame(columns)
    lacking = {rule.id: sorted(rule.parsed.columns - set(rows.columns)) for rule in rules}
    able = [rule for rule in rules if not lacking[rule.id]]
    held = holds({rule.id: rule.parsed for rule in able}, rows)
    points = held.to_numpy(bool) @ np.array([rule.points for rule in able], dtype=float)
    return Fired(
        holds=held,
        points=pd.Series(points, index=rows.index, name="points"),
        not_run={rule: names[0] for rule, names in lacking.items() if names},
    )


def score(fired: Fired, amount: pd.Series) -> pd.Series:
    """Rank payments by points, and those with equal points by amount."""
    return (fired.points + amount.rank(pct=True) / 2).rename("rules")


def hits(fired: Fired, target: pd.Series, rules: list[ExpertRule]) -> pd.DataFrame:
    """Say of each rule how often it holds and is right, in the order of the rules.

    `rule` (name), `points`, `holds` (payments), `frauds` among them, `precision` and `recall` (share of all frauds); of
    one that was not run `lacks`.
    """
    rows = []
    for rule in rules:
        told = {"rule": rule.name, "points": rule.points, "lacks": fired.not_run.get(rule.id, "")}
        if rule.id in fired.holds:
            held = fired.holds[rule.id]
            frauds = int(target[held].sum())
            told |= {"holds": int(held.sum()), "frauds": frauds}
            told |= {"precision": frauds / max(held.sum(), 1), "recall": frauds / max(target.sum(), 1)}
        rows.append(told)
    columns = ["rule", "points", "holds", "frauds", "precision", "recall", "lacks"]
    return pd.DataFrame(rows).reindex(columns=columns)


def in_words(fired: Fired, rules: list[ExpertRule], rows: pd.Index) -> pd.Series:
    """Join the reasons of the rules that hold of some payments, those with most points first; "" where none holds."""
    ordered = [r for r in sorted(rules, key=lambda r: -r.points) if r.id in fired.holds]
    holds = fired.holds.loc[rows, [r.id for r in ordered]].to_numpy()
    told = ["; ".join(r.reason for r, yes in zip(ordered, row, strict=True) if yes) for row in holds]
    return pd.Series(told, index=rows, name="rules", dtype=object)
