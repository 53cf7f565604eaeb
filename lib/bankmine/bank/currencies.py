"""Currencies: amounts of a source are in one, or are brought to it by rates that it tells."""

from __future__ import annotations

from dataclasses import replace

import ibis
import ibis.expr.types as ir

from bankmine.bank.casting import Typed
from bankmine.bank.contract import TABLES
from bankmine.bank.sources import Source

_COLUMNS = ("currency", "currency_code", "ccy")
_MONEY = ("amount", "balance", "balance_after", "credit_limit", "annual_income", "cost", "revenue")
_OWN = "_currency_"
_SHOWN = 5


def in_one_currency(tables: dict[str, Typed], source: Source) -> dict[str, Typed]:
    """Bring all amounts to the source's currency; say what is lacking where tables hold several and no rates are told.

    Amounts without a currency of their own are in that of their account.
    """
    found: dict[str, Typed] = {}
    of_accounts: ir.Table | None = None
    for name, table in tables.items():
        rows = table.rows
        column = next((c for c in rows.columns if c.strip().lower() in _COLUMNS), None)
        money = [c for c in _MONEY if c in rows.columns and c in TABLES[name].names]
        if column and money:
            rows = rows.mutate(**{_OWN: rows[column].cast("string").strip().upper().nullif("")})
        elif of_accounts is not None and money and "account_id" in rows.columns:
            rows = rows.left_join(of_accounts, "account_id").drop("account_id_right")
        if _OWN not in rows.columns:
            found[name] = table
            continue
        found[name] = _converted(replace(table, rows=rows), name, money, source)
        if name == "accounts" and rows is not found[name].rows:
            of_accounts = rows.select("account_id", _OWN).distinct(on="account_id")
    return found


def _converted(table: Typed, name: str, money: list[str], source: Source) -> Typed:
    rows, plain = table.rows, table.rows.drop(_OWN)
    counted = rows.filter(rows[_OWN].notnull()).group_by(_OWN).agg(n=ibis._.count())
    counts = {r[_OWN]: r["n"] for r in counted.order_by(ibis.desc("n"), _OWN).to_pyarrow().to_pylist()}
    rates = {code.upper(): rate for code, rate in source.rates.items()}
    if len(counts) < 2 and not rates.keys() & counts.keys():
        return replace(table, rows=plain)
    if not rates:
        shown = ", ".join(f"{code} {n:,}" for code, n in [*counts.items()][:_SHOWN])
        why = f"{name} holds amounts in {len(counts)} currencies ({shown}): tell as rates what a unit of each is worth"
        return replace(table, rows=plain, problems=[*table.problems, f"{why}; rows in others are left out"])
    without = {code: n for code, n in counts.items() if code not in rates}
    factor = ibis.cases(*((rows[_OWN] == code, rate) for code, rate in rates.items()), else_=1.0)
    kept = rows.filter(rows[_OWN].isnull() | rows[_OWN].isin(list(rates))) if without else rows
    said = [f"{sum(without.values()):,} rows in {', '.join(without)}, which has no rate, left out"] if without else []
    said.append(f"amounts brought to one currency by {', '.join(f'{c} {r:g}' for c, r in rates.items())}")
    converted = kept.mutate(**{c: kept[c] * factor for c in money}).drop(_OWN)
    return replace(table, rows=converted, remarks=[*table.remarks, *said])
