"""The study of campaigns: whether they worked, whom they move, and whom to contact next."""

from __future__ import annotations

import datetime

from bankmine.bank.flat import Flat, is_flat, open_flat
from bankmine.bank.snapshot import Snapshot, open_source
from bankmine.study.heading import Headed
from bankmine.topics.campaign.moved import Moved
from bankmine.topics.campaign.rows import BankRows, CampaignRows, TableRows
from bankmine.topics.campaign.tried import Tried


def study(
    source: str, as_of: str | datetime.date, *, target: str = "", positive: str = "", id: str = "", time: str = "",
    treated: str = "", planned: float = 0.0, cost: str = "", value: str = "", campaign: str = "", decimal: str = "",
    dates: str = "", clock: str = "", encoding: str = "",
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

    Raises
    ------
    BankmineError
        If the source cannot be used. Where there is too little to learn from, the study's parts are lacking and say so.
    """
    if not is_flat(source):
        bank = open_source(source).as_of(as_of)
        return Campaigns(bank, BankRows(bank))
    columns = {"cost": cost, "value": value, "campaign": campaign}
    own = {c for c in (treated, *columns.values()) if c}
    flat = open_flat(source, target, positive, id, time, as_of, decimal, dates, clock, encoding, own=own)
    return Campaigns(flat, TableRows(flat, treated, planned, columns))


class Campaigns(Headed):
    """Campaigns of a bank or of a flat table."""

    def __init__(self, source: Snapshot | Flat, rows: CampaignRows) -> None:
        self.source = source
        self.tried = Tried(rows, source.source.currency or "units of the table")
        self.moved = Moved(self.tried)
