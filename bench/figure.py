"""The goals as a figure for README.md."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.goals import Verdict

COLOURS = {"met": "#2a7f62", "under the goal": "#d9a441", "under the floor": "#c0504d"}


def label(verdict: Verdict) -> str:
    """The row without its list of parts, and the part."""
    row = verdict.row if verdict.what == "all" else f"{verdict.row.split(';')[0].split(':')[0]}: {verdict.what}"
    return textwrap.shorten(row, 70)


def draw(found: Sequence[Verdict], path: Path) -> None:
    """A bar a goal, of the largest number of threads: what was found over the goal, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    most = max((verdict.threads for verdict in found), default=1)
    bars = [v for v in found if v.threads == most and v.ratio and v.goal_ratio]
    labels = [label(verdict) for verdict in bars]
    with mpl.rc_context({"svg.hashsalt": "tilegrad", "svg.fonttype": "none", "font.size": 8}):
        plot, axes = plt.subplots(figsize=(8, 0.24 * len(bars) + 0.9))
        places = range(len(bars))
        axes.barh(
            places, [(v.ratio or 1) / (v.goal_ratio or 1) - 1 for v in bars], left=1,
            color=[COLOURS[v.status] for v in bars], height=0.7,
        )  # fmt: skip
        for place, verdict in zip(places, bars, strict=True):
            if verdict.floor_ratio:
                floor = verdict.floor_ratio / (verdict.goal_ratio or 1)
                axes.plot([floor, floor], [place - 0.35, place + 0.35], color="black", linewidth=1)
            axes.text(1.005, place, verdict.found.split(",")[0], transform=axes.get_yaxis_transform(), va="center")
        axes.set_xscale("log")
        axes.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "goal", "2", "4"])
        axes.set_xticks([], minor=True)
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
        axes.set_xlabel(f"found / goal, {most} thread{'s' * (most > 1)}; the black mark is the floor")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        plot.savefig(path, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(plot)
