"""Register of columns: what each is, what it may be used for, how it is masked, how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bankmine.errors import BankmineError
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

FILE = WORKSPACE / "data" / "privacy.yml"
GENERAL, PERSONAL, SENSITIVE = KINDS = ("general", "personal", "sensitive")
NONE, TOKEN, YEAR, REDACT, ABSENT = MASKINGS = ("none", "token", "year", "redact", "absent")


def _words(told: object, what: str) -> tuple[str, ...]:
    if not isinstance(told, list | tuple) or not all(isinstance(word, str) for word in told):
        raise BankmineError(f"{what} must be a list of words, not {told!r}.")
    return tuple(told)


@dataclass(frozen=True)
class Purpose:
    """What data are used for, on which legal basis, and by whose consent."""

    id: str
    what: str
    basis: str
    consent: tuple[str, ...] = ()
    """Columns of customers: only rows of those who gave all of these consents are used."""
    contact: tuple[str, ...] = ()
    """Only those who gave all of these consents may stand on a list of people to be contacted."""

    def __post_init__(self) -> None:
        for name in ("consent", "contact"):
            object.__setattr__(self, name, _words(getattr(self, name), f"purpose {self.id}: {name}"))

    @property
    def reached(self) -> tuple[str, ...]:
        """Consents of those whom one may be told how to reach."""
        return tuple(dict.fromkeys(self.consent + self.contact))


@dataclass(frozen=True)
class Group:
    """Columns, written `table.column`, that are treated alike."""

    id: str
    kind: str
    masking: str
    purposes: tuple[str, ...]
    retention: int
    """Years after the end of the relationship."""
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("purposes", "columns"):
            object.__setattr__(self, name, _words(getattr(self, name), f"{self.id}: {name}"))
        for name, may in (("kind", KINDS), ("masking", MASKINGS)):
            if getattr(self, name) not in may:
                raise BankmineError(f"{self.id}: {name} may be {', '.join(may)}, not {getattr(self, name)!r}.")
        if isinstance(self.retention, bool) or not isinstance(self.retention, int | float) or not self.retention > 0:
            raise BankmineError(f"{self.id}: retention is a number of years above zero, not {self.retention!r}.")
        if odd := [c for c in self.columns if not all(c.partition("."))]:  # a column of a flat table may hold points
            raise BankmineError(f"{self.id}: a column is written table.column, unlike {odd[0]!r}.")


@dataclass(frozen=True)
class Review:
    """Who explains decisions by machine and has a person look at them again, within how many days."""

    id: str
    owner: str
    days: int

    def __post_init__(self) -> None:
        if isinstance(self.days, bool) or not isinstance(self.days, int) or self.days < 1:
            raise BankmineError(f"{self.id}: days is a whole number of days from 1, not {self.days!r}.")


UNLISTED = Group("not listed", SENSITIVE, ABSENT, (), 1, ())
"""How a column is treated that nobody lists."""


@dataclass(frozen=True)
class Register:
    """Purposes by their id, and the group of each listed column."""

    purposes: dict[str, Purpose]
    groups: dict[str, Group]
    smallest_group: int = 5
    """Customers of whom a group may be told on a page; of fewer it is merged with others or hidden."""
    reviews: dict[str, Review] = field(default_factory=dict)

    def group(self, column: str) -> Group:
        """Return the group of a column, written `table.column`."""
        return self.groups.get(column, UNLISTED)

    def purpose(self, name: str) -> Purpose:
        """Return a purpose by its id, or say which there are."""
        if name not in self.purposes:
            raise BankmineError(f"No purpose {name!r}: {FILE} has {', '.join(self.purposes)}.")
        return self.purposes[name]

    def review(self, name: str) -> Review:
        """Return who reviews the decisions of an analysis, or say that nobody is told."""
        if name not in self.reviews:
            raise BankmineError(f"nobody explains and reviews its decisions: name somebody under reviews in {FILE}")
        return self.reviews[name]


def load_register(folder: Path) -> Register:
    """Read the workspace's register, if it has one, and that in a source's folder, which adds its further columns.

    Raises
    ------
    BankmineError
        If one does not parse, lists a column twice, or names a purpose that is not there, or the smallest group is no
        number from 1.
    """
    told = _read(FILE, {"purposes", "columns", "smallest_group", "reviews"}) if FILE.is_file() else {}
    purposes = {p.id: p for p in entries(told.get("purposes", []), Purpose, FILE, "purposes")}
    groups = _groups(told, FILE, purposes)
    own = folder / FILE.name
    if own.is_file() and own != FILE:
        more = _groups(_read(own, {"columns"}), own, purposes)
        if twice := sorted(set(groups) & set(more)):
            raise BankmineError(f"{own}: {twice[0]} is listed in {FILE} already: remove it from one of them.")
        groups |= more
    for purpose in purposes.values():
        if odd := [c for c in (*purpose.consent, *purpose.contact) if f"customers.{c}" not in groups]:
            raise BankmineError(
                f"{FILE}: purpose {purpose.id} asks for {odd[0]!r}, which is no listed column of customers."
            )
    smallest = told.get("smallest_group", Register.smallest_group)
    if isinstance(smallest, bool) or not isinstance(smallest, int) or smallest < 1:
        raise BankmineError(f"{FILE}: smallest_group is a whole number of customers from 1, not {smallest!r}.")
    reviews = {r.id: r for r in entries(told.get("reviews", []), Review, FILE, "reviews")}
    return Register(purposes, groups, smallest, reviews)


def _read(file: Path, keys: set[str]) -> dict:
    told = read_yaml(file)
    if not isinstance(told, dict) or set(told) - keys:
        raise BankmineError(f"{file} must be a mapping of {' and '.join(sorted(keys))}, and nothing else.")
    return told


def _groups(told: dict, file: Path, purposes: dict[str, Purpose]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for group in entries(told.get("columns", []), Group, file, "groups of columns"):
        if odd := [p for p in group.purposes if p not in purposes]:
            raise BankmineError(
                f"{file}: {group.id} names the purpose {odd[0]!r}, which is none of {FILE}: {', '.join(purposes)}."
            )
        if twice := [c for i, c in enumerate(group.columns) if c in found or c in group.columns[:i]]:
            raise BankmineError(f"{file}: {twice[0]} is listed twice.")
        found |= dict.fromkeys(group.columns, group)
    return found
