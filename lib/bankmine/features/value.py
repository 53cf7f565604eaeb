"""Value: the contribution margin of each customer, after the costs that the customer causes, and tiers by it.

The rules are in `data/margin.yml` and belong to finance. Balances earn a spread, as in funds transfer pricing: what
treasury credits for a deposit or charges for a loan, against the customer's rate (Basel Committee, Principles for Sound
Liquidity Risk Management, 2008, principle 4, asks banks for such prices). So interest bookings are not counted again.
Costs follow the activities that cause them (Kaplan and Cooper, Cost and Effect, 1998).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from bankmine.bank.contract import DEBTS, DEPOSITS, PRODUCTS
from bankmine.bank.snapshot import Snapshot
from bankmine.errors import BankmineError, one_line
from bankmine.features.spine import KEYS, beside, by_period, kept, spine_of
from bankmine.registers import read_yaml
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "margin.yml"
PARTS = ("deposits", "lending", "fees", "cost")
"""Margin is the first three less the last."""
TIERS = {"premium": 0.01, "preferred": 0.04, "core": 0.15, "basic": 0.80}
"""Name of a tier -> share of customers, the most valuable first."""
_DAYS_A_YEAR, _MONTHS_A_YEAR = 365, 12
_EARLY = 5
"""Day of a month after which a first booking says that the data begin within it."""
_ELSE = "other"


@dataclass(frozen=True)
class MarginRules:
    """What earns and what costs, for the customers of one currency."""

    owner: str
    spreads: dict[str, float]
    """Product, or `overdraft` -> fraction of the balance a year."""
    bookings: dict[str, dict[str, float]]
    """Kind -> direction -> fraction of the amount."""
    costs: dict[str, float]
    """Channel, and `other` for the rest -> cost of a booking, in the currency."""
    account: float
    """Cost of an open account for a month, in the currency."""
    currency: str
    """Whose section was read: `default` where the currency has none."""


def load_rules(currency: str, file: Path = REGISTRY) -> MarginRules:
    """Read the rules for a currency, or the default ones; an error tells what is lacking, unknown or no number."""
    try:
        sections = read_yaml(file)
        section = currency if currency in sections else "default"
        rules = MarginRules(currency=section, **sections[section])
        numbers = [*rules.spreads.values(), *rules.costs.values(), rules.account]
        numbers += [share for shares in rules.bookings.values() for share in shares.values()]
        wrong = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int | float)]
    except (TypeError, AttributeError, KeyError) as error:
        raise BankmineError(f"{file} is not a register of margins: {one_line(error)}") from None
    wrong += sorted(set(rules.spreads) - {*PRODUCTS, "overdraft"})
    wrong += sorted({d for shares in rules.bookings.values() for d in shares} - {"in", "out"})
    if wrong or _ELSE not in rules.costs:
        told = f"{wrong[0]!r} is no number, product or direction" if wrong else f"costs lack {_ELSE!r}"
        raise BankmineError(f"{file}, section {section}: {told}.")
    return rules


def account_margin(snapshot: Snapshot, after: datetime.date, until: datetime.date) -> ir.Table:
    """Compute what each account's balances earned at the month ends after a day and until another.

    Deposits and lending, costs aside; commission on what else is held counts as fees, here as in `margin`.

    `account_id`, `customer_id`, `product`, `opened_on`, `margin` and how many days these months have, `days`; accounts
    without a balance then are left out. An error tells if the source has no balances.
    """
    if "balances" not in snapshot.tables:
        raise BankmineError("there are no balances: what accounts earn is not known")
    owners = snapshot.accounts.select("account_id", "customer_id", "product", "opened_on")
    rows = snapshot.balances.inner_join(owners, "account_id")
    rows = rows.filter(rows.month_end > ibis.literal(after), rows.month_end <= ibis.literal(until))
    rows = _of_balances(rows, rules_of(snapshot), "account_id", "product", "opened_on")
    return rows.group_by("account_id", "customer_id", "product", "opened_on").agg(
        margin=(rows.deposits + rows.lending).sum(), days=rows.date.day().sum()
    )


def monthly_margin(snapshot: Snapshot, groups: ir.Table, first: datetime.date) -> ir.Table:
    """Compute the margin of groups of customers by month: `group`, `month` (its first day) and `margin`.

    `groups` has `customer_id` and `group`; who is in none is left out. Months are those from `first` on; the cost of
    keeping an account is charged in full for a month on one of whose days it was open.
    """
    rules, start = rules_of(snapshot), ibis.literal(first)
    owners = snapshot.accounts.inner_join(groups, "customer_id")
    rows = bank_share(snapshot.transactions, rules).inner_join(owners.select("account_id", "group"), "account_id")
    parts = [rows.select("group", "date", margin=rows.booked - rows.handling)]
    if "balances" in snapshot.tables:
        held = snapshot.balances.inner_join(owners.select("account_id", "product", "group"), "account_id")
        held = _of_balances(held.mutate(customer_id=held.group), rules, "group")
        parts.append(held.select("group", "date", margin=held.deposits + held.lending + held.trail))
    closed = owners.closed_on if "closed_on" in owners.columns else ibis.null("date")
    until = ibis.coalesce(closed, ibis.literal(snapshot.as_of))
    begun = ibis.greatest(owners.opened_on, start).truncate("M")
    open_ = owners.mutate(begun=begun, until=until).filter(ibis._.begun <= ibis._.until)
    months = ibis.range(
        open_.begun.cast("timestamp"), (open_.until + ibis.interval(days=1)).cast("timestamp"), ibis.interval(months=1)
    )
    kept_open = open_.select("group", month=months.unnest())  # Spark casts no value while it unnests it
    parts.append(kept_open.mutate(date=kept_open.month.cast("date"), margin=ibis.literal(-rules.account)))
    rows = ibis.union(*(part.select("group", "date", "margin") for part in parts))
    rows = rows.filter(rows.date >= start)
    return rows.group_by("group", month=rows.date.truncate("M")).agg(margin=rows.margin.sum())


def margin_total(snapshot: Snapshot, until: datetime.date, months: int = 36) -> pd.Series:
    """Fetch the margin of all customers by month, by period, of the whole months up to a day that the data cover."""
    everybody = snapshot.customers.select("customer_id", group=ibis.literal(0))
    covered = whole_months(snapshot, pd.Period(until, "M"), months)

    def computed() -> pd.DataFrame:
        return monthly_margin(snapshot, everybody, covered[0].start_time.date()).order_by("month").to_pandas()

    found = kept(snapshot, f"margin by month until {until}", [until], computed, rules_of(snapshot))
    told = pd.Series(found["margin"].to_numpy(float), pd.PeriodIndex(pd.to_datetime(found["month"]), freq="M"))
    return told.reindex(covered).fillna(0.0)


def whole_months(snapshot: Snapshot, last: pd.Period, most: int) -> pd.PeriodIndex:
    """List the months up to a last one whose bookings the data cover, the newest `most` of them."""
    begun = snapshot.transactions["at"].cast("date").min().to_pyarrow().as_py()
    if begun is None or pd.Period(begun, "M") > last:
        raise BankmineError(f"there are no bookings up to {last.end_time.date()}")
    first = pd.Period(begun, "M") + int(begun.day > _EARLY)
    return pd.period_range(min(max(first, last - (most - 1)), last), last)


def not_counted(snapshot: Snapshot) -> list[str]:
    """List what the margin of this source lacks, because the source or the rules do not have it; often empty."""
    rules = load_rules(snapshot.source.currency)
    told = {
        "balances.balance": "deposits and lending, as there are no balances",
        "transactions.kind": "fees and commissions, as bookings have no kind",
        "transactions.channel": "differences between channels, as bookings have none",
    }
    lacks = [told[column] for column in snapshot.lacking(*told)]
    no_section = f"costs, as {rules.currency} rules stand in for {snapshot.source.currency or 'an unknown currency'}"
    return [*lacks, no_section] if rules.currency != snapshot.source.currency else lacks


def margin(snapshot: Snapshot, spine: ir.Table, days: int = 365, rules: MarginRules | None = None) -> ir.Table:
    """Compute the contribution margin of each customer over the days up to each day of a spine.

    In the source's currency: `deposits`, `lending`, `fees`, `cost` (above zero) and `margin`; 0 where nothing happened,
    and see `not_counted`. A month end's balance stands for its whole month, and belongs to the window that the month
    end lies in; so the margins of windows that follow each other add up.
    """
    rules = rules or rules_of(snapshot)
    owners = snapshot.accounts.select("account_id", "customer_id", "product")
    edges = (0, days)
    rows = bank_share(snapshot.transactions, rules).inner_join(owners, "account_id")
    parts = [_sums(by_period(rows, spine, edges, {m: ibis._[m].sum() for m in ("booked", "handling")}))]
    parts.append(_keeping(snapshot.accounts, spine, days, rules))
    if "balances" in snapshot.tables:
        held = _of_balances(snapshot.balances.inner_join(owners, "account_id"), rules)
        parts.append(
            _sums(by_period(held, spine, edges, {m: ibis._[m].sum() for m in ("deposits", "lending", "trail")}))
        )
    return _added_up(beside(spine.select(*KEYS), parts))


def margins(
    snapshot: Snapshot, ends: Sequence[datetime.date], days: int = 365, of: Sequence[str] = ("margin",)
) -> pd.DataFrame:
    """Fetch the margin of all customers over the days up to each end, or more `of` its parts, beside the keys; kept."""
    rules = load_rules(snapshot.source.currency)

    def computed() -> pd.DataFrame:
        paid = margin(snapshot, spine_of(snapshot, ends), days, rules).select(*KEYS, *of)
        return paid.order_by(KEYS).to_pandas()

    paid = kept(snapshot, f"{' and '.join(of)} of {days} days", list(ends), computed, rules)
    return paid.assign(day=pd.to_datetime(paid["day"])).astype(dict.fromkeys(of, float))


def tiers(margin: pd.Series, shares: Mapping[str, float] = TIERS) -> pd.Series:
    """Sort customers into tiers by margin, the most valuable first; shares must be positive and add up to 1.

    Who brings in nothing is in the last tier, whatever the shares say; an unknown margin counts as nothing. Of equal
    margins the smaller customer id comes first; a tier's number of customers is rounded up, so that no tier above is
    empty in a small bank.
    """
    if not np.isclose(sum(shares.values()), 1) or min(shares.values()) <= 0:
        raise BankmineError(f"Tiers must have positive shares that add up to 1, not {dict(shares)}.")
    value = margin.fillna(0.0)
    ends = np.ceil(np.cumsum(list(shares.values())) * len(value) - 1e-9)
    position = np.searchsorted(ends, places(value), side="right").clip(max=len(shares) - 1)
    codes = np.where(value > 0, position, len(shares) - 1)
    return pd.Series(pd.Categorical.from_codes(codes, list(shares), ordered=True), index=margin.index, name="tier")


def places(value: pd.Series) -> np.ndarray:
    """Return the place of each customer from 0 on, the largest value first and of equal ones the smaller id."""
    order = value.sort_index().sort_values(ascending=False, kind="stable").index
    return pd.Series(np.arange(len(order)), index=order).reindex(value.index).to_numpy()


def capture_curve(values: pd.Series) -> pd.DataFrame:
    """Add up what customers hold or bring, the largest first: `held`, the share of the total, by share of `customers`.

    Unknown and negative values count as nothing.
    """
    value = np.sort(values.fillna(0.0).clip(lower=0).to_numpy(float))[::-1]
    held = np.append(0.0, value.cumsum()) / (value.sum() or np.nan)
    return pd.DataFrame({"customers": np.linspace(0, 1, len(held)), "held": held})


def rules_of(snapshot: Snapshot) -> MarginRules:
    return load_rules(snapshot.source.currency)


def bank_share(t: ir.Table, rules: MarginRules) -> ir.Table:
    """Say of each booking what part of its amount is the bank's, and what handling it costs."""
    earns = [
        ((t.kind == kind) & (t.direction == direction), share)
        for kind, shares in rules.bookings.items()
        for direction, share in shares.items()
        if share and "kind" in t.columns
    ]
    costs = [(t.channel == channel, cost) for channel, cost in rules.costs.items() if "channel" in t.columns]
    return t.select(
        "account_id",
        "amount",
        date=t["at"].cast("date"),
        booked=t.amount * (ibis.cases(*earns, else_=0.0) if earns else 0.0),
        handling=ibis.cases(*costs, else_=rules.costs[_ELSE]) if costs else ibis.literal(rules.costs[_ELSE]),
    )


def _of_balances(held: ir.Table, rules: MarginRules, *beside: str) -> ir.Table:
    """Say of each balance at a month end what it earns in that month, `beside` other columns."""
    product, spreads = held["product"], rules.spreads
    rate = ibis.cases(*((product == p, float(spreads.get(p, 0.0))) for p in PRODUCTS), else_=0.0)
    owed = product.isin(DEBTS).ifelse(rate, spreads.get("overdraft", 0.0))
    month = held.month_end.day() / _DAYS_A_YEAR
    positive, negative = ibis.greatest(held.balance, 0.0), ibis.greatest(-held.balance, 0.0)
    return held.select(
        "customer_id",
        *beside,
        date=held.month_end,
        deposits=product.isin(DEPOSITS).ifelse(positive * rate * month, 0.0),
        lending=negative * owed * month,
        trail=product.isin((*DEPOSITS, *DEBTS)).ifelse(0.0, positive * rate * month),
    )


def _keeping(accounts: ir.Table, spine: ir.Table, days: int, rules: MarginRules) -> ir.Table:
    """Charge the cost of each open account for the days of the window on which it was open."""
    held = spine.select(*KEYS).inner_join(accounts, "customer_id")
    first = held.day - ibis.interval(days=days)
    first = ibis.greatest(first, held.opened_on - ibis.interval(days=1))
    last = ibis.least(held.day, held.closed_on.fill_null(held.day)) if "closed_on" in held.columns else held.day
    open_ = ibis.greatest(last.cast("date").delta(first.cast("date"), unit="day"), 0)
    return held.group_by(*KEYS).agg(keeping=open_.sum() * (rules.account * _MONTHS_A_YEAR / _DAYS_A_YEAR))


def _sums(periods: ir.Table) -> ir.Table:
    names = [c for c in periods.columns if c not in (*KEYS, "age")]
    return periods.group_by(*KEYS).agg(**{name: periods[name].sum() for name in names})


def _added_up(table: ir.Table) -> ir.Table:
    there = {name: table[name].fill_null(0.0) for name in table.columns if name not in KEYS}
    zero = ibis.literal(0.0)
    fees, cost = (
        reduce(add, [there.get(name, zero) for name in names])
        for names in (("booked", "trail"), ("handling", "keeping"))
    )
    table = table.select(
        *KEYS, deposits=there.get("deposits", zero), lending=there.get("lending", zero), fees=fees, cost=cost
    )
    return table.mutate(margin=table.deposits + table.lending + table.fees - table.cost)
