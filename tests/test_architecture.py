"""What must never break: the direction of imports, topics apart, the truth unread, no text evaluated, no idle code."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, DEMO = ROOT / "lib" / "bankmine", ROOT / "lib" / "demobank"
ROOMS = ("privacy", "bank", "features", "learning", "judging", "deciding", "study", "topics", "report", "cli")
"""Each may import itself and those before it."""
BESIDE = {
    "live": {*ROOMS[: ROOMS.index("report")], "live"},
    "stewardship": {*ROOMS, "live", "stewardship"} - {"cli"},
    "cli": {*ROOMS, "live", "stewardship"},
}
"""`live` stands beside report, `stewardship` after both."""
LEFT_OF_ALL = {"errors", "interruption", "lacking", "registers", "workspace"}
MODULES = sorted(f for f in LIBRARY.rglob("*.py") if f.parent != LIBRARY or f.stem in ROOMS)
ALL_MODULES = sorted([*LIBRARY.rglob("*.py"), *DEMO.rglob("*.py")])
TRUTH = re.compile(r"""demobank\.(truth|scor)|demobank import .*\b(truth|scor\w*)\b|/truth\b|truth/|["']truth["']""")
"""What a line says that imports the scoreboard's modules or opens the folder of the truth."""
EVALUATES = {"eval", "exec", "compile", "__import__"}
UNSAFE = {("pickle", None), ("marshal", None), ("shelve", None), ("joblib", "load"), ("yaml", "unsafe_load")}
NAMED_PLACES = {"bank/readers.py", "report/__init__.py", "report/warm_kernels.py"}
"""Where code is found by a name: loaders that a source names, what notebooks import lazily, topics that a run uses."""


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def room_of(file: Path) -> str:
    return file.relative_to(LIBRARY).with_suffix("").parts[0]


def imported(file: Path) -> Iterator[str]:
    """Full names of whatever a module imports, `bankmine.room.module.name`."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_point_left():
    wrong = {}
    for file in MODULES:
        room = room_of(file)
        may = set(BESIDE.get(room, ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ()))
        rooms = {name.split(".")[1] for name in imported(file) if name.startswith("bankmine.")}
        wrong |= {str(file.relative_to(LIBRARY)): more} if (more := rooms - may - LEFT_OF_ALL) else {}
    assert not wrong


def test_the_demo_bank_is_known_by_its_name_only():
    files = list(LIBRARY.rglob("*.py"))
    assert not [f.name for f in files if any(name.split(".")[0] == "demobank" for name in imported(f))]


def test_no_topic_imports_another():
    apart = {}
    for file in (LIBRARY / "topics").rglob("*.py"):
        own = file.relative_to(LIBRARY / "topics").with_suffix("").parts[0]
        others = {n.split(".")[2] for n in imported(file) if n.startswith("bankmine.topics.")} - {own}
        apart |= {str(file.relative_to(LIBRARY)): others} if others else {}
    assert not apart


def test_nothing_but_the_scoreboard_names_the_truth():
    readers = [*LIBRARY.rglob("*.py"), *(f for f in (ROOT / "notebooks").glob("*.ipynb") if f.stem != "00_scoreboard")]
    assert len(readers) > 30
    assert not [f.name for f in readers if TRUTH.search(f.read_text("utf-8"))]


@pytest.mark.parametrize(
    "line",
    [
        "from demobank.scoreboard.truth import Truth",
        "from demobank import defects, truth",
        "from demobank.scoreboard.churn import of_study",
        "from demobank import planted, scores_churn",
        "importlib.import_module('demobank.scoreboard.truth')",
        'pd.read_parquet(folder / "truth")',
        'read("data/demo/truth/customers")',
    ],
)
def test_every_way_to_the_truth_is_seen(line):
    assert TRUTH.search(line)


@pytest.mark.parametrize("line", ["the truth about customers", "snapshot.source.has_truth", "needs_truth: true"])
def test_talking_of_truth_is_allowed(line):
    assert not TRUTH.search(line)


def evaluated(module: ast.Module) -> list[str]:
    """Say where a module evaluates text, unpickles, or imports by a name that it computes."""
    found = []
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in EVALUATES | {"import_module"}:
            found.append(node.func.id)
        if isinstance(node.func, ast.Attribute):
            owner, name = getattr(node.func.value, "id", None), node.func.attr
            if (name in {"eval", "query"} and node.args) or name in {"import_module", "resolve_name"}:
                found.append(name)
            if (owner, name) in UNSAFE or (owner, None) in UNSAFE:
                found.append(f"{owner}.{name}")
            if (owner, name) == ("yaml", "load") and len(node.args) + len(node.keywords) < 2:
                found.append("yaml.load")
    return found


def test_no_text_is_evaluated():
    files = {str(f.relative_to(LIBRARY)): f for f in LIBRARY.rglob("*.py")}
    found = {name: evaluated(tree(f)) for name, f in files.items() if name not in NAMED_PLACES}
    assert not {name: what for name, what in found.items() if what}


@pytest.mark.parametrize(
    "line",
    ["eval(rule)", "rows.eval(rule)", "rows.query(rule)", "exec(cell)", "pickle.load(f)", "import_module(name)",
     "yaml.load(text)", "yaml.unsafe_load(text)", "__import__(name)", "joblib.load(path)"],
)  # fmt: skip
def test_every_way_to_evaluate_is_seen(line):
    assert evaluated(ast.parse(line))


def test_the_library_s_readme_names_every_module():
    told = (ROOT / "lib" / "README.md").read_text("utf-8")
    modules = [f for f in ALL_MODULES if f.stem != "__init__"]
    assert not [str(f.relative_to(ROOT / "lib")) for f in modules if f"`{f.name}`" not in told]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def test_no_function_is_there_for_tests_alone():
    notebooks = [json.loads(f.read_text("utf-8")) for f in (ROOT / "notebooks").glob("*.ipynb")]
    cells = ["".join(c["source"]) for nb in notebooks for c in nb["cells"] if c["cell_type"] == "code"]
    used = {file: Counter(re.findall(r"\w+", file.read_text("utf-8"))) for file in ALL_MODULES}
    outside = names_in("\n".join([*cells, (ROOT / "pyproject.toml").read_text("utf-8")]))
    bench = names_in("\n".join(f.read_text("utf-8") for f in (ROOT / "tests").rglob("bench*.py")))
    idle = []
    for file in ALL_MODULES:
        for node in tree(file).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if node.decorator_list and file.stem in ("cli",):
                continue
            elsewhere = any(node.name in names for other, names in used.items() if other != file)
            here = used[file][node.name] > 1
            if not (elsewhere or here or node.name in outside or node.name in bench):
                idle.append(f"{file.relative_to(ROOT / 'lib')}: {node.name}")
    assert not idle
