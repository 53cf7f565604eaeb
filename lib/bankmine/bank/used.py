"""Used: what a report was given, how the register treats it, who agreed, and how far it tells people apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import ibis
import ibis.expr.types as ir

from bankmine.bank.sources import Source
from bankmine.privacy.access import View
from bankmine.privacy.register import KINDS, NONE, TOKEN, UNLISTED, load_register

_CONSENTS = {"marketing_consent": "marketing", "profiling_consent": "profiling"}
_BAND = 10
"""Years of birth that are one once coarsened."""


def used(
    source: Source, columns: Mapping[str, Iterable[str]], customers: ir.Table | None, view: View | None
) -> dict[str, object]:
    """Tell which columns of which tables were there, by the register, and of the customers who agreed and stands alone.

    `columns` by table; those that are treated alike stand together: `kind`, how they were `seen` through a view,
    `retention` in years, whether they are `listed`, and `columns`. `kinds` counts columns. What needs
    columns that the customers do not have is left out. All is counted in the engine, and no value is told.
    """
    register = load_register(source.folder)
    tables, kinds = {}, Counter()
    for table, names in columns.items():
        alike: dict[tuple, list[str]] = {}
        for name in names:
            group = register.group(f"{table}.{name}")
            kinds[group.kind] += 1
            seen = NONE if view is None else view.masking(f"{table}.{name}")
            if group.masking == TOKEN:  # made by the source, for whoever looks
                seen = TOKEN if source.pseudonyms else NONE
            alike.setdefault((group.kind, seen, group.retention, group is not UNLISTED), []).append(name)
        how = ("kind", "seen", "retention", "listed")
        tables[table] = [{**dict(zip(how, key, strict=True)), "columns": names} for key, names in alike.items()]
    found = {"kinds": {kind: kinds[kind] for kind in KINDS}, "tables": tables}
    return found if customers is None else found | _consent(customers) | _unique(customers, register.smallest_group)


def _consent(customers: ir.Table) -> dict[str, object]:
    """Count who agreed to what; who is not known to have agreed has not."""
    there = {name: what for name, what in _CONSENTS.items() if name in customers.columns}
    if not there:
        return {}
    agreed = {what: customers[name].cast("boolean").fill_null(False).sum() for name, what in there.items()}
    counts = customers.aggregate(customers=customers.count(), **agreed).to_pyarrow().to_pylist()[0]
    return {"consent": {name: count or 0 for name, count in counts.items()}}


def _unique(customers: ir.Table, smallest: int) -> dict[str, object]:
    """Measure how many customers nobody shares year of birth, gender and region with, before and after coarsening.

    Sweeney, Simple demographics often identify people uniquely (Carnegie Mellon University, 2000); coarser by bands of
    years of birth (generalisation; Samarati, IEEE Transactions on Knowledge and Data Engineering 13, 2001), whose cost
    is that fewer `groups` are told apart. `few` is the share in groups that are too small to be told of.
    """
    if not {"birth_date", "gender", "region"} <= set(customers.columns):
        return {}
    year = customers.birth_date.year()
    fine, coarse = (_alone(customers, by, smallest) for by in (year, (year / _BAND).floor()))
    return {"unique": {"by": ["year of birth", "gender", "region"], "band": _BAND, "fine": fine, "coarse": coarse}}


def _alone(customers: ir.Table, year: ir.Value, smallest: int) -> dict[str, float]:
    sizes = customers.group_by(year=year, gender=customers.gender, region=customers.region).agg(n=ibis._.count())
    found = sizes.aggregate(
        groups=sizes.count(), customers=sizes.n.sum(), alone=(sizes.n == 1).sum(),
        few=(sizes.n < smallest).ifelse(sizes.n, 0).sum(),
    ).to_pyarrow().to_pylist()[0]  # fmt: skip
    total = max(found["customers"] or 0, 1)
    return {"groups": found["groups"], "alone": (found["alone"] or 0) / total, "few": (found["few"] or 0) / total}
