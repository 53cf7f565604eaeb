"""Classified: the register of columns, held against the columns that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from bankmine.bank.contract import TABLES
from bankmine.bank.sources import Source
from bankmine.errors import BankmineError
from bankmine.privacy.register import FILE, Register, load_register


def register_of(source: Source, columns: Mapping[str, Iterable[str]]) -> Register:
    """Read the register for a source, whose columns are given by table.

    Raises
    ------
    BankmineError
        If it does not parse, or lists a column that neither the contract nor the source has: somebody took it for
        protected.
    """
    register = load_register(source.folder)
    known = {f"{name}.{column}" for name, table in TABLES.items() for column in table.names}
    known |= {f"{name}.{column}" for name, there in columns.items() for column in there}
    if odd := [column for column in register.groups if column not in known]:
        near = difflib.get_close_matches(odd[0], known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise BankmineError(
            f"The register of columns lists {odd[0]}, which neither the contract nor source {source.name} has.{hint} "
            f"Correct it in {FILE}, or in {source.folder / FILE.name} where it is a source's own."
        )
    return register
