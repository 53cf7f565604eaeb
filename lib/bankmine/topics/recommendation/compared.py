"""Compared: recommenders on what customers took after the day that all of them were learnt on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.sparse import csr_array

from bankmine.errors import BankmineError
from bankmine.judging.intervals import shown, wide, with_interval
from bankmine.judging.reasons import readable
from bankmine.judging.recommended import MAIN, METRICS, against, measured, simplest_unbeaten
from bankmine.lacking import part
from bankmine.study.charts import chart, forest, titled

FEWEST = 20
"""Customers who took something, below whom no model is judged."""
_TITLES = {
    "map_3": "MAP@3",
    "ndcg_5": "NDCG@5",
    MAIN: "NDCG@10",
    "hit_1": "first one taken",
    "hit_3": "one of three taken",
}


class Compared:
    """Lists of models held against what was taken.

    Parameters
    ----------
    lists : mapping
        Of each model, from the simplest to the most complex, the codes of items by customer, as of `recommenders.top`.
    taken : csr_array
        Whether a customer took an item afterwards.
    had : np.ndarray
        By item how many of these customers had it before.
    entity : pd.Series
        The customer of each row.
    what : str
        What was taken, for who reads that too few took any: "products newly taken up".
    baseline : str
        The model that others are held against.
    chosen_by : Compared, optional
        The same models on other rows, by which the one in use is chosen; without it these rows choose and judge.

    Raises
    ------
    BankmineError
        If too few took anything to judge by.
    """

    def __init__(
        self, lists: Mapping[str, np.ndarray], taken: csr_array, had: np.ndarray, entity: pd.Series, what: str,
        baseline: str, chosen_by: Compared | None = None,
    ) -> None:  # fmt: skip
        self.customers = entity[(taken > 0).sum(axis=1) > 0].nunique()
        if self.customers < FEWEST:
            raise BankmineError(
                f"{what}: {self.customers} customers took any in the time judged, fewer than {FEWEST}: "
                f"take a longer one, or an earlier day"
            )
        self.baseline, self._chosen_by = baseline, chosen_by
        self._judged, self._had = (lists, taken, entity), had

    @part
    def figures(self) -> pd.DataFrame:
        """Measures of all models, as of `judging.recommended`."""
        lists, taken, entity = self._judged
        return measured(lists, taken, self._had, entity)

    @part
    def ahead(self) -> pd.DataFrame:
        """By how much NDCG@10 of each other model is above the baseline's: `difference`, `low`, `high`."""
        found = against(*self._judged, self.baseline)
        return found[found["metric"] == MAIN].set_index("model")[["difference", "low", "high"]]

    @property
    def judges_alone(self) -> bool:
        """Whether the rows that judge the model in use have chosen it, too."""
        return self._chosen_by is None

    @part
    def used(self) -> str:
        """The simplest model that none is shown to beat, on other rows where there are some."""
        return simplest_unbeaten(*self._judged) if self.judges_alone else self._chosen_by.used

    @part
    def each(self) -> dict[str, dict[str, object]]:
        """Of each model its measures, as `ndcg_10`, `ndcg_10_low` and `ndcg_10_high`, for findings."""
        found = {}
        for model, own in self.figures.groupby("model", sort=False):
            ends = own.set_index("metric")[["value", "low", "high"]].rename(columns=lambda end: f"_{end}")
            ends = ends.rename(columns={"_value": ""}).stack()  # noqa: PD013 - back to one value a name
            found[model] = {"model": readable(model)} | {f"{metric}{end}": v for (metric, end), v in ends.items()}
        return found

    @part
    def choice(self) -> dict[str, object]:
        """The model `used`, its measures, how many `customers` judged it, and how all compare, in `words`.

        `beside` says how far it is ahead of the baseline, with its interval.
        """
        low, high = self.ahead["low"], self.ahead["high"]
        how = np.select([low > 0, high < 0], ["better than", "worse than"], "not shown to differ from")
        told = [
            f"{', '.join(map(readable, own.index))}: {word} {readable(self.baseline)}"
            for word, own in self.ahead.groupby(how, sort=False)
        ]
        base, beside = readable(self.baseline), "the baseline itself"
        if self.used != self.baseline:
            ahead, low, high = self.ahead.loc[self.used]
            so = "better than" if low > 0 else "worse than" if high < 0 else "not shown to be better than"
            beside = f"{ahead:+.3f} ({low:+.3f} to {high:+.3f}) above {base}: {so} it in order"
        return self.each[self.used] | {"customers": self.customers, "words": "; ".join(told), "beside": beside}

    @part
    def table(self) -> pd.DataFrame:
        """Models, the simplest first, by all measures with intervals, and what is ahead of the baseline."""
        found = wide(self.figures, METRICS).rename(columns=_TITLES)
        of_lists = pd.DataFrame(self.each).T[["coverage", "novelty"]].astype(float)
        found[f"{_TITLES[MAIN]} above {readable(self.baseline)}"] = with_interval(
            self.ahead.set_axis(["value", "low", "high"], axis=1), "value", "+.3f"
        )
        found["items shown"], found["novelty, bits"] = of_lists["coverage"], of_lists["novelty"]
        found["used"] = np.where(found.index == self.used, "yes", "")
        return shown(found.fillna("").rename(index=readable), **{"items shown": ".1%", "novelty, bits": ".1f"})

    @chart
    def chart(self) -> Axes:
        """Draw NDCG@10 of each model with its interval; dashed: the baseline."""
        found = self.figures[self.figures["metric"] == MAIN].assign(name=lambda t: t["model"].map(readable))
        base = float(found.loc[found["model"] == self.baseline, "value"].iloc[0])
        axis = forest(found, base, base)
        title = f"Order of lists (95 %); dashed: {readable(self.baseline)}"
        return titled(axis, title, "NDCG@10, 1 where the items taken head every list", "")
