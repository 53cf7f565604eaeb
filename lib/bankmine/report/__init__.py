"""What notebooks show with: `finding`, `show` and `table`, loaded when they are asked for, as the runner needs none."""

from __future__ import annotations

from importlib import import_module

_PLACES = {"finding": "findings", "show": "plots", "table": "tables"}


def __getattr__(name: str) -> object:
    """Load what is asked for; the first chart finds the look of all charts set."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "show":
        import_module(f"{__name__}.plots").use_theme()
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
