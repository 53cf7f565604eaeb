"""Tags (标签): a registry of rules over features, who holds each tag, and how steady it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bankmine.bank.ruled import Ruled, holds, read_rules
from bankmine.judging.intervals import wilson
from bankmine.workspace import WORKSPACE

REGISTRY = WORKSPACE / "data" / "tags.yml"


@dataclass(frozen=True)
class Tag(Ruled):
    """One tag: its names, what it means, the rule that assigns it and who answers for it."""

    id: str
    name: str
    name_zh: str
    kind: str
    definition: str
    rule: str
    owner: str
    refresh: str
    privacy: str


def load_tags(file: Path = REGISTRY) -> list[Tag]:
    """Read the register."""
    return read_rules(file, Tag, "tags")


def assign(tags: list[Tag], customers: pd.DataFrame) -> pd.DataFrame:
    """Assign tags to customers, a column a tag id; tags whose rules need a column that is not there are left out.

    Quantiles in rules are taken over these rows. Of whom a feature is unknown does not hold the tag.
    """
    return holds({t.id: t.parsed for t in tags if t.parsed.columns <= set(customers.columns)}, customers)


def coverage(tags: list[Tag], held: pd.DataFrame, held_before: pd.DataFrame) -> pd.DataFrame:
    """Say of each tag how many hold it and how steady it is from one day to another; `held` are from `assign`.

    `customers`, `share`, and over those known on both days `kept` (share of the holders before who still hold it) and
    `agreement` (Jaccard index of the holders); NaN for tags that were left out.
    """
    rows = [{"tag": t.name, "标签": t.name_zh, "definition": t.definition, "kind": t.kind, "owner": t.owner,
             "refresh": t.refresh, **_steadiness(t.id, held, held_before)} for t in tags]  # fmt: skip
    return pd.DataFrame(rows)


def outcome_by_tag(tags: list[Tag], held: pd.DataFrame, outcome: pd.Series) -> pd.DataFrame:
    """Tell how often an outcome came about for the holders of each tag (Wilson, 95 %), of whom there must be 30."""
    known = outcome.dropna().astype(bool)
    held = held.loc[held.index.intersection(known.index)]
    rows = []
    for tag in (t for t in tags if t.id in held.columns and held[t.id].sum() >= 30):
        hits = known.loc[held.index[held[tag.id]]]
        rows.append((tag.name, len(hits), hits.mean(), *wilson(int(hits.sum()), len(hits))))
    frame = pd.DataFrame(rows, columns=["tag", "holders", "rate", "low", "high"])
    return frame.sort_values("rate", ascending=False).reset_index(drop=True)


def tags_of(tags: list[Tag], held: pd.DataFrame, customer: str) -> pd.DataFrame:
    """List the tags that one customer holds: `tag`, `标签`, `definition`, `owner`."""
    mine = [t for t in tags if t.id in held.columns and held.loc[customer, t.id]]
    rows = [(t.name, t.name_zh, t.definition, t.owner) for t in mine]
    return pd.DataFrame(rows, columns=["tag", "标签", "definition", "owner"])


def _steadiness(tag: str, held: pd.DataFrame, held_before: pd.DataFrame) -> dict[str, float]:
    if tag not in held.columns:
        return dict.fromkeys(("customers", "share", "kept", "agreement"), np.nan)
    both = held.index.intersection(held_before.index)
    now, before = held.loc[both, tag], held_before.loc[both, tag]
    either = (now | before).sum()
    return {
        "customers": held[tag].sum(), "share": held[tag].mean(),
        "kept": (now & before).sum() / before.sum() if before.any() else np.nan,
        "agreement": (now & before).sum() / either if either else np.nan,
    }  # fmt: skip
