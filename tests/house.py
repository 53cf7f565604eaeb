"""Sizes of the house, for whoever plans the next move: `make house`. Nothing here is a limit."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lines_of(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def rooms() -> None:
    """Print modules and lines of each room, its longest module and its longest function."""
    print(f"{'room':34}{'modules':>8}{'lines':>8}  longest module, longest function")
    for folder in sorted({f.parent for f in (ROOT / "lib").rglob("*.py")}):
        files = [f for f in folder.glob("*.py") if f.stem != "__init__"]
        if not files:
            continue
        longest = max(files, key=lines_of)
        functions = [(n.end_lineno - n.lineno + 1, f"{f.stem}.{n.name}") for f in files
                     for n in ast.walk(ast.parse(f.read_text("utf-8"))) if isinstance(n, ast.FunctionDef)]  # fmt: skip
        size, name = max(functions, default=(0, "none"))
        total = sum(map(lines_of, files))
        told = f"{longest.stem} {lines_of(longest)}, {name} {size}"
        print(f"{folder.relative_to(ROOT / 'lib')!s:34}{len(files):>8}{total:>8}  {told}")


def notebooks() -> None:
    """Print cells of each notebook, the median and the longest of their lines, and how many names it imports."""
    print(f"\n{'notebook':34}{'cells':>8}{'median':>8}{'longest':>9}{'names':>7}")
    for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [c for c in json.loads(file.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
        texts = ["".join(c["source"]) for c in cells if "parameters" not in c["metadata"].get("tags", [])]
        sizes = sorted(len(t.splitlines()) for t in texts)
        imports = re.findall(r"^(?:from \S+ )?import (.+)$", "\n".join(texts), re.M)
        names = sum(len(line.split(",")) for line in imports)
        print(f"{file.stem:34}{len(sizes):>8}{sizes[len(sizes) // 2]:>8}{sizes[-1]:>9}{names:>7}")


if __name__ == "__main__":
    rooms()
    notebooks()
