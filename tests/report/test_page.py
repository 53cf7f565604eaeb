"""The report page: what a reviewer sees, with and without sight, on a phone, and with hostile data."""

import base64
import csv
import hashlib
import re

import pandas as pd
import pytest
from browser import BROKEN_LINKS, NARROW, OVERFLOWING, WIDE, opened, unfold, violations
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bankmine.report.exporter import render
from bankmine.report.findings import bundle, collect
from bankmine.report.tables import table

pytestmark = pytest.mark.browser

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

TITLE = "Can we trust this snapshot?"
INTRO = f"""# {TITLE}

For those who validate models. It does not say *why* a value is missing; see [Limits](#limits)."""
PARAMETERS = """as_of = "2025-12-31"  # the last day that is known
customers = 500  # how many to draw"""
SETUP = """import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display
from bankmine.report.findings import finding
from bankmine.report.plots import show, use_theme
from bankmine.report.tables import table

use_theme()"""
COUNTS = """finding("Of {n:,} customers, {share:.1%} have no birth date.",
        id="data_quality.birth.share", headline=True, n=12_345, share=0.1234)
finding("The newest transaction of {name} is {days} days old: ask the bank for the missing days.",
        id="data_quality.transactions.age", alert=True, name=NAME, days=np.int64(9))
finding("Nothing to compare with: {change:+.1%}.", id="data_quality.change", change=float("nan"))"""
TABLE = """frame = pd.DataFrame({"客户 customer": [NAME, "王小明", "Ada"], IMAGE: [1234567.0, 0.5, None]})
frame["share"] = [.1, .25, .65]
for column in ["current", "savings", "term deposit", "credit card", "personal loan", "mortgage"]:
    frame[column + " balance, CNY"] = [1_000_000, 25_000, 3]
table(frame, "Balances by product, CNY", formats={"share": ".0%"})"""
CHART = """fig, ax = plt.subplots()
ax.plot([1, 2, 3], [3, 1, 2], label="储蓄 $5 to $6")
ax.set(title="Missing values by month, 客户", xlabel="Month", ylabel="Share, %")
ax.legend()
show(fig, "Missing values fall from 3 to 1 and rise to 2.")"""
HOSTILE = """print(NAME, IMAGE)
display(HTML("<p onclick='alert(3)' class='masthead' style='position:fixed;color:red'>raw " + NAME + IMAGE + "</p>"
             "<svg onload=alert(4)></svg><iframe src=https://example.com></iframe>"
             "<a href='javascript:alert(5)'>link</a>"
             "<img src='https://example.com/pixel.png' alt='a logo'>"))
display(Markdown("**" + IMAGE + "** [bank](https://example.com)"))
pd.DataFrame({NAME: [IMAGE]}, index=[NAME])"""
LIMITS = r"""## Limits

| What | How much |
|---|---:|
| accounts | 3 |

Inline $\hat{p} = \frac{k}{n}$, and on a line of its own, wide enough to scroll on a phone:

$$\mathrm{WoE}_i = \ln \frac{\text{share of good}_i}{\text{share of bad}_i}
\quad\text{and}\quad \mathrm{IV} = \sum_i (g_i - b_i)\,\mathrm{WoE}_i$$

A slip: $\frac{$. ![](attachment:dot.png) ![gone](attachment:gone.png) ![a map](https://example.com/map.png)

```python
finding("x")  # not run
```
"""


def built():
    notebook = new_notebook(cells=[
        new_markdown_cell(INTRO),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell("customers = 900", metadata={"tags": ["injected-parameters"]}),
        new_code_cell(SETUP),
        new_code_cell(f"NAME, IMAGE = {SCRIPT!r}, {IMAGE!r}"),
        new_markdown_cell("## What is missing?"),
        new_code_cell(COUNTS),
        new_markdown_cell("### By product"),
        new_code_cell(TABLE),
        new_markdown_cell("### By month"),
        new_code_cell(CHART),
        new_markdown_cell("## What if a customer is hostile?"),
        new_code_cell(HOSTILE),
        new_code_cell("import sys; print('\\x1b[31mslow\\x1b[0m query', file=sys.stderr)"),
        new_markdown_cell(LIMITS, attachments={"dot.png": {"image/png": DOT}}),
        new_markdown_cell("## Limits"),
    ])  # fmt: skip
    notebook.metadata["papermill"] = {"parameters": {"customers": 900}}
    return notebook


def manifest(**changes):
    return {
        "report": "01_data_quality",
        "title": TITLE,
        "audience": "model validation",
        "status": "ok",
        "error": None,
        "source": {
            "name": "demo",
            "title": "The demo bank",
            "currency": "CNY",
            "fingerprint": "9f86d081884c7d65" * 4,
            "rows": {"customers": 1200},
        },
        "as_of": "2025-12-31",
        "parameters": {"customers": 900},
        "started_at": "2026-11-21T20:00:00Z",
        "finished_at": "2026-11-21T20:00:08Z",
        "seconds": 8.1,
        "cells": [{"cell": number, "seconds": 0.21 * number} for number in range(1, 30)],
        "git": {"commit": "4f0c2d9be1a7c3f86d5e4b3a2918f7e6d5c4b3a2", "dirty": True},
        "python": "3.11.7",
        "packages": {"pandas": "2.3.3", "scikit-learn": "1.7.2", "duckdb": "1.5.1"},
        "findings": [],
        "metrics": {},
        "alerts": ["one"],
    } | changes


USED = {
    "kinds": {"general": 1, "personal": 2, "sensitive": 1},
    "tables": {
        "customers": [
            {
                "kind": "personal",
                "seen": "token",
                "retention": 5,
                "listed": True,
                "columns": ["customer_id", "name"],
            },
            {"kind": "sensitive", "seen": "redact", "retention": 1, "listed": False, "columns": [IMAGE]},
        ],
        "rates": [{"kind": "general", "seen": "none", "retention": 10, "listed": True, "columns": ["rate"]}],
    },
}
ASKED = {
    "consent": {"customers": 1200, "marketing": 300, "profiling": 900},
    "unique": {
        "by": ["year of birth", "gender", "region"], "band": 10,
        "fine": {"groups": 800, "alone": 0.123, "few": 0.5}, "coarse": {"groups": 90, "alone": 0.01, "few": 0.1},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def executed():
    return NotebookClient(built(), kernel_name="python3", timeout=120).execute()


@pytest.fixture(scope="module")
def soup(executed):
    return BeautifulSoup(render(executed, manifest()), "html.parser")


@pytest.fixture(scope="module")
def files(executed, tmp_path_factory):
    """Write the pages of a good and of a failed run."""
    folder = tmp_path_factory.mktemp("reports")
    pages = {
        "good": render(executed, manifest()),
        "failed": render(failed(), FAILED),
        "long": render(long(), manifest()),
        "used": render(long(), manifest(used=USED | ASKED, role="no_gender", purpose="retention")),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


def long():
    """Return a notebook with a list in its Decision, and with an alert and a headline in its Evidence."""
    calls = pd.DataFrame({
        "profit": [-1200.0, -5, 0, 900, None, 12_000, 1, 2, 3, 4, 5, 6],
        "why": ["=1+1", "@SUM(A1)", 'says "no", twice', *["idle"] * 9],
    }, index=pd.Index([f"row {n}" for n in range(12)], name="who"))  # fmt: skip
    told = [
        {"text/html": table(calls, "Calls")._repr_html_()},
        bundle("Call {n} customers.", id="x.call", headline=True, n=12),
        bundle(
            "Of {n:,} customers, {share:.1%} have no birth date.", id="x.birth", headline=True, n=12_345, share=0.1234
        ),
        bundle("Limits crossed: {n} ({now} above {above}).", id="x.limits", alert=True, n=1, now=0.03, above=0.02),
    ]
    shown = [new_output("display_data", data=data) for data in told]
    return new_notebook(cells=[
        new_markdown_cell(INTRO),
        new_markdown_cell("## Decision: whom to call?"),
        new_code_cell("call()", outputs=[shown[1], shown[0]]),
        new_markdown_cell("## Is it right?\n\nWhat only a validator reads."),
        new_code_cell("check()", outputs=shown[2:]),
    ])  # fmt: skip


def failed():
    traceback = ["\x1b[31m" + "-" * 75, *(f"frame {n}" for n in range(30)), "\x1b[31mKeyError\x1b[39m: '<b>age</b>'"]
    error = new_output("error", ename="KeyError", evalue="'<b>age</b>'", traceback=traceback)
    marker = new_markdown_cell("Papermill stopped here", metadata={"tags": ["papermill-error-cell-tag"]})
    question, cell = new_markdown_cell("## Who left?"), new_code_cell("ages()", execution_count=2, outputs=[error])
    return new_notebook(cells=[marker, question, cell])


FAILED = manifest(status="failed", error="KeyError: '<b>age</b>'", source=None, alerts=[], git=None, packages={})


def page_of(*outputs, **changes):
    notebook = new_notebook(cells=[new_code_cell(f"step({n})", outputs=[o]) for n, o in enumerate(outputs)])
    return BeautifulSoup(render(notebook, manifest(**changes)), "html.parser")


def shown(**data):
    return new_output("display_data", data={name.replace("_", "/", 1): value for name, value in data.items()})


def text(tag):
    return " ".join(tag.get_text(" ").split())


@pytest.mark.parametrize("name", ["good", "failed", "used"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [NARROW, WIDE])
def test_everyone_can_read_it(chromium, files, name, scheme, viewport):
    with opened(chromium, files[name], viewport, scheme=scheme) as page:
        assert violations(page) == []
        unfold(page)
        assert violations(page) == []


@pytest.mark.parametrize("viewport", [NARROW, WIDE])
@pytest.mark.parametrize("name", ["good", "failed"])
def test_it_fits_and_its_links_lead_somewhere(chromium, files, name, viewport):
    with opened(chromium, files[name], viewport) as page:
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(BROKEN_LINKS) == []
        assert page.locator("nav:visible a").count() == (0 if viewport is NARROW else page.locator(".wide a").count())
        assert page.locator("summary:visible", has_text="Contents").count() == (1 if viewport is NARROW else 0)
        unfold(page)
        assert page.evaluate(OVERFLOWING) == []


def test_a_wide_table_scrolls_in_its_own_box_by_keyboard(chromium, files):
    with opened(chromium, files["good"], {"width": 700, "height": 900}) as page:
        box = page.get_by_role("group", name="Table: Balances by product, CNY")
        assert box.evaluate("e => e.scrollWidth > e.clientWidth")
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("e => e.scrollLeft > 0", arg=box.element_handle())


def test_a_list_of_the_decision_shows_all_its_columns_on_a_phone(chromium, files):
    with opened(chromium, files["good"], NARROW) as page:
        box = page.get_by_role("group", name="Table: Balances by product, CNY")
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
        assert page.get_by_text("25,000").first.is_visible()
        named = (
            box.locator("tbody tr")
            .first.locator("th, td")
            .evaluate_all("cells => cells.map(c => getComputedStyle(c, '::before').content)")
        )
        assert named[-1] == '"mortgage balance, CNY"'
    with opened(chromium, files["good"]) as page:
        assert page.get_by_role("columnheader", name="mortgage balance, CNY").is_visible()


def test_keyboard_readers_can_skip_to_the_report(chromium, files):
    with opened(chromium, files["good"]) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_hostile_text_does_not_run_even_without_the_policy(chromium, files):
    with opened(chromium, files["good"], policy=False) as page:
        page.locator("summary:visible").evaluate_all("all => all.forEach(summary => summary.click())")
        assert page.locator("td, th", has_text=IMAGE).count() == 2
        assert page.locator(".decision .finding", has_text=SCRIPT).count() == 1
        assert page.locator("pre", has_text=f"{SCRIPT} {IMAGE}").first.is_visible()
        assert page.locator("[onclick], [onerror], [onload], iframe, [style*=position]").count() == 0
        assert page.locator("script").count() == 1  # ours
        assert page.locator("main .masthead").count() == 0


def test_print_shows_the_decision_whole_and_the_headings_of_the_evidence(chromium, files):
    with opened(chromium, files["long"], scheme="dark") as page:
        page.get_by_label("Filter: Calls").fill("row 7")
        assert page.locator(".decision tbody tr:visible").count() == 1
        page.emulate_media(media="print", color_scheme="dark")
        assert page.locator(".decision tbody tr:visible").count() == 12
        assert page.locator(".decision .scroll").evaluate("box => box.scrollHeight <= box.clientHeight")
        assert page.get_by_role("heading", name="Is it right?").is_visible()
        assert not page.get_by_text("What only a validator reads").is_visible()
        assert not page.locator(".contents.wide, .tools").first.is_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_link_opens_the_section_it_leads_into(chromium, files):
    with opened(chromium, files["long"]) as page:
        hidden = page.get_by_text("What only a validator reads")
        assert not hidden.is_visible()
        page.locator(".contents.wide").get_by_text("Is it right?").click()
        assert hidden.is_visible()
        page.get_by_role("button", name="Open all sections").click()
        assert page.locator("details.section:not([open])").count() == 0
    with opened(chromium, files["long"], anchor="finding-3") as page:
        assert page.get_by_text("Limits crossed: 1").last.is_visible()


def rows_of(page) -> list[list[str]]:
    return [row.locator("th, td").all_inner_texts() for row in page.locator(".decision tbody tr:visible").all()]


def test_tables_are_sorted_and_filtered(chromium, files):
    with opened(chromium, files["long"]) as page:
        before = rows_of(page)
        assert page.locator("output").inner_text() == "12 rows"
        head = page.get_by_role("button", name="profit")
        head.click()
        assert [row[1] for row in rows_of(page)[:3]] == ["-1,200", "-5", "0"]
        assert rows_of(page)[-1][1] == "n/a"  # missing is last, both ways
        head.click()
        assert [row[1] for row in rows_of(page)[:2]] == ["12,000", "900"]
        assert rows_of(page)[-1][1] == "n/a"
        assert page.locator("[aria-sort]").get_attribute("aria-sort") == "descending"
        head.click()
        assert rows_of(page) == before
        page.get_by_label("Filter: Calls").fill("ROW 1")
        assert [row[0] for row in rows_of(page)] == ["row 1", "row 10", "row 11"]
        assert page.locator("output").inner_text() == "3 of 12 rows"
        assert violations(page) == []


def test_a_table_is_saved_as_text_that_no_spreadsheet_runs(chromium, files, tmp_path):
    with opened(chromium, files["long"]) as page, page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV: Calls").click()
        saved.value.save_as(tmp_path / "saved.csv")
    assert saved.value.suggested_filename == "calls.csv"
    with (tmp_path / "saved.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["who", "profit", "why"]
    assert rows[1] == ["row 0", "-1200", "'=1+1"]
    assert rows[2] == ["row 1", "-5", "'@SUM(A1)"]
    assert rows[3][2] == 'says "no", twice'
    assert len(rows) == 13


def test_a_page_reads_whole_without_scripts(chromium, files):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["long"].as_uri())
    assert page.locator(".decision tbody tr:visible").count() == 12
    assert page.locator("button, input").count() == 0
    page.locator("summary", has_text="Is it right?").click()
    assert page.get_by_text("What only a validator reads").is_visible()
    context.close()


def test_the_page_is_one_small_file_whose_policy_allows_one_script_of_ours(soup):
    assert len(str(soup).encode()) < 1_500_000
    assert not soup.find_all(["link", "iframe", "object", "form"])
    (script,) = soup.find_all("script")
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert all(link.get("rel") == ["noopener", "noreferrer"] for link in soup.select("a[href^=http]"))
    assert len(soup.select("a[href^=http]")) == 1


def test_words_of_the_trade_lead_to_what_they_mean_once_a_section():
    cells = [
        "## Decision: whom?\n\nAn AUC and another AUC; `AUC`; PSI.",
        "## Is the AUC right?\n\nThe AUC, a shift (population stability index) and a lift, but no uplift, nor KSX.",
    ]
    soup = BeautifulSoup(render(new_notebook(cells=[new_markdown_cell(c) for c in cells]), manifest()), "html.parser")
    linked = [[a.get_text() for a in part.select("a.term")] for part in soup.select(".decision, .section")]
    assert linked == [["AUC", "PSI"], ["AUC", "population stability index", "lift"], [], []]
    meant = {dt["id"]: text(dt) for dt in soup.select(".glossary dt")}
    assert meant == {"term--auc": "AUC", "term--lift": "lift", "term--psi": "PSI"}
    assert {a["href"].removeprefix("#") for a in soup.select("a.term")} == set(meant)
    assert soup.select_one("a.term")["title"].startswith("The chance that of a case with the event")


def test_title_and_date_come_first_and_the_title_once(soup):
    assert [text(h1) for h1 in soup.find_all("h1")] == [TITLE]
    assert text(soup.header).startswith(
        f"For model validation {TITLE} As of 2025-12-31 Source The demo bank Status ▲ 1 alert"
    )
    assert text(soup.title) == f"{TITLE} – 2025-12-31"


def test_the_decision_comes_first_with_the_alerts_of_the_evidence_above_it(files):
    soup = BeautifulSoup(files["long"].read_text("utf-8"), "html.parser")
    decision = soup.main.section
    assert text(decision.h2) == "Decision: whom to call?"
    (alert,) = decision.select(".findings li")  # a headline of the evidence is for the front page
    assert text(alert) == "▲ Alert Limits crossed: 1 ( 0.03 above 0.02 ). Evidence ↓"
    said = [text(p) for p in decision.select("p")]
    assert said.index("Call 12 customers.") == 1  # after the alert
    assert said.count("Call 12 customers.") == 1
    evidence = soup.find(id=alert.a["href"].removeprefix("#"))
    assert "evidence" in evidence["class"]
    assert evidence.find_parent("details", class_="section")
    assert text(decision.select(":scope > details")[-1].summary) == "How this was computed"


def test_contents_are_nested_and_every_anchor_is_unique(soup):
    top = soup.select_one("nav.wide > ol")
    assert [text(li.a) for li in top.find_all("li", recursive=False)] == [
        "What is missing?", "What is this report about?", "What if a customer is hostile?", "Limits", "Limits",
        "How this report was made",
    ]  # fmt: skip
    assert [text(h) for h in soup.select(".decision h3")] == ["By product", "By month"]
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_headings_do_not_take_the_pages_own_anchors():
    words = ["Findings", "Main", "How", "Failed", "Error", "Finding 1", "！"]
    cells = [new_markdown_cell(f"## {word}\n\nSee [{word}](#{word}), [nothing](#nowhere).") for word in words]
    soup = BeautifulSoup(render(new_notebook(cells=cells), manifest()), "html.parser")
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in soup.select("a[href^='#']")} <= set(ids)


def test_every_picture_is_in_the_page_and_described(soup):
    assert [img["alt"] for img in soup.find_all("img")] == [
        "Missing values fall from 3 to 1 and rise to 2.",
        "Chart in the section “Limits”",
    ]
    assert all(img["src"].startswith("data:image/png;base64,") for img in soup.find_all("img"))
    body = text(soup.main)
    assert "[picture not in this page: gone] [picture not in this page: a map]" in body


def test_formulas_are_mathml_and_a_slip_is_shown_as_typed(soup):
    inline, block = soup.find_all("math")
    assert inline.find("mfrac")
    assert block.parent["aria-label"] == "Formula"
    assert any(code.get_text() == r"\frac{" for code in soup.main.find_all("code"))


def test_code_and_log_are_folded_and_parameters_are_not_code(soup):
    folded = soup.select("details.folded")
    inner = soup.select("details.folded details.folded")  # shown once the outer one is opened
    assert [details for details in folded if details.has_attr("open")] == inner
    assert text(folded[0]).startswith("How this was computed Code [5] finding")
    assert any(text(details).startswith("Code [3–4] import numpy as np") for details in folded)
    (log,) = [details for details in folded if text(details) == "Log slow query"]
    assert log.find(class_="ansi-red-fg").get_text() == "slow"
    assert not any("injected" in text(details) or "customers = " in text(details) for details in folded)


def test_provenance_says_what_was_given(soup):
    rows = [[text(cell) for cell in row.find_all(["th", "td"])] for row in soup.select(".provenance tbody tr")]
    assert rows == [
        ["as_of", "'2025-12-31'", "'2025-12-31'", "the last day that is known"],
        ["customers", "900 not the default", "500", "how many to draw"],
    ]
    made = text(soup.select_one(".made"))
    for part in ["9f86d081884c7d65", "commit 4f0c2d9b", "changes that were not committed", "pandas 2.3.3", "[2] 0.42"]:
        assert part in made


def test_a_failed_run_says_why_at_the_top():
    soup = BeautifulSoup(render(failed(), FAILED), "html.parser")
    banner = soup.main.find("section")
    assert text(banner).startswith("✕ FAILED: this report did not run to its end KeyError: '<b>age</b>'")
    assert banner.pre.get_text().splitlines()[-2:] == ["frame 29", "KeyError: '<b>age</b>'"]
    assert len(banner.pre.get_text().splitlines()) == 12
    assert soup.find(id="error").name == "pre"
    assert soup.title.get_text().startswith("FAILED: ")
    assert "Papermill" not in soup.get_text()


def test_a_run_that_failed_before_its_first_cell_still_has_a_page():
    soup = BeautifulSoup(render(new_notebook(), FAILED | {"error": None, "python": None}), "html.parser")
    assert "The run left no message." in text(soup.main)
    assert "none opened" in text(soup.header)


def test_unknown_outputs_are_named_and_poorer_forms_are_used():
    soup = page_of(
        new_output(
            "display_data", data={"application/vnd.bankmine.source+json": {"rows": 3}, "text/html": "<p>rows</p>"}
        ),
        new_output("display_data", data={"application/vnd.plotly.v1+json": {"data": []}}),
        shown(text_html="<script>draw()</script>", text_plain="<Chart>"),
        shown(text_html="<p>" + "x" * 400_000 + "</p>", text_plain="a long table"),
    )
    assert [text(p) for p in soup.select(".inside > p")] == [
        "rows",
        "Not shown: an output of type application/vnd.plotly.v1+json.",
    ]
    assert [text(pre) for pre in soup.select(".inside > pre")] == ["<Chart>", "a long table"]


def test_vector_pictures_cannot_run_either():
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(6)"></svg>'
    picture = page_of(new_output("display_data", data={"image/svg+xml": svg})).main.img
    assert picture["src"].startswith("data:image/svg+xml;base64,")
    assert picture["alt"] == f"Chart in the section “{TITLE}”"


def test_long_listings_are_cut_and_progress_bars_are_one_line():
    listing, bar = new_output("stream", text="x" * 30_000), new_output("stream", text="1%\r50%\r100%\n")
    soup = page_of(listing, bar)
    long, progress = soup.select(".inside > pre")
    assert long.get_text().endswith("… 10,000 more characters in the notebook")
    assert progress.get_text() == "100%\n"


def test_the_notebook_is_left_as_it_was_and_the_page_is_the_same_each_time(executed):
    before = executed.copy()
    assert render(executed, manifest()) == render(executed, manifest())
    assert executed == before
    assert [found["id"] for found in collect(executed)] == [
        "data_quality.birth.share",
        "data_quality.transactions.age",
        "data_quality.change",
    ]


def used_section(**told) -> str:
    page = page_of(shown(text_plain="x"), **told)
    assert not page.find_all("img", src="x")
    return text(page.find(id="used").parent)


def test_what_a_report_used_is_told_by_class_with_role_consent_and_who_stands_alone():
    told = used_section(used=USED | ASKED, role="no_gender", purpose="retention")
    for words in (
        "in the role of no_gender, for the purpose retention",
        "4 columns of 2 tables, by the register of the data owners: 1 general, 2 personal, 1 sensitive",
        "Of 1,200 customers 300 (25%) agreed to marketing and 900 (75%) agreed to profiling",
        "12.3% of the customers are unique by year of birth, gender and region",
        "By decade of birth it is 1.0%, at the cost of 90 groups in place of 800",
        f"sensitive, as nobody listed them: {IMAGE}",
        "seen as keyed tokens; kept for 5 years",
    ):
        assert words in re.sub(r" (?=[,:;.])", "", told), (words, told)


def test_a_report_of_nobodys_region_or_consent_and_of_no_role_is_silent_on_them():
    told = used_section(used=USED)
    assert "of 2 tables" in told
    assert not [words for words in ("agreed", "unique by", "in the role of") if words in told]
    assert page_of(shown(text_plain="x")).find(id="used") is None
