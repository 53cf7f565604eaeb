"""A seeded bank with some hundred bookings, irregular enough to tell features apart, and other futures of it."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from bankmine.bank.contract import CATEGORIES, CHANNELS, PRODUCTS

FIRST, LAST = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-12-31")
HALFWAY = dt.date(2025, 6, 30)
"""A day on which some accounts are closed; `alter_future` changes what becomes known after it."""
FUTURE = st.fixed_dictionaries({
    "drop": st.floats(0, 1), "scale": st.sampled_from([0.01, 3.0]), "flip": st.booleans(), "reopen": st.booleans(),
    "duplicates": st.integers(0, 40), "seed": st.integers(0, 2**16),
})  # fmt: skip
LATE = {"feedback": ("at", "resolved_on"), "events": ("at", None), "contacts": ("contacted_on", "responded_on")}


def random_bank(seed: int = 0, customers: int = 40, bookings: int = 3000) -> dict[str, pd.DataFrame]:
    """Make customers, accounts, transactions and balances; every id is text, every amount has two decimals."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({
        "customer_id": [f"{i:05}" for i in range(customers)],
        "joined_on": (FIRST + pd.to_timedelta(rng.integers(0, 500, customers), "D")).date,
        "birth_date": (pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20000, customers), "D")).date,
        "gender": rng.choice(["female", "male", None], customers),
        "region": rng.choice(["北京", "上海", "<b>"], customers),
    })  # fmt: skip
    accounts = _accounts(rng, people)
    transactions = _transactions(rng, accounts, bookings)
    return {"customers": people, "accounts": accounts, "transactions": transactions,
            "balances": _balances(accounts, transactions)}  # fmt: skip


def _accounts(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    owner = np.repeat(np.arange(len(people)), rng.integers(1, 4, len(people)))
    opened = pd.to_datetime(people.joined_on.iloc[owner]) + pd.to_timedelta(rng.integers(0, 200, len(owner)), "D")
    closed = (opened + pd.to_timedelta(rng.integers(30, 900, len(owner)), "D")).dt.date
    closed = np.where(rng.random(len(owner)) < 0.3, closed, None)
    closed[:9] = HALFWAY  # a day on which tests look closely
    return pd.DataFrame({
        "account_id": [f"A{i:04}" for i in range(len(owner))], "customer_id": people.customer_id.to_numpy()[owner],
        "product": rng.choice(PRODUCTS, len(owner)), "opened_on": opened.dt.date.to_numpy(),
        "closed_on": closed,
    })  # fmt: skip


def _transactions(rng: np.random.Generator, accounts: pd.DataFrame, bookings: int) -> pd.DataFrame:
    which = rng.integers(0, len(accounts), bookings)
    opened = pd.to_datetime(accounts.opened_on.iloc[which]).to_numpy()
    room = (LAST.to_datetime64() - opened) / np.timedelta64(1, "s")
    at = opened + (room * rng.random(bookings)).astype("timedelta64[s]")
    at = np.where(rng.random(bookings) < 0.2, at.astype("datetime64[D]"), at).astype("datetime64[us]")
    return pd.DataFrame({
        "transaction_id": [f"T{i:05}" for i in range(bookings)], "account_id": accounts.account_id.to_numpy()[which],
        "at": at, "amount": rng.lognormal(4, 1.5, bookings).round(2) + 0.01,
        "direction": rng.choice(["in", "out"], bookings), "kind": rng.choice(["salary", "card", "fee"], bookings),
        "channel": rng.choice([*CHANNELS, "wechat", None], bookings),
        "category": rng.choice([*CATEGORIES, "crypto", None], bookings),
    })  # fmt: skip


def _balances(accounts: pd.DataFrame, transactions: pd.DataFrame) -> pd.DataFrame:
    signed = transactions.amount.where(transactions.direction == "in", -transactions.amount)
    month = transactions["at"].dt.to_period("M")
    flows = signed.groupby([transactions.account_id, month]).sum().unstack(fill_value=0.0)
    held = flows.cumsum(axis=1).round(2).stack().rename_axis(["account_id", "month"]).rename("balance").reset_index()
    held["month_end"] = held["month"].dt.end_time.dt.date
    opened = held.account_id.map(accounts.set_index("account_id").opened_on)
    return held.loc[held.month_end >= opened, ["account_id", "month_end", "balance"]]


def random_service(people: pd.DataFrame, seed: int = 0, rows: int = 1200) -> dict[str, pd.DataFrame]:
    """Make feedback, events and contacts of these customers; many are settled or answered late or never."""
    rng = np.random.default_rng([seed, 1])

    def some(prefix: str) -> pd.DataFrame:
        which = rng.integers(0, len(people), rows)
        joined = pd.to_datetime(people.joined_on.iloc[which]).to_numpy()
        at = joined + ((LAST.to_datetime64() - joined) / np.timedelta64(1, "s") * rng.random(rows)).astype(
            "timedelta64[s]"
        )
        ids = [f"{prefix}{i:05}" for i in range(rows)]
        return pd.DataFrame({"id": ids, "customer_id": people.customer_id.to_numpy()[which], "at": at})

    def later(at: pd.Series) -> np.ndarray:
        days = pd.to_timedelta(rng.integers(0, 120, rows), "D")
        return np.where(rng.random(rows) < 0.8, (at + days).dt.date, None)

    feedback, events, contacts = (some(prefix) for prefix in "FEK")
    feedback = feedback.rename(columns={"id": "ticket_id"}).assign(
        kind=rng.choice(["complaint", "question", None], rows), resolved_on=later(feedback["at"])
    )
    events = events.drop(columns="id").assign(page=rng.choice(["home", "rate_table", None], rows))
    contacts = contacts.rename(columns={"id": "contact_id"}).assign(
        campaign="spring", contacted_on=contacts["at"].dt.date, treated=rng.choice([True, False, None], rows),
        responded=rng.choice([True, False], rows), responded_on=later(contacts["at"]),
    )  # fmt: skip
    return {"feedback": feedback, "events": events, "contacts": contacts.drop(columns="at")}


def alter_future(frames, drop, scale, flip, reopen, duplicates, seed) -> dict[str, pd.DataFrame]:
    """Change, add and delete what becomes known after HALFWAY, in every table."""
    rng = np.random.default_rng(seed)
    midnight = pd.Timestamp(HALFWAY) + pd.Timedelta(days=1)
    t, a, c, b = (frames[n].copy() for n in ("transactions", "accounts", "customers", "balances"))
    later = t["at"] >= midnight
    t.loc[later, "amount"] = (t.loc[later, "amount"] * scale).round(2)
    if flip:
        t.loc[later, "direction"] = "out"
    extra = t[~later].sample(duplicates, random_state=seed).assign(at=midnight)  # the keys of old bookings once more
    t = pd.concat([part for part in (t[~later | (rng.random(len(t)) > drop)], extra) if len(part)])
    closes_later = a.closed_on.map(lambda d: d is not None and d > HALFWAY).to_numpy()
    a.loc[closes_later, "closed_on"] = None if reopen else HALFWAY + dt.timedelta(days=1)
    a = a[(a.opened_on <= HALFWAY) | (rng.random(len(a)) > drop)]
    c = c[(c.joined_on <= HALFWAY) | (rng.random(len(c)) > drop)]
    b.loc[b.month_end > HALFWAY, "balance"] *= scale
    told = {n: alter_answers(frames[n], *late, drop, rng) for n, late in LATE.items() if n in frames}
    return {"customers": c, "accounts": a, "transactions": t, "balances": b} | told


def alter_answers(rows: pd.DataFrame, when: str, answered: str | None, drop: float, rng) -> pd.DataFrame:
    """Leave out some rows dated after HALFWAY; take back, or move, what was answered after it."""
    rows = rows[(pd.to_datetime(rows[when]).dt.date <= HALFWAY) | (rng.random(len(rows)) > drop)].copy()
    if answered:
        later = rows[answered].map(lambda d: d is not None and d > HALFWAY)
        rows.loc[later, answered] = None if drop > 0.5 else HALFWAY + dt.timedelta(days=1)
        if "responded" in rows.columns:
            rows.loc[later, "responded"] = True
    return rows
