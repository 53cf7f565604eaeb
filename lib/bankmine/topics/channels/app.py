"""Taking up the app: whether customers do or bring more because of it, or did so before and would have anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import some_known
from bankmine.features.take_up import COUNTERS, MARGIN, OTHER_BOOKINGS, OWN_BOOKINGS, by_month, first_sessions
from bankmine.judging import adjusted, panel
from bankmine.judging.adjusted import ALIKE, DOUBLY_ROBUST, NAIVE, REGRESSION, TREATED, WEIGHTED, Contrast
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, line, titled
from bankmine.study.compared import Compared, balance, compared, evidence, side_by_side, told
from bankmine.topics.channels.effects import KNOWN

APP = "mobile"
WINDOW = 6
"""Months before and after the one in which the app is taken up; that month itself is in neither."""
BEFORE, AFTER = range(-WINDOW, 0), range(1, WINDOW + 1)
EARLIER = -WINDOW - 1
"""Months by which the placebo in time is moved, so that it looks at those before the app alone."""
CHANGE, PLACEBO = "change against change", "before the app"
CONTRASTS = {
    "app_bookings": OWN_BOOKINGS, "app_counters": COUNTERS, "app_margin": MARGIN, "app_control": OTHER_BOOKINGS,
}  # fmt: skip
"""Effects by name, the last one a control: bookings that start by themselves, which no app can change."""
_TOLD = {
    NAIVE: "as it looks", REGRESSION: "regression", WEIGHTED: "weighted", DOUBLY_ROBUST: "like with like",
    CHANGE: CHANGE, PLACEBO: PLACEBO,
}  # fmt: skip


class App:
    """Customers who first open the app after half a year without, against those who do not yet."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source, self.currency = snapshot, snapshot.source.currency

    @part
    def panels(self) -> dict[str, pd.DataFrame]:
        """What customers do month by month, as of `by_month`."""
        return by_month(self.source)

    @part
    def rows(self) -> pd.DataFrame:
        """Customers in the months in which they might take up the app, as of `taken_up`.

        They joined after sessions began to be kept: of earlier ones nobody knows whether the first session that is seen
        is the first one.
        """
        own = self.panels[OWN_BOOKINGS]
        first = first_sessions(self.source, APP).reindex(own.index)
        told = self.source.customers.select("customer_id", "joined_on").to_pandas().drop_duplicates("customer_id")
        joined = pd.to_datetime(told.set_index("customer_id")["joined_on"]).dt.to_period("M").reindex(own.index)
        seen = first.min()
        if seen is pd.NaT:
            raise BankmineError("nobody ever opened the app: there is nothing to compare")
        whole = (joined >= seen).to_numpy()
        return panel.taken_up(first[whole], joined[whole], own.loc[whole, max(seen, own.columns[0]) :] > 0, WINDOW)

    def _contrast(self, what: str, moved: int = 0) -> Contrast:
        """Compare what came after with what was known before, both `moved` by months; rows that tell too little go."""
        rows = self.rows
        windows = panel.lagged(self.panels[what], rows, [lag + moved for lag in (*BEFORE, *AFTER)])
        there = panel.lagged(self.panels[OWN_BOOKINGS], rows, [moved])[moved] > 0
        told = windows.notna().all(axis=1) & there
        rows, windows = rows[told], windows[told]
        month_before = (rows["month"] + (moved - 1)).dt.end_time.dt.normalize().astype("datetime64[us]")
        known = some_known(self.source, rows[["customer_id"]].assign(day=month_before), KNOWN)
        for name, own in self.panels.items():
            lags = panel.lagged(own, rows, [lag + moved for lag in BEFORE])
            known[f"{name}, {WINDOW} months"], known[f"{name}, last month"] = lags.sum(axis=1), lags.iloc[:, -1]
        came = windows[[lag + moved for lag in AFTER]].sum(axis=1)
        return Contrast(known, rows["treated"], came, rows["customer_id"], TREATED)

    @part
    def _compared(self) -> dict[str, Compared]:
        return {name: compared(self._contrast(what)) for name, what in CONTRASTS.items()}

    @part
    def estimates(self) -> pd.DataFrame:
        """Effects on half a year by `contrast` and `estimate`: four, change against change, and the placebo in time.

        The placebo is the doubly robust estimate of the half-year before the app, which the app cannot have changed.
        """
        parts = {}
        for name, own in self._compared.items():
            found = own.estimates.copy()
            found.loc[CHANGE] = own.weighted(own.rows.outcome - own.rows.known[f"{CONTRASTS[name]}, {WINDOW} months"])
            placebo = optional(self, "_placebo")
            if not isinstance(placebo, Lacking):
                found.loc[PLACEBO] = placebo.loc[name]
            parts[name] = found
        return pd.concat(parts, names=["contrast", "estimate"])

    @part
    def _placebo(self) -> pd.DataFrame:
        """The same comparison moved to before the app, by fewer rows: not all are told of for as long."""
        parts = {name: compared(self._contrast(what, EARLIER)) for name, what in CONTRASTS.items()}
        return pd.DataFrame({name: own.estimates.loc[DOUBLY_ROBUST] for name, own in parts.items()}).T

    @part
    def contrasts(self) -> dict[str, dict[str, object]]:
        """Effects on bookings and margin, for findings: `naive` and `adjusted`, each with its ends, and a verdict."""
        units = {"app_bookings": "bookings of their own", "app_margin": f"{self.currency} of margin"}
        return {name: {"what": what} | self._told(name) for name, what in units.items()}

    @part
    def counters(self) -> dict[str, object]:
        """Whether they come less often to branch and cash machine: as of `contrasts`."""
        return self._told("app_counters")

    def _told(self, name: str) -> dict[str, object]:
        own = self.estimates.loc[name]
        verdict = "cannot be told from none" if _holds_none(own.loc[DOUBLY_ROBUST]) else "is told from none"
        if failed := self._failed(name):
            verdict = f"cannot be told: {failed}"
        return told(own) | {"verdict": verdict, "customers": int(self._compared[name].rows.treated.sum())}

    def _failed(self, name: str) -> str:
        """Say which check of an effect fails, '' where none does: what came before, the control, and balance."""
        own, control = self.estimates.loc[name], self.estimates.loc["app_control"]
        if PLACEBO in own.index and not _holds_none(own.loc[PLACEBO]):
            return f"the same comparison finds {own.loc[PLACEBO, 'value']:+,.1f} before the app"
        if not all(_holds_none(control.loc[way]) for way in (DOUBLY_ROBUST, CHANGE)):
            return "bookings that start by themselves change, too"
        apart = self._compared[name].balance["after"].abs().max()
        return f"arms stay unlike, by {apart:.2f} standard deviations" if apart >= ALIKE else ""

    @part
    def checks(self) -> dict[str, object]:
        """What shows where the app can have done nothing: before it, and in bookings that start by themselves."""
        earlier, control = self._placebo.loc["app_bookings"], self.estimates.loc[("app_control", DOUBLY_ROBUST)]
        words = (
            "what moves bookings comes before the app" if not _holds_none(earlier) else "none is shown before the app"
        )
        quiet = _holds_none(control) and _holds_none(self.estimates.loc[("app_control", CHANGE)])
        beside = "do not change, as it should be" if quiet else "change, too: something else is at work"
        ends = {"placebo": earlier["value"], "low": earlier["low"], "high": earlier["high"]}
        return ends | {"words": words, "control": beside, "months": WINDOW}

    @part
    def evidence(self) -> pd.DataFrame:
        """Overlap, balance and sensitivity of each comparison."""
        return evidence({CONTRASTS[name]: own for name, own in self._compared.items()})

    @part
    def balance(self) -> pd.DataFrame:
        """What differed most before between who took up the app and who did not yet, before and after weighing."""
        return balance({"app": self._compared["app_bookings"]}, 8)

    @part
    def estimates_table(self) -> pd.DataFrame:
        """All estimates side by side, of half a year."""
        return side_by_side(self.estimates, "contrast", _TOLD).rename(index=CONTRASTS).rename_axis("effect on")

    @part
    def months(self) -> pd.DataFrame:
        """Own bookings month by month around the first session, above others and since the half-year before."""
        return self._by_month("app_bookings")

    @part
    def months_at_counters(self) -> pd.DataFrame:
        """The same of bookings at branch and cash machine."""
        return self._by_month("app_counters")

    def _by_month(self, name: str) -> pd.DataFrame:
        own = self._compared[name]
        lags = [*range(2 * BEFORE[0], 0), *AFTER]
        counts = panel.lagged(self.panels[CONTRASTS[name]], self.rows.loc[own.rows.known.index], lags)
        return panel.by_lag(own.rows, counts, BEFORE, adjusted.weights(own.rows, own.models["chance"]))

    @chart
    def months_chart(self) -> Axes:
        """Draw the event study; a lead that is not 0 is a difference that was there before the app."""
        return _around_the_first(self.months, "Own bookings")

    @chart
    def counters_chart(self) -> Axes:
        """Draw the event study of bookings at branch and cash machine."""
        return _around_the_first(self.months_at_counters, "Bookings at branch and cash machine")

    @chart
    def chances_chart(self) -> Axes:
        """Draw how likely customers were to take up the app, of who did and who did not."""
        own = self._compared["app_bookings"]
        found = own.models.assign(customers=np.where(own.rows.treated, "took it up", "did not yet"))
        axis = sns.histplot(
            found, x="chance", hue="customers", stat="density", common_norm=False, element="step", bins=30
        )
        return titled(axis, "Chance to take up the app in a month, by what was known before", "chance", "density", "x")


def _holds_none(told: pd.Series) -> bool:
    return bool(told["low"] <= 0 <= told["high"])


def _around_the_first(months: pd.DataFrame, what: str) -> Axes:
    axis = line(months, "lag", "value")
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.axvline(0, color="0.5", linestyle=":")
    title = f"{what} a month above others alike, against the half-year before (95 %)"
    return titled(axis, title, "months since the app was first opened", "bookings a month")
