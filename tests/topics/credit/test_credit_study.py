"""The study of credit: rows parted by time or at random, who is decided on; what is shown is what is handed on."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from samples import HOSTILE, sample_of
from sklearn.metrics import roc_auc_score

from bankmine.errors import BankmineError
from bankmine.judging import drift, fairness
from bankmine.lacking import Lacking
from bankmine.learning import fitting as recipe
from bankmine.learning import splits
from bankmine.learning.sample import Sample
from bankmine.privacy.register import load_register
from bankmine.study.validation import OPEN, PARTLY, VARIED
from bankmine.topics import credit
from bankmine.topics.credit import scorecard as credit_models
from bankmine.topics.credit.points import score_statement
from bankmine.workspace import WORKSPACE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank(small_bank) -> credit.CreditStudy:
    # of two months, so that the cut-off grants some and refuses others, among those judged and those scored now
    return credit.study(str(small_bank), "2025-12-31", test=2)


def table(path, size: int = 500, days: bool = False, **columns: object) -> str:
    rows = sample_of(size)
    known = rows.predictors[["signal", "amount", "region", "constant", *HOSTILE[:5]]]
    told = pd.concat([known, pd.DataFrame(columns, index=known.index)], axis=1).assign(
        bad=rows.target.map({1.0: "ja", 0.0: "nein"})
    )
    if days:
        told["day"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(size), "D")).strftime("%Y-%m-%d")
    told.to_csv(path / "applicants.csv", index=False)
    return str(path / "applicants.csv")


def opened(file: str, **more: str) -> credit.CreditStudy:
    return credit.study(file, "", target="bad", positive="ja", **more)


def test_a_table_with_days_is_parted_by_time(tmp_path):
    case = opened(table(tmp_path, days=True), time="day")
    split, day = case.parts.split, case.sample.day
    assert day.iloc[split.train].max() < day.iloc[split.tune].min()
    assert day.iloc[split.tune].max() < day.iloc[split.test].min()
    assert len(split.train) + len(split.tune) + len(split.test) == len(case.sample)
    assert len(split.test) == pytest.approx(splits.JUDGE * len(case.sample), abs=2)
    assert case.parts.how.startswith("by time")
    for train, test in case.parts.folds:
        assert not set(test) & set(split.test)
        assert not set(train) & set(split.test)


def test_a_table_without_days_is_parted_at_random_and_says_so(tmp_path):
    case = opened(table(tmp_path))
    assert case.parts.how.startswith("at random")
    assert len(case.parts.folds) == 5 * 5  # a small table is drawn several times
    assert case.deciding is case.split
    assert not case.cut_off
    assert not case.earned


def test_days_with_too_few_bad_rows_in_a_part_say_what_to_do():
    rows = sample_of(400)
    target = rows.target.where(np.arange(400) < 200, 0.0)
    sample = Sample(rows.predictors, target, rows.entity, pd.Series(pd.date_range("2024-01-01", periods=400)))
    with pytest.raises(BankmineError, match=r"to t(une|est): give a longer table, or leave out `time`"):
        splits.in_order(sample)


@pytest.mark.parametrize(
    "columns",
    [{}, {"constant two": 1}, {f"more {i}": np.arange(500) % (i + 2) for i in range(40)}, {"'; DROP --": "'; --"}],
)
def test_hostile_tables_get_a_scorecard_and_its_query(tmp_path, columns):
    case = opened(table(tmp_path, **columns))
    recipes = credit_models.candidates(case.sample.at(case.parts.split.train))
    some = {name: recipes[name] for name in (credit_models.SCORECARD, credit_models.CHALLENGER)}
    applied = recipe.apply_models(some, case.sample, case.deciding)
    assert applied.probability.to_numpy().min() >= 0
    assert applied.probability.to_numpy().max() <= 1
    card = applied.fitted[credit_models.SCORECARD][-1].card_
    assert {"signal", "amount"} <= set(card.bins)
    assert "constant" not in card.bins
    assert score_statement(card, "applicants").count("CASE") == len(card.bins)


def test_rows_whose_outcome_is_not_known_are_scored_and_not_learnt_from(tmp_path):
    file = table(tmp_path)
    rows = pd.read_csv(file)
    rows.loc[450:, "bad"] = None
    rows.to_csv(file, index=False)
    case = opened(file)
    assert list(case.parts.scoring.test) == list(range(450, 500))
    assert max(map(max, (case.parts.split.train, case.parts.split.tune, case.parts.split.test))) < 450


def test_all_applicants_of_the_months_judged_are_decided_on(bank):
    asked, split = bank.sample.at(bank.deciding.test), bank.parts.split
    assert set(split.test) < set(bank.deciding.test)
    refused = bank.applications.rejected[bank.deciding.test]
    assert refused.any()
    assert asked.target[refused].isna().all()
    assert asked.day.min() == bank.sample.day.iloc[split.test].min()
    assert bank.loan_costs.fn.index.equals(bank.sample.target.index)


def test_the_level_is_that_of_all_credits_that_the_card_has_not_seen(bank):
    ids, rows, split = bank.sample.target.index, bank.since_learnt.rows, bank.split
    seen = ids[np.concatenate([split.train, split.tune])]
    assert not rows.target.index.intersection(seen).size
    assert bank.judged.rows.target.index.isin(rows.target.index).all()
    between = bank.sample.at(bank.before)
    unseen = between.target[~between.target.index.isin(seen)].dropna().index
    assert len(unseen) > 0
    assert unseen.isin(rows.target.index).all()
    assert bank.level["came"] == rows.target.sum()
    assert bank.level["foretold"] == pytest.approx(bank.chances(rows).sum())
    plan = bank.validation.plan.set_index("metric")["now"]
    assert plan.filter(like="Level of chances").item() == pytest.approx(bank.level["value"])


def test_protected_attributes_are_groups_and_in_no_model(bank):
    groups = bank.groups()
    assert {"gender", "age band"} <= set(groups)
    assert not set(bank.sample.predictors) & {"gender", "age_years", "birth_date", "marital_status", "region"}
    name, marked = fairness.two_groups(groups, bank.beside["approved"].eq(True).fillna(False))
    assert name in ("gender is female", "gender is male")
    assert set(marked.dropna()) == {0.0, 1.0}


def test_the_group_that_is_approved_less_often_is_marked():
    group = pd.Series(["a"] * 60 + ["b"] * 40)
    approved = pd.Series([True] * 30 + [False] * 30 + [True] * 30 + [False] * 10)
    name, marked = fairness.two_groups({"x": pd.Series(range(100)) % 3, "y": group}, approved)
    assert name == "y is a"
    assert marked.sum() == 60
    assert fairness.two_groups({"y": group.where(group == "a")}, approved) is None


def test_the_cut_off_is_chosen_on_applicants_before_those_it_is_judged_by(bank, tmp_path):
    before, judged = (bank.sample.day.iloc[rows] for rows in (bank.before, bank.deciding.test))
    assert before.max() < judged.min()
    assert set(bank.parts.split.tune) < set(bank.before)
    assert bank.applications.rejected[bank.before].any()
    case = opened(table(tmp_path, days=True), time="day")
    assert not set(case.before) & set(case.deciding.test)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> credit.CreditStudy:
    rows, file = sample_of(600), tmp_path_factory.mktemp("flat") / "rows.csv"
    known = rows.predictors[["signal", "amount", "wave", "region"]]
    known.assign(bad=rows.target.map({1.0: "yes", 0.0: "no"})).to_csv(file, index=False)
    return credit.study(str(file), "", target="bad")


def test_a_row_of_the_list_leads_to_the_portrait_of_the_customer(bank, flat):
    first = bank.files()["credit_scores"].index[0]
    assert f"02_profiling --source {bank.source.source.folder} --as-of" in bank.portrait["command"]
    assert bank.portrait["command"].endswith(f" -p customer={first} --out portraits")
    assert isinstance(flat.portrait, Lacking)


def test_every_refused_applicant_has_reasons_in_words_and_somebody_to_ask(bank):
    scores = bank.files()["credit_scores"]
    refused = scores[scores["decision"] == "refuse"]
    assert refused["reasons"].str.contains(r"[a-z]{3,}").all()
    named = load_register(WORKSPACE).review("credit")
    told = {"refused": len(refused), "told": len(refused), "held": int((refused["waits_for"] != "").sum())}
    assert bank.review == {"owner": named.owner, "days": named.days, **told}
    assert len(refused)


def test_how_many_lack_an_attribute_does_not_follow_from_the_rows_of_its_groups(bank, monkeypatch):
    rows = bank.fitted[0].rows
    group = pd.Series("m", bank.sample.target.index)
    group.loc[rows.target.index[:9]] = "f"
    for lacking, told in ((3, [True, False]), (0, [False, False]), (8, [False, False])):
        own = group.mask(group.index.isin(rows.target.index[20 : 20 + lacking]))
        monkeypatch.setattr(type(bank), "groups", lambda self, own=own: {"gender": own})
        table = pd.concat(bank.impact_of(bank.acted.iloc[:, 0].astype(bool), rows), names=["attribute"])
        found = bank._groups_told(table, rows)
        assert found["rows"].isna().tolist() == told
        assert found[["share", "low", "high"]].isna().all(axis=1).tolist() == told


def test_what_is_shown_is_what_is_handed_on(bank):
    files = bank.handed_on
    scores, policy = files["credit_scores"], files["credit_policy"].iloc[0]
    with duckdb.connect() as engine:
        asking = bank.today.predictors.loc[bank.decided_list.index]
        engine.register("applicants", asking.assign(row=range(len(asking))))
        told = engine.sql(files["scorecard.sql"]).df().sort_values("row")
    assert told["score"].tolist() == scores["score"].tolist()
    accepted = told["risk_accepted"].to_numpy()
    granted = (scores["decision"] == "grant").to_numpy()
    assert (accepted & (scores["why"] == "").to_numpy()).tolist() == granted.tolist()
    assert accepted[granted].all()
    assert set(scores["decision"]) == {"grant", "refuse", "a person decides"}
    assert (policy["cut"], policy["score"]) == (bank.decision["cut"], bank.decision["score"])
    assert policy["share"] == pytest.approx(1 - bank.acted.iloc[:, 0].mean())
    assert ((scores["probability"] <= policy["cut"]).to_numpy() == accepted).all()
    assert ((scores["tier"] == "refused") == (scores["decision"] == "refuse")).all()
    assert scores.loc[granted, "limit"].gt(0).all()
    assert scores.loc[~granted, ["limit", "price"]].isna().all(axis=None)
    counted = bank.granted_now
    assert [counted[name] for name in ("granted", "refused", "person")] == [
        (scores["decision"] == word).sum() for word in ("grant", "refuse", "a person decides")
    ]
    lines = files["scorecard"].set_index("characteristic")
    assert lines["points"].tolist() == bank.card.lines["points"].tolist()
    most, least = (lines["points"].groupby(level=0).agg(end).sum() for end in ("max", "min"))
    assert scores["score"].between(least, most).all()


def test_a_validator_computes_the_page_again_by_what_is_handed_on(bank):
    files = bank.handed_on
    rows = files["credit_judged"]
    judged = rows[rows["part"] == "judged"]
    known = judged[judged["outcome"].notna()]
    assert roc_auc_score(known["outcome"], known["chance"]) == pytest.approx(bank.auc["value"])
    assert judged["granted"].mean() == pytest.approx(bank.decision["share"])
    earned = known["if_good"].where(known["outcome"] == 0, known["if_bad"])[known["granted"].astype(bool)].sum()
    assert earned == pytest.approx(bank.decision["profit"])
    assert rows.loc[rows["part"] == "learnt", "granted"].isna().all()
    assert judged["application_id"].is_unique
    other = (1 - known["chance"]) * known["if_good"] + known["chance"] * known["if_bad"] > 0
    each = known["if_good"].where(known["outcome"] == 0, known["if_bad"])[other].sum()
    policies = files["credit_policies"].set_index("policy", append=True)
    assert policies.loc[("judged", "cut-off"), "profit"] == pytest.approx(earned)
    assert policies.loc[("judged", "each by its expected profit"), "profit"] == pytest.approx(each)
    before = rows[(rows["part"] == "before") & rows["outcome"].notna()]
    came = before["if_good"].where(before["outcome"] == 0, before["if_bad"])
    other = (1 - before["chance"]) * before["if_good"] + before["chance"] * before["if_bad"] > 0
    behind = came[before["granted"].astype(bool)].sum() - came[other].sum()
    assert policies.loc[("before", "each by its expected profit"), "behind"] == pytest.approx(behind)
    assert bank.earned_before.loc["each by its expected profit", "behind"] == pytest.approx(behind)
    assert before["day"].max() < judged["day"].min()
    assert files["credit_scores"]["expected_profit_as_offered"].sum() == bank.decided_now["expected_profit"].sum()
    assumed = files["credit_refused"]
    assert assumed["none"].mean() == pytest.approx(bank.inference.table.loc["none", "assumed"])
    assert not set(assumed["application_id"]) & set(judged["application_id"])
    pd.testing.assert_frame_equal(files["credit_pairs"], bank.seen.pairs, check_names=False)
    pd.testing.assert_frame_equal(files["credit_old_proxies"], bank.old_proxies)


def test_one_share_granted_stands_everywhere(bank):
    share = bank.decision["share"]
    assert 0 < share < 1
    assert bank.inferred.loc["none", "share granted"] == pytest.approx(share)
    assert bank.inferred.loc["none", "decided otherwise"] == 0
    # of the same policy one profit, at the same terms: those offered
    assert bank.inferred.loc["none", "expected profit as offered"] == pytest.approx(
        bank.tiers["expected profit as offered"].sum(), rel=1e-12
    )
    assert 1 - bank.tiers["share"].get("refused", 0) == pytest.approx(share)
    assert bank.swap["share"] == share
    granted = ~bank.acted.iloc[:, 0]
    gender = bank.groups()["gender"].loc[granted.index]
    assert bank.impact["gender"]["approved"].sum() == (granted & gender.notna()).sum()


@pytest.mark.parametrize(("kind", "open_", "unknown"), [("bank", 0, 0), ("flat", 7, 1)])
def test_every_question_is_answered_or_says_why_not(kind, open_, unknown, request):
    found = request.getfixturevalue(kind).validation
    assert not isinstance(found, Lacking), found
    if kind == "bank":  # what is assumed of the refused, no outcome verifies
        assert found.counts["varied"] == 1
        row = found.assumptions.set_index("assumption").loc[
            "The refused would have behaved like the accepted of the same score"
        ]
        assert row["status"] == VARIED
        assert row["found"].endswith("none is verified")
    assert not found.answered["answer"].str.contains("not shown on this page|nan|None").any()
    assert found.answered["status"].isin([OPEN, PARTLY]).sum() == open_
    assert np.isfinite(found.plan["now"].astype(float)).sum() == len(found.plan) - unknown


def test_scores_of_all_who_apply_now_are_held_against_all_who_applied_then(bank):
    """Not against those who were granted credit, whose scores are better however little has moved."""
    score = bank.chosen
    then, now = bank.fitted[0].probability[score], bank.scores
    cuts = np.quantile(then, np.arange(0.1, 1, 0.1))
    shares = [np.bincount(np.searchsorted(cuts, part), minlength=10) / len(part) for part in (then, now)]
    plain = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    granted = bank.judged.rows.target.index
    assert len(granted) < len(then)
    told = bank.validation.plan.set_index("metric").loc[
        "Stability index of the score, of all scored now against all of the days judged", "now"
    ]
    assert float(told) == pytest.approx(plain, abs=0.03)
    assert (
        abs(
            float(told)
            - drift.psi_table(
                then[granted].to_frame(score), now.to_frame(score), bank.sample.entity[granted], bank.today.entity
            )["psi"].iloc[0]
        )
        > 0.05
    )


def test_the_impact_on_the_newest_applicants_is_one_figure_on_the_page(bank):
    row = bank.refit.table.loc["lowest adverse impact ratio, of all scored today", "in use"]
    assert row.startswith(f"{bank.worst_now['ratio']:.2f} (")
    assert bank.worst_now["ratio_low"] <= bank.worst_now["ratio"] <= bank.worst_now["ratio_high"]
