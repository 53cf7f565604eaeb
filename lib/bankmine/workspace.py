"""The workspace: the folder that holds data, notebooks and reports."""

from __future__ import annotations

import os
from pathlib import Path

WORKSPACE = Path(os.environ.get("BANKMINE_WORKSPACE", Path(__file__).resolve().parents[2])).resolve()
