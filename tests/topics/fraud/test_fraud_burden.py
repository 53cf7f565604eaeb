"""False alarms by group: rates of genuine payments, against the group that pays most, surely uneven or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.errors import BankmineError
from bankmine.judging.fairness import REFERENCE, TOO_FEW
from bankmine.topics.fraud.burden import ALIKE, MORE, burden, forest, heaviest, page

GROUP = pd.Series(np.repeat(["old", "young", "few", None], [30_000, 60_000, 20, 500]))
ENTITY = pd.Series(np.arange(len(GROUP)) // 10)


def alerted(old: float, young: float, seed: int = 0) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).random(len(GROUP)) < GROUP.map({"old": old, "young": young}).fillna(0))


def test_the_rate_is_of_ten_thousand_genuine_payments_against_the_group_that_pays_most():
    hit = alerted(0.006, 0.002)
    table = burden(hit, GROUP, ENTITY)
    assert set(table.index) == {"old", "young", "few"}  # whose group is not known is left out
    assert table.loc["old", "rate"] == pytest.approx(10_000 * hit[GROUP == "old"].sum() / 30_000)
    assert table.loc["young", "verdict"] == REFERENCE  # the larger, not the one that is alerted least or most
    assert table.loc["old", "more"] == pytest.approx(table.loc["old", "rate"] - table.loc["young", "rate"])
    assert table.loc["old", "low"] < table.loc["old", "rate"] < table.loc["old", "high"]
    assert 20 < table.loc["old", "more_low"] < 40 < table.loc["old", "more_high"] < 60
    assert burden(hit, GROUP, ENTITY, "old").loc["old", "verdict"] == REFERENCE  # named before
    assert burden(hit, GROUP, ENTITY, "none of them").equals(table)
    assert table["verdict"].to_dict() == {"old": MORE, "young": REFERENCE, "few": TOO_FEW}


def test_payments_of_one_customer_count_together():
    hit, whose = alerted(0.006, 0.002), pd.Series(np.arange(len(GROUP)) // 1000)
    all_at_once = pd.Series(whose % 100 == 0)
    apart, together = (burden(rows, GROUP, who) for rows, who in ((hit, ENTITY), (all_at_once, whose)))
    width = [t.loc["old", "high"] - t.loc["old", "low"] for t in (apart, together)]
    assert width[1] > 5 * width[0]


def test_what_is_surely_uneven_is_told_and_what_may_be_chance_is_not():
    uneven = heaviest({"age": burden(alerted(0.006, 0.002), GROUP, ENTITY)})
    assert (uneven["group"], uneven["reference"], uneven["uneven"]) == ("old", "young", True)
    assert uneven["rate"] > uneven["usual"] / 0.8
    even = [heaviest({"age": burden(alerted(0.003, 0.003, seed), GROUP, ENTITY)}) for seed in range(30)]
    assert not any(told["uneven"] for told in even)
    assert sum(told["verdict"] == ALIKE for told in even) > 25
    with pytest.raises(BankmineError, match="no two groups"):
        heaviest({"age": burden(alerted(0.1, 0.1)[GROUP == "old"], GROUP[GROUP == "old"], ENTITY[GROUP == "old"])})


def test_a_page_shows_all_attributes():
    tables = {name: burden(alerted(0.006, 0.002), GROUP, ENTITY) for name in ("age band", "gender")}
    told = page(tables)
    assert len(told) == 6
    assert told.loc[("gender", "young"), "more than the reference"] == ""
    assert forest(tables).get_yticklabels()[0].get_text() == "few (age band)"
