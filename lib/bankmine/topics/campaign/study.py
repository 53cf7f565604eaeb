"""The study of campaigns: whether they worked, whom they move, and whom to contact next."""

from __future__ import annotations

import datetime

import pandas as pd

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.judging import disclosure
from bankmine.lacking import Lacking, optional, part
from bankmine.study.heading import Headed
from bankmine.study.received import Received, received_table
from bankmine.topics.campaign.moved import Moved
from bankmine.topics.campaign.offers import Offers
from bankmine.topics.campaign.plan import Plan
from bankmine.topics.campaign.prices import Prices
from bankmine.topics.campaign.rows import BankRows, CampaignRows, TableRows
from bankmine.topics.campaign.rules import load_rules
from bankmine.topics.campaign.tried import Tried
from bankmine.topics.campaign.ways import Ways


def study(
    source: str, as_of: str | datetime.date, *, target: str = "", positive: str = "", id: str = "", time: str = "",
    treated: str = "", planned: float = 0.0, cost: str = "", value: str = "", campaign: str = "", decimal: str = "",
    dates: str = "", clock: str = "", encoding: str = "", received: Received | None = None,
) -> Campaigns:  # fmt: skip
    """Open a source and set up the study of its campaigns; nothing is computed before it is asked for.

    Parameters
    ----------
    source : str
        Name or path of a bank, or of a flat table with a row a customer and campaign.
    as_of : str or date
        Last day to know.
    target, positive, id, time, decimal, dates, clock, encoding : str
        As for `open_flat`, for a flat table: `target` says who responded.
    treated, cost, value, campaign : str
        Of a flat table: columns that say who was contacted, what that cost, what a response is worth, and in which
        campaign; '' where there is none.
    planned : float
        Of a flat table: the share that was to be contacted; 0 where nobody knows.
    received : callable, optional
        Finds what other reports of the day handed on: segments (03), and whom 06 calls.

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is too little to learn from, the study's parts are lacking and say so.
    """
    if not is_flat(source):
        return BankCampaigns(open_source(source).as_of(as_of), received)
    columns = {"cost": cost, "value": value, "campaign": campaign}
    own = {c for c in (treated, *columns.values()) if c}
    flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, own=own)
    return TableCampaigns(flat, TableRows(flat, treated, planned, columns))


class Campaigns(Headed):
    """Campaigns that have been: whether they were trials, what they did, and whom they moved."""

    def __init__(self, source: Snapshot | Flat, rows: CampaignRows) -> None:
        self.source = source
        self.tried = Tried(rows, source.source.currency or "units of the table")
        self.moved = Moved(self.tried)

    @part
    def handed_on(self) -> dict[str, pd.DataFrame]:
        """Effects of trials and on customers; of a bank also whom to contact next, and whom to hold back."""
        files = {
            "campaign_checks": optional(self.tried, "checks"), "campaign_effects": optional(self.tried, "effects"),
            "campaign_elasticity": optional(self.prices, "elasticity"), "uplift": optional(self.moved, "handed_on"),
        }  # fmt: skip
        found = {name: frame for name, frame in files.items() if not isinstance(frame, Lacking)}
        plan = optional(self.plan, "files")
        return found | ({} if isinstance(plan, Lacking) else plan)


class BankCampaigns(Campaigns):
    """Campaigns of a bank."""

    def __init__(self, snapshot: Snapshot, received: Received | None) -> None:
        super().__init__(snapshot, BankRows(snapshot))
        self._received = received
        rules, smallest = load_rules(snapshot.source.currency), disclosure.smallest_group(snapshot)
        self.offers = Offers(snapshot, self.tried, self.moved, rules, self._called)
        self.plan, self.ways = Plan(self.offers, smallest), Ways(self.offers)
        self.prices = Prices(self.tried, rules, self._segments, smallest)

    def _segments(self) -> pd.Series:
        return received_table(self._received, "03_segmentation", "segments", self.source)["segment"].astype(str)

    def _called(self) -> pd.Index:
        scores = received_table(self._received, "06_churn", "churn_scores", self.source)
        return scores.index[scores["called"].astype(bool)]


class TableCampaigns(Campaigns):
    """Campaigns of a flat table, which tells of nobody whom to contact next."""

    offers = plan = ways = Lacking("a table tells of no customers of today")
    prices = Lacking("a table tells of no rates that were offered")
