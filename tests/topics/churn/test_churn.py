"""Who leaves: hand-made customers with known fates, the future, the sample, and what was planted."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from bank_fixtures import read, write_parquet
from hypothesis import given, settings
from random_bank import FUTURE, alter_future, random_bank, random_service
from random_bank import HALFWAY as LAST_DAY

from bankmine.bank.contract import TABLES
from bankmine.bank.snapshot import open_source
from bankmine.errors import BankmineError
from bankmine.features.spine import spine_of
from bankmine.judging.intervals import wilson, wilson_clustered
from bankmine.learning import columns
from bankmine.learning.columns import uses
from bankmine.topics.churn import customer_months as churn_sample
from bankmine.topics.churn.customer_months import customer_months, undated
from bankmine.topics.churn.definition import Definition, funnel, labels, sensitivity
from bankmine.topics.credit import rules as credit_rules

pytestmark = pytest.mark.slow

DAY = dt.date(2025, 3, 31)
DEFINITION = Definition()
END = DAY + dt.timedelta(days=DEFINITION.horizon)


def at(days: int) -> dt.date:
    return DAY + dt.timedelta(days=days)


@dataclasses.dataclass
class Person:
    """One customer: accounts as (product, opened, closed), days of own bookings and fees, balances at (day, end)."""

    accounts: tuple = (("current", -400, None),)
    own: tuple[int, ...] = ()
    fees: tuple[int, ...] = ()
    deposits: tuple[float, float] = (1000.0, 1000.0)


BEFORE = (-20, -10, -1)
PEOPLE = {
    "stays": Person(own=(*BEFORE, 100)),
    "closes in the gap": Person((("current", -400, 10),), BEFORE),
    "closes in the window": Person((("current", -400, 90),), (*BEFORE, 80)),
    "closes on the last day": Person((("current", -400, 120),), (*BEFORE, 80)),
    "closes after the window": Person((("current", -400, 121),), (*BEFORE, 80)),
    "closes one of two": Person((("current", -400, None), ("savings", -300, 50)), (*BEFORE, 80)),
    "closes and comes back": Person((("current", -400, 20), ("savings", 60, None)), (*BEFORE, 80)),
    "silent and gone": Person(own=BEFORE, fees=(50, 80), deposits=(1000.0, 500.0)),
    "silent with money": Person(own=BEFORE, deposits=(1000.0, 502.0)),
    "silent and rich": Person(own=BEFORE),
    "silent without deposits": Person((("credit_card", -400, None),), BEFORE, deposits=(0.0, 0.0)),
    "overdrawn": Person(own=BEFORE, deposits=(-100.0, -100.0)),
    "books in the gap": Person(own=(*BEFORE, 1, 30), deposits=(1000.0, 0.0)),
    "books on the first day": Person(own=(*BEFORE, 31), deposits=(1000.0, 0.0)),
    "books on the last day": Person(own=(*BEFORE, 120), deposits=(1000.0, 0.0)),
    "returns": Person(own=(*BEFORE, 121), deposits=(1000.0, 0.0)),
    "seldom": Person(own=(-20, -10), deposits=(1000.0, 0.0)),
    "absent": Person(own=(-60, -50, -40), deposits=(1000.0, 0.0)),
    "only fees": Person(fees=BEFORE, deposits=(1000.0, 0.0)),
    "closed long ago": Person((("current", -400, -5),), BEFORE),
    "closed today": Person((("current", -400, 0),), BEFORE),
    "no account yet": Person((("current", 5, None),), (40,)),
}
LEAVERS = {
    "closes in the gap": "closure", "closes in the window": "closure", "closes on the last day": "closure",
    "silent and gone": "silent", "silent without deposits": "silent", "overdrawn": "silent",
    "books in the gap": "silent", "returns": "silent",
}  # fmt: skip
NOT_PRESENT = {"seldom", "absent", "only fees", "closed long ago", "closed today", "no account yet"}


MONTHS = [dt.date(2025, m, d) for m, d in ((2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30))]


def bank_of(people: dict[str, Person]) -> dict[str, pd.DataFrame]:
    """Write down what happened to people; who loses deposits loses them to the bank, on the sixtieth day."""
    accounts, bookings, balances = [], [], []
    for name, person in people.items():
        for i, (product, opened, closed) in enumerate(person.accounts):
            accounts.append((f"{name}/{i}", name, product, at(opened), None if closed is None else at(closed)))
        start, until = person.deposits
        flows = [(d, 1.0, "card") for d in person.own] + [(d, 1.0, "fee") for d in person.fees]
        taken = start - until - sum(amount for d, amount, _ in flows if 0 < d <= (MONTHS[4] - DAY).days)
        flows += [(60, taken, "interest")] if taken > 0 else []
        bookings += [(f"{name}/0", pd.Timestamp(at(d)), amount, "out", kind) for d, amount, kind in flows]
        if person.accounts[0][1] < 0:
            # what was paid up to a month end, less what was paid up to the day on which customers are looked at
            paid = {
                end: sum(x for d, x, _ in flows if at(d) <= end) - sum(x for d, x, _ in flows if d <= 0)
                for end in MONTHS
            }
            balances += [(f"{name}/0", end, start - amount) for end, amount in paid.items()]
    bookings.append((f"{next(iter(people))}/0", pd.Timestamp("2025-12-30"), 1.0, "in", "salary"))
    frame = pd.DataFrame(bookings, columns=["account_id", "at", "amount", "direction", "kind"])
    return {
        "customers": pd.DataFrame({"customer_id": list(people), "joined_on": at(-400)}),
        "accounts": pd.DataFrame(accounts, columns=["account_id", "customer_id", "product", "opened_on", "closed_on"]),
        "transactions": frame.assign(transaction_id=[f"T{i}" for i in range(len(frame))]),
        "balances": pd.DataFrame(balances, columns=["account_id", "month_end", "balance"]),
    }


def snapshot_of(frames, folder, day="2025-12-30"):
    return open_source(str(write_parquet(frames, folder))).as_of(day)


def outcomes(snapshot, days=(DAY,), definition=DEFINITION) -> pd.DataFrame:
    found = labels(snapshot, spine_of(snapshot, days), definition).to_pandas()
    return found.sort_values(["customer_id", "day"], ignore_index=True)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return open_source(str(write_parquet(bank_of(PEOPLE), tmp_path_factory.mktemp("people"))))


@pytest.fixture(scope="module")
def found(people) -> pd.DataFrame:
    return outcomes(people.as_of("2025-12-30")).set_index("customer_id")


def test_who_leaves_and_how(found):
    present = found[found.present]
    assert set(found.index) - set(present.index) == NOT_PRESENT
    assert present.kind.dropna().to_dict() == LEAVERS
    assert present.leaves.to_dict() == {name: name in LEAVERS for name in present.index}
    assert (present.closed | present.silent).eq(present.leaves).all()


def test_who_holds_an_account_at_the_end_of_the_day(found):
    assert set(found.index[~found.holds]) == {"closed long ago", "closed today", "no account yet"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"fall": 0}, {"silent with money", "silent and rich"}),
        ({"fall": 0.4}, {"silent with money"}),
        ({"fall": 1}, {"-silent and gone"}),
        ({"bookings": 2}, {"seldom"}),
        ({"present": 61}, {"absent"}),
        ({"gap": 0, "silent": 120}, {"-books in the gap"}),
        ({"gap": 31, "silent": 89}, {"books on the first day"}),
        ({"gap": 30, "silent": 89}, {"books on the last day", "-closes on the last day"}),
        ({"gap": 30, "silent": 91}, {"-returns", "closes after the window"}),
    ],
)
def test_each_parameter_changes_who_leaves(people, found, changed, expected):
    rows = outcomes(people.as_of("2025-12-30"), definition=dataclasses.replace(DEFINITION, **changed))
    left = set(rows.customer_id[rows.present & rows.leaves.astype(bool)])
    assert {f"-{c}" for c in set(LEAVERS) - left} | (left - set(LEAVERS)) == expected


def test_nothing_is_known_until_the_window_has_closed(people, found):
    day_before = outcomes(people.as_of(END - dt.timedelta(days=1))).set_index("customer_id")
    on_the_day = outcomes(people.as_of(END)).set_index("customer_id")
    assert day_before[["closed", "silent", "leaves", "kind"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(day_before[["holds", "present"]], found[["holds", "present"]])
    pd.testing.assert_frame_equal(on_the_day, found, check_dtype=False)


def test_silence_is_unknown_where_balances_do_not_reach_the_end_of_the_window(tmp_path):
    frames = bank_of(PEOPLE)
    b = frames["balances"]
    rows = outcomes(snapshot_of(frames | {"balances": b[b.month_end <= dt.date(2025, 5, 31)]}, tmp_path))
    leaves = rows.set_index("customer_id").leaves
    assert leaves.isna()["silent and gone"]
    assert leaves["closes in the window"]
    assert leaves["stays"] is False


def test_without_closing_days_balances_or_kinds_silence_alone_counts(tmp_path):
    frames = bank_of(PEOPLE)
    del frames["balances"]
    frames["accounts"] = frames["accounts"].drop(columns="closed_on")
    frames["transactions"] = frames["transactions"].drop(columns="kind")
    snapshot = snapshot_of(frames, tmp_path)
    rows = outcomes(snapshot).set_index("customer_id")
    assert rows.present["only fees"]
    assert rows.kind["silent and rich"] == "silent"
    assert not rows.leaves["silent and gone"]  # a fee cannot be told from a booking of the customer's own


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gap", -1),
        ("silent", 29),
        ("silent", 90.0),
        ("fall", 1.1),
        ("fall", "half"),
        ("present", 0),
        ("bookings", True),
    ],
)
def test_a_definition_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(BankmineError, match=f"{name} must be .* from .* to .*, not {value!r}"):
        dataclasses.replace(DEFINITION, **{name: value})


def test_the_funnel_counts_each_step(people, found):
    late = dt.date(2025, 10, 31)
    table = funnel(outcomes(people.as_of("2025-12-30"), (DAY, late)))
    first, last = table.loc[pd.Timestamp(DAY)], table.loc[pd.Timestamp(late)]
    expected = {"known": 22, "with_account": 19, "present": 16, "judged": 16, "closure": 3, "silent": 5}
    assert first[list(expected)].to_dict() == expected
    assert (first.rate, first.low, first.high) == pytest.approx((8 / 16, *wilson(8, 16)))
    assert last.judged == 0
    assert last[["rate", "low", "high"]].isna().all()


def test_nobody_and_everybody_leaving_are_rates_like_others(tmp_path):
    for share, person in ((0, Person(own=(*BEFORE, 40, 70, 100))), (1, PEOPLE["closes in the gap"])):
        snapshot = snapshot_of(bank_of({str(i): person for i in range(5)}), tmp_path / str(share))
        row = funnel(outcomes(snapshot)).iloc[0]
        assert row.rate == share
        assert row.high - row.low > 0.3
        table = sensitivity(snapshot, [DAY], DEFINITION)
        assert (table.rate == share).all()
        assert table.returned.isna().all()


def test_the_rate_by_length_of_silence(people):
    table = sensitivity(people.as_of("2025-12-30"), [DAY], dataclasses.replace(DEFINITION, fall=0))
    assert table.index.tolist() == [30, 60, 90, 120, 180]
    assert (table.rows == 16).all()
    assert table.loc[90, ["closure", "silent"]].tolist() == pytest.approx([3 / 16, 7 / 16])
    assert table.loc[90, "watched"] == 7
    assert table.loc[90, "returned"] == pytest.approx(1 / 7)  # of seven silent for 90 days, one booked on the day after
    assert table.loc[30, "quiet"] > table.loc[90, "quiet"] > table.loc[120, "quiet"]


def test_lengths_that_have_not_closed_are_left_out_and_none_at_all_is_said(people):
    snapshot = people.as_of(at(100))
    assert sensitivity(snapshot, [at(-10), DAY], DEFINITION).index.tolist() == [30, 60]
    with pytest.raises(
        BankmineError, match=r"No window of 30 days after a gap of 30 has closed by .*: give earlier days"
    ):
        sensitivity(snapshot, [at(60)], DEFINITION)


def test_rows_of_a_customer_count_as_one_where_they_are_alike():
    rng = np.random.default_rng(0)
    hit = pd.Series(rng.random(400) < 0.1)
    customer = pd.Series(np.arange(400))
    alone = wilson_clustered(hit, customer)
    np.testing.assert_allclose(alone, wilson(hit.sum(), 400), atol=2e-3)
    often = [pd.concat([part] * 12, ignore_index=True) for part in (hit, customer)]
    np.testing.assert_allclose(wilson_clustered(*often), alone, atol=1e-6)
    assert wilson_clustered(often[0] & False, often[1]) == pytest.approx(wilson(0, 400))
    assert np.isnan(wilson_clustered(hit[:0], customer[:0])).all()


@pytest.fixture(scope="module")
def frames():
    bank = random_bank(customers=60, bookings=6000)
    people = bank["customers"].assign(
        paper_statements="yes", mailing_status="=1+1", accounts="a name of a feature", note="<b>'\"</b>"
    )
    return bank | random_service(people) | {"customers": people}


@pytest.fixture(scope="module")
def bank(frames, tmp_path_factory):
    return open_source(str(write_parquet(frames, tmp_path_factory.mktemp("random"))))


OFTEN = Definition(gap=20, silent=30, fall=0, present=60, bookings=1)
EARLIER = [dt.date(2025, 2, 28), dt.date(2025, 4, 30)]


@pytest.fixture(scope="module")
def sampled(bank):
    snapshot = bank.as_of(LAST_DAY)
    rows = outcomes(snapshot, [*EARLIER, LAST_DAY], OFTEN)
    return rows, customer_months(snapshot, rows)


def test_the_sample_holds_who_was_present_and_what_came_of_it(sampled):
    rows, sample = sampled
    rows = rows[rows.present].reset_index(drop=True)
    assert sample.entity.tolist() == rows.customer_id.tolist()
    assert sample.day.tolist() == pd.to_datetime(rows.day).tolist()
    pd.testing.assert_series_equal(sample.target, rows.leaves.astype(float), check_names=False)
    assert sample.target.dropna().nunique() == 2
    assert sample.target[sample.day == pd.Timestamp(LAST_DAY)].isna().all()
    assert all(part.index.equals(sample.predictors.index) for part in (sample.target, sample.entity, sample.day))


def test_of_a_large_bank_some_customers_are_looked_at_before_and_all_on_the_last_day(bank, sampled, monkeypatch):
    rows, whole = sampled
    monkeypatch.setattr(churn_sample, "MOST", 20)
    assert churn_sample.share_of_panel(rows) == pytest.approx(20 / 60)
    some = customer_months(bank.as_of(LAST_DAY), rows)
    last, before = ((some.day == pd.Timestamp(LAST_DAY)) == newest for newest in (True, False))
    assert some.entity[last].tolist() == whole.entity[whole.day == pd.Timestamp(LAST_DAY)].tolist()
    assert 0.1 < some.entity[before].nunique() / whole.entity.nunique() < 0.6
    assert (some.entity[before].groupby(some.day).nunique() > 0).all()
    there = pd.MultiIndex.from_arrays([whole.entity, whole.day])
    same = whole.predictors[there.isin(pd.MultiIndex.from_arrays([some.entity, some.day]))].reset_index(drop=True)
    # what the season changed for all is taken from the customers looked at, of whom a panel is a fair sample
    of_season = ["usual_bookings_60d", "change_60d", "surprise_60d"]
    pd.testing.assert_frame_equal(*(p.drop(columns=of_season).astype(object) for p in (some.predictors, same)))
    pd.testing.assert_frame_equal(some.predictors.loc[last, of_season], same.loc[last, of_season])


def test_predictors_are_numbers_truth_values_or_categories(sampled):
    predictors = sampled[1].predictors
    assert {t.kind if isinstance(t, np.dtype) else t.name for t in predictors.dtypes} <= {"i", "f", "b", "category"}
    assert {"outflow_90d", "surprise_60d", "days_since_own_booking", "slow_complaints_365d", "visit_days_30d",
            "contacts_90d", "gender", "paper_statements"} <= set(predictors.columns)  # fmt: skip
    assert predictors.columns.is_unique
    assert not {"customer_id", "joined_on", "birth_date", "note", "mailing_status", "region"} & set(predictors.columns)


def test_columns_without_a_date_enter_only_by_the_register(bank):
    told = undated(bank.as_of(LAST_DAY))
    assert told.use.to_dict() == {
        "gender": "allowed", "region": "refused", "paper_statements": "allowed", "mailing_status": "refused",
        "accounts": "refused", "note": "refused",
    }  # fmt: skip
    assert told.reason["note"].startswith("Not listed")


def test_one_register_says_for_all_questions_which_columns_have_no_date():
    """What is overwritten without a date is foretold from by no topic: churn learnt from what credit refused."""
    dated = {"customer_id", "joined_on", "birth_date"}
    told = uses(set(TABLES["customers"].names) - dated, columns.load_undated())
    assert set(told.index[told.use == "allowed"]) == {"gender"}
    assert told["owner"].ne("").all()
    own = columns.load_columns(credit_rules.REGISTRY)
    assert not {"occupation", "education", "annual_income"} & set(own)


def test_a_sample_of_nobody_says_what_to_do(people):
    snapshot = people.as_of("2025-12-30")
    rows = outcomes(snapshot, definition=Definition(bookings=50))
    with pytest.raises(BankmineError, match="No customer is present on these days: lower `bookings`"):
        customer_months(snapshot, rows)


@pytest.fixture
def register(tmp_path, monkeypatch):
    """A function that writes what the register says from now on."""
    monkeypatch.setattr(columns, "UNDATED", tmp_path / "undated.yml")
    return lambda told: columns.UNDATED.write_text(told, "utf-8")


@pytest.mark.parametrize("use", ["maybe", "protected"])
def test_a_use_that_churn_does_not_know_is_refused(people, register, use):
    register(f"[{{id: note, use: {use}, reason: why not, owner: me}}]")
    with pytest.raises(BankmineError, match=f"undated.yml: use of note is one of allowed, refused, not '{use}'"):
        undated(people.as_of("2025-12-30"))


def test_a_column_named_like_a_feature_is_refused(bank, sampled, register):
    register("[{id: accounts, use: allowed, reason: dated, owner: me}]")
    with pytest.raises(BankmineError, match="Column accounts of customers is named like a feature: rename it"):
        customer_months(bank.as_of(LAST_DAY), sampled[0])


def test_a_column_of_a_kind_that_models_cannot_use_is_named(people, register):
    register("[{id: last_call, use: allowed, reason: dated, owner: me}]")
    snapshot = people.as_of("2025-12-30")
    dated = snapshot.customers.mutate(last_call=snapshot.customers.joined_on)
    snapshot = dataclasses.replace(snapshot, tables=snapshot.tables | {"customers": dated})
    with pytest.raises(BankmineError, match="last_call of customers is date: give a number, a truth value or text"):
        customer_months(snapshot, outcomes(snapshot))


@pytest.mark.property
@settings(max_examples=2)
@given(future=FUTURE)
def test_nothing_in_the_sample_changes_with_the_future(frames, sampled, tmp_path_factory, future):
    altered = open_source(str(write_parquet(alter_future(frames, **future), tmp_path_factory.mktemp("altered"))))
    snapshot = altered.as_of(LAST_DAY)
    rows = outcomes(snapshot, [*EARLIER, LAST_DAY], OFTEN)
    pd.testing.assert_frame_equal(rows, sampled[0])
    sample = customer_months(snapshot, rows)
    pd.testing.assert_frame_equal(sample.predictors, sampled[1].predictors, rtol=1e-12)


def test_who_was_present_is_the_same_from_a_later_day(bank, sampled):
    rows = sampled[0][pd.to_datetime(sampled[0].day) == pd.Timestamp(LAST_DAY)]
    later = outcomes(bank.as_of("2025-11-30"), [LAST_DAY], OFTEN)
    assert later.present.tolist() == rows.present.tolist()
    assert later.leaves.notna().all()


def test_the_real_bank_has_no_leavers_in_its_first_year_but_can_be_looked_at(datasets):
    if not (datasets / "berka").is_dir():
        pytest.skip("the files of berka are not in BANKMINE_DATASETS")
    snapshot = open_source("berka").as_of("1994-01-31")
    rows = outcomes(snapshot, [dt.date(1993, 8, 31), dt.date(1993, 9, 30)], Definition(bookings=1))
    table = funnel(rows)
    assert (table.judged > 300).all()
    assert (table.rate == 0).all()
    sample = customer_months(snapshot, rows)
    assert len(sample) == table.present.sum()
    assert sample.known.all()
    assert sensitivity(snapshot, [dt.date(1993, 9, 30)], Definition(bookings=1)).index.tolist() == [30, 60, 90]


def test_who_is_labelled_has_left_and_who_is_present_had_not(small_bank):
    days = [dt.date(2024, 12, 31), dt.date(2025, 4, 30), dt.date(2025, 8, 31)]
    snapshot = open_source(str(small_bank)).as_of("2025-12-31")
    rows = outcomes(snapshot, days, dataclasses.replace(DEFINITION, fall=0))
    truth = read(small_bank, "truth/customers", ["customer_id", "left_on"])
    rows = rows[rows.present].merge(truth, on="customer_id")
    day, left_on = pd.to_datetime(rows.day), pd.to_datetime(rows.left_on)
    gone_by_end = left_on <= day + pd.Timedelta(days=DEFINITION.horizon)
    leaves = rows.leaves.astype(bool)
    assert leaves.sum() > 30
    assert gone_by_end[leaves].mean() > 0.97
    assert (left_on <= day - pd.Timedelta(days=30)).mean() < 0.005
    closes = rows.kind == "closure"
    assert closes[leaves].mean() > 0.6
