"""The environment's files say the same thing."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^\s*(?:- )?([A-Za-z0-9_.\-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.M)
    return {canonicalize_name(name): version for name, version in found}


def wanted(file: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


EXTRAS = ("requirements-spark", "requirements-deep")


@pytest.mark.parametrize("name", ["requirements", *EXTRAS])
def test_the_lock_holds_what_is_asked_for_in_a_version_that_is_allowed(name):
    locked = pins((ROOT / f"{name}.lock").read_text())
    asked = wanted(f"{name}.in") + (wanted("requirements-dev.in") if name == "requirements" else [])
    for requirement in asked:
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_all_locks_agree(lock):
    locks = [pins(lock), *(pins((ROOT / f"{name}.lock").read_text()) for name in EXTRAS)]
    together = {package: version for each in locks for package, version in each.items()}
    assert all(each.items() <= together.items() for each in locks)


@pytest.mark.parametrize("name", ["requirements", *EXTRAS])
def test_every_pin_has_a_hash_and_no_line_names_a_host(name):
    text = (ROOT / f"{name}.lock").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(pins(text))
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--index|--find-links|@ ", text)


def test_conda_gets_the_same_python_the_same_pins_and_the_package(lock, conda):
    python, pip, told = conda["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.12"
    assert told["pip"][-1] == "-e ."
    assert pins("\n".join(told["pip"])) == pins(lock)


@pytest.mark.parametrize("name", ["requirements.in", "requirements-dev.in"])
def test_every_direct_dependency_says_who_needs_it(name):
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith("#"):
            assert len(line.partition("#")[2].strip()) > 3, line


def test_the_requested_packages_are_there(lock):
    asked = {"jupyterlab", "papermill", "pandas", "seaborn", "scikit-learn", "xgboost-cpu", "shap", "nbval"}
    assert asked <= set(pins(lock))


def test_help_lists_every_public_target():
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in (
        "setup",
        "reports",
        "lab",
        "test",
        "seeds",
        "check",
        "bench",
        "demo",
        "lock",
        "clean",
        "spark",
        "deep",
    ):
        assert f"make {target} " in listed


def test_every_import_of_the_library_is_a_direct_dependency():
    """An extra is imported where it is used, not with the module."""
    distributions = importlib.metadata.packages_distributions()
    declared = {canonicalize_name(r.name) for r in wanted("requirements.in")}
    extras = {canonicalize_name(r.name) for name in EXTRAS for r in wanted(f"{name}.in")}
    for file in (ROOT / "lib" / "bankmine").rglob("*.py"):
        module = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(module):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {n.partition(".")[0] for n in names} - sys.stdlib_module_names - {"bankmine"}:
                owners = {canonicalize_name(d) for d in distributions.get(name, [name])}
                allowed = declared if node in module.body else declared | extras
                assert owners & allowed, f"{file.relative_to(ROOT)} imports {name}"


def needed_to_run() -> set[str]:
    """Names of all packages that `pip install .` brings, with what these need in turn."""
    found, todo = set(), [(r, "") for r in wanted("requirements.in")]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wish in ("", *requirement.extras):
            if (one := (canonicalize_name(requirement.name), wish)) not in found:
                found.add(one)
                todo += [(Requirement(r), wish) for r in importlib.metadata.requires(one[0]) or []]
    return {name for name, _ in found}


def licence_of(name: str) -> str:
    """What a package says of its licence: an expression, classifiers, a field, or else the head of the text itself."""
    told = importlib.metadata.metadata(name)
    classified = [c for c in told.get_all("Classifier", []) if c.startswith("License ::")]
    said = told.get("License-Expression") or "; ".join(classified) or (told.get("License") or "").partition("\n")[0]
    if said:
        return said
    files = [f for f in importlib.metadata.files(name) or [] if re.match(r"(?i)licen[cs]e|copying", f.name)]
    return " ".join(files[0].read_text()[:200].split()) if files else ""


def refused(licence: str) -> bool:
    """Whether a licence is the GPL or the AGPL and leaves no choice; the LGPL is neither."""
    ways = re.split(r"\bOR\b", licence)
    full = r"(?i)(?<!lesser )(?<!library )general public license"
    return all(re.search(r"(?<![A-Za-z])A?GPL", way) or re.search(full, way) for way in ways)


def test_nothing_that_runs_has_the_gpl_or_the_agpl():
    names = needed_to_run()
    assert len(names) > 100
    assert "empulse" not in names
    licences = {name: licence_of(name) for name in names}
    assert not [name for name, licence in licences.items() if not licence]
    assert not {name: licence for name, licence in licences.items() if refused(licence)}


@pytest.mark.parametrize(
    ("licence", "no"),
    [
        ("AGPL-3.0", True), ("GPL-3.0-or-later", True), ("LGPL-2.1", False), ("MIT OR GPL-2.0", False), ("MIT", False),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
    ],
)  # fmt: skip
def test_a_licence_is_told_from_its_relatives(licence, no):
    assert refused(licence) == no


def test_the_yardstick_of_the_tests_is_what_banks_refuse():
    assert refused(licence_of("empulse"))
