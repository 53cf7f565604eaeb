"""The demo bank: holds the contract, reconciles to the cent, is reproducible, and has the catalogued defects only."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import holidays
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from bankmine.bank.contract import CATEGORIES, CHANNELS, PRODUCTS, TABLES
from demobank import bank, defects, generate, streams
from demobank.arrow import keys
from demobank.books.ledger import CARRIED
from demobank.customers.habits import draw_habits
from demobank.customers.lifecycle import NEVER
from demobank.customers.world import LATENTS, draw_world
from demobank.seasons import BEFORE, make_calendar, new_year

pytestmark = pytest.mark.slow

END = dt.date(2025, 12, 31)
WRITTEN = ("customers", "accounts", "transactions", "balances", "contacts", "market")
BEYOND = {"customers": {"paper_statements", "mailing_status"}, "contacts": {"offered_rate", "planned_share"}}
"""Columns that the contract does not know."""
TYPES = {
    "string": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us"), "float64": pa.float64(),
    "int64": pa.int64(), "boolean": pa.bool_(),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("demo") / "bank", customers=900, months=12, seed=3)


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {table: read(folder, table) for table in bank.TABLES}


@pytest.fixture(scope="module")
def kept(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Transactions without the catalogued ones (a duplicate keeps its first row), with product and owner."""
    rows = tables["transactions"].drop_duplicates("transaction_id")
    spoiled = planted(tables, "transactions") - planted(tables, "transactions", "duplicate_key")
    rows = rows[~rows.transaction_id.isin(spoiled)]
    return rows.merge(tables["accounts"], on="account_id", how="left", validate="many_to_one")


def read(folder: Path, table: str) -> pd.DataFrame:
    return pq.read_table(folder / table).to_pandas(date_as_object=False)


def planted(tables: dict[str, pd.DataFrame], table: str, rule: str | None = None) -> set[str]:
    found = tables["truth/defects"].query("table == @table")
    return set(found.key if rule is None else found.query("rule == @rule").key)


def small(out: Path, **changed: object) -> Path:
    return generate(out, **{"customers": 120, "months": 2, "seed": 5} | changed)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def cents(amount: pd.Series) -> pd.Series:
    return (amount * 100).round().astype("int64")


def signed(rows: pd.DataFrame) -> pd.Series:
    return cents(rows.amount) * np.where(rows.direction == "in", 1, -1)


@pytest.mark.parametrize("table", WRITTEN)
def test_columns_are_those_of_the_contract(folder, table):
    schema = pq.read_schema(folder / table / "part-0000.parquet")
    told = TABLES[table]
    assert set(schema.names) - set(told.names) == BEYOND.get(table, set())
    assert {c.name for c in told.columns if c.required} <= set(schema.names)
    arrives_as_text = {"birth_date"}
    for name in set(schema.names) & set(told.names) - arrives_as_text:
        assert schema.field(name).type == TYPES[told[name].type], name


def test_every_word_of_the_vocabularies_is_used_and_no_other(tables):
    transactions = tables["transactions"]
    assert set(transactions.channel.dropna()) == set(CHANNELS)
    assert set(transactions.category.dropna()) == set(CATEGORIES)
    assert set(transactions.direction) == {"in", "out"}
    assert set(tables["accounts"]["product"]) > set(PRODUCTS)


@pytest.mark.parametrize("table", ["customers", "accounts", "balances", "market"])
def test_keys_are_unique(tables, table):
    assert not tables[table].duplicated(list(TABLES[table].key)).any()


@pytest.mark.parametrize("table", ["transactions", "applications", "contacts", "feedback"])
def test_repeated_keys_are_the_catalogued_ones_and_their_rows_are_equal(tables, table):
    rows, (key,) = tables[table], TABLES[table].key
    again = rows[rows.duplicated(key)]
    assert set(again[key]) == planted(tables, table, "duplicate_key")
    assert len(rows.drop_duplicates()) == rows[key].nunique()
    assert len(again) < 0.003 * len(rows)


def test_the_app_was_down_on_the_catalogued_day(tables):
    [outage] = planted(tables, "events", "timeliness")
    day = tables["events"]["at"].dt.strftime("%Y-%m-%d")
    app = tables["events"].channel == "mobile"
    assert outage.partition("/")[2] not in set(day[app])
    assert day[app].nunique() == 364


def unreconciled(balances: pd.DataFrame, flows: pd.DataFrame) -> set[str]:
    """Name the balances whose residual differs from those of the two month ends before, as the checker does."""
    month = flows["at"].dt.to_period("M").dt.end_time.dt.normalize().astype("datetime64[s]")
    net = signed(flows).groupby([flows.account_id, month.rename("month_end")]).sum().rename("net").reset_index()
    net["month_end"] = net.month_end.astype(balances.month_end.dtype)
    both = balances.merge(net, how="left", on=["account_id", "month_end"]).sort_values(["account_id", "month_end"])
    both["residual"] = cents(both.balance) - both.net.fillna(0).astype("int64").groupby(both.account_id).cumsum()
    before, earlier = (both.groupby("account_id").residual.shift(n) for n in (1, 2))
    off = both[before.notna() & (both.residual != before) & (both.residual != earlier)]
    return set(off.account_id + "/" + off.month_end.dt.strftime("%Y-%m-%d"))


def test_balances_reconcile_to_the_cent_apart_from_the_catalogued(tables, kept):
    off = unreconciled(tables["balances"], kept)
    assert off == planted(tables, "balances", "unreconciled")
    assert 0 < len(off) < 0.002 * len(tables["balances"])


def test_wrong_balances_are_alone_in_their_account(monkeypatch):
    monkeypatch.setitem(defects.SHARES, "unreconciled", 0.3)
    account, month = np.divmod(np.arange(400), 8)
    rows = np.stack([account, account % 3, month, np.zeros(400, dtype=np.int64)], axis=1)
    booked = account % 5 > 0
    changed, off = defects.spoil_balances(rows, booked, streams.Streams(1, 0))
    assert ((changed != rows).any(axis=1) == off).all()
    assert off.reshape(50, 8).sum(axis=1).max() == 1
    assert not off.reshape(50, 8)[:, :2].any()
    assert 20 < off.sum() == off[booked].sum()


def test_new_accounts_start_from_nothing(tables, kept):
    accounts = tables["accounts"].query("opened_on >= '2025-01-01'")
    first = tables["balances"].sort_values("month_end").drop_duplicates("account_id").merge(accounts, on="account_id")
    flows = kept.merge(first[["account_id", "month_end"]], on="account_id")
    flows = flows[flows["at"] < flows.month_end + pd.Timedelta(days=1)]
    net = signed(flows).groupby(flows.account_id).sum()
    assert len(first) > 50
    assert (cents(first.set_index("account_id").balance).sub(net, fill_value=0) == 0).all()


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**63), months=st.integers(1, 5), last=st.integers(2012 * 12, 2027 * 12))
def test_balances_equal_flows_for_any_seed_and_window(seed, months, last):
    end = dt.date(last // 12, last % 12 + 1, 1) - dt.timedelta(days=1)
    block = bank.Block(streams.Streams(seed, 0), make_calendar(end, months), kept=1000)
    rows = block.ledger.bookings()
    month = block.calendar.month[rows["day"]]
    sums = np.zeros((1000, len(PRODUCTS), months), dtype=np.int64)
    np.add.at(sums, (rows["customer"], rows["product"], month), np.where(rows["out"], -1, 1) * rows["cents"])
    ends = block.ledger.month_ends[:, CARRIED]
    assert (np.diff(ends, axis=2) == sums[:, CARRIED, 1:]).all()
    assert (rows["cents"] > 0).all()
    opened = block.accounts.opened[rows["customer"], rows["product"]]
    assert (rows["day"] >= opened).all()
    assert (rows["day"] <= block.accounts.closed[rows["customer"], rows["product"]]).all()


def test_what_customers_will_take_does_not_show_before():
    block = bank.Block(streams.Streams(3, 0), make_calendar(END, 12), kept=1000)
    half = block.calendar.month_start[6]
    opened = np.where(block.accounts.opened < half, block.accounts.opened, NEVER)
    as_known = draw_habits(block.world, replace(block.accounts, opened=opened), block.streams)
    for told, known in ((block.habits.scale, as_known.scale), (block.habits.rent, as_known.rent)):
        assert (told[:, :7] == known[:, :7]).all()
        assert (told[:, 7:] != known[:, 7:]).any()


def test_nothing_happens_before_its_parent_or_after_its_end(tables, kept):
    accounts = tables["accounts"].merge(tables["customers"], on="customer_id", how="left")
    day = kept["at"].dt.normalize()
    assert accounts.joined_on.notna().all()
    assert (accounts.opened_on >= accounts.joined_on).all()
    assert not (accounts.closed_on < accounts.opened_on).any()
    assert (day >= kept.opened_on).all()
    assert not (day > kept.closed_on).any()
    assert day.between("2025-01-01", "2025-12-31").all()


def test_accounts_are_empty_when_they_close(tables, kept):
    closed = kept[kept.closed_on.notna() & kept["product"].isin(["current", "savings", "term_deposit", "credit_card"])]
    last = tables["balances"].sort_values("month_end").drop_duplicates("account_id", keep="last")
    flows = closed.merge(last, on="account_id")
    flows = flows[flows["at"] >= flows.month_end + pd.Timedelta(days=1)]
    flows = flows[~(flows.account_id + "/" + flows.month_end.dt.strftime("%Y-%m-%d")).isin(planted(tables, "balances"))]
    rest = cents(flows.groupby("account_id").balance.first()) + signed(flows).groupby(flows.account_id).sum()
    assert len(rest) > 10
    assert (rest == 0).all()


def test_transfers_between_own_accounts_are_booked_on_both(kept):
    """And those between customers; a fellow customer's end is not here where the bank is cut within a block."""
    own = kept[kept.counterparty.isin(kept.account_id)]
    out, back = (own[own.direction == way][["account_id", "counterparty", "at", "amount"]] for way in ("out", "in"))
    back = back.rename(columns={"account_id": "counterparty", "counterparty": "account_id"})
    assert len(out) > 1000
    columns = list(out)
    pd.testing.assert_frame_equal(
        out.sort_values(columns, ignore_index=True), back[columns].sort_values(columns, ignore_index=True)
    )


def test_current_accounts_are_hardly_ever_overdrawn_at_a_month_end(tables):
    held = tables["balances"].merge(tables["accounts"], on="account_id")
    held = held[~(held.account_id + "/" + held.month_end.dt.strftime("%Y-%m-%d")).isin(planted(tables, "balances"))]
    assert (held[held["product"] == "current"].balance < 0).mean() < 0.01
    assert (held[held["product"].isin(["savings", "term_deposit"])].balance >= 0).all()
    assert (held[held["product"].isin(["personal_loan", "mortgage", "credit_card"])].balance <= 0).all()


def test_only_batch_postings_are_without_a_time(kept):
    midnight = kept["at"].dt.normalize() == kept["at"]
    assert set(kept[midnight].kind) == {"fee", "interest"}


def test_same_seed_same_bytes(tmp_path):
    assert content(small(tmp_path / "a")) == content(small(tmp_path / "b"))


def test_another_seed_another_bank(tmp_path):
    one, other = content(small(tmp_path / "a")), content(small(tmp_path / "b", seed=6))
    assert one.keys() == other.keys()
    same = {str(Path(name).parent) for name in one if one[name] == other[name]}
    # what its columns are, and no rogue in the last months of 2025
    assert same == {".", "truth/constants", "truth/drifts", "truth/staff_actions"}


BOOKED = {"transactions", "balances", "truth/fraud", "truth/laundering", "truth/defects"}
"""What another set of bookings changes; the truth about bookings because their ids count them."""
CHANGES = [
    (
        "accounts/terms",
        {"accounts", "applications", "truth/applications"} | BOOKED,
    ),
    ("customers", {"customers", "contacts", "truth/contacts", "truth/campaigns"}),  # it holds the consent
    ("transactions/gifts", BOOKED),
    ("balances/opening", BOOKED),
    ("peers/ring", BOOKED),
    ("errands/cash", BOOKED),
    ("innocents/employers", BOOKED),
    ("fraud/bursts", BOOKED),
    ("fraud/tapped", BOOKED | {"truth/tapped_merchants"}),
    ("fraud/labels", {"transactions", "truth/fraud"}),
    ("devices/own", {"transactions"}),
    ("customers/paper_statements", {"customers"}),
    ("customers/mailing_status", {"customers"}),
    ("always_on/contacts", {"contacts", "truth/contacts", "truth/campaigns"}),
    ("always_on/responses", {"contacts", "truth/contacts"}),
    ("market/series", {"market"}),
    ("feedback/texts", {"feedback"}),
    ("feedback/surveys", {"feedback", "truth/feedback"}),
    ("staff/routine", {"staff_actions"}),
    ("staff/roster", {"staff_actions", "truth/staff"}),
    ("credit_people/histories", {"applications", "truth/applications"}),
    ("credit_demand/wishes", {"applications", "truth/applications"}),
    ("credit_files/told", {"applications"}),
    ("credit_policy/decisions", {"applications", "truth/applications"}),
    ("default_risk/outcomes", {"truth/applications"}),  # no outcome is known within three months
    ("default_risk/economy", {"truth/applications"}),
    ("events/pages", {"events"}),
    ("events/states", {"events", "truth/sessions"}),
    ("contagion/insurance", set()),
    ("defects/contacts", {"contacts", "truth/defects"}),
    ("defects/customers", {"customers", "truth/defects"}),
    ("defects/transactions", {"transactions", "truth/defects"}),
    ("defects/balances", {"balances", "truth/defects"}),
]


@pytest.mark.parametrize(("name", "may_change"), CHANGES)
def test_a_changed_stream_leaves_other_tables_alone(tmp_path, monkeypatch, name, may_change):
    before = content(small(tmp_path / "a", months=3, customers=900))
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda n: key(n + " changed" if n == name else n))
    after = content(small(tmp_path / "b", months=3, customers=900))
    changed = {str(Path(path).parent) for path in before if before[path] != after[path]}
    assert changed == may_change


def test_good_rows_do_not_depend_on_the_bad(tmp_path, monkeypatch):
    def good(folder: Path) -> pd.DataFrame:
        bad = set(read(folder, "truth/defects").query("rule != 'duplicate_key'").key)
        rows = read(folder, "transactions").drop_duplicates("transaction_id")
        return rows[~rows.transaction_id.isin(bad)].reset_index(drop=True)

    before = good(small(tmp_path / "a"))
    key = streams.stream_key
    monkeypatch.setattr(streams, "stream_key", lambda n: key(n + ("!" if n == "defects/transactions" else "")))
    pd.testing.assert_frame_equal(before, good(small(tmp_path / "b")))


def test_a_customer_is_the_same_in_a_bank_of_any_size(tmp_path):
    few, many = small(tmp_path / "few", customers=50), small(tmp_path / "many", customers=1010)
    assert len(read(few, "customers")) == 50
    assert len(read(many, "customers")) == 1010
    assert sorted(p.name for p in (many / "transactions").iterdir()) == ["part-0000.parquet", "part-0001.parquet"]
    same = set(read(few, "accounts").account_id)
    for table in ("accounts", "transactions", "balances"):
        rows = read(few, table)
        rows = rows[rows.account_id.isin(same)].reset_index(drop=True)
        again = read(many, table)
        pd.testing.assert_frame_equal(rows, again[again.account_id.isin(same)].reset_index(drop=True))


def test_an_interrupted_run_leaves_nothing_and_keeps_the_old_bank(tmp_path):
    def interrupt(done: int, of: int) -> None:
        [unfinished] = [p for p in tmp_path.iterdir() if p.name.endswith(".partial")]
        assert not (unfinished / "source.yml").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "new", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    before = content(small(tmp_path / "old"))
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "old", seed=9, progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert content(tmp_path / "old") == before
    assert content(small(tmp_path / "old", seed=9)) != before


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="not a demo bank"):
        small(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    "wrong", [{"customers": 0}, {"months": 0}, {"end": dt.date(2025, 12, 30)}, {"customers": 10**8}]
)
def test_impossible_sizes_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="must"):
        small(tmp_path / "x", **wrong)


def test_the_manifest_says_how_to_make_it_again(tmp_path):
    told = yaml.safe_load((small(tmp_path / "a", customers=7) / "source.yml").read_text(encoding="utf-8"))
    assert told["extracted_on"] == END
    assert told["currency"] == "CNY"
    assert told["arguments"] == {"customers": 7, "months": 2, "seed": 5, "end": END}
    assert content(generate(tmp_path / "b", **told["arguments"])) == content(tmp_path / "a")


def test_progress_counts_customers(tmp_path):
    seen = []
    small(tmp_path / "a", customers=1001, months=1, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1000, 1001), (1001, 1001)]


def test_pay_never_arrives_on_a_weekend_or_holiday(kept):
    china = holidays.country_holidays("CN", years=[2025])
    days = kept[kept.kind.isin(["salary", "pension"])]["at"].dt.date
    assert len(days) > 3000
    assert [day for day in days.unique() if not china.is_working_day(day)] == []


def test_working_days_before():
    calendar = make_calendar(dt.date(2025, 3, 31), 3)
    may_day, new_year_holiday = dt.date(2025, 2, 8), dt.date(2025, 2, 2)
    offset = [(day - dt.date(2025, 1, 1)).days for day in (may_day, new_year_holiday, dt.date(2025, 1, 1))]
    moved = calendar.working_day_before(np.array(offset))
    # a Saturday worked in place of a holiday stays; the holiday week moves ahead of New Year; so may the window's head
    assert [str(calendar.days[BEFORE + d]) for d in moved] == ["2025-02-08", "2025-01-27", "2024-12-31"]


@pytest.mark.parametrize(("year", "day"), [(2020, "2020-01-25"), (2024, "2024-02-10"), (2025, "2025-01-29")])
def test_new_year(year, day):
    assert str(new_year(year)) == day


def test_weeks_years_and_paydays_show(kept):
    cards = kept[kept.kind == "card"]
    per_day = cards.groupby([cards.category, cards["at"].dt.normalize()]).size().unstack(0, fill_value=0)
    weekend = per_day.index.weekday >= 5
    assert per_day.dining[weekend].mean() > 1.2 * per_day.dining[~weekend].mean()
    assert per_day.transport[weekend].mean() < 0.85 * per_day.transport[~weekend].mean()
    feast, ahead = slice("2025-01-29", "2025-02-04"), slice("2025-01-15", "2025-01-28")
    assert per_day.groceries[ahead].mean() > 1.5 * per_day.groceries[feast].mean()
    assert per_day.travel["2025-10-01":"2025-10-07"].mean() > 1.7 * per_day.travel.mean()
    gifts = kept[(kept.category == "transfer") & (kept.direction == "out")].groupby(kept["at"].dt.normalize()).size()
    assert gifts["2025-01-28":"2025-02-03"].mean() > 1.5 * gifts.mean()
    paid = kept[kept.kind == "salary"].assign(day=lambda d: d["at"].dt.normalize())[["customer_id", "day"]]
    after = paid.assign(day=paid.day + pd.Timedelta(days=1)).drop_duplicates()
    spent = cards.assign(day=cards["at"].dt.normalize()).merge(
        after, on=["customer_id", "day"], how="left", indicator=True
    )
    spent = spent[spent.customer_id.isin(paid.customer_id)]
    rate_after = (spent._merge == "both").sum() / len(after)
    assert rate_after > 1.15 * len(spent) / (365 * spent.customer_id.nunique())


def test_marginals_are_plausible(tables, kept):
    stated = tables["customers"].annual_income
    assert 78_000 < stated.median() < 102_000
    assert 0.03 < stated.isna().mean() < 0.15
    spent = kept[kept.kind == "card"].groupby("customer_id").amount.sum()
    both = pd.concat([spent, tables["customers"].set_index("customer_id").annual_income], axis=1).dropna()
    assert 0.25 < both.corr("spearman").iloc[0, 1] < 0.95
    monthly = len(kept) / 12 / len(tables["customers"])
    assert 12 < monthly < 25
    assert 0.001 < (kept.country != "CN").mean() < 0.01


def test_kinds_of_customers_overlap_but_can_be_told(tables):
    truth = tables["truth/customers"]
    assert truth.segment.nunique() == 5
    found = KMeans(5, n_init=10, random_state=0).fit_predict(truth[list(LATENTS)])
    assert 0.6 < adjusted_rand_score(truth.segment, found) < 0.82


def test_customers_fade_before_they_leave(tables):
    lives = tables["truth/months"].pivot(index="customer_id", columns="month_end", values="state")
    assert set(np.unique(lives.to_numpy())) == {"before", "new", "active", "fading", "gone"}
    before, after = lives.to_numpy()[:, :-1], lives.to_numpy()[:, 1:]
    assert set(before[(after == "gone") & (before != "gone")]) == {"fading"}
    assert 0.02 < ((lives.iloc[:, -1] == "gone") & (lives.iloc[:, 0] != "gone")).mean() < 0.15
    assert tables["accounts"].closed_on.notna().any()


def test_causes_of_churn_have_their_planted_size():
    """Start of fading in active months: complaints multiply it, the competitor's offer does for the price-sensitive."""
    lives = [draw_world(streams.Streams(seed, 0), make_calendar(END, 36)) for seed in range(4)]
    state = np.concatenate([w.life.state for w in lives])
    hazard, angry = (np.concatenate([getattr(w.life, name) for w in lives]) for name in ("hazard", "angry"))
    sensitive = np.concatenate([w.trait("price_sensitivity") for w in lives])[:, None]
    at_risk, fades = state[:, :-1] == 2, state[:, 1:] == 3
    expected = hazard[:, 1:]

    def ratio(chosen: np.ndarray) -> float:
        chosen = chosen & at_risk
        return fades[chosen].sum() / expected[chosen].sum()

    assert 0.95 < ratio(np.ones_like(at_risk)) < 1.05
    assert 0.8 < ratio(angry[:, 1:]) < 1.2
    assert fades[at_risk & angry[:, 1:]].mean() > 6 * fades[at_risk & ~angry[:, 1:]].mean()
    attack = np.zeros(35, dtype=bool)
    attack[26:29] = True  # April to June 2025
    calm = np.zeros(35, dtype=bool)
    calm[14:17] = True
    lured, before = (fades[at_risk & (sensitive > 0.5) & months].mean() for months in (attack, calm))
    assert lured > 2 * before


def test_paper_statements_follow_age_and_tell_nothing_given_age(tables):
    people = tables["customers"].merge(tables["truth/customers"], on="customer_id")
    born = pd.to_datetime(people.birth_date, errors="coerce")
    people = people[born.notna()].assign(age=2025 - born.dt.year)
    assert people.groupby("paper_statements").age.mean().diff().iloc[-1] > 15
    band = people.age // 5
    within = people.paper_statements - people.groupby(band).paper_statements.transform("mean")
    left = people.left_on.notna() - people.groupby(band).left_on.transform(lambda d: d.notna().mean())
    assert abs((within * left).sum()) < 3 * np.sqrt((within**2 * left**2).sum())


def test_the_leaking_column_is_overwritten_after_leaving(tables):
    people = tables["customers"].merge(tables["truth/customers"], on="customer_id")
    stopped = people.mailing_status == "stopped"
    gone = people.left_on < pd.Timestamp(END) - pd.Timedelta(days=20)
    assert stopped[gone].mean() > 0.8
    assert stopped[~gone].mean() < 0.03


def test_constants_and_drifts_are_catalogued(tables):
    constants, drifts = tables["truth/constants"], tables["truth/drifts"]
    assert constants.name.is_unique
    assert constants.set_index("name").value["churn.paper_statements_log_hazard"] == 0
    assert set(drifts.kind) <= {"covariate", "prior", "concept"}
    assert set(drifts.table) <= set(TABLES)
    assert drifts.name.is_unique


def test_the_market_shows_the_competitor(tables):
    rates = tables["market"].pivot(index="day", columns="series", values="value")
    assert len(rates) == 365
    assert rates.notna().all().all()
    gap = rates.competitor_savings_rate - rates.own_savings_rate
    spring = gap["2025-04-01":"2025-06-30"]
    assert spring.min() > 0.008
    assert gap.drop(spring.index).max() < 0.001


def test_who_falls_silent_keeps_the_accounts_and_hardly_uses_them(tables, kept):
    truth = tables["truth/customers"]
    closed = set(tables["accounts"].query("product == 'current' and closed_on.notna()").customer_id)
    silent = truth[truth.left_on.notna() & ~truth.customer_id.isin(closed)].set_index("customer_id").left_on
    cards = kept[kept.kind == "card"]
    after = cards[cards["at"] >= cards.customer_id.map(silent) + pd.Timedelta(days=1)]
    days = (pd.Timestamp(END) - silent).dt.days.sum()
    stayers = truth[truth.left_on.isna()].customer_id
    usual = cards.customer_id.isin(stayers).sum() / (365 * len(stayers))
    assert len(silent) > 20
    assert 0 < len(after) / days < 0.1 * usual


def test_catalogued_transactions_break_their_rule_and_no_others_do(tables):
    rows = tables["transactions"].drop_duplicates("transaction_id")
    rows = rows.merge(tables["accounts"][["account_id", "opened_on"]], on="account_id", how="left")
    broken = {
        "not_positive": rows.amount <= 0,
        "in_future": rows["at"] >= pd.Timestamp(END) + pd.Timedelta(days=1),
        "before_parent": rows["at"] < rows.opened_on,
        "unknown_parent": rows.opened_on.isna(),
    }
    for rule, found in broken.items():
        assert set(rows[found].transaction_id) == planted(tables, "transactions", rule), rule
        assert 0.0002 < found.mean() < 0.001, rule


def test_catalogued_customers_and_accounts_are_the_bad_ones(tables):
    people, accounts = tables["customers"], tables["accounts"]
    no_date = people[pd.to_datetime(people.birth_date, errors="coerce").isna()]
    assert set(no_date.customer_id) == planted(tables, "customers", "wrong_type") != set()
    no_product = accounts[~accounts["product"].isin(PRODUCTS)]
    assert set(no_product.account_id) == planted(tables, "accounts", "unknown_value") != set()
    assert not tables["transactions"].account_id.isin(no_product.account_id).any()


def test_the_outage_and_the_lost_devices_show(tables, kept):
    [outage] = planted(tables, "transactions", "timeliness")
    region, channel, monday = outage.split("/")
    there = kept.merge(tables["customers"][["customer_id", "region"]], on="customer_id")
    there = there[(there.region == region) & (there.channel == channel)]
    day = (there["at"].dt.normalize() - pd.Timestamp(monday)).dt.days
    assert not day.between(0, 6).any()
    assert day.between(-7, -1).any()
    assert day.between(7, 13).any()
    [lost] = planted(tables, "transactions", "completeness")
    remote = kept[kept.kind.eq("card") & kept.channel.isin(["mobile", "online"])]
    missing = remote.device_id.isna().groupby(remote["at"].dt.strftime("%Y-%m")).mean()
    assert missing[missing > 0.2].index.tolist() == [lost.split("/")[1]]


def test_one_region_leaves_out_more(tables):
    people = tables["customers"]
    entries = planted(tables, "customers", "completeness")
    assert {entry.split("/")[0] for entry in entries} == {"annual_income", "education"}
    for column, region in (entry.split("/") for entry in entries):
        missing = people[column].isna().groupby(people.region == region).mean()
        assert missing[True] > 1.7 * missing[False] > 0


@given(st.lists(st.integers(0, 10**9 - 1), max_size=20), st.integers(9, 14))
def test_keys_are_numbers_with_leading_zeros(numbers, width):
    assert keys("A", np.array(numbers, dtype=np.int64), width).to_pylist() == [f"A{n:0{width}d}" for n in numbers]


def test_keys_may_be_missing_and_have_letters_of_their_own():
    made = keys(np.array([b"A", b"X"]), np.array([7, -1]), 3, np.array([False, True]))
    assert made.to_pylist() == ["A007", None]
