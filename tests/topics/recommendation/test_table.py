"""Recommendations of a table of purchases: judged by what came after, nothing had before is offered as new."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bankmine.bank.flat import open_unlabelled
from bankmine.errors import BankmineError
from bankmine.lacking import Lacking
from bankmine.learning.recommenders import FACTORS, NEIGHBOURS, OWN, POPULAR
from bankmine.topics.recommendation.table_study import TableRecommendations

CUSTOMERS, ITEMS, DAYS = 400, 60, 200
HOSTILE = "<script>alert(1)</script>"


def purchases(seed: int = 0, repeats: float = 0.3) -> pd.DataFrame:
    """Make purchases of customers of three tastes, some of which are again what the customer bought the last time."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, CUSTOMERS, 9000)
    item = rng.choice(ITEMS // 3, len(who), p=np.arange(20, 0, -1) / 210) * 3 + who % 3
    rows = pd.DataFrame({"who": who, "what": item, "day": np.sort(rng.integers(0, DAYS, len(who)))})
    again = rng.random(len(who)) < repeats
    last = rows.groupby("who")["what"].shift()
    rows["what"] = np.where(again & last.notna(), last, rows["what"]).astype(int)
    rows["what"] = rows["what"].map(lambda n: HOSTILE if n == 0 else f"tea {n}")
    rows["day"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(rows["day"], "D")
    return rows


def opened(folder, rows: pd.DataFrame, horizon: int = 0, item: str = "what") -> TableRecommendations:
    file = folder / "shop.csv"
    rows.to_csv(file, index=False)
    return TableRecommendations(open_unlabelled(str(file), "who", "day"), item, horizon)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> TableRecommendations:
    return opened(tmp_path_factory.mktemp("shop"), purchases())


def test_the_last_fifth_of_the_days_judges(study):
    assert study.horizon == DAYS // 5
    assert str(study.split_day) == "2025-06-09"
    assert "purchases after 2025-06-09, 40 days" in repr(study)


def test_tastes_beat_popularity_on_new_items(study):
    new = study.judged_new
    assert list(new.each) == [POPULAR, NEIGHBOURS, FACTORS]
    assert new.used == NEIGHBOURS
    assert new.each[NEIGHBOURS]["ndcg_10_low"] > new.each[POPULAR]["ndcg_10_high"]
    assert {"map_3", "hit_1", "ndcg_10", "ndcg_10_low", "words"} <= set(new.choice)


def test_what_was_had_before_is_judged_apart(study):
    everything = study.judged_all
    assert list(everything.each) == [POPULAR, OWN, NEIGHBOURS, FACTORS]
    assert everything.baseline == OWN
    assert everything.customers > study.judged_new.customers


def test_measures_are_of_new_items_only(study, tmp_path):
    """Whoever takes what they had before has taken nothing new."""
    rows = purchases()
    late = rows["day"] > pd.Timestamp(study.split_day)
    first = rows[~late].groupby("who")["what"].first()
    rows.loc[late, "what"] = rows.loc[late, "who"].map(first)
    other = opened(tmp_path, rows.dropna())
    assert isinstance(other.judged_new, Lacking)
    assert "items newly taken: 0 customers took any" in other.judged_new.why
    assert other.judged_all.each[OWN]["hit_1"] > other.judged_all.each[POPULAR]["hit_1"]
    assert isinstance(other.offers, Lacking)


def test_models_know_nothing_of_what_came_after(study, tmp_path):
    rows = purchases()
    late = rows["day"] > pd.Timestamp(study.split_day)
    rows.loc[late, "what"] = rows.loc[late, "what"].sample(frac=1, random_state=0).to_numpy()
    other = opened(tmp_path, rows)
    for name, scores in study._learnt.items():
        some = slice(0, 50)
        assert (scores.at(some) == other._learnt[name].at(some)).all(), name


def test_offers_are_three_that_a_customer_never_had(study):
    offers, rows = study.offers, purchases()
    assert offers.groupby("customer_id").size().max() == 3
    assert offers.index.nunique() == CUSTOMERS
    pairs = set(zip(rows["who"].astype(str), rows["what"], strict=True))
    assert not pairs & set(zip(offers.index, offers["item"], strict=True))
    assert offers.groupby("customer_id")["rank"].agg(list).map(lambda r: r == sorted(r)).all()
    had = offers["reason"].str.removeprefix("often had with ")
    assert set(zip(offers.index, had, strict=True)) <= pairs


def test_everything_bought_before_leaves_fewer_offers(tmp_path):
    rows = purchases()
    whole = pd.DataFrame({"who": 0, "what": rows["what"].unique()[1:], "day": pd.Timestamp("2025-01-02")})
    offers = opened(tmp_path, pd.concat([rows, whole])).offers
    assert len(offers.loc[["0"]]) <= 1


def test_hostile_names_stay_text(study):
    assert HOSTILE in set(study.offers["item"])
    assert study.judged_new.table.index.tolist() == ["popularity", "item neighbours", "factorisation"]


def test_rules_are_of_the_most_frequent_items(study):
    assert study.rules.counts["customers"] == CUSTOMERS
    assert study.rules.day == study.split_day
    assert study.rules.counts["tested"] > 0
    rows = purchases()
    early = rows[rows["day"] <= pd.Timestamp(study.split_day)].drop_duplicates(["who", "what"])
    assert study.rules.had.sum().to_dict() == early["what"].value_counts()[study.rules.had.columns].to_dict()


def test_what_is_handed_on_is_what_is_shown(study):
    judged = study.recommendation_judged
    value = judged[judged["taken"].eq("new") & judged["metric"].eq("hit_1")].loc[NEIGHBOURS, "value"]
    assert value == study.judged_new.each[NEIGHBOURS]["hit_1"]
    assert set(judged["taken"]) == {"new", "all"}


def test_items_first_seen_later_count_as_unseen(study, tmp_path):
    assert study.taken["unseen"] == 0
    rows = purchases()
    late = rows["day"] > pd.Timestamp(study.split_day)
    rows.loc[late & (np.arange(len(rows)) % 2 == 0), "what"] = "launched later"
    assert opened(tmp_path, rows).taken["unseen"] == pytest.approx(0.5, abs=0.05)


def test_large_tables_are_judged_by_some_customers(monkeypatch, tmp_path):
    monkeypatch.setattr("bankmine.topics.recommendation.table_study._JUDGED", ITEMS * 100)
    found = opened(tmp_path, purchases())
    assert found.taken["customers"] == 100
    assert found.took["took"] == found.taken["back"] / CUSTOMERS > 0.9
    assert found.judged_all.customers == 50  # the other half chooses the model


def test_few_customers_choose_and_judge_and_the_page_says_so(monkeypatch, tmp_path):
    found = opened(tmp_path, purchases())
    assert not found.judged_new.judges_alone
    assert "other half" in found.choice["how"]
    monkeypatch.setattr("bankmine.topics.recommendation.table_study._HALVES", 10 * CUSTOMERS)
    alone = opened(tmp_path, purchases())
    assert alone.judged_new.judges_alone
    assert "too few for two halves" in alone.choice["how"]
    assert alone.judged_new.customers > found.judged_new.customers
    assert found.offers.index.nunique() == CUSTOMERS


def test_a_table_tells_nothing_of_customers(study):
    for name in ("products", "offering", "off_policy", "history"):
        assert "neither who customers are nor what is earned" in getattr(study, name).why


@pytest.mark.parametrize("horizon", [-1, DAYS, 1000])
def test_a_horizon_that_the_table_does_not_cover(tmp_path, horizon):
    with pytest.raises(BankmineError, match=f"horizon={horizon}: the table covers 200 days: give 1 to 199"):
        opened(tmp_path, purchases(), horizon)


def test_rows_of_one_day(tmp_path):
    with pytest.raises(BankmineError, match="all rows are of one day"):
        opened(tmp_path, purchases().assign(day="2025-01-01"))


def test_nobody_came_back(tmp_path):
    rows = purchases()
    late = rows["day"] > "2025-06-09"
    rows.loc[late, "who"] += CUSTOMERS
    found = opened(tmp_path, rows)
    assert "nobody who had bought by 2025-06-09 bought again" in found.judged_new.why
    assert isinstance(found.offers, Lacking)
    assert found.rules.counts["tested"] > 0


def test_nobody_bought_anything_after_the_split(tmp_path):
    rows = purchases()
    rows.loc[rows["day"] > "2025-06-09", "what"] = ""
    found = opened(tmp_path, rows)
    assert "nobody bought anything after 2025-06-09" in found.judged_all.why
    assert "rows without what left out" in repr(found)
