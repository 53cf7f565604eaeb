"""Parts: of which worth is made, what moves its total, and how long the accounts last that bring most of it."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from bankmine.judging.intervals import shown
from bankmine.lacking import part
from bankmine.learning.lasting import fit_renewals, lasting, renewals
from bankmine.study.charts import chart, titled
from bankmine.topics.value.worth import FORETOLD, Look

_SAME = 0.05
"""Chances to be closed that differ by less, as a share, do not fall."""
_NAMES = {"contracts": "accounts", "services": "services, less costs", "purchases": "purchases"}
"""Parts of what is expected, as pages call them."""
_AGES = ("under 3 months", "3 to 12 months", "1 to 2 years", "2 to 5 years", "over 5 years")
_GROWN = "earns after a year"


class Parts:
    """The parts of what customers brought in and are expected to bring in by `now`; `value` is what is used of it."""

    def __init__(self, now: Look, value: pd.DataFrame, currency: str) -> None:
        self._now, self._value, self._currency = now, value, currency

    @part
    def table(self) -> pd.DataFrame:
        """What is expected, by its parts, beside what each brought in the last twelve months."""
        v, names = self._now.table, {"margin": "last 12 months", "12": "next 12 months", "36": "next 36 months"}
        last = {
            "contracts": v["deposits"] + v["lending"], "services": v["fees"] - v["cost"] - v["purchased"],
            "purchases": v["purchased"],
        }  # fmt: skip
        rows = [[last[p].sum(), v[f"{p}_12"].sum(), v[f"{p}_36"].sum()] for p in FORETOLD]
        table = pd.DataFrame(rows, [_NAMES[p] for p in FORETOLD], list(names.values())).rename_axis("part")
        table.loc["all"] = self._value[["margin", "expected_12", "expected_36"]].sum().to_numpy()
        return shown(table, **dict.fromkeys(table.columns, ",.0f"))

    @chart
    def bars(self) -> Axes:
        """Draw the parts of the last and of the next twelve months."""
        rows = (self.table.iloc[:, :2] / 1e6).reset_index().melt("part", var_name="when", value_name="margin")
        axis = sns.barplot(rows, y="part", x="margin", hue="when", errorbar=None)
        for drawn in axis.containers:
            axis.bar_label(drawn, fmt="{:,.2f}", fontsize=8, padding=2)
        axis.margins(x=0.12)
        axis.get_legend().set_title("")
        title = "Margin of all customers by its parts, next 12 months discounted"
        return titled(axis, title, f"million {self._currency}", "")

    @part
    def moves(self) -> pd.Series:
        """What moves the total of the next 12 months: by how much each input that is worse or better than taken."""
        v, more = self._now.table, 1 + self._now.discount
        stays = self._now.accounts["open"].where(lambda share: share > 0, 1.0)
        moves = {
            "spreads on accounts, by a tenth": v["contracts_12"].sum() / 10,
            "fees less costs, by a tenth": abs(v["services_12"].sum()) / 10,
            "purchases, by a tenth": v["purchases_12"].sum() / 10,
            "closings, by half": (v["contracts_12"] * (1 - stays)).sum() / 2,
            "discount, by two points": self._value["expected_12"].sum() * (1 - (more / (more + 0.02)) ** 0.5),
        }  # fmt: skip
        return pd.Series(moves).sort_values(ascending=False)

    @chart
    def tornado(self) -> Axes:
        """Draw what moves the total."""
        found = self.moves[::-1] / 1e6
        axis = plt.figure(figsize=(7, 3.2)).subplots()
        axis.barh(found.index, found, color="C0", label="better")
        axis.barh(found.index, -found, color="C1", hatch="//", label="worse")
        axis.legend()
        return titled(axis, "What moves the total of the next 12 months", f"million {self._currency}", "")

    @part
    def closings(self) -> pd.DataFrame:
        """Chance a year that an account is closed, by product and age, and how what is left grew within a year."""
        known = lasting(self._now.snapshot, self._now.day)
        yearly = 1 - (1 - known.closings["chance"].where(known.closings["months"] > 0)) ** 12
        table = (
            yearly.reset_index().pivot_table("chance", "product", "from", dropna=False).set_axis(list(_AGES), axis=1)
        )
        table[_GROWN] = known.growth.where(known.growth != 1)
        held = known.closings["months"].groupby("product").sum() > 0
        return shown(table[held], **dict.fromkeys(_AGES, ".1%"), **{_GROWN: ".0%"})

    @part
    def renewing(self) -> dict[str, object]:
        """What one chance to be closed for all ages would make of three years of accounts, and how chances fall."""
        seen = renewals(self._now.snapshot, self._now.day)
        fitted = fit_renewals(seen["at_risk"].to_numpy(float), seen["lost"].to_numpy(float))
        first, tenth = map(float, fitted.chance(np.array([1, 10])))
        total, level = (float(self._now.table[name].sum()) for name in ("contracts_36", "level"))
        told = {"first": first, "tenth": tenth, "gap": abs(total - level), "share": abs(1 - level / total)}
        falls = "fall with age" if tenth < first * (1 - _SAME) else "do not fall with age"
        return told | {"falls": falls, "less": "less" if level < total else "more", "currency": self._currency}
