"""An executed notebook as one page: the Decision first, then the Evidence by sections, then how it was made.

The page asks for nothing from outside and runs one script, our own, which sorts tables: what cells show is cleaned
(`bankmine.report.outputs`), and a content security policy in the page refuses what would still slip through.
"""

import ast
import copy
import re
from collections.abc import Iterator
from urllib.parse import unquote

import nh3
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from papermill.translators import PythonTranslator

from bankmine.report import findings, outputs
from bankmine.report.glossary import explain
from bankmine.report.layers import ABOUT, layers
from bankmine.report.template import environment

HIDDEN = {"parameters", "injected-parameters", "papermill-error-cell-tag"}
TRACEBACK_LINES = 12
# The page's own anchors, and those that only a failed page has: a heading of the notebook must not take them.
ANCHORS = {"main", "findings", "evidence", "glossary", "how", "used", ABOUT}
FAILED_ANCHORS = {"failed", "error"}


def render(notebook: NotebookNode, manifest: dict) -> str:
    """Return an executed notebook as a complete HTML page.

    Parameters
    ----------
    notebook : NotebookNode
        Executed to the end, or to the cell that failed.
    manifest : dict
        How the run came to be: report, title, status, source, as_of, parameters, git, packages, …

    Returns
    -------
    str
        The page. It needs no other file.
    """
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(copy.deepcopy(notebook), {})
    hoisted = list(_anchor_findings(notebook))
    soup = BeautifulSoup("".join(_blocks(notebook)), "html.parser")
    _arrange(soup, manifest["title"])
    terms = explain(soup)
    decision, evidence = layers(soup)
    if decision is not None:
        hoisted = [found for found in hoisted if found["alert"] and f'id="{found["anchor"]}"' not in decision.body]
    return environment.get_template("page.html.j2").render(
        run={"source": None, "used": None, "git": None, "error": None, "files": {}, "role": ""} | manifest,
        findings=sorted(hoisted, key=lambda found: not found["alert"]),
        traceback=_traceback(notebook),
        decision=decision,
        evidence=evidence,
        terms=terms,
        stem=manifest["report"] + (".failed" if manifest["status"] == "failed" else ""),
        seconds=_seconds(notebook, manifest.get("cells") or []),
        parameters=_parameters(notebook, manifest.get("parameters") or {}),
    )


def _parameters(notebook: NotebookNode, used: dict) -> list[dict]:
    """List the parameters that the notebook declares and those that the run was given."""
    given = used | notebook.metadata.get("papermill", {}).get("parameters", {})
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    declared = {parameter.name: parameter for cell in cells for parameter in PythonTranslator.inspect(cell)}
    return [
        {
            "name": name,
            "value": repr(given[name]) if name in given else _literal(declared[name].default),
            "default": _literal(declared[name].default) if name in declared else "",
            "help": declared[name].help if name in declared else "",
        }
        for name in declared | given
    ]


def _seconds(notebook: NotebookNode, cells: list[dict]) -> list[tuple[int | str, float]]:
    """Name cells as the folded code does: by their number of execution, not by their place in the notebook."""
    numbers = dict(enumerate(cell.get("execution_count") for cell in notebook.cells))
    return [(numbers.get(cell["cell"]) or f"cell {cell['cell']}", cell["seconds"]) for cell in cells]


def _literal(source: str) -> str:
    """Write a default as Python would, so that "x" and 'x' do not look different."""
    try:
        return repr(ast.literal_eval(source))
    except (SyntaxError, ValueError):  # an expression: show it as the notebook has it
        return source


def _anchor_findings(notebook: NotebookNode) -> Iterator[dict]:
    """Give findings an anchor where they are shown; yield the headlines and alerts for the top of the page."""
    shown = (output for cell in notebook.cells for output in cell.get("outputs", []))
    told = set()  # what several findings lack for the same reason is said once
    for number, output in enumerate((o for o in shown if findings.MIME in o.get("data", {})), start=1):
        record = output.data[findings.MIME]
        output.metadata["anchor"] = f"finding-{number}"
        said = record.get("text"), bool(record.get("alert"))
        if (record.get("headline") or record.get("alert")) and said not in told:
            told.add(said)
            sentence = nh3.clean(output.data.get("text/html", ""), tags={"strong", "bdi"}, attributes={})
            yield {
                "anchor": output.metadata["anchor"],
                "alert": bool(record.get("alert")),
                "sentence": Markup(sentence.removeprefix(findings.FLAG_HTML)),
            }


def _traceback(notebook: NotebookNode) -> Markup | None:
    """Return the last lines of the last error."""
    errors = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    if not errors:
        return None
    lines = "\n".join(errors[-1].traceback).splitlines()[-TRACEBACK_LINES:]
    return Markup(outputs.terminal("\n".join(lines)))


def _blocks(notebook: NotebookNode) -> Iterator[str]:
    """Yield the sections; code that shows nothing is folded together with the next that does."""
    pending: list[NotebookNode] = []
    for cell in notebook.cells:
        if HIDDEN & set(cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "code":
            pending.append(cell)
        if cell.cell_type != "code" or cell.outputs:
            yield _code(pending)
            pending = []
        if cell.cell_type == "markdown":
            yield outputs.markdown(cell.source, cell.get("attachments"))
        yield from map(_output, cell.get("outputs", []))
    yield _code(pending)


def _code(cells: list[NotebookNode]) -> str:
    source = "\n\n".join(cell.source.strip() for cell in cells).strip()
    if not source:
        return ""
    numbers = dict.fromkeys(str(cell.execution_count) for cell in (cells[0], cells[-1]) if cell.execution_count)
    label = f"Code [{'–'.join(numbers)}]" if numbers else "Code"
    return f'<details class="folded"><summary>{label}</summary>{outputs.code(source)}</details>'


def _output(output: NotebookNode) -> str:
    anchor = output.get("metadata", {}).get("anchor")
    written = outputs.output(output)
    return f'<div class="evidence" id="{anchor}">{written}</div>' if anchor else written


def _arrange(soup: BeautifulSoup, title: str) -> None:
    """Make the body fit the page: headings, pictures, tables, links."""
    _lower_titles(soup, title)
    _number_headings(soup)
    _describe_pictures(soup, title)
    _box_wide_things(soup)
    _mend_links(soup)


def _lower_titles(soup: BeautifulSoup, title: str) -> None:
    """Remove the notebook's title, which the page shows already; any other one is a section."""
    for heading in soup.find_all("h1"):
        if heading.get_text().strip().casefold() == title.strip().casefold():
            heading.decompose()
        else:
            heading.name = "h2"


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.casefold()).strip("-") or "section"


def _number_headings(soup: BeautifulSoup) -> None:
    """Give headings their anchors."""
    taken = ANCHORS | FAILED_ANCHORS | {tag["id"] for tag in soup.find_all(id=True)}
    for heading in soup.find_all(["h2", "h3"]):
        slug = _slug(" ".join(heading.get_text().split()))
        heading["id"] = next(a for n in range(1, 10_000) if (a := slug if n == 1 else f"{slug}-{n}") not in taken)
        taken.add(heading["id"])


def _describe_pictures(soup: BeautifulSoup, title: str) -> None:
    """See that every picture is in the page and says what it shows, at least where it stands."""
    heading = title
    for tag in soup.find_all(["h2", "h3", "h4", "img"]):
        if tag.name != "img":
            heading = tag.get_text()
        elif not tag.get("src"):
            tag.replace_with(f"[picture not in this page: {tag.get('alt') or 'without a name'}]")
        elif not tag.get("alt", "").strip():
            tag["alt"] = f"Chart in the section “{heading}”"


def _box_wide_things(soup: BeautifulSoup) -> None:
    """Let tables, charts, formulas and listings scroll in boxes of their own that a keyboard reaches."""
    for table in soup.find_all("table"):
        _scope_headers(table)
        if not table.find_parent("table"):
            label = table.caption.get_text(" ", strip=True) if table.caption else "without a caption"
            if table.caption:  # what stays in sight while a wide table is scrolled
                inside = soup.new_tag("span")
                inside.extend(list(table.caption.contents))
                table.caption.append(inside)
            _box(soup, table, f"Table: {label}")
    for formula in soup.find_all("math", display="block"):
        _box(soup, formula, "Formula")
    for chart in soup.find_all("figure"):
        chart.attrs |= {"tabindex": "0", "role": "group", "aria-label": "Chart"}
    for listing in soup.find_all("pre"):
        listing["tabindex"] = "0"
    for traceback in soup.find_all("pre", class_="traceback")[-1:]:
        traceback["id"] = "error"


def _box(soup: BeautifulSoup, tag: Tag, label: str) -> None:
    tag.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "group", "aria-label": label}))


def _scope_headers(table: Tag) -> None:
    for header in table.find_all("th"):
        if not header.get_text(strip=True):
            header.name = "td"
        elif not header.get("scope"):
            header["scope"] = "col" if header.find_parent("thead") else "row"


def _mend_links(soup: BeautifulSoup) -> None:
    """Point links within the notebook to the page's anchors; one that leads nowhere becomes text."""
    anchors = ANCHORS | {tag["id"] for tag in soup.find_all(id=True)}
    headings = [ABOUT, "how", *(heading["id"] for heading in soup.find_all(["h2", "h3"]))]
    for link in soup.find_all("a", href=re.compile("^#~")):
        words = filter(None, link["href"].removeprefix("#").split("~"))
        link["href"] = "#" + next((id for word in words for id in headings if _slug(word) in id), "")
    for link in soup.find_all("a"):
        target = unquote(link.get("href", "").removeprefix("#"))
        if not link.get("href") or (link["href"].startswith("#") and not {target, _slug(target)} & anchors):
            link.unwrap()
        elif link["href"].startswith("#"):
            link["href"] = f"#{target if target in anchors else _slug(target)}"
