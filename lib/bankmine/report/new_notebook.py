"""New notebook: a report to start from, with the anatomy that all have."""

from __future__ import annotations

import re

import jupytext
import nbformat

from bankmine.errors import BankmineError
from bankmine.report.catalogue import CATALOGUE, NOTEBOOKS, Report, load_catalogue
from bankmine.report.files import publish

_TEMPLATE = """\
# %% [markdown]
# # {title}
#
# **For** whom is this, and what will they decide with it?
#
# **Not answered here:** what a reader might expect and will not find.

# %% tags=["parameters"]
source = "demo"  # name of a source in data/sources, or path of a folder
as_of = "2025-12-31"  # last day that the report may know

# %%
from bankmine.features.customers import features
from bankmine.bank.snapshot import open_source
from bankmine.report.findings import finding
from bankmine.report.plots import show, use_theme
from bankmine.report.tables import table

use_theme()

# %% [markdown]
# ## What was read?

# %%
snapshot = open_source(source).as_of(as_of)
snapshot

# %% [markdown]
# ## What is the answer?
#
# Say in one sentence how it is found; the numbers come from the cell below.

# %%
customers = features(snapshot).to_pandas()
active = (customers["outflow_count_90d"] > 0).mean()
finding(
    "{{share:.0%}} of {{customers:,}} customers spent something in the last 90 days.",
    id="{topic}.active_90d",
    headline=True,
    share=active,
    customers=len(customers),
)

# %%
axis = customers["outflow_90d"].clip(upper=customers["outflow_90d"].quantile(0.99)).plot.hist(bins=40)
axis.set(title=f"Outflow of customers in 90 days ({{snapshot.source.currency}})", xlabel="outflow", ylabel="customers")
show(axis, alt="Histogram of the outflow of customers over the last 90 days, cut at its 99th percentile")

# %%
flows = customers[["inflow_90d", "outflow_90d", "transactions_90d"]]
table(flows.describe().loc[["mean", "50%", "max"]], "Last 90 days")

# %% [markdown]
# ## What are the limits of this?
#
# What the data cannot show, which choices were made, what to do next.
"""


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
    report = Report(full := _numbered(name), title=_title(full))
    topic = full.partition("_")[2]
    notebook = jupytext.reads(_TEMPLATE.format(title=report.title, topic=topic), fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    entry = f"\n- report: {full}\n  title: {report.title}\n  audience: who reads it\n  cadence: monthly\n"
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
