"""The real bank: its mapping against the raw files, read here by other means."""

from __future__ import annotations

import datetime as dt
import gzip
import shutil
from pathlib import Path

import pandas as pd
import pytest

from bankmine.bank.contract import CATEGORIES, CHANNELS
from bankmine.bank.snapshot import Bank, Snapshot, open_source
from bankmine.errors import SourceError

pytestmark = pytest.mark.slow

DAYS = ["1993-06-30", "1994-03-31"]
FILES = ("account", "card", "client", "disp", "district", "loan")

# operation, k_symbol -> kind, channel, category
MEANT = {
    ("", "UROK"): ("interest", "internal", "interest"),
    ("VKLAD", ""): ("cash", "branch", "cash"),
    ("VYBER", ""): ("cash", "branch", "cash"),
    ("VYBER", "SIPO"): ("cash", "branch", "housing"),
    ("VYBER", "SLUZBY"): ("fee", "internal", "fee"),
    ("VYBER", "SANKC. UROK"): ("fee", "internal", "fee"),
    ("VYBER KARTOU", ""): ("cash", "atm", "cash"),
    ("PREVOD Z UCTU", ""): ("transfer", None, "transfer"),
    ("PREVOD Z UCTU", "DUCHOD"): ("pension", None, "transfer"),
    ("PREVOD NA UCET", ""): ("transfer", None, "transfer"),
    ("PREVOD NA UCET", "SIPO"): ("transfer", None, "housing"),
    ("PREVOD NA UCET", "POJISTNE"): ("transfer", None, "insurance"),
    ("PREVOD NA UCET", "UVER"): ("loan_payment", None, "loan"),
}


@pytest.fixture(scope="module")
def files(datasets) -> Path:
    if not (datasets / "berka").is_dir():
        pytest.skip("the files of berka are not in BANKMINE_DATASETS")
    return datasets / "berka"


@pytest.fixture(scope="module")
def raw(files) -> dict[str, pd.DataFrame]:
    tables = {name: pd.read_csv(files / f"{name}.csv.gz", dtype=str) for name in FILES}
    booked = pd.read_csv(files / "trans_first_49102.asc.gz", sep=";", dtype=str, keep_default_na=False)
    booked["day"] = pd.to_datetime("19" + booked.date)
    booked["month_end"] = booked.day + pd.offsets.MonthEnd(0)
    return tables | {"trans": booked.assign(amount=booked.amount.astype(float), balance=booked.balance.astype(float))}


@pytest.fixture(scope="module")
def bank(files) -> Bank:
    return open_source("berka")


@pytest.fixture(scope="module")
def last(bank) -> Snapshot:
    return bank.as_of(DAYS[-1])


def test_all_bookings_are_kept(last, raw):
    assert last.checks["transactions"].kept == len(raw["trans"]) == 49_102
    booked = last.transactions.to_pandas()
    assert booked.account_id.nunique() == raw["trans"].account_id.nunique() == 1_229
    assert not (set(booked.transaction_id) ^ set(raw["trans"].trans_id))
    assert (booked["at"].min(), booked["at"].max()) == (pd.Timestamp(1993, 1, 1), pd.Timestamp(1994, 3, 31))


def test_amounts_are_those_of_the_raw_file(last, raw):
    sums = last.transactions.to_pandas().groupby("direction").amount.sum()
    incoming = raw["trans"].type == "PRIJEM"
    assert sums["in"] == pytest.approx(raw["trans"].amount[incoming].sum(), abs=1e-3)
    assert sums["out"] == pytest.approx(raw["trans"].amount[~incoming].sum(), abs=1e-3)


@pytest.mark.parametrize("day", DAYS)
def test_as_many_customers_accounts_loans_and_cards_as_there_were(bank, raw, day):
    owners = raw["disp"][raw["disp"].type == "OWNER"].merge(raw["account"], on="account_id")
    snapshot = bank.as_of(day)
    products = snapshot.accounts.to_pandas()["product"].value_counts().to_dict()
    counted = {
        "current": (raw["account"].date <= day).sum(),
        "personal_loan": (raw["loan"].date <= day).sum(),
        "credit_card": (raw["card"].issued.str[:10] <= day).sum(),
    }
    assert products == {product: number for product, number in counted.items() if number}
    assert snapshot.checks["applications"].kept == counted["personal_loan"]
    assert snapshot.checks["customers"].kept == owners[owners.date <= day].client_id.nunique()


def test_birth_numbers_tell_gender_and_day_of_birth(last, raw):
    numbers = raw["client"].set_index("client_id").birth_number.str.zfill(6)
    customers = last.customers.to_pandas().set_index("customer_id")
    told = numbers[customers.index]
    months = told.str[2:4].astype(int)
    assert (customers.gender == (months > 50).map({True: "female", False: "male"})).all()
    born = [dt.date(1900 + int(n[:2]), m % 50, int(n[4:])) for n, m in zip(told, months, strict=True)]
    assert pd.to_datetime(customers.birth_date).dt.date.tolist() == born


def test_every_code_has_a_meaning(last, raw):
    codes = raw["trans"].assign(
        operation=raw["trans"].operation.str.strip(), k_symbol=raw["trans"].k_symbol.str.strip()
    )
    expected = codes[["trans_id", "operation", "k_symbol"]].itertuples(index=False, name=None)
    expected = {key: MEANT[operation, symbol] for key, operation, symbol in expected}
    columns = ["transaction_id", "kind", "channel", "category"]
    found = last.transactions.select(*columns).to_pandas().astype(object)
    found = found.where(found.notna(), None).itertuples(index=False, name=None)
    assert {key: tuple(words) for key, *words in found} == expected
    words = set(MEANT.values())
    assert {channel for _, channel, _ in words} <= {*CHANNELS, None}
    assert {category for *_, category in words} <= set(CATEGORIES)


def test_loans_are_applications_whose_outcome_is_known_on_its_day(bank, last, raw):
    loans = raw["loan"].set_index("loan_id")
    found = bank.tables["applications"].to_pandas().set_index("application_id").loc[loans.index]
    started, ended = pd.to_datetime(loans.date), loans.status.isin(["A", "B"])
    terms = [start + pd.DateOffset(months=int(n)) for start, n in zip(started, loans.duration, strict=True)]
    known_on = pd.Series(terms, loans.index).where(ended, pd.Timestamp(1998, 12, 31))
    assert (pd.to_datetime(found.outcome_known_on) == known_on).all()
    assert (found.defaulted == loans.status.isin(["B", "D"])).all()
    assert (found.amount == loans.amount.astype(float)).all()
    assert last.applications.defaulted.count().to_pyarrow().as_py() == 0  # the first term ends in July 1994


def test_balances_are_those_after_the_last_booking(last, raw):
    by_day = raw["trans"].groupby(["account_id", "month_end", "day"]).balance.agg(["size", "last"]).reset_index()
    certain = by_day.groupby(["account_id", "month_end"]).tail(1).query("size == 1")
    found = last.balances.to_pandas().assign(month_end=lambda b: pd.to_datetime(b.month_end))
    both = certain.merge(found, on=["account_id", "month_end"])
    assert len(both) > 3_000
    assert (both.balance == both["last"]).all()


def test_balances_reconcile_but_for_the_day_on_which_the_file_is_cut_off(bank, last):
    assert bank.as_of("1994-02-28").violations().empty
    found = last.violations()
    assert found[["rule", "count"]].values.tolist() == [["unreconciled", 28]]


# --- the original layout, and files that are not there

ASC = {
    "account": '"account_id";"district_id";"frequency";"date"\n576;1;"POPLATEK MESICNE";930101\n',
    "client": '"client_id";"birth_number";"district_id"\n7;"706213";1\n8;"010203";1\n',
    "disp": '"disp_id";"client_id";"account_id";"type"\n1;7;576;"OWNER"\n2;8;576;"DISPONENT"\n',
    "district": ";".join(f'"A{i}"' for i in range(1, 17))
    + '\n1;"Hl.m. Praha";"Prague";'
    + ";".join(["12541"] * 13)
    + "\n",
    "loan": '"loan_id";"account_id";"date";"amount";"duration";"payments";"status"\n'
    '9;576;930705;96396;12;8033.00;"B"\n',
    "card": '"card_id";"disp_id";"type";"issued"\n3;1;"classic";"931107 00:00:00"\n',
    "trans": '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"\n'
    '1;576;930101;"PRIJEM";"VKLAD";900.00;900.00;"";;\n'
    '2;576;940801;"VYDAJ";"PREVOD NA UCET";100.50;799.50;"SIPO";"YZ";12345\n',
}


@pytest.fixture
def original(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "berka"
    folder.mkdir()
    for name, content in ASC.items():
        (folder / f"{name}.asc").write_text(content)
    monkeypatch.setenv("BANKMINE_DATASETS", str(tmp_path))
    return folder


def test_the_original_layout(original):
    bank = open_source("berka")
    snapshot = bank.as_of("1994-08-31")
    assert snapshot.violations().empty
    assert {c.name: c.kept for c in snapshot.checks.values()} == {
        "customers": 1, "accounts": 3, "transactions": 2, "balances": 20, "applications": 1
    }  # fmt: skip
    customer = snapshot.customers.to_pandas().iloc[0]
    assert (customer.gender, customer.region, customer.district) == ("female", "Prague", "Hl.m. Praha")
    assert str(customer.birth_date)[:10] == "1970-12-13"
    booked = snapshot.transactions.to_pandas().set_index("transaction_id").loc["2"]
    assert (booked.direction, booked.amount, booked.category, booked.counterparty) == (
        "out",
        100.5,
        "housing",
        "YZ-12345",
    )
    loan = snapshot.applications.to_pandas().iloc[0]
    assert (loan.defaulted, str(loan.outcome_known_on)[:10]) == (True, "1994-07-05")
    accounts = snapshot.accounts.to_pandas().set_index("product")
    assert str(accounts.opened_on["credit_card"])[:10] == "1993-11-07"
    assert bank.as_of("1994-07-04").applications.defaulted.to_pandas().isna().all()


def test_packed_files_work_too(original):
    (original / "client.asc.gz").write_bytes(gzip.compress((original / "client.asc").read_bytes()))
    (original / "client.asc").unlink()
    assert open_source("berka").as_of("1994-08-31").customers.gender.to_pandas()[0] == "female"


def test_a_missing_file_says_which_and_where_to_get_it(original):
    (original / "loan.asc").unlink()
    with pytest.raises(
        SourceError, match=r"loan\.csv\.gz \(or .*loan\.asc.* is missing in .*berka\. Download .*https://"
    ):
        open_source("berka")
    shutil.rmtree(original)
    with pytest.raises(SourceError, match=r"is missing in .* Download"):
        open_source("berka")
