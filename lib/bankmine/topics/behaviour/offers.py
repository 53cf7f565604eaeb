"""Offers: what showing one at the right time costs and is assumed to earn, by the rules of `data/next.yml`.

An offer is assumed to bring a share more applications where it is shown: so it moves more customers the likelier these
are to apply anyway, and who applies unasked earns the offer nothing. Only a trial with half held back can tell.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.deciding.costs import Costs, expected, realised
from bankmine.deciding.policies import profit_of
from bankmine.errors import BankmineError, one_line
from bankmine.features.consent import ALLOWED, contact_allowed
from bankmine.judging import disclosure
from bankmine.judging.intervals import shown, wilson_clustered, with_interval
from bankmine.lacking import part
from bankmine.learning.sample import Sample
from bankmine.registers import read_yaml, refuse, undated
from bankmine.study.question import BY_RISK
from bankmine.study.study import Study
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "next.yml"
BELIEVED = "believed"
_MOVED = ("low", BELIEVED, "high")
STATUS = ("assumption", "trial")


@dataclass(frozen=True)
class OfferRules:
    """What is assumed of offers, in one currency."""

    owner: str
    version: datetime.date
    status: str
    contact: float
    """Cost of showing one."""
    worth: float
    """What an application that is opened because of it earns."""
    moved: dict[str, float]
    """Applications more, as a share of those unasked where it is shown: `low`, `believed` and `high`."""

    def pays_from(self, moved: float) -> float:
        """Return the chance to apply from which showing the offer pays."""
        return self.contact / (moved * self.worth)

    def costs(self, index: pd.Index, moved: str = BELIEVED) -> Costs:
        """Return what showing and not showing it costs where a form is opened anyway, and where it is not."""
        contact, none = pd.Series(float(self.contact), index), pd.Series(0.0, index)
        return Costs(tp=contact - self.moved[moved] * self.worth, fp=contact, fn=none, tn=none)

    def facts(self, rows: Sample, acted: pd.Series) -> dict[str, object]:
        """Return the assumptions, the `chance` from which they say that showing pays, and what must be moved for it.

        `even`, with `low` and `high`: the share moved at which showing it to the rows `acted` on pays for itself.
        """
        target = rows.target[acted.loc[rows.target.index]].dropna()
        if target.empty:
            raise BankmineError(f"by {REGISTRY.name} showing an offer pays at nobody's chance")
        rates = (target.mean(), *wilson_clustered(target == 1, rows.entity[target.index]))
        even, high, low = (self.contact / (self.worth * rate) if rate > 0 else np.inf for rate in rates)
        moved, by_trial = self.moved[BELIEVED], "a trial measured" if self.status == "trial" else "nobody has measured"
        told = {"moved": moved, "measured": by_trial, "chance": self.pays_from(moved)}
        return vars(self) | told | {"even": even, "low": low, "high": high}

    def by_moved(self, chance: pd.Series, rows: Sample, stands_for: float) -> pd.DataFrame:
        """Say for each share moved from which chance on showing pays, and what it would have earned a month."""
        found = {}
        for name, moved in self.moved.items():
            costs = self.costs(chance.index, name)
            acted = pd.DataFrame({name: expected(chance, costs) > 0})
            earned = profit_of(acted, realised(rows.target, costs), rows.entity, rows.day) * stands_for
            told = {
                "more apply": moved,
                "pays from a chance of": self.pays_from(moved),
                "shown": earned["actions"].iloc[0],
            }
            found[name] = told | {"profit": with_interval(earned, "profit", ",.0f").iloc[0]}
        formats = {"more apply": ".0%", "pays from a chance of": ".0%", "shown": ",.0f"}
        return shown(pd.DataFrame.from_dict(found, orient="index"), **formats)


class Offering(Study):
    """A question after which an offer is shown: it is not shown to who is unlikely to apply."""

    @part
    def offers(self) -> OfferRules:
        """What is assumed of showing an offer at the right time."""
        return load_offers(self.source.source.currency)

    def costs(self, rows: Sample) -> Costs:
        """Say what showing and not showing an offer costs, as it is assumed."""
        return self.offers.costs(rows.target.index)

    def policies(self, chance: pd.Series, rows: Sample) -> pd.DataFrame:
        """Hold by profit, here the same as the highest chance first, against showing the offer to everybody."""
        return super().policies(chance, rows).drop(columns=BY_RISK).assign(everybody=True)

    @part
    def people(self) -> pd.DataFrame:
        """What the bank knows of the customers of each row scored now."""
        return self.source.customers.to_pandas().set_index("customer_id").loc[self.today.entity]

    @part
    def may_be_shown(self) -> pd.Series:
        """Whether the customer of each row scored now agreed to be shown an offer chosen for this one."""
        may = contact_allowed(self.people, self.source.unseen).eq(ALLOWED)
        return pd.Series(may.to_numpy(), self.today.target.index)

    def counted(self, agreed: pd.Series) -> pd.Series:
        """Count who did not and who did agree, without numbers of too few."""
        counts = agreed.value_counts().reindex([False, True], fill_value=0).to_frame("visitors")
        words = disclosure.not_told(counts, self.smallest_group, (disclosure.DOWN,))
        return disclosure.told(counts, words)["visitors"]

    @part
    def pays(self) -> dict[str, object]:
        """From which chance showing an offer is assumed to pay, to how many today, and what must be moved for it.

        Of those to whom it pays so many are `allowed`.
        """
        told = self.offers.facts(self.judged.rows, self.acted.iloc[:, 0].astype(bool)) | {"currency": self.currency}
        allowed = self.counted(self.may_be_shown[self.acted_now])[True]
        return told | {"shown": int(self.acted_now.sum()), "allowed": allowed, "visitors": len(self.scores)}

    def _in_money(self, table: pd.DataFrame) -> pd.DataFrame:
        amounts = {"profit", "behind the first"} & set(table)
        return table.rename(columns={name: f"{name}, {self.currency} {self.per}" for name in amounts})

    @part
    def by_policy(self) -> pd.DataFrame:
        """What each policy would have earned if the share moved is as believed."""
        return self._in_money(self.earned_table)

    @part
    def by_moved(self) -> pd.DataFrame:
        """What showing offers would have earned for each share moved that is thought possible."""
        told = self.offers.by_moved(self.judged.probability[self.chosen], self.judged.rows, self.stands_for)
        told.loc[BELIEVED, "profit"] = self.earned_table["profit"].iloc[0]  # the same, so by the same resamples
        return self._in_money(told)


def load_offers(currency: str, file: Path = REGISTRY) -> OfferRules:
    """Read the rules for a currency; an error tells that it has none, or what is lacking or makes no sense."""
    try:
        sections = dict(read_yaml(file))
        if currency not in sections:
            told = f"what an offer earns is assumed nowhere for amounts in {currency or 'no currency'}"
            raise BankmineError(f"{told} ({file.name}), and measured nowhere: try it with half held back")
        rules = OfferRules(**sections[currency])
        moved = [rules.moved[name] for name in _MOVED]
        numbers = [n for n in (rules.contact, rules.worth, *moved) if isinstance(n, bool) or not n > 0]
        rising = list(rules.moved) == list(_MOVED) and sorted([*moved, 1]) == [*moved, 1]
    except (TypeError, ValueError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of offers: {one_line(error)}") from None
    wrong = [
        (numbers, "each must be a number above 0"),
        (not rising, "moved must rise from low to high, to 1 at most"),
    ]
    refuse(file, currency, [*wrong, *undated(rules.version, rules.status, STATUS)])
    return rules
