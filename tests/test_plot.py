"""Pictures of models: what the graph holds, where nodes stand, and files that others can read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.nn.graph import trace
from tilegrad.nn.layout import arrange

from .test_networks import MultiTask, Residual, Siamese, TwoInputs

SVG = "{http://www.w3.org/2000/svg}"


def read(path: Path) -> tuple[dict[str, list[str]], set[tuple[str, str]]]:
    """The texts of each node, and the edges, by the nodes' first lines."""
    root = ElementTree.parse(path).getroot()
    nodes = {
        group.attrib["id"]: [text.text or "" for text in group.findall(f"{SVG}text")]
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "node"
    }
    edges = {
        (nodes[edge.attrib["data-from"]][0], nodes[edge.attrib["data-to"]][0])
        for edge in root.iter(f"{SVG}path")
        if edge.get("class") == "edge"
    }
    return nodes, edges


def test_a_residual_network(tmp_path: Path) -> None:
    nn.plot_model(Residual(), (6, 5, 2), tmp_path / "m.svg")
    nodes, edges = read(tmp_path / "m.svg")
    assert ["blocks.0.first", "Conv2d", "(N, 6, 5, 4)"] in nodes.values()
    assert ["head", "Linear", "(N, 3)"] in nodes.values()
    assert {
        ("input", "blocks.0.first"), ("input", "blocks.0.fit"), ("blocks.0.first", "blocks.0.norm"),
        ("blocks.0.norm", "relu"), ("relu", "blocks.0.second"), ("blocks.0.second", "add"), ("blocks.0.fit", "add"),
        ("add", "relu"), ("relu", "blocks.1.first"), ("relu", "add"), ("relu", "mean"), ("mean", "head"),
        ("head", "output"),
    } <= edges  # fmt: skip


def test_a_network_with_two_inputs(tmp_path: Path) -> None:
    model = TwoInputs()
    nn.plot_model(model, [(5, 5, 2), (4,)], tmp_path / "m.svg")
    nodes, edges = read(tmp_path / "m.svg")
    assert edges == {
        ("input 0", "image.0"), ("image.0", "image.1"), ("image.1", "concat"), ("input 1", "numbers"),
        ("numbers", "relu"), ("relu", "concat"), ("concat", "out"), ("out", "output"),
    }  # fmt: skip
    assert ["out", "Linear", "(N, 1)"] in nodes.values()
    assert model.training


def test_depth_and_shared_layers(tmp_path: Path) -> None:
    graph = trace(Residual(), [(6, 5, 2)], depth=2)
    assert [node.label for node in graph.nodes] == ["input", "blocks.0", "blocks.1", "mean", "head", "output"]
    assert graph.edges == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    nn.plot_model(Siamese(), [(5,), (5,)], tmp_path / "m.svg", depth=1)
    nodes, edges = read(tmp_path / "m.svg")
    assert sorted(n[1] for n in nodes.values() if n[0] == "tower") == ["Sequential", "Sequential (shared)"]
    assert ("tower", "subtract") in edges


def test_several_outputs() -> None:
    graph = trace(MultiTask(), [5])
    ends = [(graph.nodes[a].label, graph.nodes[b].label) for a, b in graph.edges if graph.nodes[b].kind == "output"]
    assert ends == [("heads.kind", "output 0"), ("heads.size", "output 1")]


def test_nodes_do_not_overlap_and_edges_go_down() -> None:
    graph = trace(Residual(), [(6, 5, 2)])
    sizes = [(100.0 + 10 * (i % 3), 40.0) for i in range(len(graph.nodes))]
    layout = arrange(sizes, graph.edges)
    boxes = [(x - w / 2, x + w / 2, y - h / 2, y + h / 2) for (x, y), (w, h) in zip(layout.centres, sizes, strict=True)]
    for i, a in enumerate(boxes):
        assert a[0] >= 0
        assert a[2] >= 0
        assert a[1] <= layout.width
        assert a[3] <= layout.height
        for b in boxes[:i]:
            assert a[0] > b[1] or b[0] > a[1] or a[2] > b[3] or b[2] > a[3]
    for route in layout.routes:
        assert all(above[1] < below[1] for above, below in pairwise(route))
    assert arrange([], []).routes == []


def test_png_and_other_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    nn.plot_model(Residual(), (6, 5, 2), tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(tg.ArgumentError, match=r"plot_model: the file must end in \.svg or \.png, found '.*m\.jpg'"):
        nn.plot_model(Residual(), (6, 5, 2), tmp_path / "m.jpg")
