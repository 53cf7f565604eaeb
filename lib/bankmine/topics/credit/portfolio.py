"""Portfolio: what the credits that are granted now are expected to lose, where they pile up, at which prices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bankmine.errors import BankmineError
from bankmine.judging.disclosure import DOWN, WITHHELD, merged, not_told, told, too_few
from bankmine.judging.intervals import shown, wilson, with_interval
from bankmine.judging.numbers import Hidden
from bankmine.lacking import part
from bankmine.topics.credit.lending import GRANT, REFUSE, TOO_DEAR
from bankmine.topics.credit.rules import CreditRules

_LARGEST = 10


class Portfolio:
    """Credits that a policy grants to the applicants scored now, at the limits that it suggests."""

    def __init__(
        self, offered: pd.DataFrame, chance: pd.Series, told: pd.DataFrame, rules: CreditRules, smallest: int
    ) -> None:
        """Take what is `offered`, as of `lending.offers`, and what is `told` of applicants, with their `product`.

        Products of fewer credits than `smallest` are told of together.
        """
        self.offered, self.chance, self.told, self.rules, self.smallest = offered, chance, told, rules, smallest

    @part
    def loans(self) -> pd.DataFrame:
        """A row a credit granted: `product`, `limit`, `chance`, and the expected `loss`: chance × LGD × exposure."""
        yes = self.offered["decision"] == GRANT
        if not yes.any():
            raise BankmineError("nobody is granted credit")
        terms = self.rules.terms(self.told.loc[yes, "product"])
        found = pd.DataFrame({
            "product": self.told.loc[yes, "product"], "limit": self.offered.loc[yes, "limit"],
            "chance": self.chance[yes],
        })  # fmt: skip
        return found.assign(loss=found["chance"] * found["limit"] * terms["at_default"] * terms["lgd"])

    @part
    def loss(self) -> dict[str, object]:
        """Expected `loss` of `loans` with `limits` in all, and its `share` of them."""
        loss, limits = self.loans["loss"].sum(), self.loans["limit"].sum()
        return {"loss": loss, "loans": len(self.loans), "limits": limits, "share": loss / limits}

    @part
    def losses(self) -> pd.DataFrame:
        """Expected loss by product, for a page."""
        products = merged(self.loans["product"], self.smallest)
        parts = {str(name): rows for name, rows in self.loans.groupby(products, observed=True)}
        rows = {
            name: (len(own), own["limit"].sum(), np.average(own["chance"], weights=own["limit"]), own["loss"].sum())
            for name, own in {**parts, "all": self.loans}.items()
        }
        columns = ["loans", "limits", "chance", "expected loss"]
        table = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("product")
        table["of limits"] = table["expected loss"] / table["limits"]
        return shown(table, limits=",.0f", chance=".1%", **{"expected loss": ",.0f", "of limits": ".2%"})

    @part
    def concentration(self) -> pd.DataFrame:
        """Where limits pile up: by what is told of applicants the largest group, and the Herfindahl index.

        The index is the sum of squared shares: 1 where all is in one group, 1 / n where n groups are alike.
        """
        limit, rows = self.loans["limit"], {}
        for name in self.told.columns:
            value = self.told.loc[limit.index, name].astype(object)
            share = limit.groupby(value.where(value.notna(), "not told")).sum() / limit.sum()
            rows[name.replace("_", " ")] = (len(share), str(share.idxmax()), share.max(), (share**2).sum())
        top = limit.nlargest(_LARGEST).sum() / limit.sum()
        rows["single credits"] = (
            len(limit),
            f"the {min(_LARGEST, len(limit))} largest",
            top,
            ((limit / limit.sum()) ** 2).sum(),
        )
        columns = ["groups", "largest", "share of limits", "Herfindahl index"]
        table = pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("by")
        return shown(table, **{"share of limits": ".0%", "Herfindahl index": ".2f"})

    @part
    def prices(self) -> dict[str, object]:
        """The `dearest` price offered against the `cap` of the register, and how many are refused as `over` it."""
        price = self.offered["price"].dropna()
        over = int((self.offered["why"] == TOO_DEAR).sum())
        return {"dearest": price.max(), "median": price.median(), "cap": self.rules.highest_rate, "over": over}


def overrides(decision: pd.Series, beside: pd.DataFrame) -> pd.DataFrame:
    """Hold what the bank decided against a policy: by its decision the applications, and of these what the bank did.

    `granted` and `refused` by the bank, the share decided `otherwise` (missing where a person decides), and of the
    granted the `bad` so far with the interval of their share. `beside` has `approved` and `defaulted`.
    """
    rows = {}
    for name, own in beside[beside["approved"].notna()].groupby(decision):
        yes = own["approved"].astype(bool)
        bad, granted = int(own.loc[yes, "defaulted"].eq(1).sum()), int(yes.sum())
        against = {GRANT: ~yes, REFUSE: yes}.get(name)
        ends = (bad / granted, *wilson(bad, granted)) if granted else (np.nan,) * 3
        rows[name] = (len(own), granted, len(own) - granted, np.nan if against is None else against.sum(), bad, *ends)
    columns = ["applications", "granted", "refused", "otherwise", "bad", "share", "low", "high"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis("policy")


def overrides_told(found: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return overrides without numbers of fewer applications than `smallest`, and others from which these follow."""
    counts = found[["applications", "granted", "refused"]].astype(float)
    words = not_told(counts[["granted", "refused"]], smallest)
    of_all = not_told(counts[["applications"]], smallest, (DOWN,))["applications"]
    words = words.mask(of_all != "", WITHHELD).assign(applications=of_all)
    words["otherwise"] = words["granted"].where(words.index == REFUSE, words["refused"])
    numbers = found.astype(dict.fromkeys(words.columns, float))
    return told(numbers, words).assign(**found[["share", "low", "high"]].where(words["granted"] == ""))


def otherwise(found: pd.DataFrame, smallest: int) -> dict[str, float]:
    """Say how many the bank `granted` whom this policy refuses, and `refused` whom it grants, and which `share` it is.

    Numbers of fewer than `smallest` are not told, nor those that `overrides_told` withholds.
    """
    out = overrides_told(found, smallest)["otherwise"].isna() & found["otherwise"].notna()
    also = out.reindex([REFUSE, GRANT], fill_value=False).set_axis(["granted", "refused"]).to_frame("otherwise")
    counts = found["otherwise"].reindex([REFUSE, GRANT]).fillna(0.0).set_axis(["granted", "refused"]).to_frame()
    numbers = told(counts, not_told(counts, smallest, (DOWN,), also))["otherwise"]
    numbers = {name: n if isinstance(n, Hidden) else int(n) for name, n in numbers.items()}
    share = counts["otherwise"].sum() / found["applications"].sum()
    return numbers | {"share": Hidden(WITHHELD) if too_few(counts.sum(), smallest).any() else share}


def overrides_table(found: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return overrides for a page."""
    found = overrides_told(found, smallest)
    found["bad so far"] = with_interval(found, "share", ".1%")
    names = {"granted": "granted by the bank", "refused": "refused by the bank", "otherwise": "decided otherwise"}
    whole = dict.fromkeys(["applications", *names.values()], ",.0f")
    return shown(found.drop(columns=["bad", "share", "low", "high"]).rename(columns=names), **whole)
