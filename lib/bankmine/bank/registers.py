"""Registries: rules that people own, as lists in YAML, read into dataclasses and computed over customers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import pandas as pd
import yaml

from bankmine.errors import BankmineError

Entry = TypeVar("Entry")
_WORDS = {"and", "or", "not", "in", "quantile", "median", "mean", "True", "False"}


def read_yaml(file: Path) -> object:
    """Read a registry's YAML.

    Raises
    ------
    BankmineError
        If it is none.
    """
    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise BankmineError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from None


def entries(told: object, kind: type[Entry], file: Path, what: str) -> list[Entry]:
    """Turn a list of mappings into dataclasses that have an `id`.

    Parameters
    ----------
    told : object
        The list, as YAML gives it.
    kind : type
        Dataclass of an entry.
    file : Path
        Where the list is from, for messages.
    what : str
        What it is a list of, for messages.

    Raises
    ------
    BankmineError
        If it is no list of such mappings, an entry lacks a field or has an unknown one, or an id comes twice.
    """
    try:
        found = [kind(**entry) for entry in told]
    except TypeError as error:
        raise BankmineError(f"{file} is not a list of {what}: {' '.join(str(error).split())}") from None
    ids = [entry.id for entry in found]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise BankmineError(f"{file}: the id {twice[0]} comes twice.")
    return found


def names_in(expression: str) -> set[str]:
    """Return the names of the columns that an expression uses."""
    return set(re.findall(r"[A-Za-z_]\w*", expression)) - _WORDS


def compute(expression: str, customers: pd.DataFrame, of: str) -> pd.Series:
    """Compute an expression of a registry over the columns of a customer table.

    Raises
    ------
    BankmineError
        If it cannot be computed; `of` says whose it is.
    """
    try:
        found = customers.eval(expression, engine="python")
    # pandas tells of what an expression may not hold, as a lambda, by NotImplementedError
    except (SyntaxError, TypeError, ValueError, NotImplementedError, AttributeError, KeyError, NameError) as error:
        raise BankmineError(f"Rule of {of} cannot be computed: {expression!r}: {error}") from None
    return pd.Series(found, index=customers.index)


def holds(rule: str, customers: pd.DataFrame, of: str) -> pd.Series:
    """Evaluate a rule on each customer; it does not hold where a feature is unknown.

    Raises
    ------
    BankmineError
        If the rule cannot be computed; `of` says whose rule it is.
    """
    return compute(rule, customers, of).fillna(False).astype(bool)
