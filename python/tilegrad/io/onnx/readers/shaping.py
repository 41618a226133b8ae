"""Shapes, views and constants."""

from __future__ import annotations

import math

import numpy as np

from .... import ops
from ..orders import after_permute, with_axis, without
from ..reader import ANY, SIXTEEN_BITS, NodeToRead, Run, reads
from ..values import Value

ALL = (*ANY, *SIXTEEN_BITS)


@reads("Constant", 1, 25, "value value_float value_floats value_int value_ints", dtypes=ALL)
def _constant(node: NodeToRead) -> Run:
    """What it holds is there before anything runs."""
    return lambda: ()


@reads("ConstantOfShape", 9, 25, "value", steering=(0,))
def _constant_of_shape(node: NodeToRead) -> Run:
    value = node.get("value", np.zeros(1, np.float32))
    if value.size != 1:
        raise node.refuse(f"value must be one number, found {list(value.shape)}")

    def run(shape: Value) -> Value:
        return Value(ops.full(shape.integers(), value.reshape(-1)[0].item(), str(value.dtype), device=shape.device))

    return run


@reads("Range", 11, 27, "stash_type", steering=(0, 1, 2))
def _range(node: NodeToRead) -> Run:
    def run(start: Value, limit: Value, delta: Value) -> Value:
        first, last, step = (value.numbers().item() for value in (start, limit, delta))
        if step == 0:
            raise node.refuse("delta must not be zero")
        count = max(math.ceil((last - first) / step), 0)
        numbers = ops.arange(count, device=start.device).astype(start.dtype)
        return Value(numbers * step + first)

    return run


@reads("Shape", 1, 25, "start end", dtypes=ALL)
def _shape(node: NodeToRead) -> Run:
    start, end = int(node.get("start", 0)), node.get("end")
    return lambda x: Value(host=np.asarray(x.shape[slice(start, end)], np.int64), device=x.device)


@reads("Size", 1, 25, dtypes=ALL)
def _size(node: NodeToRead) -> Run:
    return lambda x: Value(host=np.asarray(math.prod(x.shape), np.int64), device=x.device)


@reads("Reshape", 5, 25, "allowzero", dtypes=ALL, steering=(1,))
def _reshape(node: NodeToRead) -> Run:
    keeps_zeros = bool(node.get("allowzero", 0))

    def run(x: Value, shape: Value) -> Value:
        sizes = shape.integers()
        before = x.shape
        if not keeps_zeros:
            if any(size == 0 and i >= len(before) for i, size in enumerate(sizes)):
                raise node.refuse(f"its shape {sizes} takes an axis over that {list(before)} lacks")
            sizes = [before[i] if size == 0 else size for i, size in enumerate(sizes)]
        # Where all that is larger than 1 lies in its order, the stored tensor has the same elements in a row.
        large = [axis for axis in x.order if before[axis] != 1]
        return Value(ops.reshape(x.stored if large == sorted(large) else x.tensor, sizes))

    return run


@reads("Flatten", 1, 25, "axis", dtypes=ALL)
def _flatten(node: NodeToRead) -> Run:
    axis = int(node.get("axis", 1))

    def run(x: Value) -> Value:
        at = axis if axis >= 0 else axis + x.rank
        shape = (math.prod(x.shape[:at]), math.prod(x.shape[at:]))
        large = [a for a in x.order if x.shape[a] != 1]
        return Value(ops.reshape(x.stored if large == sorted(large) else x.tensor, shape))

    return run


@reads("Transpose", 1, 25, "perm", dtypes=ALL)
def _transpose(node: NodeToRead) -> Run:
    """Nothing moves: only what the axes mean."""
    perm = node.get("perm")

    def run(x: Value) -> Value:
        axes = tuple(perm) if perm is not None else tuple(reversed(range(x.rank)))
        if sorted(axes) != list(range(x.rank)):
            raise node.refuse(f"perm {list(axes)} does not name each of {x.rank} axes once")
        return Value(x.stored, after_permute(x.order, axes))

    return run


def _axes(node: NodeToRead, axes: Value | None) -> list[int] | None:
    found: list[int] | None = node.get("axes") if axes is None else axes.integers()
    return found


@reads("Squeeze", 1, 25, "axes", dtypes=ALL, steering=(1,))
def _squeeze(node: NodeToRead) -> Run:
    def run(x: Value, axes: Value | None = None) -> Value:
        wanted = _axes(node, axes)
        ones = [axis for axis, size in enumerate(x.shape) if size == 1]
        gone = ones if wanted is None else [axis % x.rank for axis in wanted]
        if any(x.shape[axis] != 1 for axis in gone):
            raise node.refuse(f"axes {gone} of {list(x.shape)} are not all of size 1")
        kept = [size for axis, size in zip(x.order, x.stored.shape, strict=True) if axis not in gone]
        return Value(ops.reshape(x.stored, kept), without(x.order, gone))

    return run


@reads("Unsqueeze", 1, 25, "axes", dtypes=ALL, steering=(1,))
def _unsqueeze(node: NodeToRead) -> Run:
    if node.version < 13:
        node.require("axes")

    def run(x: Value, axes: Value | None = None) -> Value:
        wanted = _axes(node, axes) or []
        order, tensor = x.order, x.stored
        for axis in sorted(a % (x.rank + len(wanted)) for a in wanted):
            order, place = with_axis(order, axis)
            tensor = ops.expand_dims(tensor, place)
        return Value(tensor, order)

    return run


@reads("Expand", 8, 13, steering=(1,))
def _expand(node: NodeToRead) -> Run:
    def run(x: Value, shape: Value) -> Value:
        target = np.broadcast_shapes(x.shape, tuple(shape.integers()))
        return Value(ops.broadcast_to(x.tensor, target))

    return run


@reads("Slice", 1, 13, "axes ends starts", steering=(1, 2, 3, 4))
def _slice(node: NodeToRead) -> Run:
    def run(x: Value, *given: Value | None) -> Value:
        parts = [None if value is None else value.integers() for value in given]
        starts, ends, axes, steps = [*parts, None, None, None, None][:4]
        if node.version < 10:
            starts, ends, axes = node.require("starts"), node.require("ends"), node.get("axes")
        assert starts is not None
        assert ends is not None
        key = [slice(None)] * x.rank
        for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
            axis = (axes[i] if axes is not None else i) % x.rank
            step, size = steps[i] if steps is not None else 1, x.shape[axis]
            stop: int | None = end if step > 0 or end >= -size else None  # before the first
            key[x.order.index(axis)] = slice(start, stop, step)
        return x.same_order(x.stored[tuple(key)])

    return run


@reads("Trilu", 14, 14, "upper", steering=(1,))
def _trilu(node: NodeToRead) -> Run:
    triangle = ops.triu if node.get("upper", 1) else ops.tril

    def run(x: Value, k: Value | None = None) -> Value:
        diagonal = 0 if k is None else k.integers()[0]
        if x.dtype in ("float32", "float64"):
            return Value(triangle(x.tensor, diagonal))
        mask = np.ones(x.shape[-2:], bool)
        kept = ops.tensor(np.triu(mask, diagonal) if node.get("upper", 1) else np.tril(mask, diagonal), device=x.device)
        return Value(ops.where(kept, x.tensor, 0))

    return run
