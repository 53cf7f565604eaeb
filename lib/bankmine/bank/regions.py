"""Regions: what pages in English call the regions of a bank's data, by the register `data/regions.yml`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bankmine.errors import BankmineError
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "regions.yml"


def in_english(regions: pd.Index, file: Path = REGISTRY, both: bool = False) -> pd.Index:
    """Return English names of regions; `both` with the bank's own behind them. What has none is named as it is."""
    names = read_yaml(file)
    if not isinstance(names, dict) or not all(isinstance(t, str) for pair in names.items() for t in pair):
        raise BankmineError(f"{file} is not a register of regions: a line each, as 广东: Guangdong.")
    named = {region: f"{name} {region}" if both else name for region, name in names.items()}
    return regions.map(lambda region: named.get(region, region))
