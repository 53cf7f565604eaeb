"""The scorecard as SQL: databases give every row the score that Python gives it, whatever names and values hold."""

from __future__ import annotations

import adbc_driver_postgresql.dbapi as postgresql
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from postgres_server import QUOTED
from samples import HOSTILE_NAME, applicants

from bankmine.errors import BankmineError
from bankmine.topics.credit.points import score_statement
from bankmine.topics.credit.scorecard import Scorecard, ScorecardModel

pytestmark = pytest.mark.slow

TABLE = '申请 "new"; --'


@pytest.fixture(scope="module")
def card() -> Scorecard:
    people = applicants(6000)
    hostile = people.target + np.random.default_rng(0).normal(size=6000)
    home = people.predictors["home"].cat.rename_categories({"nul\0l": "null"})
    rows = people.predictors.assign(**{HOSTILE_NAME: hostile, "home": home})
    return ScorecardModel(trends={"use": "valley"}).fit(rows, people.target).card_


@pytest.fixture(scope="module")
def rows(card) -> pd.DataFrame:
    """Ten thousand applicants, some of them as odd as they come, and numbers exactly on the edges of bins."""
    drawn = np.random.default_rng(1)
    found = applicants(10_000, seed=8).predictors.copy()
    found["home"] = found["home"].astype(object).where(drawn.random(10_000) > 0.1, None).replace({"nul\0l": "new'\\"})
    for place, name in enumerate(n for n, bins in card.bins.items() if bins.kind == "number"):
        odd = [*card.bins[name].edges, np.inf, -np.inf, np.nan, 1e300, -1e300, 0.0, -0.0]
        at = np.arange(50 * place, 50 * place + len(odd))
        found.loc[at, name] = odd
    return found


def table_of(rows: pd.DataFrame) -> pa.Table:
    """The rows as a database has them: with a key, and missing numbers as null, but for some that are no number."""
    arrays = {name: pa.array(rows[name], from_pandas=i % 2 == 0) for i, name in enumerate(rows)}
    return pa.table({"row": pa.array(range(len(rows))), **arrays})


@pytest.mark.slow
def test_every_kind_of_characteristic_is_in_the_card(card):
    assert {bins.kind for bins in card.bins.values()} == {"number", "flag", "words"}
    assert {HOSTILE_NAME, '收入 "元"', "home"} <= set(card.bins)


def test_duckdb_gives_the_same_scores(card, rows):
    with duckdb.connect() as con:
        con.register(TABLE, table_of(rows))
        found = con.sql(score_statement(card, TABLE)).df().sort_values("row")
    assert set(found) == {"row", *rows, "score"}
    assert found["score"].tolist() == card.score(rows).tolist()


def test_postgresql_gives_the_same_scores(card, rows, server):
    used = table_of(rows[list(card.bins)])
    uri = f"postgresql://bank:{QUOTED}@{server}/postgres"
    with postgresql.connect(uri) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(TABLE, used)
        cursor.execute(score_statement(card, TABLE, grants_from=555))
        found = cursor.fetch_arrow_table().to_pandas().sort_values("row")
        connection.rollback()
    assert found["score"].tolist() == card.score(rows).tolist()
    assert found["risk_accepted"].tolist() == (card.score(rows) >= 555).tolist()


def test_the_query_is_read_line_by_line(card):
    told = score_statement(card, "applicants", grants_from=555)
    assert told == score_statement(card, "applicants", grants_from=555)  # the same again
    first, *rest = told.splitlines()
    assert first.startswith("/* 600 points: 50 good to 1 bad;")
    assert first.endswith("The risk is accepted from 555 points on. */")
    assert "  score >= 555 AS risk_accepted" in rest
    lines = card.table[card.table["characteristic"] == "debt"]
    for edge, points in zip(lines["high"].iloc[:-2], lines["points"].iloc[:-2], strict=True):
        assert rest[rest.index(f'      WHEN CAST("debt" AS DOUBLE PRECISION) < {edge}e0') + 1] == f"      THEN {points}"


@pytest.mark.parametrize(
    ("columns", "why"),
    [(["use", "USE"], "for the same"), ([""], "rename it in the source"), (["a\0b"], "rename it in the source")],
)
def test_names_that_no_database_can_tell_apart_or_hold_are_refused(columns, why):
    people = applicants(2000)
    some = people.predictors[["debt", "use"]].iloc[:, : len(columns)].set_axis(columns, axis=1)
    found = ScorecardModel().fit(some, people.target).card_
    assert set(found.bins) == set(columns)
    with pytest.raises(BankmineError, match=why):
        score_statement(found, "applicants")


def test_a_category_that_no_database_can_hold_is_refused():
    words = pd.DataFrame({"home": pd.Categorical(["a\0b", "own"] * 100)})
    cut = ScorecardModel().fit(words, np.arange(200) % 4 == 0).card_
    with pytest.raises(BankmineError, match="holds the character 0"):
        score_statement(cut, "applicants")
