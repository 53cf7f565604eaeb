"""Costs of channels: what an errand and a contact cost through each, by the register `data/channels.yml`."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bankmine.errors import BankmineError, one_line
from bankmine.registers import read_yaml, refuse, undated
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "channels.yml"
LOW, BELIEVED, HIGH = "low", "believed", "high"
STATUS = ("assumption", "measured")


@dataclass(frozen=True)
class ChannelCosts:
    """What is assumed of the costs of channels, in one currency."""

    owner: str
    version: datetime.date
    status: str
    errand: pd.DataFrame
    """Cost of an errand: a row a channel; columns `low`, `believed` and `high`."""
    contact: pd.DataFrame
    """Cost of an offer made, laid out alike."""


def load_costs(currency: str, file: Path = REGISTRY) -> ChannelCosts:
    """Read the costs in a currency; an error tells that there are none, or what is lacking or makes no sense."""
    try:
        sections = dict(read_yaml(file))
        if currency not in sections:
            told = f"what a channel costs is assumed nowhere for amounts in {currency or 'no currency'}"
            raise BankmineError(f"{told}: add a section to {file.name}")
        section = dict(sections[currency])
        frames = {what: _amounts(section.pop(what)) for what in ("errand", "contact")}
        costs = ChannelCosts(**section, **frames)
    except (TypeError, ValueError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of costs of channels: {one_line(error)}") from None
    falling = [c for f in frames.values() for c, row in f.iterrows() if not 0 <= row[LOW] <= row[BELIEVED] <= row[HIGH]]
    rising = f"costs must rise from {LOW} to {HIGH}, from 0 on"
    refuse(file, currency, [(falling, rising), *undated(costs.version, costs.status, STATUS)])
    return costs


def _amounts(told: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Lay amounts out by channel; a KeyError or ValueError where one is lacking or no number."""
    rows = {str(channel): [one[name] for name in (LOW, BELIEVED, HIGH)] for channel, one in dict(told).items()}
    if flags := [n for row in rows.values() for n in row if isinstance(n, bool) or not isinstance(n, int | float)]:
        raise ValueError(f"{flags[0]!r} is no amount")
    return pd.DataFrame.from_dict(rows, orient="index", columns=[LOW, BELIEVED, HIGH], dtype=float)
