"""What showing offers is assumed to earn: by hand, and a register that makes no sense is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from bankmine.deciding.costs import expected
from bankmine.errors import BankmineError
from bankmine.learning.sample import Sample
from bankmine.topics.behaviour.offers import REGISTRY, OfferRules, load_offers

RULES = OfferRules("o", None, "assumption", 1.0, 100.0, {"low": 0.02, "believed": 0.05, "high": 0.1})


def test_an_offer_pays_from_the_chance_at_which_it_earns_nothing():
    chance = pd.Series([RULES.pays_from(0.05), 0.5, 0.0])
    assert list(expected(chance, RULES.costs(chance.index))) == pytest.approx([0.0, 1.5, -1.0])


def test_what_a_month_would_have_earned_by_the_share_moved():
    day = pd.Series(pd.to_datetime(["2025-01-31"] * 3 + ["2025-02-28"] * 3))
    target = pd.Series([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    rows = Sample(pd.DataFrame({"x": range(6)}), target, pd.Series(list("ABCDEF")), day)
    found = RULES.by_moved(pd.Series([0.6, 0.15, 0.05, 0.6, 0.3, 0.25]), rows, stands_for=2.0)
    assert list(found["pays from a chance of"]) == [0.5, 0.2, 0.1]
    assert list(found["shown"]) == [2.0, 4.0, 5.0]
    assert [told.split(" ")[0] for told in found["profit"]] == ["2", "11", "25"]
    facts = RULES.facts(rows, pd.Series([True] * 6))
    assert facts["even"] == pytest.approx(0.02)
    with pytest.raises(BankmineError, match="nobody's chance"):
        RULES.facts(rows, pd.Series([False] * 6))


def test_a_currency_without_a_section_is_told_that_nothing_is_assumed():
    assert load_offers("CNY").status == "assumption"
    for currency in ("CZK", ""):
        with pytest.raises(BankmineError, match="assumed nowhere"):
            load_offers(currency)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"contact": 0}, "must be a number above 0"),
        ({"worth": True}, "must be a number above 0"),
        ({"worth": "dear"}, "not a register of offers"),
        ({"moved": {"low": 0.1, "believed": 0.05, "high": 0.2}}, "must rise from low to high"),
        ({"moved": {"low": 0.1, "believed": 0.5, "high": 1.2}}, "must rise from low to high"),
        ({"moved": {"low": 0.1}}, "not a register of offers"),
        ({"moved": 0.1}, "not a register of offers"),
        ({"status": "fact"}, "assumption or trial"),
        ({"version": "new"}, "must be a day"),
        ({"extra": 1}, "not a register of offers"),
    ],
)
def test_a_register_that_makes_no_sense_is_refused(tmp_path: Path, change, why):
    told = yaml.safe_load(REGISTRY.read_text("utf-8"))
    told["CNY"] |= change
    file = tmp_path / "next.yml"
    file.write_text(yaml.safe_dump(told, sort_keys=False), "utf-8")
    with pytest.raises(BankmineError, match=why):
        load_offers("CNY", file)


@pytest.mark.parametrize("text", ["[1]", "CNY", "", "CNY: 1"])
def test_what_is_no_register_is_refused(tmp_path: Path, text):
    (tmp_path / "next.yml").write_text(text, "utf-8")
    with pytest.raises(BankmineError, match="not a register of offers"):
        load_offers("CNY", tmp_path / "next.yml")
