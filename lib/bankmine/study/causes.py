"""Causes: a drawn graph of what is taken to cause what, by which a comparison is made."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def graph(behind: Sequence[str], done: str, came: str, unrecorded: str) -> Axes:
    """Draw what lies `behind` both what is done and what came, and dotted what nobody recorded.

    The arrow that is estimated is the thick one; what lies behind is compared like with like.
    """
    axis, most = plt.figure(figsize=(6.8, 3)).subplots(), len(behind) + 1
    place = {name: ((i - most / 2) * 0.42 + 0.5, 2.0) for i, name in enumerate(behind, 1)}
    place |= {done: (0.0, 1.0), came: (1.0, 1.0), unrecorded: (0.5, 0.0)}
    arrows = [(name, end) for name in (*behind, unrecorded) for end in (done, came)] + [(done, came)]
    for start, end in arrows:
        line = {"arrowstyle": "->", "shrinkA": 14, "shrinkB": 24, "color": "0.35"}
        line |= {"linestyle": ":"} if start == unrecorded else {}
        line |= {"linewidth": 2.5, "color": "C0"} if start == done else {}
        axis.annotate("", place[end], place[start], arrowprops=line)
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.6"}
    for name, at in place.items():
        axis.text(*at, name, ha="center", va="center", bbox=box)
    axis.set(xlim=(-0.2, 1.2), ylim=(-0.3, 2.3), title="What is taken to cause what; dotted: not recorded")
    axis.axis("off")
    return axis
