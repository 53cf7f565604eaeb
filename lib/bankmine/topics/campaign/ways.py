"""Ways of choosing whom to contact, held against each other on customers of the trials who did not choose."""

from __future__ import annotations

import pandas as pd

from bankmine.deciding.policies import profit_of
from bankmine.judging import uplift as judging
from bankmine.judging.intervals import shown, with_interval
from bankmine.lacking import part
from bankmine.learning import uplift
from bankmine.topics.campaign.offers import Offers

PLAN, LIKELIEST, LOT, ALL = "by expected gain", "likeliest to respond", "at random", "everybody"


class Ways:
    """What choosing by gain earned against the likeliest to respond, as many at random, and everybody."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    @part
    def policies(self) -> pd.DataFrame:
        """What ways of choosing earned among the customers of the trials, of 1,000 of them: as of `profit_of`.

        Choosing rests on the half of customers who choose, and is judged by the other half.
        """
        acted, gain, entity, number = [], [], [], 0
        for name, trial in self._offers.moved.trials.items():
            score, cost = self._offers.moved.scores[name], self._offers.terms.loc[name, "cost"]
            chooses = self._offers.moved.chooses(trial.entity)
            told = self._offers.worth(name, chooses)
            own = judging.calibrated(told, score.loc[~chooses, self._offers.moved.chosen]) > cost
            likely = score.loc[~chooses, uplift.RESPONSE].rank(ascending=False, method="first") <= own.sum()
            acted.append(pd.DataFrame({PLAN: own, LIKELIEST: likely, LOT: own.mean(), ALL: True}))
            gain.append(self._offers.brought[name][~chooses] - cost)
            entity.append(trial.entity[~chooses])
            number += int((~chooses).sum())
        return profit_of(pd.concat(acted), pd.concat(gain), pd.concat(entity)) * (1000 / number)

    @part
    def policies_table(self) -> pd.DataFrame:
        """The same as it is shown."""
        found = self.policies
        told = {
            "earned": with_interval(found, "profit", ",.0f"),
            "behind the first": with_interval(found, "behind", ",.0f"),
        }
        told = found[["actions"]].rename(columns={"actions": "contacts"}).assign(**told)
        return shown(told, contacts=",.0f")

    @part
    def against(self) -> dict[str, object]:
        """What choosing by gain earned of 1,000 customers, and how the likeliest and chance compare, in words."""
        found = self.policies
        own, other, lot = found.loc[PLAN], found.loc[LIKELIEST], found.loc[LOT]
        beside = (
            "as the ranking in use is that of the likeliest to respond, these are the same customers"
            if self._offers.moved.chosen == uplift.RESPONSE
            else f"as many of the likeliest to respond earned {other['profit']:,.0f}"
        )
        return {
            "earned": own["profit"], "low": own["low"], "high": own["high"], "beside": beside,
            "shown": "" if own["low"] > 0 else ", not shown to be above 0", "behind": lot["behind"],
            "behind_low": lot["behind_low"], "behind_high": lot["behind_high"], "currency": self._offers.tried.currency,
        }  # fmt: skip
