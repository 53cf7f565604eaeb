"""Every notebook has the anatomy that the workspace asks for, gives a page, and runs on a real bank as well."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from browser import BROKEN_LINKS, NARROW, OVERFLOWING, WIDE, opened, unfold, violations
from bs4 import BeautifulSoup
from notebook_run import BANKMINE, ROOT, reports_of_the_demo_bank
from pyarrow.parquet import read_schema

from bankmine.judging.disclosure import WITHHELD
from bankmine.privacy.register import load_register

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"
MOST_WORDS, MOST_CHARTS = 300, 4
RAW = re.compile(r"\de-\d|^[1-9]\d+\.0{3,}$|^[1-9]\.0{4,}$|\d,\d{3}\.\d|\b[1-9]\d\d\.\d{3}\b|\b0 days older")
"""4.5e-05, 2.0000, 1,314,055.8, 375.728."""
SPAN = re.compile(r"\(([-−\d.,]+%?) ?(?:to|–) ?([-−\d.,]+%?)\)")


@pytest.fixture(params=NOTEBOOKS, ids=lambda f: f.stem)
def file(request) -> Path:
    return request.param


@pytest.fixture
def notebook(file):
    return nbformat.read(file, as_version=4)


def code(notebook) -> list:
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_every_notebook_is_a_report_and_every_report_a_notebook():
    declared = [entry["report"] for entry in yaml.safe_load((ROOT / "reports.yml").read_text("utf-8"))]
    assert declared == [f.stem for f in NOTEBOOKS]
    listed = (ROOT / "notebooks" / "README.md").read_text("utf-8")
    assert all(f"| {name} |" in listed for name in declared)


def test_the_title_is_the_question_that_the_catalogue_tells(file, notebook):
    entries = yaml.safe_load((ROOT / "reports.yml").read_text("utf-8"))
    (title,) = [entry["title"] for entry in entries if entry["report"] == file.stem]
    assert notebook.cells[0].source.startswith(f"# {title}\n")
    assert "**For** " in notebook.cells[0].source
    assert "**Not answered here:**" in notebook.cells[0].source


def test_headings_are_questions_and_the_last_one_asks_for_limits(notebook):
    headings = [
        line for c in notebook.cells if c.cell_type == "markdown" for line in re.findall(r"^##+ .*", c.source, re.M)
    ]
    assert all(h.endswith("?") for h in headings), headings
    assert "limits" in headings[-1]


def test_cells_are_short_and_define_nothing(notebook):
    told = [c for c in code(notebook) if "import " not in c.source and "parameters" not in c.metadata.get("tags", [])]
    lengths = [len(c.source.replace(f"{MARK}\n", "").splitlines()) for c in told]
    assert max(lengths) <= 10
    assert sorted(lengths)[len(lengths) // 2] <= 8
    assert not any(re.search(r"^\s*(def|class|try|except|for|while)\b", c.source, re.M) for c in code(notebook))


def test_outputs_are_kept_only_where_they_are_checked(notebook):
    for cell in code(notebook):
        assert bool(cell.outputs) == (MARK in cell.source) == ("keep_output" in cell.metadata.get("tags", []))
    assert any(cell.outputs for cell in code(notebook))


def test_there_is_one_parameters_cell_with_source_and_day(notebook):
    (cell,) = [c for c in code(notebook) if "parameters" in c.metadata.get("tags", [])]
    assert re.findall(r"^(\w+) = .+  # .+", cell.source, re.M) == [
        line.split(" =")[0] for line in cell.source.splitlines()
    ]
    assert {"source", "as_of"} <= set(re.findall(r"^(\w+) =", cell.source, re.M))


def test_findings_are_named_after_their_report(file, notebook):
    name = file.stem.partition("_")[2]
    told = [c.source for c in code(notebook)]
    several = [re.search(r'\bid="([^"]+)"', source)[1] for source in told if source.startswith("findings(")]
    ids = re.findall(r'\bid="([^"]+)"', "\n".join(source for source in told if not source.startswith("findings(")))
    assert ids
    assert len(set(ids)) == len(ids)
    assert all(i.startswith(f"{name}.") for i in ids)
    assert all(f"{i}.".startswith(f"{name}.") for i in several)  # what they are of ends the id


def test_reports_that_a_page_names_by_their_number_are_there(notebook):
    told = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert set(re.findall(r"\((\d\d)\)", told)) <= {f.stem[:2] for f in NOTEBOOKS}


def test_no_result_is_typed_into_prose(notebook):
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    # thresholds and window lengths are told in words or as "90 days"; a figure with decimals or a large one is a result
    assert not re.search(r"\d[.,]\d{2,}|\d{4,}|\d\.\d+%", prose)


@pytest.fixture
def folder_of_pages(request) -> Path:
    return reports_of_the_demo_bank(request.session)


def told_by(folder: Path, name: str) -> dict:
    """Return the manifest of a good report that can be read."""
    manifest = json.loads((folder / f"{name}.json").read_text("utf-8"))
    assert manifest["status"] == "ok"
    assert any(f["headline"] for f in manifest["findings"])
    assert (folder / f"{name}.html").stat().st_size < 1_500_000
    return manifest


@pytest.mark.notebook
def test_the_page_tells_all_that_the_notebook_found_and_what_it_hands_on_lies_beside_it(
    file, notebook, folder_of_pages
):
    manifest = told_by(folder_of_pages, file.stem)
    page = BeautifulSoup((folder_of_pages / f"{file.stem}.html").read_text("utf-8"), "html.parser")
    text = "".join(page.get_text().split())
    assert page.find("h1").get_text(strip=True) == notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    assert not [f["id"] for f in manifest["findings"] if "".join(f["text"].split()) not in text]
    assert {name: (folder_of_pages / name).stat().st_size for name in manifest["files"]} == manifest["files"]


@pytest.mark.notebook
def test_the_front_page_counts_it_as_good_and_shows_its_number_and_decision(file, folder_of_pages):
    page = BeautifulSoup((folder_of_pages.parent / "index.html").read_text("utf-8"), "html.parser")
    (row,) = [row for row in page.select(".questions tbody tr") if f"/{file.stem}.html" in row.th.a["href"]]
    assert not {"failed", "unreadable"} & set(page.select_one(".counts").get_text().split())
    assert len(page.select(".questions tbody tr")) == len({f.stem for f in folder_of_pages.glob("*.html")})
    assert row.select_one(".number strong"), "reports.yml names a number that no finding tells"
    manifest = told_by(folder_of_pages, file.stem)
    assert manifest["decision"] in {f["id"] for f in manifest["findings"]}
    assert manifest["owner"] in row.select_one(".who").get_text()


@pytest.mark.notebook
def test_a_decider_reads_the_decision_in_three_minutes(file, folder_of_pages):
    """Of a list its caption and the heads of its columns count; its rows are for whoever works through them."""
    page = BeautifulSoup((folder_of_pages / f"{file.stem}.html").read_text("utf-8"), "html.parser")
    decision = page.select_one(".decision")
    charts = len(decision.find_all("img"))
    for left_out in decision.select("details, tbody"):
        left_out.decompose()
    assert charts <= MOST_CHARTS
    words = [word for word in decision.get_text(" ").split() if re.search(r"\w", word)]
    assert len(words) <= MOST_WORDS


@pytest.mark.notebook
@pytest.mark.browser
@pytest.mark.parametrize(("viewport", "scheme"), [(NARROW, "dark"), (WIDE, "light")], ids=["phone", "desktop"])
def test_everyone_can_read_the_page_at_their_width_by_day_and_night(chromium, file, folder_of_pages, viewport, scheme):
    with opened(chromium, folder_of_pages / f"{file.stem}.html", viewport, scheme=scheme) as page:
        unfold(page)
        assert violations(page) == []
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate(BROKEN_LINKS) == []


PEOPLE = {"customers", "applicants", "loans", "called", "worth calling", "not allowed", "active", "present", "silent",
          "reached", "there"}  # fmt: skip
"""Heads of columns that count people by group."""
OVERLAPPING = ("Tags on ", "Products held", "What all pages mean by these words")
"""Captions of tables whose groups share people, so that nothing follows from a total."""


@pytest.mark.notebook
def test_no_group_on_a_page_or_in_a_summary_is_so_small_that_it_tells_of_persons(file, folder_of_pages):
    """Groups are of one or two quasi-identifiers: age, gender, region, product, tier, segment, state, and so on."""
    smallest = load_register(ROOT).smallest_group
    page = BeautifulSoup((folder_of_pages / f"{file.stem}.html").read_text("utf-8"), "html.parser")
    found = {}
    for table in page.select("table:has(caption):has(thead)"):
        found |= {f"{table.caption.get_text()}: {head}": cells for head, cells in people(table).items()}
    for summary in (folder_of_pages / file.stem).glob("*.parquet"):
        names = read_schema(summary).names
        if not {"customer_id", "customer"} & set(names):
            told = pd.read_parquet(summary, columns=[n for n in names if n.replace("_", " ") in PEOPLE])
            found |= {f"{summary.name}: {head}": list(cells.astype(str)) for head, cells in told.items()}
    few = {f"{n}" for n in range(1, smallest)} | {f"{n}.0" for n in range(1, smallest)}
    assert not {where: cells for where, cells in found.items() if few & set(cells)}
    alone = {w: c for w, c in found.items() if sum(map(hidden, c)) == 1 and not w.startswith(OVERLAPPING)}
    assert not alone  # it is what the others lack to a total


@pytest.mark.notebook
def test_no_cell_of_two_quasi_identifiers_follows_from_the_others_of_its_row(file, folder_of_pages):
    page = BeautifulSoup((folder_of_pages / f"{file.stem}.html").read_text("utf-8"), "html.parser")
    rows = [cells_of(row) for table in page.select("table:has(thead)") for row in table.select("tbody tr")]
    shares = [row for row in rows if all(hidden(c) or re.fullmatch(r"[\d.,]+%?", c) for c in row[1:])]
    assert not [row for row in shares if sum(map(hidden, row)) == 1 and sum(c.endswith("%") for c in row) > 1]


def hidden(cell: str) -> bool:
    return cell.startswith(("fewer than ", WITHHELD))


def cells_of(row) -> list[str]:
    return [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["th", "td"])]


def people(table) -> dict[str, list[str]]:
    """Return the columns of a table of a page that count people."""
    heads, rows = cells_of(table.select_one("thead tr")), [cells_of(row) for row in table.select("tbody tr")]
    return {head: [row[k] for row in rows] for k, head in enumerate(heads) if head in PEOPLE}


SCALES = """() => [...document.querySelectorAll('figure img')]
  .map(i => i.getBoundingClientRect().width / i.getAttribute('width'))"""
FIRST_COLUMNS = """() => [...document.querySelectorAll('.scroll:has(> table tbody)')].flatMap(box => {
  if (box.scrollWidth <= box.clientWidth + 1) return [];
  box.scrollLeft = box.scrollWidth;
  const first = box.querySelector('tbody tr > :first-child').getBoundingClientRect(), own = box.getBoundingClientRect();
  return first.left >= own.left - 1 && first.width <= 0.6 * own.width ? [] : [box.getAttribute('aria-label')];
})"""


@pytest.mark.notebook
@pytest.mark.browser
@pytest.mark.parametrize("viewport", [NARROW, WIDE], ids=["phone", "desktop"])
def test_charts_keep_labels_that_can_be_read_and_tables_the_column_that_names_the_row(
    chromium, file, folder_of_pages, viewport
):
    """The smallest labels of a chart have 9 points: 12 pixels at its own width, so 9 at three quarters of it."""
    with opened(chromium, folder_of_pages / f"{file.stem}.html", viewport) as page:
        unfold(page)
        assert [scale for scale in page.evaluate(SCALES) if scale < 0.74] == []
        assert page.evaluate(FIRST_COLUMNS) == []


@pytest.mark.notebook
def test_no_number_is_written_as_a_machine_would(file, folder_of_pages):
    page = BeautifulSoup((folder_of_pages / f"{file.stem}.html").read_text("utf-8"), "html.parser")
    for left_out in page.select("pre, code, .provenance, .glossary, details.folded"):
        left_out.decompose()
    told = [" ".join(tag.get_text(" ").split()) for tag in page.main.select("td, p, li, caption, summary")]
    assert not [text[:150] for text in told if RAW.search(text)]
    spans = [(text, SPAN.findall(text)) for text in told]
    assert not [text[:150] for text, found in spans if any(low == high for low, high in found)]


@pytest.mark.notebook
def test_all_reports_run_on_the_real_bank(datasets, tmp_path):
    if not (datasets / "berka").is_dir():
        pytest.skip("the Berka files are not here")
    done = subprocess.run(
        [BANKMINE, "run", "--source", "berka", "--as-of", "1994-01-31", "--out", tmp_path],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "index.html").is_file()
    assert not list(tmp_path.rglob("00_scoreboard*"))  # it scores against planted truth, which a real bank has not
    for file in (f for f in NOTEBOOKS if f.stem != "00_scoreboard"):
        assert told_by(tmp_path / "berka" / "1994-01-31", file.stem)["source"]["name"] == "berka"
