"""Regions are called by their English names, with the bank's own beside them."""

from __future__ import annotations

import pandas as pd
import pytest

from bankmine.bank.regions import REGISTRY, in_english
from bankmine.errors import BankmineError


def test_a_region_is_named_in_english_and_one_that_nobody_named_as_it_is():
    regions = pd.Index(["广东", "District 7", "unknown"])
    assert in_english(regions).tolist() == ["Guangdong", "District 7", "unknown"]
    assert in_english(regions, both=True).tolist() == ["Guangdong 广东", "District 7", "unknown"]


def test_no_two_regions_share_a_name():
    names = REGISTRY.read_text("utf-8").split("\n\n")[-1].split("\n")
    english = [line.split(": ")[1] for line in names if line]
    assert len(set(english)) == len(english) == 34


def test_a_register_of_something_else_is_refused(tmp_path):
    (tmp_path / "regions.yml").write_text("- Guangdong\n", "utf-8")
    with pytest.raises(BankmineError, match="not a register of regions"):
        in_english(pd.Index(["广东"]), tmp_path / "regions.yml")
