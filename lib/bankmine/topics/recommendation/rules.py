"""Rules: what goes with what, for pages; found among customers of the same kind, and held against the time after."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bankmine.errors import BankmineError
from bankmine.judging.association import Association
from bankmine.judging.intervals import shown, with_interval
from bankmine.judging.reasons import readable
from bankmine.lacking import part
from bankmine.study.charts import chart, forest, titled

_SHOWN = 10


class Rules(Association):
    """Rules "who has had these has had that", as pages tell of them."""

    @part
    def counts(self) -> dict[str, object]:
        """How many rules were `tested`, `found`, and of these `held` in the time after, `ahead` days.

        `crude` are those that counts of all customers would have told, of which `confounded` are not found in strata.
        """
        rows = self.tested
        told = {name: int(rows[name].sum()) for name in ("crude", "found")} | {"tested": len(rows), "ahead": self.ahead}
        told |= {"confounded": int((rows["crude"] & ~rows["found"]).sum()), "day": self.day}
        return told | {"held": int((rows["found"] & rows["held"]).sum()), "customers": len(self.had)}

    @part
    def strongest(self) -> dict[str, dict[str, object]]:
        """Rules that were found, the surest three, for findings: by name, with `again` in words."""
        rows = self.tested[self.tested["found"]].head(3)
        if rows.empty:
            raise BankmineError("no two items go together by more than chance, among customers of the same kind")
        named = rows.assign(
            antecedent=rows["antecedent"].map(readable), consequent=rows["consequent"].map(readable),
            later=np.select(
                [rows["again_low"] > 1, rows["again_high"] < 1],
                ["which held again in the time after", "which turned round in the time after"],
                "which the time after has not shown again",
            ),
        )  # fmt: skip
        names = rows["antecedent"] + "_" + rows["consequent"]
        return dict(zip(names.str.replace(" ", "_"), named.to_dict("records"), strict=True))

    @part
    def set_apart(self) -> str:
        """What is no rule, in words: what nearly everybody has, what needs another, what is sold together."""
        told = [f"nearly everybody has {readable(item)} ({share:.0%})" for item, share in self.trivial.items()]
        told += [f"{readable(item)} is hardly ever had without {readable(own)}" for item, own in self.needs]
        told += [f"{readable(name)} are sold together and count as one" for name in self.bundles]
        return "; ".join(told) or "nothing"

    @part
    def table(self) -> pd.DataFrame:
        """The rules that were found, and pairs that a count of all customers alone would have told."""
        rows = self.tested
        rows = rows[rows["found"] | (rows["crude"] & rows["items"].eq(2))].head(2 * _SHOWN)
        told = pd.DataFrame({
            "who has had": rows["antecedent"].map(readable), "has had": rows["consequent"].map(readable),
            "customers": rows["customers"], "confidence": rows["confidence"],
            "lift": with_interval(rows, "lift", ".2f"), "came last": rows["first"],
            "odds ratio, alike": with_interval(rows, "odds", ".2f"), "p, adjusted": rows["p_adjusted"],
            "odds ratio after": with_interval(rows, "again", ".2f"),
            "holds among alike": np.where(rows["found"], "yes", "not shown"),
        })  # fmt: skip
        formats = {"confidence": ".1%", "came last": ".0%", "p, adjusted": ".3f"}
        return shown(told.set_index("who has had"), **formats)

    @chart
    def chart(self) -> Axes:
        """Draw the odds ratio of each rule within strata; dotted: none."""
        rows = self.tested.dropna(subset=["odds"]).head(_SHOWN)
        name = rows["antecedent"].map(readable) + " → " + rows["consequent"].map(readable)
        found = pd.DataFrame({"name": name, "value": rows["odds"], "low": rows["odds_low"], "high": rows["odds_high"]})
        axis = forest(found, 1, 1)
        axis.set_xscale("log")
        return titled(axis, "How much likelier the one is with the other, customers alike (95 %)", "odds ratio", "")

    @part
    def handed(self) -> pd.DataFrame:
        """All rules that were tested, as they are handed on."""
        return self.tested.set_index("antecedent")
