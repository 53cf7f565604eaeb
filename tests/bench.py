"""Measure the speed goals: `make bench`. Every figure is a ratio of two things measured in this one run.

Each contender runs in a process of its own, so that its peak memory is its own; of three runs the median counts.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported by the contender that needs it, so that it does not count for the others
    import pandas as pd

DAY = datetime.date(2025, 12, 31)
WORDS = {
    "direction": "['in', 'out', 'out', 'out']",
    "kind": "['salary', 'card', 'card', 'transfer', 'cash', 'fee']",
    "channel": "['branch', 'atm', 'pos', 'pos', 'online', 'mobile', 'internal']",
    "category": "['groceries', 'dining', 'shopping', 'transport', 'housing', 'utilities', 'cash', 'transfer']",
}
COLUMNS = ("account_id", "at", "amount", *WORDS)


def generate(folder: Path, rows: int) -> None:
    """Write a bank with 100 bookings an account, spread over a year."""
    import duckdb

    accounts = rows // 100
    words = ", ".join(
        f"{w}[(1 + hash(i * {k + 3}) % len({w}))::BIGINT] AS {c}" for k, (c, w) in enumerate(WORDS.items())
    )
    booking = f"""SELECT 'T' || lpad(i::VARCHAR, 10, '0') AS transaction_id,
        'A' || lpad((hash(i) % {accounts})::VARCHAR, 8, '0') AS account_id,
        TIMESTAMP '2025-01-01' + to_seconds((hash(i * 7) % (365 * 86400))::BIGINT) AS "at",
        round(exp(3 + (hash(i * 11) % 1000) / 250.0), 2) AS amount, {words} FROM range({rows}) t(i)"""
    tables = {
        "customers": f"""SELECT 'C' || lpad(i::VARCHAR, 8, '0') AS customer_id, DATE '2020-01-01' AS joined_on
            FROM range({accounts}) t(i)""",
        "accounts": f"""SELECT 'A' || lpad(i::VARCHAR, 8, '0') AS account_id,
            'C' || lpad(i::VARCHAR, 8, '0') AS customer_id, 'current' AS product,
            DATE '2020-01-01' AS opened_on FROM range({accounts}) t(i)""",
        "transactions": booking,
    }
    con = duckdb.connect()
    for name, query in tables.items():
        con.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")


def with_duckdb(folder: Path) -> Callable[[], object]:
    """Compute the features as the notebooks do, from tables that are not checked, as pandas does not check them."""
    from bankmine.bank.snapshot import Snapshot, open_source
    from bankmine.features.customers import features

    bank = open_source(str(folder))
    snapshot = Snapshot(bank.source, bank.fingerprint, DAY, bank.tables, {}, lambda: bank.tables)
    return lambda: features(snapshot).to_pyarrow()


def with_pandas(folder: Path) -> Callable[[], object]:
    """Compute the same windowed measures the way a notebook without an engine does."""
    import pandas  # noqa: F401 paid before the clock starts

    return lambda: pandas_features(folder)


def pandas_features(folder: Path) -> object:
    """Compute the same numbers by grouping by customer, window by window."""
    import numpy as np
    import pandas as pd

    t = pd.read_parquet(folder / "transactions.parquet", columns=list(COLUMNS))
    accounts = pd.read_parquet(folder / "accounts.parquet")
    customers = pd.read_parquet(folder / "customers.parquet").set_index("customer_id")
    t = t.merge(accounts[["account_id", "customer_id"]], on="account_id")
    t["age"] = (pd.Timestamp(DAY) - t["at"].dt.normalize()).dt.days
    timed = t["at"] != t["at"].dt.normalize()
    t["night"] = t["at"].dt.hour.isin([23, 0, 1, 2, 3, 4, 5]).astype(float).where(timed)
    t["weekend"] = t["at"].dt.dayofweek >= 5
    t["aged"] = t["amount"] * t["age"]
    angle = t["at"].dt.day * (2 * np.pi / 31)
    t["cos"], t["sin"] = np.cos(angle), np.sin(angle)
    parts = [customers["joined_on"].map(lambda d: (DAY - d).days).rename("tenure")]
    parts.append(accounts.groupby(["customer_id", "product"]).size().unstack(fill_value=0))
    for window in (30, 90, 180, 365):
        parts += [part.add_suffix(f"_{window}d") for part in _pandas_window(t[t["age"] < window], window)]
    parts.append(t.groupby("customer_id")["age"].min().rename("recency"))
    parts.append(t[t["direction"] == "out"].groupby("customer_id")["age"].min().rename("outflow_recency"))
    return pd.concat(parts, axis=1)


def _pandas_window(w: pd.DataFrame, window: int) -> list[pd.DataFrame]:
    out, income = w[w["direction"] == "out"], w[(w["direction"] == "in") & w["kind"].isin(["salary", "pension"])]
    flows = w.groupby(["customer_id", "direction"]).agg(
        total=("amount", "sum"), count=("amount", "count"), mean=("amount", "mean"), aged=("aged", "sum")
    )
    flows["trend"] = ((window - 1) / 2 * flows["total"] - flows["aged"]) * 30 / (window * (window**2 - 1) / 12)
    flows = flows.drop(columns="aged").unstack()
    flows.columns = [f"{direction}_{measure}" for measure, direction in flows.columns]
    paid = income.groupby("customer_id").agg(
        salary=("amount", "sum"), count=("amount", "count"), cos=("cos", "sum"), sin=("sin", "sum")
    )
    paid["regularity"] = (paid["cos"] ** 2 + paid["sin"] ** 2) ** 0.5 / paid["count"]
    return [
        flows,
        w.groupby(["customer_id", "channel"]).size().unstack(fill_value=0),
        out.groupby(["customer_id", "category"])["amount"].sum().unstack(fill_value=0),
        w.groupby("customer_id")[["night", "weekend"]].mean(),
        paid[["salary", "count", "regularity"]],
    ]


def bare_scan(folder: Path) -> Callable[[], object]:
    """Read the same columns and do nothing with them but find each one's maximum."""
    import duckdb

    columns = ", ".join(f'max("{c}")' for c in COLUMNS)
    return lambda: duckdb.connect().execute(f"SELECT {columns} FROM '{folder}/transactions.parquet'").fetchone()


def with_featuretools(folder: Path) -> Callable[[], object]:
    """Compute windowed measures by the tool for features at a point in time, fewer of them: no trends."""
    import warnings

    import featuretools  # noqa: F401 paid before the clock starts

    warnings.filterwarnings("ignore")
    return lambda: featuretools_features(folder)


def featuretools_features(folder: Path) -> object:
    """Compute sums, means and counts by direction, channel and category up to one day, window by window."""
    import featuretools as ft
    import pandas as pd

    t = pd.read_parquet(folder / "transactions.parquet")
    owners = pd.read_parquet(folder / "accounts.parquet", columns=["account_id", "customer_id"])
    customers = pd.read_parquet(folder / "customers.parquet", columns=["customer_id"])
    t = t.merge(owners, on="account_id").drop(columns=["account_id", "kind"])
    t["night"], t["weekend"] = t["at"].dt.hour.isin([23, 0, 1, 2, 3, 4, 5]) * 1.0, (t["at"].dt.dayofweek >= 5) * 1.0
    groups = ("direction", "channel", "category")
    tables = {
        "customers": (customers, "customer_id"),
        "transactions": (t, "transaction_id", "at", dict.fromkeys(groups, "Categorical")),
    }
    bank = ft.EntitySet("bank", tables, [("customers", "customer_id", "transactions", "customer_id")])
    bank.add_interesting_values(dataframe_name="transactions", values={g: list(t[g].unique()) for g in groups})
    wanted = [
        feature
        for feature in ft.dfs(
            entityset=bank, target_dataframe_name="customers", trans_primitives=[], max_depth=1, features_only=True,
            agg_primitives=["sum", "mean", "count", "time_since_last"], where_primitives=["sum", "mean", "count"],
        )
        if _is_ours(feature.get_name())
    ]  # fmt: skip
    until = pd.Timestamp(DAY) + pd.Timedelta(days=1) - pd.Timedelta(seconds=1)
    windows = [
        ft.calculate_feature_matrix(wanted, bank, cutoff_time=until, training_window=f"{days} days")
        for days in (30, 90, 180, 365)
    ]
    return pd.concat(windows, axis=1)


def _is_ours(name: str) -> bool:
    """Whether a feature of featuretools is one of ours: the others would only cost it time."""
    what, _, group = name.rstrip(")").partition(" WHERE ")
    if not group:
        return what.startswith(("MEAN(transactions.night", "MEAN(transactions.weekend", "TIME_SINCE_LAST"))
    kind = {"direction": ("SUM", "MEAN", "COUNT"), "channel": ("COUNT",), "category": ("SUM",)}[group.split(" = ")[0]]
    return what.startswith(kind) and "night" not in what and "weekend" not in what


def make_demo(folder: Path) -> Callable[[], object]:
    """Make a demo bank of as many customers as the folder is named after."""
    from demobank import generate as generate_demo

    return lambda: generate_demo(folder / "bank", customers=int(folder.name))


def segmentation_million(folder: Path) -> Callable[[], object]:
    """Choose the number of segments, form them and assign all customers, from a matrix of features."""
    from bankmine.features.population import is_active
    from bankmine.topics.segmentation.groups import choose
    from bankmine.topics.segmentation.measures import load_registry, readable
    from bankmine.topics.segmentation.model import fit

    registry, customers = load_registry(), synthetic_customers(1_000_000)

    def work() -> object:
        values = readable(customers[is_active(customers, registry)], registry)
        return fit(values, registry, DAY, choose(values, registry).k).assign_all(customers, registry)

    return work


def synthetic_customers(size: int) -> pd.DataFrame:
    """Draw the features that segments are formed of, for five overlapping kinds of customers."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    kind = rng.choice(5, size, p=(0.3, 0.25, 0.2, 0.15, 0.1))
    spent = [
        f"category_{c}_outflow_365d"
        for c in (
            "groceries",
            "dining",
            "transport",
            "travel",
            "health",
            "education",
            "entertainment",
            "shopping",
            "cash",
        )
    ]
    counts = ["inflow_count_365d", *(f"channel_{c}_count_365d" for c in (
        "mobile", "online", "branch", "atm", "call_centre"))]  # fmt: skip
    amounts = [*spent, "inflow_365d", "deposits_mean_365d"]
    centres = {c: rng.normal(9 if c in amounts else 3, 0.8, 5) for c in [*amounts, *counts]}
    columns = {c: np.exp(centre[kind] + 0.6 * rng.standard_normal(size)) for c, centre in centres.items()}
    columns |= {c: columns[c].round() for c in counts}
    outflow, bookings = sum(columns[c] for c in spent), sum(columns[c] for c in counts)
    return pd.DataFrame(columns | {
        "outflow_365d": outflow, "transactions_365d": bookings, "outflow_mean_365d": outflow / np.maximum(bookings, 1),
        "salary_365d": columns["inflow_365d"] * rng.random(size), "debts_mean_365d": -columns["inflow_365d"] / 2,
        "salary_count_365d": 12, "channel_internal_count_365d": 0, "tenure_days": rng.integers(30, 4000, size),
        "age_years": np.clip(rng.normal(40, 14, size).round(), 18, 95), "products": rng.integers(1, 6, size),
        "accounts": 2, "night_share_365d": rng.random(size) / 10,
    })  # fmt: skip


CONTENDERS = {f.__name__: f for f in (
    with_duckdb, with_pandas, with_featuretools, bare_scan, make_demo, segmentation_million)}  # fmt: skip
FEATURETOOLS = ("featuretools==1.31.0", "setuptools<81", "pandas<3", "pyarrow", "duckdb")
"""An environment of its own, as its last release (2024) does not import beside today's setuptools."""


def measured(
    name: str, folder: Path, runs: int = 3, python: tuple[str, ...] = (sys.executable,)
) -> tuple[float, float]:
    """Return the median seconds of the work alone and the peak memory of its process in MB."""
    done = [json.loads(subprocess.check_output([*python, __file__, name, str(folder)])) for _ in range(runs)]
    return statistics.median(d["seconds"] for d in done), statistics.median(d["megabytes"] for d in done)


def contend(name: str, folder: str) -> None:
    """Run one contender once and print what it took; imports and opening are done before the clock starts."""
    work = CONTENDERS[name](Path(folder))
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def features_bench(folder: Path) -> None:
    """Compare engines at ten million bookings, and sizes."""
    took = {}
    for millions in (1, 10, 30):
        place = folder / str(millions)
        place.mkdir()
        generate(place, millions * 1_000_000)
        took[millions] = measured("with_duckdb", place)
        if millions == 10:
            pandas, scan = measured("with_pandas", place), measured("bare_scan", place)
        if millions == 1:
            beside = [str(Path(sys.executable).with_name("uv")), "run", "--no-project", "--quiet"]
            beside += [word for package in FEATURETOOLS for word in ("--with", package)]
            tool = measured("with_featuretools", place, runs=1, python=(*beside, "python"))
        shutil.rmtree(place)
    seconds, megabytes = took[10]
    print(f"features of one day, 10 million bookings: {seconds:.1f} s, {megabytes:.0f} MB")
    print(f"  pandas takes {pandas[0] / seconds:.1f} times as long (goal: 5 or more): {pandas[0]:.1f} s")
    print(f"  and {pandas[1] / megabytes:.1f} times the peak memory (goal: 5 or more): {pandas[1]:.0f} MB")
    print(
        f"  a bare scan of the same columns is {seconds / scan[0]:.1f} times faster (goal: at most 10): {scan[0]:.2f} s"
    )
    longer = tool[0] / took[1][0]
    print(f"  featuretools takes {longer:.0f} times as long for 1 million (goal: 10 or more): {tool[0]:.0f} s")
    for millions, (s, mb) in took.items():
        a_row = s / millions / took[1][0]
        print(f"  {millions:>2} million: {s:5.1f} s, {a_row:.2f} times the seconds a row of 1 million, {mb:.0f} MB")


def demo_bench(folder: Path) -> None:
    """Make the default demo bank, and one four times as large, whose memory must be no larger."""
    for customers in (5_000, 20_000):
        (folder / str(customers)).mkdir()
    seconds, megabytes = measured("make_demo", folder / "5000")
    longer, more = measured("make_demo", folder / "20000", runs=1)
    print(f"demo bank, 5,000 customers, 36 months: {seconds:.1f} s (goal: under 30)")
    print(f"  peak memory {megabytes:.0f} MB (goal: under 2,000)")
    print(f"  four times the customers: {longer / seconds:.1f} times as long, {more / megabytes:.2f} times the memory")


def segmentation_bench(folder: Path) -> None:
    """Time the way from a matrix of features to segments."""
    seconds, megabytes = measured("segmentation_million", folder, runs=1)
    print(f"segments of 1,000,000 customers: {seconds:.1f} s (goal: under 60), {megabytes:.0f} MB")


OPENS = """
import time
from bankmine.bank.snapshot import open_source
start = time.perf_counter()
open_source("demo").as_of("2025-12-31")
print(time.perf_counter() - start)
"""
ALONE = {
    "00_scoreboard": 8, "01_data_quality": 8, "02_profiling": 6, "03_segmentation": 15, "06_churn": 18,
    "04_value": 15, "05_behaviour": 25, "07_credit_scoring": 18, "08_fraud": 25, "11_campaign": 20,
}  # fmt: skip
"""Report -> seconds that it may take by itself with a warm cache."""


def reports_bench() -> None:
    """Time the demo bank's first and second opening, `make reports` with an empty and a warm cache, and each report."""
    root = Path(__file__).resolve().parents[1]
    call = [str(Path(sys.executable).with_name("bankmine")), "run"]
    subprocess.run(["make", "-s", "reports"], cwd=root, check=True, stdout=subprocess.DEVNULL)  # the bank is made once
    with (
        tempfile.TemporaryDirectory() as cache,
        tempfile.TemporaryDirectory() as hidden,
        tempfile.TemporaryDirectory() as out,
    ):
        env = os.environ | {"BANKMINE_CACHE": cache}
        first, second = (
            float(subprocess.check_output([sys.executable, "-c", OPENS], cwd=root, env=env).split()[-1])
            for _ in range(2)
        )
        print(f"the demo bank is opened again in {second:.2f} s (goal: 1.5, a tenth): first {first / second:.0f} times")
        shutil.rmtree(cache)
        sealed = env | {"BANKMINE_KEY": "5e" * 32, "BANKMINE_CACHE": hidden}
        for state, goal in (("an empty", 75), ("a warm", 45)):
            seconds, longer = (
                timed(
                    ["make", "-s", "reports", f"OUT={out}/{len(one)}"], root, one | {"BANKMINE_AUDIT": f"{out}/audit"}
                )
                for one in (env, sealed)
            )
            print(f"make reports with {state} cache: {seconds:.1f} s (goal: {goal})")
            print(f"  encrypted, {longer / seconds:.2f} times as long (goal: at most 1.15)")
        for name, goal in ALONE.items():
            seconds = timed([*call, name, "--out", out], root, env)
            print(f"{name} by itself with a warm cache: {seconds:.1f} s (goal: {goal})")


def check_bench(folder: Path, rows: int = 1_000_000) -> None:
    """Time the check of one table of 50 columns of text: plain and German numbers, dates, words, names, yes and no."""
    import duckdb

    kinds = {
        "((hash(i * {k}) % 10000000) / 100.0)::VARCHAR": 12,
        "translate(format('{{:,.2f}}', (hash(i * {k}) % 10000000) / 100.0), ',.', '.,')": 10,
        "strftime(DATE '2015-01-01' + (hash(i * {k}) % 2900)::INT, '%d/%m/%Y')": 6,
        "['alpha', 'beta', 'gamma', 'delta'][1 + (hash(i * {k}) % 4)::INT]": 12,
        "'name ' || (hash(i * {k}) % 1000000)": 4,
        "['yes', 'no'][1 + (hash(i * {k}) % 2)::INT]": 3,
    }
    written = [kind for kind, times in kinds.items() for _ in range(times)]
    columns = ", ".join(f"{kind.format(k=11 + 2 * j)} AS c{j}" for j, kind in enumerate(written))
    days = "strftime(DATE '2023-01-31' + ((hash(i * 5) % 12) * 30)::INT, '%Y-%m-%d') AS day"
    query = f"SELECT i AS id, (hash(i) % 7 = 0)::INT AS y, {days}, {columns} FROM range({rows}) t(i)"
    duckdb.sql(f"COPY ({query}) TO '{folder / 'table.csv'}' (HEADER, DELIMITER ';')")
    call = [str(Path(sys.executable).with_name("bankmine")), "check", str(folder / "table.csv")]
    seconds = timed([*call, "-p", "target=y", "-p", "id=id", "-p", "time=day"], folder, dict(os.environ))
    print(f"check of {rows:,} rows x {len(written) + 3} columns of text: {seconds:.1f} s (goal: 30)")


def timed(command: list[str], root: Path, env: dict[str, str]) -> float:
    """Run a command and return its seconds."""
    start = time.perf_counter()
    subprocess.run(command, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run one contender, or all benchmarks."""
    if len(sys.argv) == 3:
        return contend(*sys.argv[1:])
    from bench_campaign import campaign_bench  # none for contenders, whose memory is measured
    from bench_channels import channels_bench
    from bench_credit import credit_bench
    from bench_fraud import fraud_bench
    from bench_live import live_bench
    from bench_recommendation import recommendation_bench
    from bench_value import value_bench

    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    reports_bench()
    fraud_bench()
    with tempfile.TemporaryDirectory() as folder:
        live_bench(Path(folder))
        check_bench(Path(folder))
        demo_bench(Path(folder))
        features_bench(Path(folder))
        segmentation_bench(Path(folder))
    credit_bench()
    value_bench()
    campaign_bench()
    recommendation_bench()
    channels_bench()
    return None


if __name__ == "__main__":
    main()
