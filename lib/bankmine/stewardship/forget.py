"""Forget: a customer is taken out of all that the workspace keeps, and it is told where they remain."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import reduce
from operator import or_
from pathlib import Path

import ibis.expr.types as ir

from bankmine.bank import cache
from bankmine.bank.casting import as_text
from bankmine.bank.pseudonyms import key_of
from bankmine.bank.readers import read_flat
from bankmine.bank.snapshot import read_source
from bankmine.bank.sources import FLAT, SOURCES, Source, ensure_generated, find_source
from bankmine.errors import BankmineError
from bankmine.live.forgotten import accounts_of, forget
from bankmine.privacy import access, audit
from bankmine.privacy.tokens import ACCOUNT, CUSTOMER, TOKEN, domain_of, token_of
from bankmine.report.files import claimed, publish, refresh_index, refuse_foreign
from bankmine.report.runner import DEFAULT_SOURCE, place_of
from bankmine.stewardship.forgotten_files import FORGOTTEN, Changes, Keys, Sought, accounts_in, mentioned, without
from bankmine.workspace import WORKSPACE

_CUSTOMERS, _ACCOUNTS = ("customer_id", "from_id", "to_id"), ("account_id", "counterparty")
"""Columns of the contract that hold keys of customers and of accounts."""
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def forgotten(customer: str, name: str, state: Path | None, reports: Path) -> list[str]:
    """Take a customer out of reports, state and cache; say what was done, and where they remain.

    Raises
    ------
    BankmineError
        If the role may not, there is no such source, folder or state, or nothing of the customer: then nothing is
        changed.
    """
    if not customer.strip():
        raise BankmineError("The customer is given as nothing: give the key by which the source calls them.")
    role, purpose = access.acting()
    access.require(role, "forget", purpose)
    source = find_source(name)
    folder = _folder(source, reports)
    if state is not None and not state.is_file():
        raise BankmineError(f"{state} is no file: give that of the state with --state.")
    keys = Keys({customer.strip()})
    with ExitStack() as held:
        days = sorted(day for day in folder.glob(_DAY) if day.is_dir())
        for day in days:
            held.enter_context(claimed(day))
        in_source = _in_source(source, keys)
        if not in_source and TOKEN.fullmatch(customer.strip()):
            raise BankmineError(
                "What is given is a token, and whom the source still has is told by the bank's own key alone: give "
                "that one (`bankmine privacy reveal` turns the tokens of a list back). Nothing was changed."
            )
        _add_tokens(keys, source)
        known = [accounts_in(day, keys.customers) for day in days]
        known += [accounts_of(state, keys.customers)] if state is not None else []
        places = [folder, state] if state else [folder]
        if not in_source and all(accounts is None for accounts in known):
            raise BankmineError(
                f"No customer of this key is known in source {source.name}, or in {' or '.join(map(str, places))}: "
                "nothing was changed. Is the key written as the source writes it?"
            )
        keys.accounts.update(*(accounts for accounts in known if accounts))
        sought = Sought(keys)
        found = [without(day, sought) for day in days]
        told = {"source": source.name, "folder": folder.name, "state": state and state.name}
        audit.record("forget", **told)
        in_state = forget(state, keys.customers, keys.accounts, FORGOTTEN) if state is not None else Counter()
        for changes in found:
            if changes.contents:
                publish(changes.contents)
    counts = sum((c for changes in found for c in changes.found.values()), Counter())
    audit.record("forgotten", **told, in_reports=dict(counts), in_state=dict(in_state), in_source=in_source)
    refresh_index(reports)
    return [
        *_done(found, in_state),
        *_left(found, *mentioned(WORKSPACE / "notebooks", sought)),
        _next_run(in_source, source),
    ]


def _add_tokens(keys: Keys, source: Source) -> None:
    """Of a source with pseudonyms, what is kept of a customer is by tokens."""
    if source.pseudonyms:
        key, whose = key_of(source), domain_of((source.flat or {}).get("id", ""), CUSTOMER)
        keys.customers |= {token_of(key, whose, k) for k in keys.customers}
        keys.accounts |= {token_of(key, ACCOUNT, k) for k in keys.accounts}


def _done(found: list[Changes], in_state: Counter[str]) -> list[str]:
    """Say what was taken away."""
    says = [
        f"{changes.folder.name}/{report}: {_counted(counts)}"
        for changes in found
        for report, counts in changes.found.items()
    ]
    says += [f"state: {_counted(in_state)}"] if in_state else []
    return says + [f"cache: {line}" for line in cache.cleared()]


def _left(found: list[Changes], mentioned: list[Path], doubtful: list[Path]) -> list[str]:
    """Say where people have to look."""
    left = [file for changes in found for file in changes.remains] + mentioned
    doubtful = [file for changes in found for file in changes.doubtful] + doubtful
    says = [f"still in {file}: clear it by hand" for file in left]
    says += [
        f"may be in {file}: its text was left as it is, as a key that looks like a number or a word cannot be told "
        "from one. Look there by hand, or make it anew when the source has them no more"
        for file in doubtful
    ]
    return says + [f"tokens were turned back in {file}: look there by hand" for file in _revealed()]


def _next_run(in_source: dict[str, int] | None, source: Source) -> str:
    """Say whether the customer comes back."""
    if in_source is None:
        return (
            f"source {source.name} names no column of keys (flat: id), so whether it has them cannot be told: the next "
            "run brings them back if it does"
        )
    if not in_source:
        return f"source {source.name} has nothing of them any more: no run brings them back"
    return (
        f"source {source.name} still has them ({_counted(in_source)}), and it is the bank's: the next run brings them "
        "back as long as the source has them"
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {n:,}" for what, n in counts.items())


def _revealed() -> list[str]:
    return audit.verify(audit.place()).revealed


def _folder(source: Source, reports: Path) -> Path:
    """Return where the days of a source's reports are."""
    if not reports.is_dir():
        raise BankmineError(f"{reports} is no folder: give that of the reports with --reports.")
    if source.folder == SOURCES / DEFAULT_SOURCE:
        return reports
    refuse_foreign(reports / source.name, place_of(source))
    return reports / source.name


def _in_source(source: Source, keys: Keys) -> dict[str, int] | None:
    """Count rows of a customer by table, and learn which accounts are theirs; None where no column tells."""
    ensure_generated(source)
    if source.flat is not None:
        rows = read_flat(source)[0].table(FLAT)
        own = source.flat.get("id", "")
        return +Counter({FLAT: _count(rows, {own: keys.customers})}) if own in rows.columns else None
    bank = read_source(str(source.folder))
    counts: Counter[str] = Counter()
    with bank.reading.undamaged():
        if "accounts" in bank.raw and {"account_id", "customer_id"} <= set(bank.raw["accounts"].columns):
            owned = bank.raw["accounts"].filter(_among(bank.raw["accounts"], {"customer_id": keys.customers}))
            keys.accounts.update(owned.select(key=_text(owned.account_id)).to_pyarrow()["key"].to_pylist())
        among = dict.fromkeys(_CUSTOMERS, keys.customers) | dict.fromkeys(_ACCOUNTS, keys.accounts)
        for name, rows in bank.raw.items():
            counts[name] = _count(rows, among)
    return +counts


def _count(rows: ir.Table, among: dict[str, set[str]]) -> int:
    """Count rows with one of some keys in one of some columns."""
    asked = {column: keys for column, keys in among.items() if keys and column in rows.columns}
    return rows.filter(_among(rows, asked)).count().to_pyarrow().as_py() if asked else 0


def _among(rows: ir.Table, asked: dict[str, set[str]]) -> ir.BooleanValue:
    return reduce(or_, (_text(rows[column]).isin(sorted(keys)) for column, keys in asked.items()))


def _text(column: ir.Value) -> ir.StringValue:
    return as_text(column).strip()
