"""Causes: a drawn graph of what is taken to cause what, by which a comparison is made."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def graph(behind: Sequence[str], done: str, came: str, unrecorded: str) -> Axes:
    """Draw what lies `behind` both what is done and what came, and dotted what nobody recorded.

    The arrow that is estimated is the thick one; what lies behind is compared like with like.
    """
    axis, top = plt.figure(figsize=(6.4, 2.8)).subplots(), len(behind) - 1
    place = {name: (0.0, top - i) for i, name in enumerate(behind)}
    place |= {done: (1.4, top * 0.75), came: (2.8, top * 0.4), unrecorded: (1.4, -0.1)}
    arrows = [(name, end) for name in (*behind, unrecorded) for end in (done, came)] + [(done, came)]
    for start, end in arrows:
        line = {"arrowstyle": "->", "shrinkA": 30, "shrinkB": 34, "color": "0.35"}
        line |= {"linestyle": ":"} if start == unrecorded else {}
        line |= {"linewidth": 2.5, "color": "C0"} if start == done else {}
        axis.annotate("", place[end], place[start], arrowprops=line)
    for name, at in place.items():
        axis.text(*at, name, ha="center", va="center", bbox={"boxstyle": "round", "facecolor": "white"})
    axis.set(xlim=(-0.6, 3.3), ylim=(-0.5, top + 0.5), title="What is taken to cause what; dotted: not recorded")
    axis.axis("off")
    return axis
