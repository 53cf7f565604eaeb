"""Taking up the app: whether customers do more, or bring more, because of it, or did so before and would have anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.bank.kept import kept_analysis
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.customers import some_known
from bankmine.features.take_up import MARGIN, OTHER_BOOKINGS, OWN_BOOKINGS, by_month, first_sessions
from bankmine.judging import adjusted, panel
from bankmine.judging.adjusted import ALIKE, DOUBLY_ROBUST, NAIVE, TREATED, WEIGHTED, Contrast
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.study.charts import chart, line, titled
from bankmine.topics.channels.effects import KNOWN

APP = "mobile"
WINDOW = 6
"""Months before and after the one in which the app is taken up; that month itself is in neither."""
BEFORE, AFTER = range(-WINDOW, 0), range(1, WINDOW + 1)
EARLIER = -WINDOW - 1
"""Months by which the placebo in time is moved, so that it looks at those before the app alone."""
CHANGE, PLACEBO = "change against change", "before the app"
CONTRASTS = {"app_bookings": OWN_BOOKINGS, "app_margin": MARGIN, "app_control": OTHER_BOOKINGS}
"""Effects by name, the last one a control: bookings that start by themselves, which no app can change."""


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
        """Customers in the months in which they might take up the app, as of `taken_up`."""
        own = self.panels[OWN_BOOKINGS]
        first = first_sessions(self.source, APP).reindex(own.index)
        told = self.source.customers.select("customer_id", "joined_on").to_pandas().drop_duplicates("customer_id")
        joined = pd.to_datetime(told.set_index("customer_id")["joined_on"]).dt.to_period("M").reindex(own.index)
        seen = first.min()
        if seen is pd.NaT:
            raise BankmineError("nobody ever opened the app: there is nothing to compare")
        return panel.taken_up(first, joined, own.loc[:, max(seen, own.columns[0]) :] > 0, WINDOW)

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
    def _fitted(self) -> dict[str, tuple[Contrast, pd.DataFrame]]:
        return {name: self._fit(self._contrast(what)) for name, what in CONTRASTS.items()}

    @part
    def _moved(self) -> dict[str, tuple[Contrast, pd.DataFrame]]:
        return {name: self._fit(self._contrast(what, EARLIER)) for name, what in CONTRASTS.items()}

    def _fit(self, rows: Contrast) -> tuple[Contrast, pd.DataFrame]:
        given = rows.known, rows.treated, rows.outcome, rows.entity, rows.of
        return rows, kept_analysis("taking up the app", given, lambda: adjusted.fit(rows))

    @part
    def estimates(self) -> pd.DataFrame:
        """Effects on half a year by `contrast` and `estimate`: the four, change against change, and the placebo in time.

        The placebo is the doubly robust estimate of the half-year before the app, which the app cannot have changed.
        """
        parts = {}
        for name, (rows, fitted) in self._fitted.items():
            found = adjusted.estimates(rows, fitted)
            inside = adjusted.kept(rows, fitted["chance"]).to_numpy()
            own, weight = rows.at(inside), adjusted.weights(rows, fitted["chance"])[inside]
            before = own.known[f"{CONTRASTS[name]}, {WINDOW} months"]
            change = Contrast(own.known, own.treated, own.outcome - before, own.entity, own.of)
            none = pd.DataFrame(0.0, before.index, ["with_", "without"])
            found.loc[CHANGE] = adjusted.difference(change, weight, none)
            parts[name] = found
        for name, (rows, fitted) in self._moved.items():
            parts[name].loc[PLACEBO] = adjusted.estimates(rows, fitted).loc[DOUBLY_ROBUST]
        return pd.concat(parts, names=["contrast", "estimate"])

    @part
    def contrasts(self) -> dict[str, dict[str, object]]:
        """Effects on bookings and margin, for findings: `naive` and `adjusted`, each with its ends, and a verdict."""
        return {name: self._told(name) for name in list(CONTRASTS)[:2]}

    def _told(self, name: str) -> dict[str, object]:
        own = self.estimates.loc[name]
        best, rows = own.loc[DOUBLY_ROBUST], self._fitted[name][0]
        found = "cannot be told from none" if best["low"] <= 0 <= best["high"] else "is told from none"
        unit = "bookings of their own" if name == "app_bookings" else f"{self.currency} of margin"
        told = {"what": unit, "verdict": found, "customers": int(rows.treated.sum())}
        for out, estimate in (("naive", NAIVE), ("adjusted", DOUBLY_ROBUST)):
            told |= {out: own.loc[estimate, "value"]}
            told |= {f"{out}_{end}": own.loc[estimate, end] for end in ("low", "high")}
        return told

    @part
    def checks(self) -> dict[str, object]:
        """What shows where the app can have done nothing: overlap, balance, placebo in time, control outcome, in words."""
        rows, fitted = self._fitted["app_bookings"]
        found, after = adjusted.overlap(rows, fitted["chance"]), adjusted.balance(rows, fitted["chance"])
        told = {"share": found["share"], "before": after["before"].abs().max(), "after": after["after"].abs().max()}
        earlier, control = (self.estimates.loc[at] for at in
                            (("app_bookings", PLACEBO), ("app_control", DOUBLY_ROBUST)))  # fmt: skip
        told |= {"alike": "alike" if told["after"] < ALIKE else "not quite alike", "placebo": earlier["value"]}
        words = (
            "what moves bookings comes before the app" if not _holds_none(earlier) else "nothing moved before the app"
        )
        beside = "does not, as it should be" if _holds_none(control) else "changes, too, so something else is at work"
        told |= {"low": earlier["low"], "high": earlier["high"], "words": words, "control": beside}
        return told | {"months": WINDOW}

    @part
    def overlap_table(self) -> pd.DataFrame:
        """How far customers might have gone either way, and what something unrecorded would have to be to matter."""
        told = {}
        for name, (rows, fitted) in self._fitted.items():
            own, best = adjusted.overlap(rows, fitted["chance"]), self.estimates.loc[(name, DOUBLY_ROBUST)]
            spread = float(rows.outcome[~rows.treated].std())
            told[CONTRASTS[name]] = {
                "took it up": own["treated"], "of them comparable": own["share"], "others": own["others"],
                "effective others": own["effective_others"], "E-value": adjusted.e_value(best, 0.0, spread),
            }  # fmt: skip
        found = pd.DataFrame(told).T.astype({"took it up": int, "others": int})
        return shown(found, **{"of them comparable": ".0%", "effective others": ",.0f", "E-value": ".1f"})

    @part
    def balance(self) -> pd.DataFrame:
        """What differed most before between who took up the app and who did not yet, before and after weighing."""
        rows, fitted = self._fitted["app_bookings"]
        found = adjusted.balance(rows, fitted["chance"]).head(8)
        found["known before"] = found["known before"].map(readable)
        return shown(found.set_index("known before"), before="+.2f", after="+.2f")

    @part
    def estimates_table(self) -> pd.DataFrame:
        """All estimates side by side, of half a year."""
        found = self.estimates.reset_index()
        found["told"] = with_interval(found, "value", "+,.1f")
        table = found.pivot(index="contrast", columns="estimate", values="told").reindex(list(CONTRASTS))
        order = [NAIVE, adjusted.REGRESSION, WEIGHTED, DOUBLY_ROBUST, CHANGE, PLACEBO]
        return table[order].rename(index=CONTRASTS).rename_axis(index="effect on", columns=None)

    @part
    def months(self) -> pd.DataFrame:
        """Own bookings month by month around the first session, above others and since the half-year before."""
        rows, fitted = self._fitted["app_bookings"]
        lags = [*range(2 * BEFORE[0], 0), *AFTER]
        own = panel.lagged(self.panels[OWN_BOOKINGS], self.rows.loc[rows.known.index], lags)
        return panel.by_lag(rows, own, BEFORE, adjusted.weights(rows, fitted["chance"]))

    @chart
    def months_chart(self) -> Axes:
        """Draw the event study; a lead that is not 0 is a difference that was there before the app."""
        axis = line(self.months, "lag", "value")
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.axvline(0, color="0.5", linestyle=":")
        title = "Own bookings a month above others alike, against the half-year before (95 %)"
        return titled(axis, title, "months since the app was first opened", "bookings a month")

    @chart
    def chances_chart(self) -> Axes:
        """Draw how likely customers were to take up the app, of who did and who did not."""
        rows, fitted = self._fitted["app_bookings"]
        told = fitted.assign(customers=np.where(rows.treated, "took it up", "did not yet"))
        axis = sns.histplot(
            told, x="chance", hue="customers", stat="density", common_norm=False, element="step", bins=30
        )
        return titled(axis, "Chance to take up the app in a month, by what was known before", "chance", "density", "x")


def _holds_none(told: pd.Series) -> bool:
    return bool(told["low"] <= 0 <= told["high"])
