"""Compared: two arms that nobody drew, what models say of their rows, and what a page tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bankmine.bank.kept import kept_analysis
from bankmine.errors import BankmineError
from bankmine.judging import adjusted
from bankmine.judging.adjusted import ALIKE, DOUBLY_ROBUST, NAIVE, Contrast
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable

_SHARE, _ROWS, _BEFORE, _AFTER = "might have gone either way", "effective rows", "largest difference before", "after"


@dataclass(frozen=True)
class Compared:
    """Rows of two arms with what was foretold of each by `adjusted.fit`."""

    rows: Contrast
    models: pd.DataFrame

    @cached_property
    def _inside(self) -> np.ndarray:
        return adjusted.kept(self.rows, self.models["chance"]).to_numpy()

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Return the effect in four ways, as of `adjusted.estimates`."""
        return adjusted.estimates(self.rows, self.models)

    def weighted(self, outcome: pd.Series) -> dict[str, float]:
        """Compare another outcome of the comparable rows, weighed alike."""
        own, chance = self.rows.at(self._inside), self.models.loc[self._inside, "chance"]
        other = Contrast(own.known, own.treated, outcome[self._inside], own.entity, own.of)
        none = pd.DataFrame(0.0, chance.index, ["with_", "without"])
        return adjusted.difference(other, adjusted.weights(own, chance), none)

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Return what differed before between the arms, before and after weighing, the comparable rows only."""
        inside = adjusted.comparable(self.rows, self.models["chance"]).to_numpy()
        return adjusted.balance(self.rows.at(inside), self.models.loc[inside, "chance"])

    @property
    def evidence(self) -> dict[str, object]:
        """Return overlap, balance, and how strong something unrecorded must be to undo the finding."""
        found, inside = (f(self.rows, self.models["chance"]) for f in (adjusted.overlap, adjusted.comparable))
        others = self.rows.outcome[inside & ~self.rows.treated.astype(bool)]
        told = {_SHARE: found["share"], _ROWS: min(found["effective_treated"], found["effective_others"])}
        told |= {_BEFORE: self.balance["before"].abs().max(), _AFTER: self.balance["after"].abs().max()}
        told["verdict"] = "alike" if told[_AFTER] < ALIKE else "not quite alike"
        try:
            best = self.estimates.loc[DOUBLY_ROBUST]
        except BankmineError:
            return told | {"E-value": np.nan, "verdict": "cannot be told"}
        spread = None if others.isin([0, 1]).all() else float(others.std())
        return told | {"E-value": adjusted.e_value(best, float(others.mean()), spread)}


def compared(rows: Contrast, seen: pd.Series | None = None) -> Compared:
    """Fit the models of two arms, or take them from the cache; `seen` as for `adjusted.fit`."""
    given = rows.known, rows.treated, rows.outcome, rows.entity, rows.of, seen
    return Compared(rows, kept_analysis("one arm against another", given, lambda: adjusted.fit(rows, seen)))


def told(estimates: pd.DataFrame) -> dict[str, float]:
    """Return the plain difference as `naive` and the doubly robust one as `adjusted`, each with its ends."""
    found = {}
    for name, estimate in (("naive", NAIVE), ("adjusted", DOUBLY_ROBUST)):
        own = estimates.loc[estimate]
        found |= {name: own["value"], f"{name}_low": own["low"], f"{name}_high": own["high"]}
    return found


def side_by_side(estimates: pd.DataFrame, by: str, names: Mapping[str, str], spec: str = "+,.1f") -> pd.DataFrame:
    """Lay estimates with their intervals out: a row for each of `by`, a column an estimate, under the names given."""
    found = estimates.reset_index()
    found["told"] = with_interval(found, "value", spec)
    table = found.set_index([by, "estimate"])["told"].unstack()  # noqa: PD010 - a cell is one estimate
    table = table.reindex(estimates.index.unique(by), columns=list(names))
    return table.dropna(axis=1, how="all").rename(columns=names).rename_axis(columns=None)


def evidence(parts: Mapping[str, Compared]) -> pd.DataFrame:
    """Lay the evidence of comparisons out, a row each."""
    found = pd.DataFrame({name: one.evidence for name, one in parts.items()}).T
    spec = {_ROWS: ",.0f", _BEFORE: ".2f", _AFTER: ".2f", "E-value": ".1f", _SHARE: ".0%"}
    return shown(found.astype(dict.fromkeys(spec, float)), **spec)


def balance(parts: Mapping[str, Compared], most: int) -> pd.DataFrame:
    """Lay out what differed most before in each comparison."""
    found = pd.concat({name: one.balance.head(most) for name, one in parts.items()}, names=["compared"])
    found = found.reset_index("compared").assign(**{"known before": lambda t: t["known before"].map(readable)})
    return shown(found.set_index("compared"), before="+.2f", after="+.2f")
