"""New notebook: a report to start from, with the anatomy that all have."""

from __future__ import annotations

import re

import jupytext
import nbformat

from bankmine.errors import BankmineError
from bankmine.privacy.access import load_access
from bankmine.report.catalogue import CATALOGUE, NOTEBOOKS, Report, load_catalogue
from bankmine.report.files import publish

_TEMPLATE = """\
# %% [markdown]
# # {title}
#
# **For** whom is this, and what will they decide with it?
#
# **Not answered here:** what a reader might expect and will not find.
#
# A notebook says (`finding`) or shows (`table`, `show`) one thing a cell; what it says is computed in
# `lib/bankmine/topics/{topic}.py`. A question with an outcome, as who leaves, is a subclass of
# `bankmine.study.study.Study` there:
#
# 1. *rows and event*: `super().__init__(source, event, Sample(predictors, target, entity, day))`, with what was known
#    of each row on its day; a target is missing until its window has closed;
# 2. *split*: `divide` by time, with the label delay (`learning/splits`); a flat table needs none of its own;
# 3. *candidates and baseline*: `candidates`, `rule`, where those of all studies do not fit;
# 4. *costs*: `costs` of the four outcomes, and `policies` where capacity counts;
# 5. *words*: `name`, `purpose`, `action`, `groups` for fairness, `answers` for a validator, `files` to hand on.
#
# It then gives `judged`, `calibrated`, `why`, `fair`, `moved`, `lies`, `earned`, `refit`, `validation` and `handed_on`:
# made when asked for, once, or lacking with a reason. `06_churn` shows how a page uses them. Delete all this.

# %% tags=["parameters"]
source = "demo"  # name of a source in data/sources, or path of a folder
as_of = "2025-12-31"  # last day that the report may know

# %%
from bankmine.bank.snapshot import open_source
from bankmine.features.customers import features
from bankmine.report import finding, show, table

# %%
snapshot = open_source(source).as_of(as_of)
snapshot

# %% [markdown]
# ## Decision: what is to be done?
#
# What to do, for whom, by when, and what it is worth. The numbers come from the cells below.

# %%
customers = features(snapshot).to_pandas()
active = customers["outflow_count_90d"] > 0

# %%
finding(
    "{{share:.0%}} of {{customers:,}} customers spent something in the last 90 days.",
    id="{topic}.active_90d",
    headline=True,
    share=active.mean(),
    customers=len(customers),
)

# %% [markdown]
# ## What is the evidence?

# %%
axis = customers["outflow_90d"].clip(upper=customers["outflow_90d"].quantile(0.99)).plot.hist(bins=40)
axis.set(title=f"Outflow of customers in 90 days ({{snapshot.source.currency}})", xlabel="outflow", ylabel="customers")
show(axis, alt="Histogram of the outflow of customers over the last 90 days, cut at its 99th percentile")

# %%
flows = customers[["inflow_90d", "outflow_90d", "transactions_90d"]].describe()
table(flows.loc[["mean", "50%", "max"]], "Inflow, outflow and bookings of customers in the last 90 days")

# %% [markdown]
# ## What are the limits of this?
#
# What the data cannot show, which choices were made, what to do next.
"""


_ENTRY = """
- report: {name}
  title: {title}
  audience: who reads it
  cadence: monthly
  owner: who decides
  due: 10
  number: {topic}.active_90d.share
  meaning: of customers spent something in the last 90 days
  decision: {topic}.active_90d
  role: {role}
  purpose: {purpose}
"""
_ANALYST = "analyst", "statistics"
"""Role and purpose of a new report where `data/access.yml` names none."""


def new_notebook(name: str) -> Report:
    """Make a notebook that runs as it is and declare it in `reports.yml`, which keeps its comments.

    Parameters
    ----------
    name : str
        Like `04_value`; without a number the next free one is taken.

    Raises
    ------
    BankmineError
        If the name is not of that form or taken, or the workspace cannot be written.
    """
    rules = load_access()
    role, purpose = rules.default if rules else _ANALYST
    report = Report(full := _numbered(name), title=_title(full), role=role, purpose=purpose)
    topic = full.partition("_")[2]
    notebook = jupytext.reads(_TEMPLATE.format(title=report.title, topic=topic), fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    entry = _ENTRY.format(name=full, title=report.title, topic=topic, role=role, purpose=purpose)
    declared = CATALOGUE.read_text("utf-8").rstrip("\n") + "\n" + entry
    publish({report.notebook: nbformat.writes(notebook) + "\n", CATALOGUE: declared})
    return report


def _numbered(name: str) -> str:
    if not re.fullmatch(r"(\d\d_)?[a-z][a-z0-9_]{0,39}", name):
        raise BankmineError(
            f"{name!r} is no name for a notebook: write it like 04_value or value, in lower case, at most 40 letters."
        )
    taken = {f.stem for f in NOTEBOOKS.glob("*.ipynb")} | set(load_catalogue())
    numbers = [int(t[:2]) for t in taken if t[:2].isdigit()]
    full = name if name[0].isdigit() else f"{max(numbers, default=0) + 1:02d}_{name}"
    if any(t[:2] == full[:2] or t[3:] == full[3:] for t in taken):
        raise BankmineError(f"There is a notebook with that number or topic: {', '.join(sorted(taken))}. Take another.")
    return full


def _title(name: str) -> str:
    return name.partition("_")[2].replace("_", " ").capitalize() + "?"
