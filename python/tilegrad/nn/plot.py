"""Pictures of models: the graph of one call as SVG, written here, or as PNG by matplotlib."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _C
from ..errors import require
from .graph import Graph, Node, trace
from .layout import Layout, arrange

if TYPE_CHECKING:
    from .module import Module

__all__ = ["plot_model"]

# What a node looks like, by what it is; a family is told by words in the name of its class.
COLOURS = {
    "input": "#e8eef7",
    "output": "#e8eef7",
    "op": "#ffffff",
    "conv": "#cfe5d5",
    "linear": "#d6dff5",
    "norm": "#f3e6c8",
    "pool": "#f2d5d5",
    "layer": "#ececec",
}
FONT, SMALL = 13.0, 11.0
LETTER = 0.62  # width of a letter of a monospaced font, of its size
LINE, PADDING = 16.0, 8.0


def plot_model(
    model: Module,
    input_shape: Sequence[Any],
    path: str | os.PathLike[str],
    dtype: Any = "float32",
    depth: int | None = None,
) -> None:
    """Draws the graph of a model: its layers with their shapes, the ops between them, and what flows where.

    Made from one call on a sample of zeros, so it shows branches, several inputs and outputs, and a layer that is
    called twice as two nodes, the second marked "shared". Builds the model.

    Parameters
    ----------
    model
        Any module.
    input_shape
        The shape of the input without the batch; for several inputs, a sequence of shapes.
    path
        The file, whose name ends in ``.svg`` (nothing else is needed) or ``.png`` (matplotlib draws it).
    dtype
        Of the inputs.
    depth
        How many levels of modules inside modules are taken apart; None for all.

    Raises
    ------
    ArgumentError
        If the name ends otherwise.
    MissingExtraError
        For PNG, if matplotlib is not installed.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 8), tg.nn.ReLU(), tg.nn.Linear(8, 2))
    >>> tg.nn.plot_model(model, (4,), "model.svg")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise _C.ArgumentError(f"plot_model: the file must end in .svg or .png, found {os.fspath(path)!r}")
    several = bool(input_shape) and all(isinstance(shape, (tuple, list)) for shape in input_shape)
    graph = trace(model, list(input_shape) if several else [tuple(input_shape)], dtype, depth)
    layout = arrange([_size(node) for node in graph.nodes], graph.edges)
    if suffix == ".svg":
        Path(path).write_text(svg(graph, layout, type(model).__name__), encoding="utf-8")
    else:
        _write_png(graph, layout, path)


def _lines(node: Node) -> list[str]:
    kind = [] if node.kind in ("op", "input", "output") else [f"{node.kind}{' (shared)' if node.shared else ''}"]
    return [node.label, *kind, node.shape]


def _size(node: Node) -> tuple[float, float]:
    lines = _lines(node)
    letters = max(len(lines[0]) * FONT, *(len(line) * SMALL for line in lines[1:]))
    return letters * LETTER + 2 * PADDING, len(lines) * LINE + 2 * PADDING


def _colour(node: Node) -> str:
    if node.kind in COLOURS:
        return COLOURS[node.kind]
    kind = node.kind.lower()
    return next((COLOURS[word] for word in ("conv", "linear", "norm", "pool") if word in kind), COLOURS["layer"])


def svg(graph: Graph, layout: Layout, title: str) -> str:
    """The picture as text. Nodes are groups with an ``id``; edges name their ends in ``data-from`` and ``data-to``."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width:.0f}" height="{layout.height:.0f}" '
        f'viewBox="0 0 {layout.width:.1f} {layout.height:.1f}" font-family="monospace">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker></defs>',
        f'<rect width="{layout.width:.1f}" height="{layout.height:.1f}" fill="#fff"/>',
    ]
    for (source, target), route in zip(graph.edges, layout.routes, strict=True):
        parts.append(
            f'<path class="edge" data-from="n{source}" data-to="n{target}" d="{_curve(route)}" fill="none" '
            'stroke="#555" stroke-width="1.3" marker-end="url(#arrow)"/>'
        )
    for position, (node, (x, y)) in enumerate(zip(graph.nodes, layout.centres, strict=True)):
        width, height = _size(node)
        lines = _lines(node)
        parts.append(
            f'<g class="node" id="n{position}" data-kind="{escape(node.kind)}">'
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="6" '
            f'fill="{_colour(node)}" stroke="#555"/>'
        )
        for number, line in enumerate(lines):
            place = y + (number - (len(lines) - 1) / 2) * LINE
            style = f'font-size="{FONT}" font-weight="bold"' if number == 0 else f'font-size="{SMALL}"'
            parts.append(
                f'<text x="{x:.1f}" y="{place:.1f}" text-anchor="middle" dominant-baseline="central" {style}>'
                f"{escape(line)}</text>"
            )
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _curve(route: list[tuple[float, float]]) -> str:
    """A smooth line, vertical at every point."""
    text = f"M{route[0][0]:.1f} {route[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(route):
        middle = (y0 + y1) / 2
        text += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return text


def _write_png(graph: Graph, layout: Layout, path: str | os.PathLike[str]) -> None:
    figure_module = require("matplotlib.figure", "plot", "plot_model() to PNG")
    patches = require("matplotlib.patches", "plot", "plot_model() to PNG")
    paths = require("matplotlib.path", "plot", "plot_model() to PNG")
    inch = 96.0
    figure = figure_module.Figure(figsize=(layout.width / inch, layout.height / inch), dpi=2 * inch)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, layout.width)
    axes.set_ylim(layout.height, 0)
    axes.axis("off")
    for route in layout.routes:
        points, codes = [route[0]], [paths.Path.MOVETO]
        for (x0, y0), (x1, y1) in pairwise(route):
            points += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
            codes += [paths.Path.CURVE4] * 3
        curve = paths.Path(points, codes)
        axes.add_patch(
            patches.FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=10, color="#555555", linewidth=1)
        )
    for node, (x, y) in zip(graph.nodes, layout.centres, strict=True):
        width, height = _size(node)
        box = patches.FancyBboxPatch(
            (x - width / 2 + 4, y - height / 2 + 4),
            width - 8,
            height - 8,
            boxstyle="round,pad=4",
            facecolor=_colour(node),
            edgecolor="#555555",
        )
        axes.add_patch(box)
        lines = _lines(node)
        for number, line in enumerate(lines):
            axes.text(
                x,
                y + (number - (len(lines) - 1) / 2) * LINE,
                line,
                ha="center",
                va="center",
                family="monospace",
                fontsize=(FONT if number == 0 else SMALL) * 72 / inch,
                weight="bold" if number == 0 else "normal",
            )
    figure.savefig(path)
