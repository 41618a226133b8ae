"""Places for the nodes of a graph in layers from top to bottom, with the edges led around the nodes.

The steps are those of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures"
(1981): each node stands below all that flow into it; an edge over several layers gets a bend in each; the order within
the layers follows the mean place of the neighbours, sweeping down and up; and places are moved towards the neighbours
as far as widths allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "arrange"]

GAP = 28.0  # between neighbours in a layer
ROW = 34.0  # between layers
BEND = 10.0  # the width that an edge passing by takes
SWEEPS = 8


@dataclass
class Layout:
    """Centres of the nodes, the points that each edge goes through, and the size of all."""

    centres: list[tuple[float, float]]
    routes: list[list[tuple[float, float]]]
    width: float
    height: float


def arrange(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Places for nodes of the given widths and heights; every edge goes from an earlier to a later one."""
    layer = _layers(len(sizes), edges)
    widths = [width for width, _ in sizes]
    chains: list[list[int]] = []  # every edge as the nodes and bends that it goes through
    for source, target in edges:
        chain = [source]
        for between in range(layer[source] + 1, layer[target]):
            chain.append(len(layer))
            layer.append(between)
            widths.append(BEND)
        chains.append([*chain, target])
    steps = [pair for chain in chains for pair in pairwise(chain)]
    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for a, b in steps:
        below[a].append(b)
        above[b].append(a)
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for node, row in enumerate(layer):
        rows[row].append(node)
    _order(rows, above, below)
    x = _columns(rows, widths, above, below)
    heights = [max((sizes[node][1] for node in row if node < len(sizes)), default=0.0) for row in rows]
    tops = [GAP]
    for height in heights:
        tops.append(tops[-1] + height + ROW)
    y = [tops[row] + heights[row] / 2 for row in layer]
    left = min((x[node] - widths[node] / 2 for node in range(len(layer))), default=0.0) - GAP
    x = [place - left for place in x]
    width = max((x[node] + widths[node] / 2 for node in range(len(layer))), default=0.0) + GAP
    routes = []
    for chain in chains:
        source, target = chain[0], chain[-1]
        start = (x[source], y[source] + sizes[source][1] / 2)
        end = (x[target], y[target] - sizes[target][1] / 2)
        routes.append([start, *[(x[bend], y[bend]) for bend in chain[1:-1]], end])
    return Layout([(x[i], y[i]) for i in range(len(sizes))], routes, width, tops[-1] - ROW + GAP)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    layer = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layer[target] = max(layer[target], layer[source] + 1)
    return layer


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    for sweep in range(SWEEPS):
        neighbours, walk = (above, rows[1:]) if sweep % 2 == 0 else (below, rows[-2::-1])
        place = {node: position for row in rows for position, node in enumerate(row)}
        for row in walk:
            row.sort(key=lambda node: _mean([place[n] for n in neighbours[node]], place[node]))
            place.update((node, position) for position, node in enumerate(row))


def _mean(values: list[int] | list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _columns(rows: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]]) -> list[float]:
    x = [0.0] * len(widths)
    for row in rows:
        place = 0.0
        for node in row:
            x[node] = place + widths[node] / 2
            place += widths[node] + GAP
        for node in row:
            x[node] -= (place - GAP) / 2
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_mean([x[n] for n in above[node] + below[node]], x[node]) for node in row]
            forwards, backwards = list(wanted), list(wanted)
            for i in range(1, len(row)):
                forwards[i] = max(wanted[i], forwards[i - 1] + _distance(widths, row[i - 1], row[i]))
            for i in range(len(row) - 2, -1, -1):
                backwards[i] = min(wanted[i], backwards[i + 1] - _distance(widths, row[i], row[i + 1]))
            for i, node in enumerate(row):  # both keep the distances, so their mean does
                x[node] = (forwards[i] + backwards[i]) / 2
    return x


def _distance(widths: list[float], left: int, right: int) -> float:
    return (widths[left] + widths[right]) / 2 + GAP
