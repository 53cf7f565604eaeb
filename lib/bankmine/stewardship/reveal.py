"""Reveal: a list with the bank's own keys in place of its tokens, for those who call the customers."""

from __future__ import annotations

import io
import os
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import fastexcel
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bankmine.bank.contract import TABLES
from bankmine.bank.pseudonyms import keys_of
from bankmine.bank.sources import Source, find_source
from bankmine.errors import BankmineError, told
from bankmine.features.consent import agreed
from bankmine.privacy import audit
from bankmine.privacy.keys import KEY_FILE
from bankmine.privacy.patterns import found_in
from bankmine.privacy.register import UNLISTED, load_register
from bankmine.privacy.sealing import read_sealed
from bankmine.privacy.tokens import CUSTOMER, DIGITS, domain_of_token, letter_of, mapped
from bankmine.report.catalogue import load_catalogue
from bankmine.report.runner import DEFAULT_SOURCE, place_of
from bankmine.stewardship.handed_file import Taken, taken
from bankmine.stewardship.tokenised import Tokenised, open_tokenised, replaced
from bankmine.workspace import WORKSPACE

_WHOLE = rf"^[a-z][0-9a-f]{{{DIGITS}}}$"
_ENDINGS = (".parquet", ".xlsx")


class Revealed(NamedTuple):
    """How many rows a workbook has, and of how many its customers did not agree, or no longer do."""

    rows: int
    left_out: int


def reveal(file: Path, source: str, reason: str, out: Path) -> Revealed:
    """Write a workbook with the rows of a list, the bank's own keys, and how the register lets customers be reached.

    Where people are contacted for the purpose, the rows are those of customers who by the source as it is agreed.

    Raises
    ------
    BankmineError
        If the role may not, or may not run the list's report, no reason is given or one that looks personal, the list
        holds no token or one that the source does not have, nobody can tell who agreed, the key is wrong, or the
        workbook cannot be written; then nothing is shown.
    """
    by = taken(file, "reveal")
    if not (reason := " ".join(reason.split())):
        raise BankmineError('Say with --reason "…" why the keys are needed: it is written into the audit.')
    if found_in(reason):
        raise BankmineError(
            "The reason names somebody, by a number or an address: say why, not whom; the audit keeps it."
        )
    _refuse_place(by.folder, find_source(source), out)
    listed = _read(file)
    columns = {name: domain for name in listed.column_names if (domain := _domain(listed[name]))}
    if not columns:
        raise BankmineError(f"{file} has no column of tokens: give a list that a report of the source handed on.")
    opened = open_tokenised(source)
    keyed = _with_keys(opened, listed, columns, file)
    customers = [name for name, domain in columns.items() if domain == CUSTOMER]
    shown = _of_who_agreed(opened, keyed, customers, _wanted(by, opened), file)
    left_out = keyed.num_rows - shown.num_rows
    shown, contacts = _with_contacts(opened, shown, customers[0]) if customers else (shown, [])
    # who was not written down gets nothing
    audit.record(
        audit.REVEALED, list=str(file.absolute()), source=opened.source.name, rows=shown.num_rows,
        left_out=left_out, columns=audit.names(columns), contacts=audit.names(contacts), reason=reason,
        file=str(out.absolute()), role=by.role, purpose=by.purpose,
    )  # fmt: skip
    _write(shown, out)
    return Revealed(shown.num_rows, left_out)


def _refuse_place(folder: Path | None, source: Source, out: Path) -> None:
    """Refuse a place that others read, as where the list lies among reports, or that holds something."""
    place, shared = out.resolve(), [WORKSPACE]
    if folder is not None:
        beside_others = folder.name == source.name and place_of(source) != DEFAULT_SOURCE
        shared.append(folder.parent if beside_others else folder)
    if out.suffix != ".xlsx":
        raise BankmineError(f"{out} must end in .xlsx: a list with the bank's own keys is a workbook.")
    if any(place.is_relative_to(folder) for folder in shared):
        raise BankmineError(f"{out} lies in the project or among reports, which others read: give another place.")
    if place.exists():
        raise BankmineError(f"{out} is there already: give another file.")


def _read(file: Path) -> pa.Table:
    if file.suffix not in _ENDINGS:
        raise BankmineError(f"{file} is no list: give one that ends in {' or '.join(_ENDINGS)}.")
    with told(f"{file} cannot be read"):
        content = read_sealed(file)
        if file.suffix == ".parquet":
            return pq.read_table(pa.BufferReader(content))
        return pa.Table.from_pandas(fastexcel.read_excel(content).load_sheet(0).to_pandas(), preserve_index=False)


def _domain(column: pa.ChunkedArray) -> str:
    """Tell of what a column holds tokens; empty where it holds anything else."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return ""
    texts = pc.drop_null(pc.unique(column.cast(pa.string())))
    if not len(texts) or not pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        return ""
    return domain_of_token(texts[0].as_py())


def _with_keys(opened: Tokenised, listed: pa.Table, columns: dict[str, str], file: Path) -> pa.Table:
    """Put the bank's own keys in place of tokens."""
    own = keys_of(opened.plain, opened.source)
    asked = pa.chunked_array([chunk for c in columns for chunk in listed[c].cast(pa.string()).chunks])
    asked = opened.con.create_table("asked", pa.table({"token": pc.drop_null(pc.unique(asked))}))
    letters = {letter_of(domain) for domain in columns.values()}
    domains = {domain: keys for domain, keys in own.items() if letter_of(domain) in letters}
    found = [
        mapped(keys, domain, opened.key).semi_join(asked, "token").to_pyarrow() for domain, keys in domains.items()
    ]
    known = pa.concat_tables(found).combine_chunks()
    missing = asked.count().to_pyarrow().as_py() - len(known)
    if missing:
        hint = "" if len(known) else f" Is {KEY_FILE} the key by which it was made?"
        raise BankmineError(
            f"{missing:,} tokens of {file} are of no key that source {opened.source.name} has, by the key "
            f"{opened.key.name}: nothing is revealed.{hint}"
        )
    for column in columns:
        keyed = replaced(
            listed[column].cast(pa.string()), known["token"].combine_chunks(), known["key"].combine_chunks()
        )
        listed = listed.set_column(listed.column_names.index(column), column, keyed)
    return listed


def _wanted(by: Taken, opened: Tokenised) -> list[str]:
    """Return the consents that customers must have given: of the list's report, and of what it is revealed for."""
    report, purposes = load_catalogue().get(by.report), load_register(opened.source.folder).purposes
    told = [purposes[name] for name in (report.purpose if report else "", by.purpose) if name in purposes]
    return [*dict.fromkeys(consent for of in told for consent in of.reached)]


def _of_who_agreed(opened: Tokenised, keyed: pa.Table, columns: list[str], wanted: list[str], file: Path) -> pa.Table:
    """Keep rows all of whose customers gave some consents, by the source as it is: since a report some may say no."""
    if not wanted:
        return keyed
    people, asks = opened.plain["customers"], f"those who are contacted must have given {' and '.join(wanted)}"
    if lost := [consent for consent in wanted if consent not in people.columns]:
        raise BankmineError(
            f"Source {opened.source.name} has no {' and no '.join(lost)} of customers, and {asks}: nothing is revealed."
        )
    if not columns:
        raise BankmineError(f"{file} has no column of customers, and {asks}: give a list that names them.")
    gave = agreed(people, wanted).customer_id.to_pyarrow().combine_chunks().cast(pa.string())
    return keyed.filter(reduce(pc.and_, (pc.is_in(keyed[c].cast(pa.string()), value_set=gave) for c in columns)))


def _with_contacts(opened: Tokenised, listed: pa.Table, column: str) -> tuple[pa.Table, list[str]]:
    """Add what is listed of customers beside the contract and for no analysis, as telephone numbers; tell which."""
    register, rows = load_register(opened.source.folder), opened.plain["customers"]
    groups = {c: register.group(f"customers.{c}") for c in rows.columns if c not in TABLES["customers"].names}
    contacts = [c for c, group in groups.items() if group is not UNLISTED and not group.purposes]
    if not contacts:
        return listed, []
    those = opened.con.create_table("those", pa.table({"customer_id": pc.unique(listed[column])}))
    found = rows.select("customer_id", *contacts).semi_join(those, "customer_id").distinct(on="customer_id")
    frame = found.to_pandas().rename(columns={"customer_id": column})
    both = listed.to_pandas().merge(frame, on=column, how="left", suffixes=("", " of the bank"))
    return pa.Table.from_pandas(both, preserve_index=False), contacts


def _write(shown: pa.Table, out: Path) -> None:
    """Write a workbook that its owner alone can read, in which text is no formula and no link."""
    content, plain = io.BytesIO(), {"options": {"strings_to_formulas": False, "strings_to_urls": False}}
    with pd.ExcelWriter(content, engine="xlsxwriter", engine_kwargs=plain) as writer:
        shown.to_pandas().to_excel(writer, index=False, freeze_panes=(1, 1))
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content.getvalue())
    except OSError as error:
        out.unlink(missing_ok=True)
        raise BankmineError(f"{out} cannot be written: {error.strerror}. Give another file.") from None
