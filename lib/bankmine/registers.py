"""Registers: files of YAML that people own, and the only way they are read: plain values, of a bounded size."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import yaml

from bankmine.errors import BankmineError, one_line

Entry = TypeVar("Entry")
_LARGE = 1e18
"""Beyond it, whole numbers are no longer exact, and nothing of a bank is counted so high."""
_LARGEST, _DEEPEST = 256_000, 20
"""Bytes of a register, and how deep its parts nest: those of a bank have less than 20,000 and 5."""


class _Loader(yaml.SafeLoader):
    """Reads plain values only; what nests deeply or repeats itself by aliases would explode when it is used."""

    depth = 0

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            raise yaml.YAMLError(f"{twice[0]} comes twice in one mapping, at line {node.start_mark.line + 1}.")
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: object, index: object) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"write out what the alias *{self.peek_event().anchor} repeats.")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise yaml.YAMLError(f"its parts nest deeper than {_DEEPEST}: write it flatter.")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_yaml(file: Path) -> object:
    """Read a register's YAML; an error tells if it is none, or larger or deeper than a register can be."""
    try:
        if file.stat().st_size > _LARGEST:
            raise BankmineError(f"{file} is larger than {_LARGEST:,} bytes: a register is not; split it.")
        found = yaml.load(file.read_text("utf-8"), _Loader)
    except UnicodeDecodeError as error:
        raise BankmineError(f"{file} is not readable UTF-8 text: {one_line(error)}") from None
    except (OSError, yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        raise BankmineError(f"{file} is not readable YAML: {one_line(error)}") from None
    if large := next((n for n in _numbers(found) if not -_LARGE < n < _LARGE), None):
        raise BankmineError(f"{file}: {str(large)[:20]} is too large a number for a register, or none: write another.")
    return found


def _numbers(told: object) -> Iterator[float]:
    """Go through all numbers that YAML gave."""
    if isinstance(told, dict):
        told = [*told, *told.values()]
    if isinstance(told, list):
        for one in told:
            yield from _numbers(one)
    elif isinstance(told, int | float):
        yield told


def entries(told: object, kind: type[Entry], file: Path, what: str) -> list[Entry]:
    """Turn a list of mappings, as YAML gives it, into dataclasses that have an `id`.

    An error names the file and tells if it is no list of `what`, an entry lacks a field, has an unknown one or a rule
    that is refused, or an id comes twice.
    """
    if not isinstance(told, list):
        raise BankmineError(f"{file} is not a list of {what}.")
    try:
        found = [kind(**entry) for entry in told]
    except TypeError as error:
        raise BankmineError(f"{file} is not a list of {what}: {one_line(error)}") from None
    except BankmineError as error:
        raise BankmineError(f"{file}: {error}") from None
    ids = [entry.id for entry in found]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise BankmineError(f"{file}: the id {twice[0]} comes twice.")
    return found


def undated(version: object, status: object, known: Collection[str]) -> list[tuple[object, str]]:
    """Say, for `refuse`, what is wrong with the version and the status of what a register assumes."""
    return [
        (status not in known, f"the status must be {' or '.join(known)}"),
        (not isinstance(version, datetime.date), "the version must be a day"),
    ]


def refuse(file: Path, section: str, wrong: Iterable[tuple[object, str]]) -> None:
    """Raise an error that tells the first thing that is wrong with a section of a register, and which entries are.

    Each is what is wrong, nothing where it is not, as a list of entries, and what must be.
    """
    for which, what in wrong:
        if which:
            names = f" ({', '.join(map(str, which))})" if isinstance(which, list) else ""
            raise BankmineError(f"{file}, section {section}: {what}{names}.")
