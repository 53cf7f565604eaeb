"""Access: for which purposes a role may act, which reports it may run, and what it sees of tables, columns and rows.

`data/access.yml` says so; where it is not there, everybody sees all. What the file does not allow is denied, and what
it denies stays denied whatever else allows it. pycasbin decides: its model, which it evaluates, stands here; what
people write into the file is only ever compared with.

This keeps people to what their work needs, and shows it. It is no wall: who can read the files of a bank can read them
without this library. The wall is the operating system and the database: an account for each group of people, files and
views that only theirs may read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from bankmine.errors import BankmineError
from bankmine.privacy.register import ABSENT, KINDS, NONE, UNLISTED, Register, load_register
from bankmine.privacy.register import FILE as REGISTER
from bankmine.registers import entries, read_yaml
from bankmine.workspace import WORKSPACE

if TYPE_CHECKING:
    from casbin import Enforcer

FILE = WORKSPACE / "data" / "access.yml"
ROLE, PURPOSE = "BANKMINE_ROLE", "BANKMINE_PURPOSE"
"""Environment variables: who acts and for what, where nothing else says it; the runner sets them for each kernel."""
PLAIN, MASKED = "plain", "masked"
ACTS = ("reveal", "forget", "rotate", "audit", "open")
_FOR, _RUN, _DO = "for", "run", "do"
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_WORD = re.compile(r"[\w .()/-]{1,120}")
_MODEL = """
[request_definition]
r = role, act, thing, kind, table

[policy_definition]
p = role, act, thing, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.act == p.act && (r.kind == p.thing || r.table == p.thing || r.thing == p.thing) && r.role == p.role
"""


@dataclass(frozen=True)
class Role:
    """What people of one kind of work may do and see."""

    id: str
    what: str
    purposes: tuple[str, ...]
    reports: tuple[str, ...] = ()
    """Those that it may run."""
    sees: Mapping[str, str] = field(default_factory=dict)
    """Kind of column -> plain, masked as the register says, or absent, which is also where a kind is not told."""
    denied: tuple[str, ...] = ()
    """Tables, and columns written `table.column`, that it never sees."""
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column of customers -> values: only those customers are seen, and what is theirs."""
    acts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _ROLE.fullmatch(self.id):
            raise BankmineError(f"a role is named in lower case, like credit_risk, not {self.id!r}.")
        for name in ("purposes", "reports", "denied", "acts"):
            object.__setattr__(self, name, _words(getattr(self, name), f"role {self.id}: {name}"))
        for name in ("sees", "rows"):
            if not isinstance(getattr(self, name), dict):
                raise BankmineError(f"role {self.id}: {name} must be a mapping, not {getattr(self, name)!r}.")
        rows = {_words([c], f"role {self.id}: rows")[0]: _words(v, f"role {self.id}: rows: {c}")
                for c, v in self.rows.items()}  # fmt: skip
        object.__setattr__(self, "rows", rows)
        for what, given, may in (("sees", self.sees, KINDS), ("acts", self.acts, ACTS)):
            _among(self.id, what, given, may)
        _among(self.id, "sees", self.sees.values(), (PLAIN, MASKED, ABSENT))
        if not self.purposes:
            raise BankmineError(f"role {self.id} names no purpose.")

    @property
    def policy(self) -> list[list[str]]:
        """What it may and what it may not, as rows that are compared with what is asked."""
        may = [(_FOR, p) for p in self.purposes] + [(_RUN, r) for r in self.reports] + [(_DO, a) for a in self.acts]
        may += [(MASKED, kind) for kind, how in self.sees.items() if how in (PLAIN, MASKED)]
        may += [(PLAIN, kind) for kind, how in self.sees.items() if how == PLAIN]
        never = [(how, thing) for thing in self.denied for how in (PLAIN, MASKED)]
        return [[self.id, *row, "allow"] for row in may] + [[self.id, *row, "deny"] for row in never]


@dataclass(frozen=True)
class Access:
    """All roles, and as which one somebody acts who does not say."""

    roles: dict[str, Role]
    default: tuple[str, str]
    """Role and purpose."""
    register: Register

    @cached_property
    def _decided_by(self) -> dict[str, Enforcer]:
        return {}

    def allows(self, role: str, act: str, thing: str, kind: str = "", table: str = "") -> bool:
        """Decide one thing; whoever or whatever is not known is denied."""
        if role not in self.roles:
            return False
        if role not in self._decided_by:
            self._decided_by[role] = _enforcer(self.roles[role].policy)
        return self._decided_by[role].enforce(role, act, thing, kind, table)

    def acting(self, role: str | None = None, purpose: str | None = None) -> tuple[str, str]:
        """Return the role and the purpose that are given, that the environment names, or that are the default.

        Raises
        ------
        BankmineError
            If there is no such role or purpose, or the role may not act for it.
        """
        role = role or os.environ.get(ROLE) or self.default[0]
        if role not in self.roles:
            raise BankmineError(f"No role {role!r}: {FILE} has {', '.join(self.roles)}.")
        own = self.roles[role].purposes
        purpose = purpose or os.environ.get(PURPOSE) or (self.default[1] if self.default[1] in own else own[0])
        self.register.purpose(purpose)
        if not self.allows(role, _FOR, purpose):
            raise BankmineError(f"Role {role} may not act for {purpose}: by {FILE} it may for {', '.join(own)}.")
        return role, purpose

    def require_run(self, report: str, role: str, purpose: str) -> None:
        """Refuse, by a `BankmineError`, a report that a role may not run, or not for a purpose."""
        role, purpose = self.acting(role, purpose)
        if not self.allows(role, _RUN, report):
            raise BankmineError(f"Role {role} may not run {report}: {FILE} does not list it under its reports.")

    def unknown_report(self, names: Iterable[str]) -> str:
        """Name a report that a role may run and that is none of these; empty where there is none."""
        return next((r for role in self.roles.values() for r in role.reports if r not in {*names}), "")


@dataclass(frozen=True)
class View:
    """What somebody who acts in a role, for a purpose, sees of a source."""

    access: Access
    role: str
    purpose: str

    @property
    def consent(self) -> tuple[str, ...]:
        """Columns of customers: only those who gave all of these consents are seen."""
        return self.access.register.purpose(self.purpose).consent

    @property
    def rows(self) -> Mapping[str, tuple[str, ...]]:
        """Column of customers -> values that are seen."""
        return self.access.roles[self.role].rows

    @property
    def limited(self) -> bool:
        """Whether not all customers are seen."""
        return bool(self.consent or self.rows)

    def masking(self, column: str) -> str:
        """Say how a column, written `table.column`, is masked; `none` where it is seen as it is."""
        group, table = self.access.register.group(column), column.partition(".")[0]
        for how, masking in ((PLAIN, NONE), (MASKED, group.masking)):
            may = how == MASKED or group is UNLISTED or self.purpose in group.purposes
            if may and self.access.allows(self.role, how, column, group.kind, table):
                return masking
        return ABSENT


def load_access(folder: Path | None = None) -> Access | None:
    """Read `data/access.yml`, with the register that a source's folder adds to; None where there is no such file.

    Raises
    ------
    BankmineError
        If it does not parse, or names a purpose, role, table or column that is not there.
    """
    if not FILE.is_file():
        return None
    folder = folder or FILE.parent
    files = FILE, REGISTER, folder / REGISTER.name
    return _read(folder, tuple((f, f.stat().st_mtime_ns if f.is_file() else 0) for f in files))


@lru_cache(8)
def _read(folder: Path, _: tuple) -> Access:
    """Read the file, once as long as neither it nor a register changes."""
    told = read_yaml(FILE)
    if not isinstance(told, dict) or set(told) != {"default", "roles"}:
        raise BankmineError(f"{FILE} must be a mapping of default and roles, and nothing else.")
    register = load_register(folder)
    roles = {role.id: role for role in entries(told["roles"], Role, FILE, "roles")}
    default = told["default"]
    if not isinstance(default, dict) or set(default) != {"role", "purpose"}:
        raise BankmineError(f"{FILE}: default must be a mapping of role and purpose, as {{role: analyst, purpose: …}}.")
    names = {*register.groups, *(column.partition(".")[0] for column in register.groups)}
    for role in roles.values():
        _among(role.id, "purposes", role.purposes, register.purposes, f"{FILE}: ")
        if odd := [d for d in role.denied if d not in names and not d.startswith("flat.")]:
            raise BankmineError(f"{FILE}: role {role.id}: denied {odd[0]!r} is no table or column of the register.")
    found = Access(roles, (default["role"], default["purpose"]), register)
    if found.default[0] not in roles or found.default[1] not in roles[found.default[0]].purposes:
        raise BankmineError(f"{FILE}: default must be a role that is listed, and one of its purposes.")
    return found


def view(folder: Path, role: str | None = None, purpose: str | None = None) -> View | None:
    """Return what is seen of the source in a folder by who acts; None where there are no roles, and all is seen."""
    access = load_access(folder)
    return None if access is None else View(access, *access.acting(role, purpose))


def acting() -> tuple[str, str]:
    """Return the role and the purpose of who calls a command; empty where there are no roles."""
    access = load_access()
    return ("", "") if access is None else access.acting()


def require(role: str, act: str, purpose: str) -> None:
    """Refuse, by a `BankmineError`, an act of `ACTS` that a role may not do, or not for a purpose."""
    if (access := load_access()) is None:
        return
    role, _ = access.acting(role, purpose)
    if not access.allows(role, _DO, act):
        may = [r.id for r in access.roles.values() if act in r.acts]
        raise BankmineError(f"Role {role} may not {act}: by {FILE} {' and '.join(may) or 'nobody'} may; see {ROLE}.")


def require_report(role: str, act: str, report: str) -> None:
    """Refuse, by a `BankmineError`, an act upon what a report handed on that a role may not run; "" is no report."""
    if report and (access := load_access()) is not None and not access.allows(role, _RUN, report):
        raise BankmineError(
            f"Role {role} may not {act} what {report} handed on: {FILE} does not list it under its reports; see {ROLE}."
        )


def _enforcer(policy: list[list[str]]) -> Enforcer:
    from casbin import Enforcer  # takes a tenth of a second, and only where there are roles
    from casbin.model import Model

    model = Model()
    model.load_model_from_text(_MODEL)
    for row in policy:
        model.add_policy("p", "p", row)
    return Enforcer(model)


def _words(told: object, what: str) -> tuple[str, ...]:
    if not isinstance(told, list | tuple) or not all(isinstance(w, str) and _WORD.fullmatch(w) for w in told):
        raise BankmineError(f"{what} must be a list of words, not {told!r}.")
    return tuple(told)


def _among(role: str, what: str, given: Iterable[object], may: Iterable[str], place: str = "") -> None:
    if odd := [g for g in given if g not in [*may]]:
        raise BankmineError(f"{place}role {role}: {what} may be {', '.join(may)}, not {odd[0]!r}.")
