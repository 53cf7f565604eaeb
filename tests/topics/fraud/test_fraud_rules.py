"""Expert rules: those of the file are understood, points add up, and a wrong file is told by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from fraud_payments import payments

from bankmine.errors import BankmineError
from bankmine.topics.fraud import rules as fraud_rules

RULE = {
    "id": "r",
    "name": "R",
    "name_zh": "规则",
    "owner": "desk",
    "condition": "amount > 5",
    "points": 2,
    "reason": "<b>",
}


def rules_of(tmp_path, *changed: dict) -> list[fraud_rules.ExpertRule]:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump([RULE | c for c in changed], allow_unicode=True), "utf-8")
    return fraud_rules.load_rules(file)


def test_the_rules_of_the_file_are_ten_and_have_reasons_in_words():
    rules = fraud_rules.load_rules()
    assert len(rules) == 10
    assert all(rule.reason and rule.owner and rule.points > 0 for rule in rules)


def test_points_add_up_and_what_the_source_lacks_is_not_run(tmp_path):
    rules = rules_of(tmp_path, {}, {"id": "s", "condition": "night", "points": 3}, {"id": "t", "condition": "gone > 1"})
    table = pd.DataFrame({"amount": [1.0, 9, 9, np.nan], "night": [1.0, 0, 1, 1]}, index=list("wxyz"))
    fired = fraud_rules.fired(rules, table)
    assert fired.points.to_dict() == {"w": 3, "x": 2, "y": 5, "z": 3}
    assert fired.not_run == {"t": "gone"}
    assert fraud_rules.in_words(fired, rules, pd.Index(["y"]))["y"] == "<b>; <b>"
    ranked = fraud_rules.score(fired, table["amount"].fillna(0))
    assert ranked.sort_values().index.tolist() == ["x", "z", "w", "y"]
    told = fraud_rules.hits(fired, pd.Series([0.0, 1, 1, 0], table.index), rules)
    assert told["frauds"].tolist()[:2] == [2, 1]
    assert told["lacks"].tolist() == ["", "", "gone"]


@pytest.mark.slow
def test_one_payment_alone_gets_the_same_points_as_among_others():
    sample, _, _ = payments(days=5)
    rules = [fraud_rules.ExpertRule(**RULE | {"condition": "amount > 100 and (new_device or strange > 1)"})]
    table = sample.predictors.head(60)
    together = fraud_rules.fired(rules, table).points
    alone = [
        fraud_rules.fired(rules, {c: row[c].to_numpy() for c in table}).points.iloc[0]
        for row in (table.iloc[[i]] for i in range(60))
    ]
    assert alone == together.tolist()
    assert 0 < together.gt(0).sum() < 60


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"condition": "amount.sum() > 1"}, r"rules.yml: Rule r: 'amount.sum\(\)' is not allowed"),
        ({"condition": "amount > quantile(amount, 0.9)"}, "each row is judged by itself"),
        ({"condition": "1 < 2"}, "names no column"),
        ({"points": 0}, "points 0"),
        ({"points": "many"}, "points 'many'"),
        ({"points": float("nan")}, "nan is too large a number"),
        ({"reason": " "}, "empty reason"),
        ({"colour": 1}, "not a list of rules"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path, changed, said):
    with pytest.raises(BankmineError, match=said):
        rules_of(tmp_path, changed)


def test_a_file_that_is_no_list_and_an_id_twice_are_refused(tmp_path):
    (tmp_path / "r.yml").write_text("a: 1", "utf-8")
    with pytest.raises(BankmineError, match="is not a list of rules"):
        fraud_rules.load_rules(tmp_path / "r.yml")
    with pytest.raises(BankmineError, match="comes twice"):
        rules_of(tmp_path, {}, {})
