"""The model for transactions as they arrive: the same as the fitted one and its file; other files are refused."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from live_stream import NOW
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from bankmine.errors import BankmineError
from bankmine.judging.contributions import contributions
from bankmine.judging.reasons import in_one_line, load_reasons, reasons
from bankmine.learning.encoding import Encode
from bankmine.live.command import answer_all
from bankmine.live.ledger import open_ledger
from bankmine.live.scorer import Scorer
from bankmine.topics.fraud import stream_model
from bankmine.topics.fraud.alerts import REASONS
from bankmine.topics.fraud.stream_model import FraudModel, as_json, checked, load, streaming_model

ROWS = 4_000
LAT = "纬度\t[<\x01"


def saved(model: FraudModel, file: Path) -> Path:
    file.write_text(as_json(model), "utf-8")
    return file


def columns(predictors: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predictors as arrays, as they are of a transaction that arrives: a missing word is None."""
    plain = predictors.select_dtypes("category").astype(object)
    words = {name: values.where(values.notna(), None).to_numpy() for name, values in plain.items()}
    return {name: words.get(name, predictors[name].to_numpy()) for name in predictors}


@pytest.fixture(scope="module")
def rows(stream):
    return stream.predictors.iloc[:ROWS]


def test_a_streaming_model_sees_and_says_what_the_fitted_one_does(stream, rows):
    matrix = stream.model.matrix(columns(rows))
    np.testing.assert_array_equal(matrix, stream.fitted["encode"].transform(rows))
    told = stream.fitted.predict_proba(rows)[:, 1].astype(float)
    np.testing.assert_allclose(
        stream.model.chance(stream.model.rows(columns(rows))), told * 0.5 / (1 - told + told * 0.5), atol=1e-9
    )


def test_words_that_never_came_up_count_as_the_rare_ones_do(stream, rows):
    odd = rows.head(3).assign(country="<b>", category=None, kind="新")
    matrix = stream.model.matrix(columns(odd) | {"category": np.array([None] * 3, dtype=object)})
    np.testing.assert_array_equal(matrix, stream.fitted["encode"].transform(odd))


def test_reasons_are_those_of_the_batch(stream, rows):
    some = rows.iloc[:: ROWS // 200].reset_index(drop=True)
    dictionary = load_reasons(REASONS)
    kept = streaming_model(
        stream.fitted, some, stream.model.known, dictionary, threshold=0.01, day=stream.model.day, kinds=()
    )
    told = in_one_line(reasons(contributions(stream.fitted, some), some, dictionary), some.index)
    ones = [{name: values[i : i + 1] for name, values in columns(some).items()} for i in range(len(some))]
    assert ["; ".join(kept.reasons(one, kept.rows(one))) for one in ones] == list(told)
    assert told.str.len().max() > 20


def test_a_saved_model_is_the_same_when_loaded(stream, rows, tmp_path):
    again = load(saved(stream.model, tmp_path / "fraud.json"))
    matrix = stream.model.rows(columns(rows))
    np.testing.assert_array_equal(again.chance(matrix), stream.model.chance(matrix))
    one = {name: values[:1] for name, values in columns(rows).items()}
    assert again.reasons(one, again.rows(one)) == stream.model.reasons(one, stream.model.rows(one))
    for part in ("features", "words", "known", "delay", "kinds", "threshold", "factor", "day", "phrases"):
        assert getattr(again, part) == getattr(stream.model, part)
    assert again.specification == stream.model.specification


def changed(text: str, **parts: object) -> str:
    return json.dumps(json.loads(text) | parts)


FILES = {
    "nothing": lambda text: "",
    "half of it": lambda text: text[: len(text) // 2],
    "another number": lambda text: text.replace('"threshold": 0.01', '"threshold": 0.02'),
    "a list": lambda text: "[]",
    "another format": lambda text: changed(text, format="bankmine segments 1"),
    "no trees": lambda text: changed(text, trees={}),
    "too deep": lambda text: "[" * 100_000,
    "not UTF-8": lambda text: b"\xff\xfe" + text.encode(),
    "a pickle": lambda text: pickle.dumps(text),
    "XGBoost's own": lambda text: json.dumps(json.loads(text)["trees"]),
}


def tree(told: dict) -> dict:
    return told["trees"]["learner"]["gradient_booster"]["model"]["trees"][0]


FORGED = {
    "a child beyond the tree": lambda told: tree(told)["left_children"].__setitem__(0, 1_000_000),
    "a tree that goes round": lambda told: tree(told)["right_children"].__setitem__(0, 0),
    "a feature beyond all": lambda told: tree(told)["split_indices"].__setitem__(0, 1_000_000),
    "a tree in pieces": lambda told: tree(told)["split_conditions"].pop(),
    "features in another order": lambda told: told["features"].reverse(),
    "a format that fills the memory": lambda told: told["phrases"][0]["spoken"].update(high="{value:1000000000}"),
    "one that does so by its digits": lambda told: told["phrases"][0]["spoken"].update(high="{value:.1000000000f}"),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_file_whose_checksum_was_made_anew_does_no_harm(stream, tmp_path, change):
    told = json.loads((stream.files / "model.json").read_text("utf-8"))
    del told["checksum"]
    change(told)
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(told | {"checksum": stream_model._checksum(told)}, ensure_ascii=False), "utf-8")
    with pytest.raises(BankmineError, match="save it anew"):
        load(file)


@pytest.mark.parametrize("made", FILES.values(), ids=FILES)
def test_another_file_is_refused_in_one_line(stream, tmp_path, made):
    found = made((stream.files / "model.json").read_text("utf-8"))
    file = tmp_path / "odd.json"
    file.write_bytes(found if isinstance(found, bytes) else found.encode())
    with pytest.raises(BankmineError, match=r"odd.json holds no fraud model of this version: save it anew") as refused:
        load(file)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_told_where_it_comes_from(tmp_path):
    with pytest.raises(BankmineError, match="08_fraud"):
        load(tmp_path / "none.json")


def test_what_is_no_measure_is_brought_along(stream, rows, tmp_path):
    rng = np.random.default_rng(0)
    wide = rows.assign(
        **{LAT: rng.normal(size=len(rows))}, member=rng.random(len(rows)) < 0.5,
        job=pd.Categorical(rng.choice(["clerk", "'x\""], len(rows))),
    )  # fmt: skip
    wide.loc[wide.index[::7], LAT] = np.nan
    target = ((rows.amount > rows.amount.median()) ^ (wide[LAT] > 0) ^ (wide.job == "clerk")).astype(float)
    trees = Pipeline([("encode", Encode()), ("model", XGBClassifier(n_estimators=20))]).fit(wide, target)
    asked = {"threshold": 0.5, "day": stream.model.day}
    model = load(
        saved(streaming_model(trees, wide, stream.model.known, load_reasons(REASONS), **asked), tmp_path / "m")
    )
    assert set(model.attributes) == {LAT, "member", "job"}
    matrix = model.matrix(columns(wide))
    np.testing.assert_array_equal(matrix, trees["encode"].transform(wide))
    told = {LAT: 0.25, "member": True, "job": "clerk"}
    parts = [told, told | {"job": None, LAT: None}, {LAT: 0.25, "member": True}, told | {LAT: "1"}, [1]]
    lines = [json.dumps({"transaction_id": f"n{i}", "customer_id": "c", "at": "2025-12-01T10:00:00", "amount": 5.5,
                         "direction": "out", "attributes": part}) for i, part in enumerate(parts)]  # fmt: skip
    ledger, out = open_ledger(tmp_path / "state.sqlite"), io.BytesIO()
    scorer = Scorer(ledger, replace(model, kinds=()), lambda: NOW)
    answer_all(scorer, io.BytesIO("\n".join(lines).encode()), out)
    ledger.close()
    good, empty, *wrong = (json.loads(line) for line in out.getvalue().splitlines())
    assert {"score", "reasons"} <= good.keys() & empty.keys()
    assert good["score"] != empty["score"]
    assert [one["error"] for one in wrong] == [
        "attributes lacks job: send null where it is not known", f"{LAT} is no number",
        "attributes is no object of fields",
    ]  # fmt: skip


def test_what_cannot_be_had_in_real_time_is_refused(stream, rows):
    line = Pipeline([("encode", Encode(["hour"])), ("model", LogisticRegression())])
    asked = {"threshold": 0.5, "day": stream.model.day}
    with pytest.raises(BankmineError, match="'hour ', which is no feature of a transaction"):
        checked(replace(stream.model, attributes=(), features=("hour ", *stream.model.features[1:])))
    with pytest.raises(BankmineError, match="LogisticRegression cannot be kept"):
        streaming_model(line, rows, stream.model.known, load_reasons(REASONS), **asked)
    with pytest.raises(BankmineError, match="threshold, factor or delay"):
        streaming_model(
            stream.fitted, rows, stream.model.known, load_reasons(REASONS), threshold=2, day=stream.model.day
        )
