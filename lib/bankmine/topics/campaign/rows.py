"""Rows of campaigns: a customer of each, with the contacts of either arm, what came, and what was known before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pandas as pd

from bankmine.bank.flat import Flat
from bankmine.bank.flat_predictors import fetch
from bankmine.bank.flat_rows import refuse_unknown
from bankmine.bank.flat_target import events
from bankmine.bank.form_kinds import NUMBER
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError
from bankmine.features.contacts import contacted, known_before, what_followed

RESPONDED, REVENUE, MARGIN, LEFT = "responded", "revenue", "margin", "left"
OUTCOMES = {
    RESPONDED: "responds", REVENUE: "revenue of responses", MARGIN: "margin of 90 days", LEFT: "leaves within 90 days",
}  # fmt: skip
ONE = "the campaign"
"""Name of the campaign of a table that tells none."""
_NOT_KNOWN = "customer_id", "day"


class CampaignRows(Protocol):
    """What banks and flat tables tell of campaigns."""

    outcomes: tuple[str, ...]
    """Of `OUTCOMES`, those that are told."""

    def arms(self) -> pd.DataFrame:
        """Return a row a campaign and customer, as of `contacted`, with each outcome summed up over either arm."""

    def known(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return what was known of some of these rows before their first contact, same index."""


class BankRows:
    """Campaigns of a bank's contacts."""

    outcomes = (RESPONDED, REVENUE, MARGIN, LEFT)

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def arms(self) -> pd.DataFrame:
        """As of `CampaignRows`; margin and leaving are a customer's, so they count where there is one contact."""
        found = contacted(self._snapshot)
        after = what_followed(self._snapshot, found)
        for outcome in (MARGIN, LEFT):
            for arm in ("treated", "held"):
                found[f"{arm}_{outcome}"] = after[outcome] * found[arm]
        return found

    def known(self, rows: pd.DataFrame) -> pd.DataFrame:
        """As of `CampaignRows`: everything that features tell of the day before."""
        return known_before(self._snapshot, rows)


class TableRows:
    """Campaigns of a flat table with a row a customer: whether it was treated, and what came."""

    def __init__(
        self, flat: Flat, treated: str, planned: float, columns: Mapping[str, str]
    ) -> None:  # fmt: skip
        """Read who was `treated`, and of `columns` cost, value and campaign where they are told."""
        if not treated:
            raise BankmineError(f"Say which column of {flat.title} tells who was contacted: treated=….")
        if not 0 <= planned < 1:
            raise BankmineError(f"planned={planned}: give the share that was to be contacted, as 0.5.")
        told = {"treated": treated} | {role: name for role, name in columns.items() if name}
        for role, name in told.items():
            refuse_unknown([name], flat.rows.columns, role)
        self._flat, self._told, self._planned = flat, told, planned
        self._known = flat.predictors.drop(columns=[c for c in told.values() if c in flat.predictors])
        self.outcomes = (RESPONDED, REVENUE) if "value" in told else (RESPONDED,)

    def arms(self) -> pd.DataFrame:
        """As of `CampaignRows`; an outcome that is not told counts as unknown."""
        flat, told = self._flat, self._told
        contact, hit = self._arm(), flat.target
        found = pd.DataFrame({"customer_id": flat.entity.astype(str), "day": pd.NaT if flat.day is None else flat.day})
        found["campaign"] = flat.rows.texts(told["campaign"]).fillna("") if "campaign" in told else ONE
        found["planned"] = self._planned or float("nan")
        worth = self._numbers("value").fillna(0.0) if "value" in told else 0.0
        cost = self._numbers("cost") if "cost" in told else pd.Series(float("nan"), hit.index)
        for arm, own in (("treated", contact == 1), ("held", contact == 0)):
            found[arm] = own.astype(int)
            came = hit.fillna(0.0).where(own, 0.0)
            found[f"{arm}_{RESPONDED}"], found[f"{arm}_{REVENUE}"] = came, came * worth
            found[f"{arm}_unknown"], found[f"{arm}_cost"] = (
                (hit.isna() & own).astype(int),
                cost.where(own, 0.0).fillna(0.0),
            )
            found[f"{arm}_costed"] = (own & cost.notna()).astype(int)
        found = found.assign(rate=float("nan"), offer="", channel="", treated_also=0, held_also=0)[contact.notna()]
        if twice := int(found.duplicated(["campaign", "customer_id"]).sum()):
            raise BankmineError(f"{twice:,} rows are of a customer who has another row in the same campaign: keep one.")
        return found

    def known(self, rows: pd.DataFrame) -> pd.DataFrame:
        """As of `CampaignRows`: the table's other columns."""
        return self._known.loc[rows.index]

    def _arm(self) -> pd.Series:
        texts = self._flat.rows.texts(self._told["treated"])
        if texts.dropna().nunique() < 2:
            raise BankmineError(f"{self._told['treated']} says the same of all rows: nobody can be compared.")
        return events(texts, self._told["treated"], "")[0]

    def _numbers(self, role: str) -> pd.Series:
        form = self._flat.rows.forms.get(self._told[role])
        if form is None or form.kind != NUMBER or form.why:
            raise BankmineError(f"{role}={self._told[role]}: this column holds no numbers that can be read.")
        return fetch(self._flat.rows.con, [form.sql])[0].to_pandas().set_axis(self._flat.target.index)
