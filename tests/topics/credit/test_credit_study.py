"""The study of credit: what the page shows is what the files hold, and every question of a validator has an answer."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from samples import sample_of

from bankmine.lacking import Lacking
from bankmine.study.validation import OPEN, PARTLY
from bankmine.topics import credit


@pytest.fixture(scope="module")
def bank(small_bank) -> credit.CreditStudy:
    # of two months, so that the cut-off grants some and refuses others, among those judged and those scored now
    return credit.study(str(small_bank), "2025-12-31", test=2)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> credit.CreditStudy:
    rows, file = sample_of(600), tmp_path_factory.mktemp("flat") / "rows.csv"
    known = rows.predictors[["signal", "amount", "wave", "region"]]
    known.assign(bad=rows.target.map({1.0: "yes", 0.0: "no"})).to_csv(file, index=False)
    return credit.study(str(file), "", target="bad")


def test_what_is_shown_is_what_is_handed_on(bank):
    files = bank.handed_on
    scores, policy = files["credit_scores"], files["credit_policy"].iloc[0]
    with duckdb.connect() as engine:
        asking = bank.today.predictors.loc[bank.decided_list.index]
        engine.register("applicants", asking.assign(row=range(len(asking))))
        told = engine.sql(files["scorecard.sql"]).df().sort_values("row")
    assert told["score"].tolist() == scores["score"].tolist()
    assert told["granted"].tolist() == (scores["decision"] == "grant").tolist()
    assert set(scores["decision"]) == {"grant", "refuse"}
    assert (policy["cut"], policy["score"]) == (bank.decision["cut"], bank.decision["score"])
    assert policy["share"] == pytest.approx(1 - bank.acted.iloc[:, 0].mean())
    assert ((scores["probability"] <= policy["cut"]) == (scores["decision"] == "grant")).all()
    assert ((scores["tier"] == "refused") == (scores["decision"] == "refuse")).all()
    lines = files["scorecard"].set_index("characteristic")
    assert lines["points"].tolist() == bank.lines["points"].tolist()
    most, least = (lines["points"].groupby(level=0).agg(end).sum() for end in ("max", "min"))
    assert scores["score"].between(least, most).all()


def test_one_share_granted_stands_everywhere(bank):
    share = bank.decision["share"]
    assert 0 < share < 1
    assert bank.inferred.loc["none", "share granted"] == pytest.approx(share)
    assert bank.inferred.loc["none", "decided otherwise"] == 0
    assert 1 - bank.tiers["share"].get("refused", 0) == pytest.approx(share)
    assert bank.swap["share"] == share
    granted = ~bank.acted.iloc[:, 0]
    gender = bank.groups()["gender"].loc[granted.index]
    assert bank.impact["gender"]["approved"].sum() == (granted & gender.notna()).sum()


@pytest.mark.parametrize(("kind", "open_", "unknown"), [("bank", 0, 0), ("flat", 6, 1)])
def test_every_question_is_answered_or_says_why_not(kind, open_, unknown, request):
    found = request.getfixturevalue(kind).validation
    assert not isinstance(found, Lacking), found
    assert not found.answered["answer"].str.contains("not shown on this page|nan|None").any()
    assert found.answered["status"].isin([OPEN, PARTLY]).sum() == open_
    assert np.isfinite(found.plan["now"].astype(float)).sum() == len(found.plan) - unknown
