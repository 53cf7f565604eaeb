"""Judged: ways to rank payments by what an operations desk gets of them, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.judging import calibration
from bankmine.judging.intervals import shown, wide, wilson_clustered, with_interval
from bankmine.study import charts
from bankmine.study.judged import Judged
from bankmine.topics.fraud import desk
from bankmine.topics.fraud.backtest import CHOSEN
from bankmine.topics.fraud.payments import Payments

_CURVES = (CHOSEN, "logistic", "rules", "amount")
_BANDS = (0, 0.001, 0.01, 0.05, 0.2, 0.5, 1)
"""Chances between which they are held against what came."""
WORDS = {
    "alerts_a_day": "alerts a day", "alert_precision": "share that is fraud", "card_precision": "accounts attacked",
    "value_held": "value listed", "value_saved": "value listed or stopped", "frauds_found": "frauds found",
    "delay_days": "days until seen", "delay_saved": "days earlier", "average_precision": "average precision",
    "auc": "AUC",
}  # fmt: skip


@dataclass(frozen=True)
class AtTheDesk(Judged):
    """Ways to rank payments that no model has learnt from; only the chances of the chosen model are calibrated."""

    payments: Payments
    """Of the same rows."""
    order: pd.DataFrame
    """By what each looks at the payments of a day: `desk.order_of`."""
    capacity: float
    """Part of a day's payments that can be looked at."""
    stands_for: float
    """How many payments of the bank each of these is one of."""

    def of(self, index: pd.Index) -> AtTheDesk:
        """Return the chosen way alone, on some of the payments."""
        rows = self.rows.at(self.rows.target.index.get_indexer(index))
        chance, order = (frame.loc[index, [self.chosen]] for frame in (self.probability, self.order))
        return replace(self, rows=rows, probability=chance, payments=self.payments.of(index), order=order)

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """As of `desk.ranked_figures`."""
        return desk.ranked_figures(self.payments, self.probability)

    @cached_property
    def listed(self) -> pd.DataFrame:
        """As of `desk.list_figures`; alerts are those of the whole bank."""
        found = desk.list_figures(self.payments, self.order, self.capacity)
        figures = ["value", "low", "high"]
        found.loc[found["metric"] == "alerts_a_day", figures] *= self.stands_for
        return found

    @cached_property
    def figures(self) -> pd.DataFrame:
        """Both, one under the other."""
        return pd.concat([self.ranked, self.listed], ignore_index=True)

    @cached_property
    def deviations(self) -> pd.DataFrame:
        """How far the chances of the chosen model are from rates, by a line through them."""
        return calibration.recalibration(self.rows.target, self.probability[[self.chosen]], self.rows.entity)

    @property
    def table(self) -> pd.DataFrame:
        """Ways to rank payments by what their alerts find, with intervals of 95 %."""
        return self.told(["alert_precision", "value_held", "value_saved", "frauds_found"], ".0%")

    @property
    def sooner(self) -> pd.DataFrame:
        """The same by days until an attack is seen."""
        return self.told(["delay_days", "delay_saved"], ".1f").join(self.told(["card_precision"], ".0%"))

    @property
    def ranking(self) -> pd.DataFrame:
        """The same scores as rankings of all payments, whatever their amount and day."""
        return self.told(["average_precision", "auc"], ".3f")

    def told(self, metrics: list[str], spec: str) -> pd.DataFrame:
        """Lay figures out for a page, a row a way to rank."""
        figures = self.ranked if metrics[0] in desk.RANKED else self.listed
        return wide(figures, metrics, spec).rename(columns=WORDS)

    @property
    def chance_bands(self) -> pd.DataFrame:
        """By band of the chance, the payments judged, the share of fraud foretold, and the share that came."""
        chance, own = self.probability[self.chosen], self.payments
        words = [f"{100 * low:g} to {100 * high:g} %" for low, high in pairwise(_BANDS)]
        band = pd.cut(chance, _BANDS, labels=words, include_lowest=True)
        rows = {}
        for name, index in band.groupby(band, observed=True).groups.items():
            hit = own.target[index] == 1
            rows[name] = (len(index), chance[index].mean(), hit.mean(), *wilson_clustered(hit, own.entity[index]))
        found = pd.DataFrame.from_dict(rows, "index", columns=["payments", "foretold", "came", "low", "high"])
        told = found[["payments", "foretold"]].assign(came=with_interval(found, "came", ".2%"))
        return shown(told.rename_axis("chance of fraud"), payments=",.0f", foretold=".2%")

    def by_capacity(self) -> Axes:
        """Draw the share of the frauds' value that is alerted against the capacity."""
        there = [name for name in _CURVES if name in self.order]
        curves = desk.value_by_capacity(self.payments, self.order[there], self.capacity)
        axis = sns.lineplot(curves, x="share", y="value", hue="model", style="model", markers=True)
        title, share = "Share of the fraud's value that is alerted, by capacity", "share of a day's payments looked at"
        return charts.titled(axis, title, share, "share of the value of frauds", percent="xy")
