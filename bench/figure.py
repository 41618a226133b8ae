"""The goals as a figure for README.md."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.goals import Verdict

SPAN = 5.0  # the axis ends there
COLOURS = {"met": "#2a7f62", "under the goal": "#d9a441", "under the floor": "#c0504d"}


def label(verdict: Verdict) -> str:
    """The row and the part of it that the goal is about."""
    row, _, listed = verdict.row.partition(":")
    if verdict.what == "all":
        return textwrap.shorten(row, 70)
    if ";" in row and not listed:  # the row is nothing but its parts
        return verdict.what
    return textwrap.shorten(f"{row}: {verdict.what}", 70)


def draw(found: Sequence[Verdict], path: Path) -> None:
    """A bar a goal, of the largest number of threads, on a logarithmic axis with the goal as 1."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    most = max((verdict.threads for verdict in found), default=1)
    bars = [verdict for verdict in found if verdict.threads == most]
    with mpl.rc_context({"svg.hashsalt": "tilegrad", "svg.fonttype": "none", "font.size": 8}):
        plot, axes = plt.subplots(figsize=(8, 0.2 * len(bars) + 0.9))
        for place, verdict in enumerate(bars):
            text = verdict.found.split(", ")[0] if verdict.reach else verdict.status
            axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center")
            if not verdict.reach:
                continue
            colour = COLOURS.get(verdict.status, "grey")
            axes.barh(place, clipped(verdict.reach) - 1, left=1, color=colour, height=0.7)
            if verdict.least:
                axes.plot(clipped(verdict.least), place, marker=".", color="black", markersize=4)
            if verdict.floor_mark:
                axes.vlines(clipped(verdict.floor_mark), place - 0.35, place + 0.35, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(1 / SPAN, SPAN)
        axes.set_xticks([0.25, 0.5, 1, 2, 4], ["goal / 4", "/ 2", "goal", "x 2", "x 4"])
        axes.set_xticks([], minor=True)
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_yticks(range(len(bars)), [label(verdict) for verdict in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        threads = f"{most} thread{'s' * (most > 1)}"
        axes.set_xlabel(f"all cases of a goal (bar), the least of them (dot), the floor (line); {threads}")
        patches = [Patch(color=colour, label=status) for status, colour in COLOURS.items()]
        axes.legend(handles=patches, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        plot.savefig(path, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(plot)


def clipped(value: float) -> float:
    return min(max(value, 1 / SPAN), SPAN)
