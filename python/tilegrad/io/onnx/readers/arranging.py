"""Putting tensors together and taking them apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import ops
from ..reader import NodeToRead, Run, reads
from ..values import Value, aligned


@reads("Concat", 4, 13, "axis")
def _concat(node: NodeToRead) -> Run:
    axis = int(node.require("axis"))

    def run(*values: Value) -> Value:
        tensors, order = aligned(values)
        return Value(ops.concat(tensors, order.index(axis % len(order))), order)

    return run


@reads("Split", 2, 18, "axis num_outputs split", outputs=1 << 16, steering=(1,))
def _split(node: NodeToRead) -> Run:
    axis = int(node.get("axis", 0))
    count = int(node.get("num_outputs", len(node.outputs)))

    def run(x: Value, split: Value | None = None) -> Any:
        place = x.order.index(axis % x.rank)
        size = x.stored.shape[place]
        sizes = node.get("split") if split is None else split.integers()
        if sizes is None:
            part = -(-size // count)
            sizes = [max(min(part, size - start * part), 0) for start in range(count)]
        if len(sizes) != len(node.outputs) or sum(sizes) != size:
            raise node.refuse(f"cannot cut {size} elements into {list(sizes)} for {len(node.outputs)} outputs")
        return tuple(x.same_order(part) for part in ops.split(x.stored, sizes, place))

    return run


@reads("Pad", 2, 25, "mode pads value", steering=(1, 2, 3))
def _pad(node: NodeToRead) -> Run:
    mode = node.only("mode", "constant", "constant", "edge", "reflect", "wrap")

    def run(x: Value, pads: Value | None = None, value: Value | None = None, axes: Value | None = None) -> Value:
        widths = node.require("pads") if pads is None else pads.integers()
        places = list(range(x.rank)) if axes is None else [axis % x.rank for axis in axes.integers()]
        fill = node.get("value", 0.0) if value is None else value.numbers().item()
        if len(widths) != 2 * len(places):
            raise node.refuse(f"pads must be {2 * len(places)} numbers, found {len(widths)}")
        pairs, key = [(0, 0)] * x.rank, [slice(None)] * x.rank
        for axis, before, behind in zip(places, widths[: len(places)], widths[len(places) :], strict=True):
            at = x.order.index(axis)
            key[at] = slice(max(-before, 0), x.shape[axis] - max(-behind, 0))  # a negative width cuts
            pairs[at] = (max(before, 0), max(behind, 0))
        cut = x.stored[tuple(key)]
        if mode == "wrap":
            for at, (before, behind) in enumerate(pairs):
                size = cut.shape[at]
                index = np.arange(-before, size + behind) % size
                cut = ops.take(cut, ops.tensor(index, device=x.device), at) if before or behind else cut
            return x.same_order(cut)
        return x.same_order(ops.pad(cut, pairs, mode, fill if mode == "constant" else 0))

    return run


@reads("Tile", 6, 13, steering=(1,))
def _tile(node: NodeToRead) -> Run:
    return lambda x, repeats: Value(ops.tile(x.tensor, tuple(repeats.integers())))


@reads("DepthToSpace", 1, 28, "blocksize mode")
def _depth_to_space(node: NodeToRead) -> Run:
    block, mode = int(node.require("blocksize")), node.only("mode", "DCR", "DCR", "CRD")

    def run(x: Value) -> Value:
        N, C, H, W = x.shape
        depth = C // (block * block)
        if mode == "DCR":
            parts = ops.permute(ops.reshape(x.tensor, (N, block, block, depth, H, W)), (0, 3, 4, 1, 5, 2))
        else:
            parts = ops.permute(ops.reshape(x.tensor, (N, depth, block, block, H, W)), (0, 1, 4, 2, 5, 3))
        return Value(ops.reshape(parts, (N, depth, H * block, W * block)))

    return run


@reads("SpaceToDepth", 1, 28, "blocksize mode")
def _space_to_depth(node: NodeToRead) -> Run:
    block, mode = int(node.require("blocksize")), node.only("mode", "DCR", "DCR", "CRD")
    axes = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)

    def run(x: Value) -> Value:
        N, C, H, W = x.shape
        parts = ops.reshape(x.tensor, (N, C, H // block, block, W // block, block))
        parts = ops.permute(parts, axes)
        return Value(ops.reshape(parts, (N, C * block * block, H // block, W // block)))

    return run
