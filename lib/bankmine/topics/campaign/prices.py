"""Prices: how many take a loan at which rate, by offers whose rate was drawn at random, and which rate earns most.

Of customers of equal risk all are offered the same rate. What other rates single segments would bear is shown, and what
that would earn, so that a reader sees what is left out; it is not acted on, as prices that differ by who a customer is
and not by risk or cost are unreasonable differences (Personal Information Protection Law of China, article 24).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging import disclosure, trials
from bankmine.judging.intervals import draws, interval, shown, wilson, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import Lacking, optional, part
from bankmine.study.charts import chart, line, titled
from bankmine.topics.campaign.rows import RESPONDED, REVENUE
from bankmine.topics.campaign.rules import PlanRules
from bankmine.topics.campaign.tried import Tried

_ROUNDS, _STEPS, _GRID = 200, 12, 61
_FEWEST = 30
"""Customers who took the offer from which on a segment has an elasticity of its own."""
_EVERYBODY = "all"


class Prices:
    """A loan that was offered at several rates, drawn at random."""

    def __init__(self, tried: Tried, rules: PlanRules, segments: Callable[[], pd.Series], smallest: int) -> None:
        self._tried, self.rules, self._segments, self._smallest = tried, rules, segments, smallest
        self.currency = tried.currency

    @part
    def rows(self) -> pd.DataFrame:
        """A row a customer who was offered a rate: `rate`, whether it `took` the offer, `revenue`."""
        parts = [
            rows
            for rows in self._tried.by_campaign.values()
            if len(rows.loc[rows["treated"] > 0, "rate"].dropna().unique()) > 1
        ]
        if not parts:
            raise BankmineError("no offer was made at several rates")
        own = parts[-1]
        own = own[(own["treated"] == 1) & own["rate"].gt(0) & own["treated_unknown"].eq(0)]
        columns = {"rate": "rate", f"treated_{RESPONDED}": "took", f"treated_{REVENUE}": "revenue"}
        found = own.set_index("customer_id")[list(columns)].rename(columns=columns)
        if (p := trials.unrelated(own["rate"], trials.prepared(self._tried.told_before(own)))) < trials.SURELY:
            raise BankmineError(f"rates were not drawn at random: they go with what was known before (p {p:.3f})")
        if found["took"].sum() < _FEWEST:
            raise BankmineError(f"{found['took'].sum():.0f} customers took the offer: at least {_FEWEST} are needed")
        return found

    @part
    def _segment(self) -> pd.Series:
        return self._segments()

    @part
    def by_segment(self) -> dict[str, pd.DataFrame]:
        """Rows of all, and of each segment of 03 in which enough customers took the offer."""
        found = {_EVERYBODY: self.rows}
        if isinstance(segment := optional(self, "_segment"), Lacking):
            return found
        segment = segment.reindex(self.rows.index).dropna()
        for name, own in self.rows.loc[segment.index].groupby(segment):
            if own["took"].sum() >= _FEWEST:
                found[str(name)] = own
        return found

    @part
    def answered(self) -> pd.DataFrame:
        """Share that took the offer by rate: `rate`, `offers`, `value`, `low`, `high`, and what the curve says."""
        told = self.rows.groupby("rate")["took"].agg(offers="size", hits="sum", value="mean").reset_index()
        told[["low", "high"]] = [wilson(int(h), int(n)) for h, n in zip(told["hits"], told["offers"], strict=True)]
        fit = self._fitted(self.rows)[0]
        return told.assign(curve=_chance(fit, np.log(told["rate"].to_numpy())))

    def _fitted(self, rows: pd.DataFrame) -> np.ndarray:
        """Fit log-odds of taking the offer on the logarithm of the rate, resampled by customer: (1 + rounds, 2)."""
        rates, place = np.unique(rows["rate"], return_inverse=True)
        weight = draws(len(rows), _ROUNDS).astype(float)
        level = np.eye(len(rates))[place]
        offers, hits = weight.T @ level, (weight * rows["took"].to_numpy(float)[:, None]).T @ level
        design = np.column_stack([np.ones(len(rates)), np.log(rates)])
        found = np.zeros((len(offers), 2))
        found[:, 0] = np.log(hits.sum(axis=1) / (offers - hits).sum(axis=1))
        for _ in range(_STEPS):
            chance = 1 / (1 + np.exp(-found @ design.T))
            slope = (hits - offers * chance) @ design
            bend = np.einsum("rk,ki,kj->rij", offers * chance * (1 - chance), design, design)
            found += np.linalg.solve(bend, slope[..., None])[..., 0]
        return found

    @part
    def elasticity(self) -> pd.DataFrame:
        """How the odds of taking it change with the logarithm of the rate, by segment: `value`, `low`, `high`."""
        found = {}
        for name, rows in self.by_segment.items():
            fit = self._fitted(rows)[:, 1]
            low, high = interval(fit)
            found[name] = {"offers": len(rows), "took": rows["took"].mean(), "value": fit[0], "low": low, "high": high}
        return pd.DataFrame(found).T.astype(float).rename_axis("segment")

    @part
    def elasticity_table(self) -> pd.DataFrame:
        """The same as it is shown, without segments of too few."""
        found = self.elasticity
        told = found[["offers", "took"]].assign(**{"elasticity of the odds": with_interval(found, "value", ".2f")})
        told = disclosure.rows_told(told, "offers", self._smallest)
        return shown(told, offers=",.0f", took=".1%")

    # --- which rate earns most

    @part
    def _amount(self) -> np.ndarray:
        """Mean amount lent, by what responses brought at their rate and what funds and losses cost: (1 + rounds,)."""
        terms = self._terms
        margin = (self.rows["rate"] - terms["funds"] - terms["losses"]) * terms["years"]
        took = ((self.rows["took"] > 0) & (margin > 0)).to_numpy(float)
        weight = draws(len(self.rows), _ROUNDS).astype(float).T
        return weight @ ((self.rows["revenue"] / margin).to_numpy() * took) / (weight @ took)

    @property
    def _terms(self) -> dict[str, float]:
        if lacking := {"funds", "losses", "years", "cap"} - set(self.rules.prices):
            raise BankmineError(f"data/campaigns.yml, prices: {sorted(lacking)[0]} is not told")
        return dict(self.rules.prices)

    def _earned(self, fit: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """Return what 1,000 offers earn at each rate: shape (rounds, rates)."""
        terms = self._terms
        margin = (rates - terms["funds"] - terms["losses"]) * terms["years"]
        return 1000 * _chance(fit, np.log(rates)) * margin * self._amount[: len(fit), None]

    @part
    def _rates(self) -> np.ndarray:
        """Rates that are looked at: between those that were tried, and up to the highest that may be asked for."""
        tried = self.rows["rate"]
        highest = min(tried.max(), self._terms["cap"])
        if highest <= tried.min():
            raise BankmineError(f"the highest rate that may be asked for, {highest:.2%}, is below all that were tried")
        return np.linspace(tried.min(), highest, _GRID)

    @part
    def earned(self) -> pd.DataFrame:
        """What 1,000 offers earn by rate, net of funds and losses: `rate`, `value`, `low`, `high`."""
        drawn = self._earned(self._fitted(self.rows), self._rates)
        low, high = interval(drawn)
        return pd.DataFrame({"rate": self._rates, "value": drawn[0], "low": low, "high": high})

    @part
    def best(self) -> dict[str, object]:
        """The rate that earns most of 1,000 offers, with its ends, and how far the rate in the middle is behind."""
        fit = self._fitted(self.rows)
        drawn, rates = self._earned(fit, self._rates), self._rates
        place = drawn.argmax(axis=1)
        low, high = np.quantile(rates[place[1:]], [0.025, 0.975])
        own = drawn[:, place[0]]
        earned_low, earned_high = interval(own)
        at_end = place[0] in (0, len(rates) - 1)
        words = (
            "the end of what was tried or may be asked for, so the best one may lie beyond" if at_end
            else "between the rates that were tried"
        )  # fmt: skip
        return {
            "rate": rates[place[0]], "low": low, "high": high, "earned": own[0], "earned_low": float(earned_low),
            "earned_high": float(earned_high), "words": words, **self._terms,
            "offers": len(self.rows), "currency": self.currency,
        }  # fmt: skip

    @part
    def apart(self) -> pd.DataFrame:
        """What each segment would bear by itself, what it is asked for, and what asking it apart would earn more."""
        one, rows = self.best["rate"], {}
        _ = self._segment
        for name, own in self.by_segment.items():
            if name == _EVERYBODY:
                continue
            fit = self._fitted(own)
            drawn = self._earned(fit, self._rates)
            alone = self._rates[drawn[0].argmax()]
            more = drawn[:, drawn[0].argmax()] - self._earned(fit, np.array([one]))[:, 0]
            low, high = interval(more)
            rows[readable(name)] = {"offers": len(own), "asked for": one, "would bear": alone, "value": more[0],
                                    "low": low, "high": high}  # fmt: skip
        if not rows:
            raise BankmineError(f"no segment has {_FEWEST} customers who took the offer")
        found = pd.DataFrame(rows).T.astype(float).rename_axis("segment")
        told = found[["offers", "asked for", "would bear"]].assign(
            **{f"left out of 1,000 offers, {self.currency}": with_interval(found, "value", ",.0f")}
        )
        told = disclosure.rows_told(told, "offers", self._smallest)
        return shown(told, offers=",.0f", **{"asked for": ".2%", "would bear": ".2%"})

    @chart
    def answered_chart(self) -> Axes:
        """Draw how many took the offer by rate."""
        axis = line(
            self.answered.assign(rate=lambda t: t["rate"] * 100), "rate", "value", label="took it", curve="curve"
        )
        return titled(
            axis, "Share that took the loan by the rate offered (95 %)", "rate a year, %", "share", percent="y"
        )

    @chart
    def earned_chart(self) -> Axes:
        """Draw what 1,000 offers earn by rate."""
        axis = line(self.earned.assign(rate=lambda t: t["rate"] * 100), "rate", "value")
        axis.axvline(100 * self.best["rate"], color="0.5", linestyle=":")
        title = "What 1,000 offers earn by rate, net of funds and losses; dotted: the best one"
        return titled(axis, title, "rate a year, %", self.currency)


def _chance(fit: np.ndarray, log_rates: np.ndarray) -> np.ndarray:
    fit = np.atleast_2d(fit)
    found = 1 / (1 + np.exp(-(fit[:, :1] + fit[:, 1:] * log_rates)))
    return found if len(found) > 1 else found[0]
